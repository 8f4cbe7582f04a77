//! Sockets as STUN servers see them.

use std::net::SocketAddr;
use std::time::Duration;

use securecall_relay::stun::{AttributeType, Class, Message, MessageBuilder, Method};
use securecall_relay::{Candidate, CandidateSource as _, Datagram, ReflexiveSource};
use web_time::Instant;

use crate::network::{DELAY, MS, Network, Server, address, ids, start};

const SERVER: &str = "198.51.100.3:3478";
const OTHER: &str = "198.51.100.4:3478";
const SOCKET: &str = "10.0.0.2:5000";

/// A STUN server behind a NAT: it sees every socket of ours at this address.
struct Stun {
    listen: SocketAddr,
    seen: SocketAddr,
}

impl Server for Stun {
    fn owns(&self, address: SocketAddr) -> bool {
        address == self.listen
    }

    fn handle(&mut self, _now: Instant, packet: Datagram) -> Vec<Datagram> {
        let Ok(request) = Message::parse(&packet.contents) else {
            return Vec::new();
        };
        let answer = MessageBuilder::new(Class::Success, Method::Binding, request.transaction())
            .xor_address(AttributeType::XOR_MAPPED_ADDRESS, self.seen);
        vec![Datagram {
            source: self.listen,
            destination: packet.source,
            contents: answer.finish(),
        }]
    }
}

fn stun(listen: &str, seen: &str) -> Stun {
    Stun {
        listen: address(listen),
        seen: address(seen),
    }
}

fn network(servers: &[&str]) -> Network<ReflexiveSource> {
    let servers: Vec<SocketAddr> = servers.iter().map(|text| address(text)).collect();
    Network::new(ReflexiveSource::new(servers, ids(3)))
}

#[test]
fn the_address_at_the_nat_is_found_in_one_round_trip() {
    let mut network = network(&[SERVER]).with_server("stun", stun(SERVER, "203.0.113.1:6000"));
    network.gather(&[SOCKET]);
    network.run_for(Duration::from_secs(10));
    let candidate = Candidate::server_reflexive(address(SOCKET), address("203.0.113.1:6000"));
    assert_eq!(network.candidates, [(start() + 2 * DELAY, candidate)]);
    assert_eq!(network.answered, [start() + 2 * DELAY]);
}

#[test]
fn without_a_nat_there_is_nothing_new() {
    let mut network = network(&[SERVER]).with_server("stun", stun(SERVER, SOCKET));
    network.gather(&[SOCKET]);
    network.run_for(Duration::from_secs(10));
    assert_eq!(network.candidates, []);
    assert_eq!(network.answered, [start() + 2 * DELAY]);
}

#[test]
fn one_server_that_answers_is_enough() {
    let mut network =
        network(&[OTHER, SERVER]).with_server("stun", stun(SERVER, "203.0.113.1:6000"));
    network.gather(&[SOCKET]);
    network.run_for(Duration::from_secs(10));
    assert_eq!(network.answered, [start() + 2 * DELAY]);
    assert_eq!(network.sent.len(), 2, "the silent one is not asked again");
}

#[test]
fn a_silent_server_is_given_up_and_a_lost_answer_repeated() {
    let mut network = network(&[SERVER]).with_server("stun", stun(SERVER, "203.0.113.1:6000"));
    network.cut = true;
    network.gather(&[SOCKET]);
    network.run_for(500 * MS);
    network.cut = false;
    network.run_for(500 * MS);
    assert_eq!(network.candidates.len(), 1);

    let mut network = self::network(&[SERVER]);
    network.gather(&[SOCKET]);
    network.run_for(Duration::from_secs(4));
    assert!(network.answered.is_empty());
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.answered.len(), 1);
    assert_eq!(network.sent.len(), 5);
}

#[test]
fn an_address_to_which_no_packet_can_come_is_not_taken() {
    for seen in [
        "0.0.0.0:6000",
        "203.0.113.1:0",
        "224.0.0.1:6000",
        "[2001:db8::1]:6000",
    ] {
        let mut network = network(&[SERVER]).with_server("stun", stun(SERVER, seen));
        network.gather(&[SOCKET]);
        network.run_for(Duration::from_secs(10));
        assert_eq!(network.candidates, [], "{seen}");
        assert_eq!(network.answered.len(), 1, "{seen}");
    }
}

#[test]
fn checks_of_the_peer_and_answers_from_elsewhere_are_not_for_the_source() {
    let mut network = network(&[SERVER]);
    network.gather(&[SOCKET]);
    let request = network.sent[0].contents.clone();
    let id = Message::parse(&request).unwrap().transaction();
    let answer = MessageBuilder::new(Class::Success, Method::Binding, id).xor_address(
        AttributeType::XOR_MAPPED_ADDRESS,
        address("203.0.113.1:6000"),
    );
    network.inject(address("203.0.113.9:1"), address(SOCKET), &answer.finish());
    network.inject(address(SERVER), address(SOCKET), &request);
    network.run_for(100 * MS);
    assert_eq!(network.candidates, []);
    assert_eq!(network.for_the_transport(SOCKET), 2);
}

#[test]
fn sockets_and_servers_without_end_make_32_requests() {
    let servers: Vec<String> = (1..=100)
        .map(|host| format!("198.51.100.{host}:3478"))
        .collect();
    let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
    let mut network = network(&servers);
    let sockets: Vec<String> = (1..=100)
        .map(|host| format!("10.0.0.{host}:5000"))
        .collect();
    let sockets: Vec<&str> = sockets.iter().map(String::as_str).collect();
    network.gather(&sockets);
    assert_eq!(network.sent.len(), 32);
}

#[test]
fn a_socket_that_is_closed_takes_its_address_with_it_and_is_asked_from_no_more() {
    let mut network = network(&[SERVER]).with_server("stun", stun(SERVER, "203.0.113.1:6000"));
    network.gather(&[SOCKET]);
    network.run_for(Duration::from_secs(1));
    let candidate = Candidate::server_reflexive(address(SOCKET), address("203.0.113.1:6000"));
    network.drive(|source, now| source.sockets_closed(now, &[address(SOCKET)]));
    assert_eq!(network.lost, [candidate]);
    let sent = network.sent.len();
    network.gather(&["10.0.9.9:5000"]);
    network.run_for(Duration::from_secs(1));
    assert!(
        network.sent[sent..]
            .iter()
            .all(|it| it.source == address("10.0.9.9:5000"))
    );
    assert_eq!(network.candidates.len(), 2);
}

#[test]
fn a_question_from_a_socket_that_is_closed_is_given_up() {
    let mut network = network(&[SERVER]);
    network.gather(&[SOCKET]);
    network.drive(|source, now| source.sockets_closed(now, &[address(SOCKET)]));
    assert_eq!(network.answered, [start()], "nobody waits for it");
    let sent = network.sent.len();
    network.run_for(Duration::from_secs(10));
    assert_eq!(network.sent.len(), sent);
}

#[test]
fn whoever_gathers_again_learns_that_a_nat_has_another_mapping() {
    let mut network = network(&[SERVER]).with_server("stun", stun(SERVER, "203.0.113.1:6000"));
    network.gather(&[SOCKET]);
    network.run_for(Duration::from_secs(1));
    network.gather(&[]);
    network.run_for(Duration::from_secs(1));
    assert_eq!(
        (network.candidates.len(), network.lost.len()),
        (1, 0),
        "no news"
    );
    network = network.with_server("stun", stun(SERVER, "203.0.113.1:6001"));
    network.gather(&[]);
    network.run_for(Duration::from_secs(1));
    let at = |text| Candidate::server_reflexive(address(SOCKET), address(text));
    assert_eq!(network.lost, [at("203.0.113.1:6000")]);
    assert_eq!(network.candidates[1].1, at("203.0.113.1:6001"));
}

#[test]
fn whoever_hears_nothing_asks_the_server_that_answered_whether_a_nat_has_another_mapping() {
    let mut network = network(&[SERVER, OTHER])
        .with_server("first", stun(SERVER, "203.0.113.1:6000"))
        .with_server("second", stun(OTHER, "203.0.113.1:6000"));
    network.gather(&[SOCKET, "10.0.0.3:5000"]);
    network.run_for(Duration::from_secs(1));
    let sent = network.sent.len();
    for _ in 0..3 {
        network.drive(|source, now| source.check(now));
    }
    // Once from each socket, however often; a NAT that maps by destination would make something new of the other server's word.
    let asked: Vec<_> = network.sent[sent..]
        .iter()
        .map(|it| (it.source, it.destination))
        .collect();
    let first = |socket| (address(socket), address(SERVER));
    assert_eq!(asked, [first(SOCKET), first("10.0.0.3:5000")]);
    network.run_for(Duration::from_secs(1));
    let news = (
        network.candidates.len(),
        network.lost.len(),
        network.answered.len(),
    );
    assert_eq!(news, (2, 0, 1), "no news");

    network = network.with_server("first", stun(SERVER, "203.0.113.1:6001"));
    let asked_at = network.now;
    network.drive(|source, now| source.check(now));
    network.run_for(Duration::from_secs(1));
    let at = |text| Candidate::server_reflexive(address(SOCKET), address(text));
    assert_eq!(network.lost[0], at("203.0.113.1:6000"));
    let found = network.candidates[2];
    assert_eq!(found, (asked_at + 2 * DELAY, at("203.0.113.1:6001")));
    // From a socket that is closed nothing is asked.
    network.drive(|source, now| source.sockets_closed(now, &[address(SOCKET)]));
    let sent = network.sent.len();
    network.drive(|source, now| source.check(now));
    assert_eq!(network.sent.len(), sent + 1);
}

#[test]
fn a_socket_from_which_no_server_was_reached_is_asked_from_at_once_when_whoever_gathers_again() {
    let mut network = network(&[SERVER]).with_server("stun", stun(SERVER, "203.0.113.1:6000"));
    network.cut = true;
    network.gather(&[SOCKET]);
    // The next question would be sent at 3 s.
    network.run_for(Duration::from_millis(1700));
    network.cut = false;
    let again_at = network.now;
    network.gather(&[]);
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.candidates[0].0, again_at + 2 * DELAY);

    // Whoever gathers all the time asks no more often for it.
    let mut network = self::network(&[SERVER]);
    network.gather(&[SOCKET]);
    for _ in 0..50 {
        network.run_for(20 * MS);
        network.gather(&[]);
    }
    assert!(network.sent.len() <= 6, "{}", network.sent.len());
}
