//! Servers that refuse, lie, or fall silent: each is named, and none does harm.

use std::time::Duration;

use securecall_relay::stun::{
    AttributeType, Class, IntegrityAlgorithm, IntegrityKey, Message, MessageBuilder, Method,
    TransactionId,
};
use securecall_relay::{CandidateSource as _, Datagram, TurnFailure, TurnSource};

use crate::network::{DELAY, MS, Network, address, ids, start};
use crate::scripted_server::{
    LISTEN, PEER, SOCKET, Scripted, challenge, credentials, failures, grant, key, network, refusal,
    server_at,
};

#[test]
fn each_refusal_is_named_and_comes_at_once() {
    for (code, failure) in [
        (401, TurnFailure::WrongCredentials),
        (403, TurnFailure::Forbidden),
        (441, TurnFailure::WrongCredentials),
        (442, TurnFailure::Transport),
        (486, TurnFailure::QuotaReached),
        (508, TurnFailure::NoCapacity),
        (400, TurnFailure::Refused(400)),
        (500, TurnFailure::Refused(500)),
    ] {
        let mut network = network(Scripted::new(LISTEN, move |request| {
            Some(refusal(request, code).integrity(&key()).finish())
        }));
        network.run_for(100 * MS);
        assert_eq!(failures(&network), [failure], "{code}");
        assert_eq!(network.answered, [start() + 4 * DELAY], "{code}");
        assert_eq!(network.addresses(), [], "{code}");
    }
}

#[test]
fn a_name_that_is_not_taken_any_more_is_noticed_whatever_is_asked_for_and_another_is_used() {
    let mut network = network(Scripted::keeping_none(LISTEN));
    network.run_for(4 * DELAY);
    assert_eq!(network.candidates.len(), 1);
    network.drive(|source, now| source.allow_peer(now, address(PEER)));
    // Not only when the address is due to be kept, in minutes; but not before the server has had time to say something else.
    network.run_for(4 * DELAY + 500 * MS);
    assert_eq!(failures(&network), [TurnFailure::WrongCredentials]);
    assert_eq!(network.lost.len(), 1);
    network.run_for(4 * DELAY);
    assert_eq!(network.candidates.len(), 2, "it is asked for another");
}

/// Which hosts the server was asked to let through, in order.
fn asked_for(network: &Network<TurnSource>) -> Vec<std::net::IpAddr> {
    let asked = network.sent.iter().filter_map(|sent| {
        let message = Message::parse(&sent.contents).ok()?;
        let is_it = message.method() == Method::CreatePermission;
        let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS);
        peer.filter(|_| is_it).map(|peer| peer.ip())
    });
    asked.collect()
}

#[test]
fn of_more_than_64_hosts_the_least_recently_used_is_no_longer_let_through() {
    let mut network = network(Scripted::granting(LISTEN));
    network.run_for(4 * DELAY);
    let own = network.addresses()[0];
    let host = |number: u8| address(&format!("203.0.113.{number}:7000"));
    let name = |network: &mut Network<TurnSource>, numbers: std::ops::Range<u8>| {
        for number in numbers {
            network.drive(|source, now| source.allow_peer(now, host(number)));
        }
        network.run_for(4 * DELAY);
    };
    name(&mut network, 0..64);
    assert_eq!(asked_for(&network).len(), 64);
    // All of them are in use still.
    name(&mut network, 64..70);
    assert_eq!(asked_for(&network).len(), 64);
    for _ in 0..60 {
        network.send(own, &host(0).to_string(), b"the call goes there");
        network.run_for(200 * MS);
    }
    name(&mut network, 70..133);
    assert_eq!(asked_for(&network).len(), 64 + 63);
    let permits =
        |network: &Network<TurnSource>, number| network.source.permits(own, host(number).ip());
    assert_eq!(permits(&network, 0), Some(true));
    assert_eq!(
        (permits(&network, 1), permits(&network, 132)),
        (None, Some(true))
    );
    // What the others send is dropped, and the host of the call is renewed, they are not.
    let before = asked_for(&network).len();
    network.run_for(Duration::from_secs(250));
    let renewed = asked_for(&network)[before..].to_vec();
    assert!(renewed.contains(&host(0).ip()) && !renewed.contains(&host(1).ip()));
    // One who comes back is asked for anew.
    network.send(own, &host(1).to_string(), b"and back");
    network.run_for(4 * DELAY);
    assert_eq!(permits(&network, 1), Some(true));
}

#[test]
fn a_silent_server_is_given_up_after_six_seconds() {
    let source = TurnSource::new([server_at(LISTEN)], ids(2));
    let mut network = Network::new(source);
    network.gather(&[SOCKET]);
    network.run_for(Duration::from_secs(5));
    assert!(network.answered.is_empty());
    network.run_for(Duration::from_secs(1));
    assert_eq!(failures(&network), [TurnFailure::NoAnswer]);
    assert_eq!(network.answered.len(), 1);
    assert_eq!(network.sent.len(), 5, "as often as it is repeated");
}

#[test]
fn a_grant_of_somebody_without_the_password_is_not_taken() {
    let forged = IntegrityKey::long_term(IntegrityAlgorithm::Md5, "ada", "example.org", "guess");
    for with_code in [false, true] {
        let forged = forged.clone();
        let mut network = network(Scripted::new(LISTEN, move |request| {
            let granted = grant(request);
            Some(if with_code {
                granted.integrity(&forged).finish()
            } else {
                granted.finish()
            })
        }));
        network.run_for(Duration::from_secs(7));
        assert_eq!(network.addresses(), []);
        assert_eq!(failures(&network), [TurnFailure::NoAnswer]);
    }
}

#[test]
fn addresses_to_which_no_packet_can_come_are_not_taken() {
    for named in [
        "0.0.0.0:5",
        "224.0.0.1:5",
        "255.255.255.255:5",
        "192.0.2.1:0",
    ] {
        let mut network = network(Scripted::new(LISTEN, move |request| {
            let granted =
                MessageBuilder::new(Class::Success, Method::Allocate, request.transaction())
                    .xor_address(AttributeType::XOR_RELAYED_ADDRESS, address(named))
                    .number(AttributeType::LIFETIME, 600);
            Some(granted.integrity(&key()).finish())
        }));
        network.run_for(200 * MS);
        assert_eq!(network.addresses(), [], "{named}");
        assert!(matches!(failures(&network)[..], [TurnFailure::Nonsense(_)]));
    }
}

#[test]
fn a_server_that_grants_no_time_does_not_keep_us_busy() {
    for lifetime in [None, Some(0), Some(1), Some(59)] {
        let mut network = network(Scripted::new(LISTEN, move |request| {
            let granted =
                MessageBuilder::new(Class::Success, Method::Allocate, request.transaction())
                    .xor_address(AttributeType::XOR_RELAYED_ADDRESS, address("192.0.2.1:5"));
            let granted = match lifetime {
                Some(seconds) => granted.number(AttributeType::LIFETIME, seconds),
                None => granted,
            };
            Some(granted.integrity(&key()).finish())
        }));
        network.run_for(Duration::from_secs(3600));
        assert!(network.sent.len() <= 3, "{lifetime:?}");
        assert!(matches!(failures(&network)[..], [TurnFailure::Nonsense(_)]));
    }
    // Centuries, on the other hand, are not believed: the address is asked for every five minutes.
    let mut network = network(Scripted::new(LISTEN, |request| {
        let granted = MessageBuilder::new(Class::Success, request.method(), request.transaction())
            .xor_address(AttributeType::XOR_RELAYED_ADDRESS, address("192.0.2.1:5"))
            .number(AttributeType::LIFETIME, u32::MAX);
        Some(granted.integrity(&key()).finish())
    }));
    network.run_for(Duration::from_secs(3600));
    assert!((10..20).contains(&network.sent.len()));
}

#[test]
fn a_nonce_that_is_always_stale_ends_in_a_reason() {
    let mut network = network(Scripted::new(LISTEN, |request| {
        Some(challenge(request, 438))
    }));
    network.run_for(Duration::from_secs(60));
    assert!(matches!(failures(&network)[..], [TurnFailure::Nonsense(_)]));
    assert!(network.sent.len() <= 5);
}

#[test]
fn a_challenge_without_realm_or_nonce_ends_in_a_reason() {
    for missing in [AttributeType::REALM, AttributeType::NONCE] {
        let source = TurnSource::new([server_at(LISTEN)], ids(2));
        let mut network = Network::new(source);
        network.gather(&[SOCKET]);
        let id = TransactionId(network.sent[0].contents[8..20].try_into().unwrap());
        let mut refused = MessageBuilder::new(Class::Error, Method::Allocate, id)
            .attribute(AttributeType::ERROR_CODE, &[0, 0, 4, 1]);
        for (kind, value) in [
            (AttributeType::REALM, b"example.org".as_slice()),
            (AttributeType::NONCE, b"a nonce"),
        ] {
            if kind != missing {
                refused = refused.attribute(kind, value);
            }
        }
        network.inject(address(LISTEN), address(SOCKET), &refused.finish());
        network.run_for(100 * MS);
        assert!(matches!(failures(&network)[..], [TurnFailure::Nonsense(_)]));
    }
}

#[test]
fn answers_to_what_was_not_asked_and_from_elsewhere_are_not_for_the_source() {
    let source = TurnSource::new([server_at(LISTEN)], ids(2));
    let mut network = Network::new(source);
    network.gather(&[SOCKET]);
    let asked = TransactionId(network.sent[0].contents[8..20].try_into().unwrap());
    let of_other_id = MessageBuilder::new(Class::Error, Method::Allocate, TransactionId([1; 12]))
        .attribute(AttributeType::ERROR_CODE, &[0, 0, 5, 8])
        .finish();
    let of_other_method = MessageBuilder::new(Class::Error, Method::Refresh, asked)
        .attribute(AttributeType::ERROR_CODE, &[0, 0, 5, 8])
        .finish();
    let right = MessageBuilder::new(Class::Error, Method::Allocate, asked)
        .attribute(AttributeType::ERROR_CODE, &[0, 0, 5, 8])
        .finish();
    network.inject(address(LISTEN), address(SOCKET), &of_other_id);
    network.inject(address(LISTEN), address(SOCKET), &of_other_method);
    network.inject(address("198.51.100.66:3478"), address(SOCKET), &right);
    network.run_for(100 * MS);
    assert_eq!(failures(&network), []);
    assert_eq!(
        network.for_the_transport(SOCKET),
        3,
        "others may have asked this server"
    );
    network.inject(address(LISTEN), address(SOCKET), &right);
    network.run_for(100 * MS);
    assert_eq!(failures(&network), [TurnFailure::NoCapacity]);
}

#[test]
fn a_server_may_send_us_on_but_not_into_our_own_network_and_not_for_ever() {
    let to = |text: &'static str| {
        Scripted::new(LISTEN, move |request| {
            let [a, b, c, d] = address(text)
                .ip()
                .to_string()
                .split('.')
                .map(|part| part.parse::<u8>().unwrap())
                .collect::<Vec<_>>()[..]
            else {
                panic!("an IPv4 address")
            };
            let [high, low] = address(text).port().to_be_bytes();
            let value = [0, 1, high, low, a, b, c, d];
            let refused = refusal(request, 300).attribute(AttributeType::ALTERNATE_SERVER, &value);
            Some(refused.integrity(&key()).finish())
        })
    };
    let granting = Scripted::granting("198.51.100.9:3478");
    let source = TurnSource::new([server_at(LISTEN)], ids(2));
    let mut network = Network::new(source)
        .with_server("first", to("198.51.100.9:3478"))
        .with_server("second", granting);
    network.gather(&[SOCKET]);
    network.run_for(500 * MS);
    assert_eq!(network.addresses(), [address("198.51.100.8:50000")]);
    assert_eq!(network.answered.len(), 1);

    for inside in ["192.168.1.1:3478", "127.0.0.1:3478", "169.254.169.254:80"] {
        let mut network = self::network(to(inside));
        network.run_for(Duration::from_secs(10));
        assert!(
            network
                .sent
                .iter()
                .all(|sent| sent.destination == address(LISTEN)),
            "{inside}"
        );
        assert_eq!(network.answered.len(), 1, "{inside}");
    }

    // Two that send us to each other.
    let mut source = server_at(LISTEN);
    source.credentials = credentials("ada", "secret");
    let back = {
        let mut back = to(LISTEN);
        back.listen = address("198.51.100.9:3478");
        back
    };
    let mut network = Network::new(TurnSource::new([source], ids(2)))
        .with_server("first", to("198.51.100.9:3478"))
        .with_server("second", back);
    network.gather(&[SOCKET]);
    network.run_for(Duration::from_secs(60));
    assert!(network.sent.len() <= 10, "{}", network.sent.len());
    assert_eq!(network.answered.len(), 1);
}

#[test]
fn packets_that_the_server_says_are_of_a_host_that_was_not_let_through_are_dropped() {
    let mut network = network(Scripted::granting(LISTEN));
    network.drive(|source, now| source.allow_peer(now, address(PEER)));
    network.run_for(500 * MS);
    let data = |peer: &str| {
        MessageBuilder::new(Class::Indication, Method::Data, TransactionId([3; 12]))
            .xor_address(AttributeType::XOR_PEER_ADDRESS, address(peer))
            .attribute(AttributeType::DATA, b"hello")
            .finish()
    };
    let (server, socket) = (address(LISTEN), address(SOCKET));
    network.inject(server, socket, &data("203.0.113.66:7000"));
    network.inject(server, socket, b"\x40\x00\x00\x05hello");
    network.inject(server, socket, &data(PEER));
    network.run_for(100 * MS);
    let expected = Datagram {
        source: address(PEER),
        destination: address("198.51.100.8:50000"),
        contents: b"hello".to_vec(),
    };
    assert_eq!(network.packets, [expected]);
}

#[test]
fn a_host_that_the_server_refuses_is_not_asked_for_again_with_every_packet() {
    let mut network = network(Scripted::new(LISTEN, |request| {
        Some(if request.method() == Method::CreatePermission {
            refusal(request, 403).integrity(&key()).finish()
        } else {
            grant(request).integrity(&key()).finish()
        })
    }));
    network.run_for(500 * MS);
    let own = network.addresses()[0];
    let before = network.sent.len();
    for _ in 0..50 {
        network.send(own, PEER, b"packet");
        network.run_for(20 * MS);
    }
    let requests = begin_with(&network.sent[before..], CREATE_PERMISSION);
    let packets = begin_with(&network.sent[before..], SEND);
    // Those that were on their way before the refusal came, 40 ms later.
    assert_eq!((requests, packets), (1, 2));
    assert_eq!(network.lost, []);
}

/// How messages begin.
const CREATE_PERMISSION: [u8; 2] = [0x00, 0x08];
const SEND: [u8; 2] = [0x00, 0x16];

fn begin_with(sent: &[Datagram], first: [u8; 2]) -> usize {
    let begins = |datagram: &&Datagram| datagram.contents.starts_with(&first);
    sent.iter().filter(begins).count()
}

#[test]
fn a_peer_that_names_a_thousand_hosts_is_let_through_from_64() {
    let mut network = network(Scripted::granting(LISTEN));
    network.run_for(500 * MS);
    let own = network.addresses()[0];
    let before = network.sent.len();
    for host in 0..1000_u32 {
        let peer = format!("203.0.{}.{}:7000", 100 + host / 250, 1 + host % 250);
        network.drive(|source, now| source.allow_peer(now, address(&peer)));
        network.send(own, &peer, b"packet");
    }
    for first in [CREATE_PERMISSION, SEND] {
        assert_eq!(begin_with(&network.sent[before..], first), 64);
    }
    assert_eq!(network.sent.len(), before + 128);
}

#[test]
fn a_refused_refresh_loses_the_address_and_asks_for_another() {
    let mut allocations = 0;
    let mut network = network(Scripted::new(LISTEN, move |request| {
        Some(match request.method() {
            Method::Refresh => refusal(request, 437).integrity(&key()).finish(),
            Method::Allocate => {
                allocations += 1;
                let relayed = address(&format!("198.51.100.8:{}", 50_000 + allocations));
                MessageBuilder::new(Class::Success, Method::Allocate, request.transaction())
                    .xor_address(AttributeType::XOR_RELAYED_ADDRESS, relayed)
                    .number(AttributeType::LIFETIME, 600)
                    .integrity(&key())
                    .finish()
            }
            _ => grant(request).integrity(&key()).finish(),
        })
    }));
    network.run_for(Duration::from_secs(301));
    assert_eq!(network.lost.len(), 1);
    assert_eq!(
        network.addresses(),
        [address("198.51.100.8:50001"), address("198.51.100.8:50002")]
    );
}

#[test]
fn a_server_that_is_gone_in_a_call_is_asked_again_with_longer_and_longer_waits() {
    let mut network = network(Scripted::granting(LISTEN));
    network.run_for(500 * MS);
    network.cut = true;
    network.drive(|source, now| source.check(now));
    network.run_for(Duration::from_secs(120));
    assert_eq!(network.lost.len(), 1);
    let sent = network.sent.len();
    assert!((20..80).contains(&sent), "{sent} datagrams");
    network.cut = false;
    network.run_for(Duration::from_secs(15));
    assert_eq!(network.addresses().len(), 2, "it is found again");
}
