//! coturn, with our settings.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use securecall_interop::free_port;

use super::process::{Place, Running};

/// Debian's package brings the tables of its users' database.
const SCHEMA: &str = "/usr/share/coturn/schema.sql";

/// A certificate of its own, at the names that the settings have.
pub(super) fn certificates(place: &Place, names: &[&str]) {
    let names = names
        .iter()
        .map(|name| (*name).to_owned())
        .collect::<Vec<_>>();
    let pair = rcgen::generate_simple_self_signed(names).unwrap();
    let folder = place.path("certificates");
    fs::create_dir_all(&folder).unwrap();
    let certificate = pem("CERTIFICATE", pair.cert.der());
    let key = pem("PRIVATE KEY", &pair.signing_key.serialize_der());
    for (name, text) in [
        ("turn.crt", &certificate),
        ("fullchain.pem", &certificate),
        ("turn.key", &key),
        ("privkey.pem", &key),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n",
        lines.join("\n")
    )
}

#[test]
fn coturn_understands_our_settings_and_writes_no_line_about_who_comes() {
    let place = Place::new(&[]);
    certificates(&place, &["turn.place.test"]);
    assert!(
        std::path::Path::new(SCHEMA).exists(),
        "`cargo xtask setup` installs coturn"
    );
    let (port, tls_port) = (free_port().unwrap(), free_port().unwrap());
    let text = place
        .read("coturn/turnserver.conf")
        .replace(
            "listening-port=3478",
            &format!("listening-port={port}\nlistening-ip=127.0.0.1"),
        )
        .replace(
            "tls-listening-port=5349",
            &format!("tls-listening-port={tls_port}"),
        );
    // Its users' database is nobody's here: not each machine lets tests read it.
    let database = place.path("turndb");
    let made = std::process::Command::new("python3")
        .args(["-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())"])
        .arg(&database)
        .arg(SCHEMA)
        .status()
        .unwrap();
    assert!(made.success());
    let settings = place.path("coturn/test.conf");
    fs::write(
        &settings,
        format!("{text}\nuserdb={}\n", database.display()),
    )
    .unwrap();
    let settings = settings.display().to_string();
    let logs_before = logs_beside_null();
    let coturn = Running::start(
        &place.path("state"),
        "coturn",
        &["turnserver", "-c", &settings, "--pidfile="],
    );
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    coturn.wait_until(|| {
        let request = *b"\x00\x01\x00\x00\x21\x12\xa4\x42ours is here";
        socket.send_to(&request, ("127.0.0.1", port)).is_ok() && socket.recv(&mut [0; 512]).is_ok()
    });
    // An allocation that is refused, with a user name that a log would have.
    let mut request = b"\x00\x03\x00\x00\x21\x12\xa4\x42other is it!".to_vec();
    request.extend(b"\x00\x19\x00\x04\x11\x00\x00\x00\x00\x06\x00\x08sc_alice");
    request[3] = 20;
    socket.send_to(&request, ("127.0.0.1", port)).unwrap();
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).unwrap();
    assert_eq!(&answer[..2], b"\x01\x13", "{:?}", &answer[..length]);
    let said = coturn.said();
    assert!(
        !said.contains("Bad configuration") && !said.contains("sc_alice"),
        "{said}"
    );
    assert!(!said.to_lowercase().contains("unknown"), "{said}");
    // It puts a date behind the name of a log unless it is told not to.
    assert!(!said.contains("Cannot open log file"), "{said}");
    assert_eq!(logs_beside_null(), logs_before);
}

/// What coturn makes of `/dev/null` if it may write there.
fn logs_beside_null() -> BTreeSet<OsString> {
    let names = fs::read_dir("/dev").unwrap();
    names
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with("null_"))
        .collect()
}
