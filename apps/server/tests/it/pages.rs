//! What is served to everybody: the page, `.well-known`, the relay directory, and nothing else.

use securecall_contact::enrolment::ServerDocument;

use crate::client::{get, post, say};
use crate::process::{DOMAIN, Lab, command, obliging};

#[test]
fn a_name_says_where_its_servers_are() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let client = get(server.address(), "/.well-known/matrix/client");
    assert_eq!(
        client.json()["m.homeserver"]["base_url"],
        format!("https://matrix.{DOMAIN}")
    );
    assert_eq!(client.header("access-control-allow-origin"), Some("*"));
    assert_eq!(client.header("content-type"), Some("application/json"));
    let others = get(server.address(), "/.well-known/matrix/server");
    assert_eq!(others.json()["m.server"], format!("matrix.{DOMAIN}:443"));
    let ours = get(server.address(), "/.well-known/securecall/server.json");
    let document = ServerDocument::from_json(&ours.body).unwrap();
    assert_eq!(
        document,
        ServerDocument {
            enrolment: Some("/_securecall/v1/enrolment".to_owned()),
            ..ServerDocument::default()
        }
    );
}

#[test]
fn the_page_is_the_same_for_each_contact_and_brings_its_headers() {
    let homeserver = obliging();
    let lab = Lab::new(homeserver.address(), "[page]\nfile = \"add.html\"\n");
    std::fs::write(lab.path("add.html"), "<!doctype html><title>page</title>").unwrap();
    let server = lab.start();
    for path in [
        "/add/",
        "/add/dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab",
    ] {
        let page = get(server.address(), path);
        assert_eq!(page.status, 200);
        assert_eq!(page.text(), "<!doctype html><title>page</title>");
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(page.header(name), Some(value), "{name}");
        }
    }
    let moved = get(server.address(), "/add");
    assert_eq!(
        (moved.status, moved.header("location")),
        (308, Some("/add/"))
    );
}

#[test]
fn what_is_not_set_is_not_there() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    for path in [
        "/",
        "/add/",
        "/relays.json",
        "/.well-known/private-token-issuer-directory",
        "/metrics",
        "/_matrix/client/versions",
        "/_synapse/admin/v1/register",
    ] {
        assert_eq!(get(server.address(), path).status, 404, "{path}");
    }
    for path in ["/token-request", "/_securecall/v1/turn"] {
        assert_eq!(post(server.address(), path, "", b"").status, 404, "{path}");
    }
    assert_eq!(
        get(server.address(), "/_securecall/v1/enrolment").status,
        405
    );
}

#[test]
fn the_relay_directory_is_served_as_long_as_clients_would_take_it() {
    let homeserver = obliging();
    let lab = Lab::new(homeserver.address(), "");
    let signed = signed_directory(1);
    std::fs::write(lab.path("relays.json"), &signed.file).unwrap();
    let settings = std::fs::read_to_string(lab.settings()).unwrap();
    std::fs::write(
        lab.settings(),
        format!(
            "{settings}[directory]\nfile = \"relays.json\"\nkeys = [\"{}\"]\n",
            signed.key
        ),
    )
    .unwrap();
    let server = lab.start();
    let served = get(server.address(), "/relays.json");
    assert_eq!((served.status, &served.body), (200, &signed.file));
    // Somebody else's: the one before it is served on.
    std::fs::write(server.lab.path("relays.json"), signed_by(9, 2)).unwrap();
    assert_eq!(get(server.address(), "/relays.json").body, signed.file);
    // The next of the same key.
    let next = signed_by(1, 2);
    std::fs::write(server.lab.path("relays.json"), &next).unwrap();
    assert_eq!(get(server.address(), "/relays.json").body, next);
    // One that is older than that.
    std::fs::write(server.lab.path("relays.json"), &signed.file).unwrap();
    assert_eq!(get(server.address(), "/relays.json").body, next);
}

struct Signed {
    file: Vec<u8>,
    key: String,
}

fn signed_directory(seed: u8) -> Signed {
    Signed {
        file: signed_by(seed, 1),
        key: signing_key(seed).public().to_string(),
    }
}

fn signing_key(seed: u8) -> securecall_ghostnet::directory::DirectorySigningKey {
    let secret = data_encoding::BASE64.encode(&[seed; 32]);
    securecall_ghostnet::directory::DirectorySigningKey::from_base64(&secret).unwrap()
}

fn signed_by(seed: u8, serial: u64) -> Vec<u8> {
    use securecall_ghostnet::directory::{Directory, Reach};

    let payload = format!(
        r#"{{"version":1,"serial":{serial},"not_before":0,"not_after":4000000000,"issuers":[],"relays":[]}}"#
    );
    Directory::sign(payload.as_bytes(), &signing_key(seed), Reach::Internet).unwrap()
}

#[test]
fn what_is_no_request_costs_nothing() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let long = format!(
        "GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "a".repeat(3_000)
    );
    assert_eq!(say(server.address(), long.as_bytes()).status, 414);
    let head = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "a".repeat(40_000)
    );
    assert_eq!(say(server.address(), head.as_bytes()).status, 431);
    assert_eq!(
        say(server.address(), b"\x16\x03\x01\x00\x01\r\n\r\n").status,
        400
    );
    let body = post(
        server.address(),
        "/_securecall/v1/enrolment",
        "",
        &[b'a'; 100_000],
    );
    assert_eq!(body.status, 413);
    assert_eq!(get(server.address(), "/health").status, 200);
}

#[test]
fn openapi_is_printed_without_any_settings() {
    let output = command().arg("openapi").output().unwrap();
    assert!(output.status.success());
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}
