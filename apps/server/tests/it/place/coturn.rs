//! coturn, with our settings.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use securecall_interop::CoturnPorts;

use super::process::Place;

#[test]
fn coturn_understands_our_settings_and_writes_no_line_about_who_comes() {
    let place = Place::new(&[]);
    place.certify(&["turn.place.test"]).unwrap();
    let logs_before = logs_beside_null();
    let ports = CoturnPorts::free().unwrap();
    let coturn = place.start_coturn(ports).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    // An allocation that is refused, with a user name that a log would have.
    let mut request = b"\x00\x03\x00\x00\x21\x12\xa4\x42other is it!".to_vec();
    request.extend(b"\x00\x19\x00\x04\x11\x00\x00\x00\x00\x06\x00\x08sc_alice");
    request[3] = 20;
    socket.send_to(&request, ports.address()).unwrap();
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
