//! User names that expire while a server keeps an address for them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use securecall_relay::stun::{
    AttributeType, Class, IntegrityAlgorithm, IntegrityKey, Message, MessageBuilder, Method,
};
use securecall_relay::{CandidateSource as _, Datagram, TurnFailure, TurnServer, TurnSource};
use web_time::Instant;

use crate::network::{DELAY, MS, Network, Server, address, answer_to, ids, start};
use crate::scripted_server::{
    LISTEN, PEER, SOCKET, Scripted, challenge, credentials, failures, grant, network, refusal,
    server_at,
};

/// What server and homeserver know: the names that have expired, and the one that is made now.
#[derive(Default)]
struct Names {
    expired: Vec<&'static str>,
    newest: &'static str,
}

/// A server that takes no name that has expired, and for a socket grants nothing to another name than the one before: as coturn
/// does, and RFC 8656 section 7.2 wants it.
struct Strict {
    names: Arc<Mutex<Names>>,
    held: BTreeMap<SocketAddr, String>,
}

impl Strict {
    fn answer(&mut self, from: SocketAddr, message: &Message<'_>) -> Vec<u8> {
        let Some(name) = message.text(AttributeType::USERNAME, 64) else {
            return challenge(message, 401);
        };
        if self.names.lock().unwrap().expired.contains(&name) {
            return challenge(message, 401);
        }
        let key = IntegrityKey::long_term(IntegrityAlgorithm::Md5, name, "example.org", "secret");
        let answer = match (message.method(), self.held.get(&from)) {
            (_, Some(other)) if other != name => refusal(message, 437),
            (Method::Allocate, _) => {
                self.held.insert(from, name.to_owned());
                let relayed = address(&format!("198.51.100.8:{}", 50_000 + self.held.len()));
                MessageBuilder::new(Class::Success, Method::Allocate, message.transaction())
                    .xor_address(AttributeType::XOR_RELAYED_ADDRESS, relayed)
                    .number(AttributeType::LIFETIME, 600)
            }
            _ => grant(message),
        };
        answer.integrity(&key).finish()
    }
}

impl Server for Strict {
    fn owns(&self, address: SocketAddr) -> bool {
        address == self::address(LISTEN)
    }

    fn handle(&mut self, _now: Instant, packet: Datagram) -> Vec<Datagram> {
        let message = Message::parse(&packet.contents).unwrap();
        vec![answer_to(&packet, self.answer(packet.source, &message))]
    }
}

/// A source whose name is of a homeserver, with an address.
fn granted(names: &Arc<Mutex<Names>>) -> Network<TurnSource> {
    let known = Arc::clone(names);
    let servers = move || {
        let name = known.lock().unwrap().newest;
        vec![TurnServer {
            credentials: credentials(name, "secret").naming_user(),
            ..server_at(LISTEN)
        }]
    };
    let strict = Strict {
        names: Arc::clone(names),
        held: BTreeMap::new(),
    };
    let mut network =
        Network::new(TurnSource::with_servers(servers, ids(2))).with_server("turn", strict);
    network.gather(&[SOCKET]);
    network.run_for(4 * DELAY);
    assert_eq!(network.candidates.len(), 1);
    network
}

fn names(newest: &'static str) -> Arc<Mutex<Names>> {
    Arc::new(Mutex::new(Names {
        newest,
        ..Names::default()
    }))
}

#[test]
fn for_the_next_name_an_address_is_asked_for_from_another_socket() {
    let names = names("first");
    let mut network = granted(&names);
    *names.lock().unwrap() = Names {
        expired: vec!["first"],
        newest: "second",
    };
    network.drive(|source, now| source.allow_peer(now, address(PEER)));
    // Two round trips until somebody says that the name is refused, a while in which the server could say something else, another
    // for the homeserver, and two round trips for an address.
    network.run_for(500 * MS + 250 * MS + 8 * DELAY);
    assert_eq!(network.lost.len(), 1);
    assert_eq!(failures(&network), [TurnFailure::WrongCredentials]);
    assert_eq!(network.refused.len(), 1, "others are asked for");
    assert_eq!(network.candidates.len(), 2);
    let [socket] = network.bound[..] else {
        panic!("{:?}", network.bound);
    };
    let relayed = network.addresses()[1];
    assert_eq!(
        network.source.way_of(relayed),
        Some((socket, address(LISTEN)))
    );
    // The peer is let through there, too, and packets leave by that socket.
    network.send(relayed, PEER, b"hello");
    assert_eq!(network.sent.last().unwrap().source, socket);
    network.run_for(4 * DELAY);
    assert_eq!(
        network.source.permits(relayed, address(PEER).ip()),
        Some(true)
    );
    assert_eq!(network.unbound, []);
}

#[test]
fn a_homeserver_that_names_others_a_moment_later_is_soon_enough() {
    let names = names("first");
    let mut network = granted(&names);
    names.lock().unwrap().expired.push("first");
    network.drive(|source, now| source.check(now));
    network.run_for(1000 * MS);
    assert_eq!(network.candidates.len(), 1);
    assert!(!network.refused.is_empty());
    names.lock().unwrap().newest = "second";
    network.run_for(2000 * MS);
    assert_eq!(network.candidates.len(), 2);
    assert!(network.candidates[1].0 < start() + Duration::from_secs(3));
}

#[test]
fn a_name_that_is_refused_for_good_is_not_asked_with_in_a_loop() {
    let names = names("first");
    let mut network = granted(&names);
    names.lock().unwrap().expired.push("first");
    network.drive(|source, now| source.check(now));
    let before = network.sent.len();
    network.run_for(Duration::from_secs(600));
    // Two requests every eight seconds, from a new socket each time, and the one before is closed.
    let sent = network.sent.len() - before;
    assert!((100..200).contains(&sent), "{sent}");
    assert_eq!(network.unbound.len() + 1, network.bound.len());
    assert!(network.bound.len() < 100);
    assert!(network.refused.len() < 100);
}

#[test]
fn a_server_that_grants_addresses_and_keeps_none_is_not_asked_in_a_loop() {
    let mut network = network(Scripted::keeping_none(LISTEN));
    network.drive(|source, now| source.allow_peer(now, address(PEER)));
    network.run_for(Duration::from_secs(600));
    assert!(
        network.candidates.len() < 90,
        "{}",
        network.candidates.len()
    );
    assert!(network.sent.len() < 900, "{}", network.sent.len());
    // Whom the user has named they do not ask the homeserver about.
    assert!(network.refused.is_empty());
}

/// A server that has forgotten its clients, or is asked through a NAT that has: to it they come from elsewhere. As coturn does, it
/// takes no name from a socket but the first that it has heard there.
#[derive(Clone, Default)]
struct Forgetful {
    heard: Arc<Mutex<BTreeMap<SocketAddr, String>>>,
    held: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Forgetful {
    fn forget(&self) {
        self.heard.lock().unwrap().clear();
        self.held.lock().unwrap().clear();
    }

    fn answer(&mut self, from: SocketAddr, message: &Message<'_>) -> Vec<u8> {
        let Some(name) = message.text(AttributeType::USERNAME, 64) else {
            return challenge(message, 401);
        };
        let key = IntegrityKey::long_term(IntegrityAlgorithm::Md5, name, "example.org", "secret");
        let mut heard = self.heard.lock().unwrap();
        let first = heard.entry(from).or_insert_with(|| name.to_owned());
        let mut held = self.held.lock().unwrap();
        let is_held = held.contains(&from);
        let answer = match message.method() {
            Method::Allocate if first == name => {
                held.push(from);
                grant(message)
            }
            Method::Allocate => refusal(message, 437),
            _ if first != name => refusal(message, 441),
            _ if is_held => grant(message),
            _ => refusal(message, 437),
        };
        answer.integrity(&key).finish()
    }
}

impl Server for Forgetful {
    fn owns(&self, address: SocketAddr) -> bool {
        address == self::address(LISTEN)
    }

    fn handle(&mut self, _now: Instant, packet: Datagram) -> Vec<Datagram> {
        let message = Message::parse(&packet.contents).unwrap();
        vec![answer_to(&packet, self.answer(packet.source, &message))]
    }
}

#[test]
fn who_is_forgotten_and_has_another_name_by_now_asks_from_another_socket_at_once() {
    for (newest, sockets) in [("first", 0), ("second", 1)] {
        let server = Forgetful::default();
        let known = Arc::new(Mutex::new("first"));
        let name = Arc::clone(&known);
        let servers = move || {
            vec![TurnServer {
                credentials: credentials(*name.lock().unwrap(), "secret"),
                ..server_at(LISTEN)
            }]
        };
        let source = TurnSource::with_servers(servers, ids(2));
        let mut network = Network::new(source).with_server("turn", server.clone());
        network.gather(&[SOCKET]);
        network.run_for(4 * DELAY);
        assert_eq!(network.candidates.len(), 1);
        *known.lock().unwrap() = newest;
        server.forget();
        network.drive(|source, now| source.check(now));
        // A round trip until it is known, and two for an address.
        network.run_for(6 * DELAY);
        assert_eq!((network.lost.len(), network.candidates.len()), (1, 2));
        assert_eq!(network.bound.len(), sockets, "{newest}");
    }
}

/// Names of servers lead elsewhere in another network, and are asked for there only when that is known.
#[test]
fn a_server_that_is_found_elsewhere_after_a_move_is_asked_as_soon_as_it_is_known() {
    const ELSEWHERE: &str = "[2001:db8::8]:3478";
    let known = Arc::new(Mutex::new(LISTEN));
    let at = Arc::clone(&known);
    let servers = move || vec![server_at(*at.lock().unwrap())];
    let source = TurnSource::with_servers(servers, ids(2));
    let mut network = Network::new(source)
        .with_server("first", Scripted::granting(LISTEN))
        .with_server("second", Scripted::granting(ELSEWHERE));
    network.gather(&[SOCKET]);
    network.run_for(4 * DELAY);
    assert_eq!(network.candidates.len(), 1);
    network.drive(|source, now| source.sockets_closed(now, &[address(SOCKET)]));
    network.gather(&["[2001:db8::2]:5000"]);
    network.run_for(100 * MS);
    assert_eq!(network.candidates.len(), 1, "nobody is there for IPv6");
    *known.lock().unwrap() = ELSEWHERE;
    network.drive(|source, now| source.servers_changed(now));
    network.run_for(4 * DELAY);
    assert_eq!(network.candidates.len(), 2);
    // Where there is an address, nothing is asked for.
    let sent = network.sent.len();
    network.drive(|source, now| source.servers_changed(now));
    network.run_for(4 * DELAY);
    assert_eq!(network.sent.len(), sent);
}
