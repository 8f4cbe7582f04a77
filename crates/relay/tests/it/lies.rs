//! Servers that say what is not so, and whoever pretends to be one: nothing is given up for it, and nothing told.

use std::net::SocketAddr;
use std::time::Duration;

use securecall_relay::stun::{AttributeType, Class, Message, MessageBuilder, Method};
use securecall_relay::{
    CandidateSource as _, Datagram, ServerLink, TurnFailure, TurnServer, TurnSource,
};

use web_time::Instant;

use crate::network::{MS, Network, Server, address, ids};
use crate::scripted_server::{
    LISTEN, PEER, SOCKET, Scripted, challenge, credentials, failures, grant, key, network, refusal,
    server_at,
};

fn granting(request: &Message<'_>, relayed: SocketAddr) -> Vec<u8> {
    MessageBuilder::new(Class::Success, Method::Allocate, request.transaction())
        .xor_address(AttributeType::XOR_RELAYED_ADDRESS, relayed)
        .number(AttributeType::LIFETIME, 600)
        .integrity(&key())
        .finish()
}

/// The realms that requests were authenticated for.
fn realms(network: &Network<TurnSource>) -> Vec<String> {
    let requests = network.sent.iter();
    let mut realms: Vec<String> = requests
        .filter_map(|sent| {
            let message = Message::parse(&sent.contents).ok()?;
            let realm = message.text(AttributeType::REALM, 763)?;
            Some(realm.to_owned())
        })
        .collect();
    realms.dedup();
    realms
}

fn challenge_of(request: &Message<'_>, code: u16, realm: &str) -> Vec<u8> {
    refusal(request, code)
        .attribute(AttributeType::REALM, realm.as_bytes())
        .attribute(AttributeType::NONCE, b"another nonce")
        .finish()
}

/// What is sent from such an address would be led to the server, while it seems to go directly.
#[test]
fn an_address_that_is_ours_without_the_server_is_not_taken_from_it() {
    let mut network = network(Scripted::new(LISTEN, |request| {
        Some(match request.method() {
            Method::Allocate => granting(request, address(SOCKET)),
            _ => grant(request).integrity(&key()).finish(),
        })
    }));
    network.run_for(Duration::from_secs(60));
    assert_eq!(network.addresses(), []);
    assert_eq!(network.answered.len(), 1);
    assert!(matches!(failures(&network)[..], [TurnFailure::Nonsense(_)]));
}

#[test]
fn an_address_that_another_server_has_granted_is_not_taken() {
    const OTHER: &str = "198.51.100.9:3478";
    let relayed = address("198.51.100.8:50000");
    let honest = Scripted::granting(LISTEN);
    let liar = Scripted::new(OTHER, move |request| Some(granting(request, relayed)));
    let mut known = vec![server_at(LISTEN)];
    let servers = move || std::mem::replace(&mut known, vec![server_at(OTHER)]);
    let mut network = Network::new(TurnSource::with_servers(servers, ids(2)))
        .with_server("honest", honest)
        .with_server("liar", liar);
    network.gather(&[SOCKET]);
    network.run_for(500 * MS);
    assert_eq!(network.addresses(), [relayed]);
    // Another interface has come, and the homeserver names another server by now.
    network.gather(&["10.0.1.2:5000"]);
    network.run_for(500 * MS);
    assert_eq!(network.addresses(), [relayed]);
    assert!(matches!(failures(&network)[..], [TurnFailure::Nonsense(_)]));
}

#[test]
fn an_address_that_we_hold_is_not_given_up_for_the_word_of_somebody_without_the_password() {
    for code in [300, 403, 437, 486, 508] {
        for method in [Method::Refresh, Method::CreatePermission] {
            let mut forged = false;
            let mut network = network(Scripted::new(LISTEN, move |request| {
                Some(
                    if request.method() == method && !std::mem::replace(&mut forged, true) {
                        let alternate = [0, 1, 13, 150, 203, 0, 113, 66];
                        refusal(request, code)
                            .attribute(AttributeType::ALTERNATE_SERVER, &alternate)
                            .finish()
                    } else {
                        // To the request that is repeated.
                        grant(request).integrity(&key()).finish()
                    },
                )
            }));
            network.run_for(500 * MS);
            let own = network.addresses()[0];
            network.drive(|source, now| source.allow_peer(now, address(PEER)));
            // The address is renewed after five minutes.
            network.run_for(Duration::from_secs(310));
            assert_eq!(network.lost, [], "{code} {method:?}");
            assert_eq!(failures(&network), [], "{code} {method:?}");
            let before = network.sent.len();
            network.send(own, PEER, b"hello");
            let carried = &network.sent[before].contents;
            assert!(carried.windows(5).any(|bytes| bytes == b"hello"));
        }
    }
}

#[test]
fn nobody_sees_what_our_password_gives_with_a_realm_of_their_choice() {
    // At first, and in a call.
    for in_call in [false, true] {
        let mut network = network(Scripted::new(LISTEN, move |request| {
            let refuses = match request.method() {
                Method::Refresh => in_call,
                _ => !in_call,
            };
            Some(if refuses {
                challenge_of(request, 438, "of-somebody.example")
            } else {
                grant(request).integrity(&key()).finish()
            })
        }));
        network.run_for(500 * MS);
        network.drive(|source, now| {
            source.check(now);
        });
        network.run_for(Duration::from_secs(20));
        assert_eq!(realms(&network), ["example.org"], "in a call: {in_call}");
        assert!(network.sent.len() < 40, "{}", network.sent.len());
    }
}

#[test]
fn a_server_that_has_ipv6_addresses_alone_is_asked_for_one() {
    for has_any in [true, false] {
        let mut network = network(Scripted::new(LISTEN, move |request| {
            let family = request.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY);
            Some(if family == Some(&[2, 0, 0, 0]) && has_any {
                granting(request, address("[2001:db8::7]:50000"))
            } else {
                refusal(request, 440).integrity(&key()).finish()
            })
        }));
        network.run_for(Duration::from_secs(10));
        let found = if has_any {
            vec![address("[2001:db8::7]:50000")]
        } else {
            Vec::new()
        };
        assert_eq!(network.addresses(), found);
        assert_eq!(network.answered.len(), 1);
        let failed = if has_any {
            Vec::new()
        } else {
            vec![TurnFailure::AddressFamily]
        };
        assert_eq!(failures(&network), failed);
        assert!(network.sent.len() <= 4);
    }
}

/// The network was gone for longer than the server was waited for, but not for as long as it keeps what it has granted.
#[test]
fn an_address_that_the_server_still_has_for_us_is_given_back_and_another_asked_for() {
    for gives_back in [true, false] {
        let mut has_one = true;
        let mut network = network(Scripted::new(LISTEN, move |request| {
            let lifetime = request.number(AttributeType::LIFETIME);
            Some(match request.method() {
                Method::Allocate if has_one => refusal(request, 437).integrity(&key()).finish(),
                Method::Refresh if lifetime == Some(0) => {
                    has_one = !gives_back;
                    let granted =
                        MessageBuilder::new(Class::Success, Method::Refresh, request.transaction());
                    let granted = granted.number(AttributeType::LIFETIME, 0);
                    granted.integrity(&key()).finish()
                }
                _ => grant(request).integrity(&key()).finish(),
            })
        }));
        network.run_for(Duration::from_secs(10));
        let found = [address("198.51.100.8:50000")];
        let expected = if gives_back { &found[..] } else { &[] };
        assert_eq!(network.addresses(), expected);
        assert!(network.sent.len() <= 6);
    }
}

/// A machine has many addresses, and a firewall that lets nothing but TLS through.
#[test]
fn many_sockets_do_not_leave_the_streams_out() {
    let mut servers = vec![server_at(LISTEN), server_at("198.51.100.9:3478")];
    servers.push(TurnServer {
        link: ServerLink::Tls("turn.example.org".to_owned()),
        ..server_at("198.51.100.8:443")
    });
    let mut network = Network::new(TurnSource::new(servers, ids(2)));
    let sockets: Vec<String> = (1..=16).map(|host| format!("10.0.0.{host}:5000")).collect();
    let sockets: Vec<&str> = sockets.iter().map(String::as_str).collect();
    network.gather(&sockets);
    assert_eq!(network.opened.len(), 1);
    assert_eq!(network.sent.len(), 16);
}

/// The user names a server, and the homeserver names it, too.
#[test]
fn a_server_is_asked_with_each_of_two_credentials() {
    let mut of_homeserver = server_at(LISTEN);
    of_homeserver.credentials = credentials("1790000000:@ada:example.org", "made");
    let server = Scripted::new(LISTEN, |_| None);
    let mut network = Network::new(TurnSource::new([of_homeserver, server_at(LISTEN)], ids(2)));
    network.servers.insert("turn", Box::new(OfTwo(server)));
    network.gather(&[SOCKET]);
    // Before anything is repeated.
    network.run_for(200 * MS);
    assert_eq!(network.addresses(), [address("198.51.100.8:50000")]);
    assert_eq!(failures(&network), [TurnFailure::WrongCredentials]);
}

/// A server that knows Ada, and refuses others.
struct OfTwo(Scripted);

impl Server for OfTwo {
    fn owns(&self, address: SocketAddr) -> bool {
        address == self.0.listen
    }

    fn handle(&mut self, _now: Instant, packet: Datagram) -> Vec<Datagram> {
        let Ok(request) = Message::parse(&packet.contents) else {
            return Vec::new();
        };
        let answer = match request.attribute(AttributeType::USERNAME) {
            Some(b"ada") => grant(&request).integrity(&key()).finish(),
            _ => challenge(&request, 401),
        };
        vec![Datagram {
            source: self.0.listen,
            destination: packet.source,
            contents: answer,
        }]
    }
}
