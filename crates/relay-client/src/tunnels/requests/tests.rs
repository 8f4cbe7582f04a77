use std::net::SocketAddr;

use securecall_relay::HopProof;
use zeroize::Zeroizing;

use super::*;

fn hop(address: &str, name: &str) -> Hop {
    Hop {
        address: address.parse().unwrap(),
        name: name.to_owned(),
        proof: HopProof::Spki([0; 32]),
        authorization: Some(Zeroizing::new("Bearer secret-of-the-lab".to_owned())),
    }
}

fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(*name, HeaderValue::from_static(value));
    }
    map
}

#[test]
fn an_entry_is_asked_for_a_flow_to_the_exit() {
    let exit: SocketAddr = "[2001:db8::7]:4433".parse().unwrap();
    let request = connect_udp(
        &hop("192.0.2.1:443", "entry.example"),
        Target::Address(exit),
    )
    .unwrap();
    assert_eq!(request.method(), Method::CONNECT);
    assert_eq!(request.uri().authority().unwrap(), "entry.example");
    assert_eq!(
        request.uri().path(),
        "/.well-known/masque/udp/2001%3Adb8%3A%3A7/4433/"
    );
    assert_eq!(request.headers()["capsule-protocol"], "?1");
    assert_eq!(
        request.headers()["authorization"],
        "Bearer secret-of-the-lab"
    );
    assert!(!request.headers().contains_key("connect-udp-bind"));
    let protocol = request.extensions().get::<Protocol>();
    assert_eq!(protocol, Some(&Protocol::CONNECT_UDP));
}

#[test]
fn an_exit_is_asked_for_a_bound_flow_by_its_name_and_port() {
    let exit = connect_udp(&hop("192.0.2.1:4433", "exit.example"), Target::Any).unwrap();
    assert_eq!(exit.uri().authority().unwrap(), "exit.example:4433");
    assert_eq!(exit.uri().path(), "/.well-known/masque/udp/%2A/%2A/");
    assert_eq!(exit.headers()["connect-udp-bind"], "?1");
    let v6 = connect_udp(&hop("[2001:db8::7]:443", "2001:db8::7"), Target::Any).unwrap();
    assert_eq!(v6.uri().authority().unwrap(), "[2001:db8::7]");
}

#[test]
fn a_token_shows_in_no_log() {
    let request = connect_udp(&hop("192.0.2.1:443", "exit.example"), Target::Any).unwrap();
    assert!(!format!("{request:?}").contains("secret-of-the-lab"));
}

#[test]
fn a_token_with_a_line_break_makes_no_request() {
    let mut hop = hop("192.0.2.1:443", "exit.example");
    hop.authorization = Some(Zeroizing::new("Bearer a\r\nhost: b".to_owned()));
    assert!(connect_udp(&hop, Target::Any).is_none());
}

#[test]
fn each_status_has_its_meaning() {
    let meant = |status| accepted(StatusCode::from_u16(status).unwrap());
    assert_eq!(meant(200), Ok(()));
    assert_eq!(meant(204), Ok(()));
    assert_eq!(meant(401), Err(TunnelFailureKind::Unauthorized));
    assert_eq!(meant(407), Err(TunnelFailureKind::Unauthorized));
    assert_eq!(meant(429), Err(TunnelFailureKind::Busy));
    assert_eq!(meant(503), Err(TunnelFailureKind::Busy));
    for status in [100, 300, 400, 403, 404, 500] {
        assert_eq!(meant(status), Err(TunnelFailureKind::Refused(status)));
    }
}

#[test]
fn what_an_exit_has_bound_is_read_from_its_answer() {
    let both = fields(&[
        ("connect-udp-bind", "?1"),
        ("proxy-public-address", "\"198.51.100.1:4711\""),
        ("proxy-public-address", "\"[2001:db8::1]:4711\""),
    ]);
    let public = [
        "198.51.100.1:4711".parse().unwrap(),
        "[2001:db8::1]:4711".parse().unwrap(),
    ];
    assert_eq!(public_addresses(&both, false).unwrap(), public);
}

#[test]
fn an_answer_without_a_bound_address_of_the_internet_is_refused() {
    let bind = ("connect-udp-bind", "?1");
    for answer in [
        fields(&[]),
        fields(&[bind]),
        fields(&[("proxy-public-address", "\"198.51.100.1:4711\"")]),
        fields(&[
            ("connect-udp-bind", "?0"),
            ("proxy-public-address", "\"198.51.100.1:4711\""),
        ]),
        fields(&[bind, ("proxy-public-address", "")]),
        fields(&[bind, ("proxy-public-address", "198.51.100.1:4711")]),
        fields(&[bind, ("proxy-public-address", "\"exit.example:4711\"")]),
        fields(&[bind, ("proxy-public-address", "\"10.0.0.1:4711\"")]),
        fields(&[
            bind,
            (
                "proxy-public-address",
                "\"198.51.100.1:4711\", \"[::1]:4711\"",
            ),
        ]),
    ] {
        let refused = public_addresses(&answer, false);
        assert_eq!(refused, Err(TunnelFailureKind::Protocol), "{answer:?}");
    }
}

#[test]
fn a_laboratory_has_addresses_of_its_own() {
    let answer = fields(&[
        ("connect-udp-bind", "?1"),
        ("proxy-public-address", "\"127.0.0.1:4711\""),
    ]);
    let public = ["127.0.0.1:4711".parse().unwrap()];
    assert_eq!(public_addresses(&answer, true).unwrap(), public);
}
