//! Addresses at a TURN server of other authors (turn-server-proto).

use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use securecall_relay::{CandidateSource as _, Datagram, TurnSource};
use stun_proto::Instant as ProtoInstant;
use stun_proto::agent::Transmit;
use stun_proto::types::TransportType;
use turn_server_proto::api::{SocketAllocateError, TurnServerApi as _, TurnServerPollRet};
use turn_server_proto::server::TurnServer as ProtoServer;
use turn_types::AddressFamily;
use turn_types::prelude::DelayedTransmitBuild as _;
use web_time::Instant;

use crate::network::{DELAY, MS, Network, Server, address, ids, start};
use crate::scripted_server::{credentials, server_at};

pub(crate) const LISTEN: &str = "198.51.100.7:3478";
const SOCKET: &str = "10.0.0.2:5000";
const PEER: &str = "203.0.113.9:7000";

/// The server of other authors on the network.
pub(crate) struct OtherAuthors {
    inner: ProtoServer,
    listen: SocketAddr,
    relayed: Vec<SocketAddr>,
    has_ipv6: bool,
}

impl OtherAuthors {
    pub(crate) fn new() -> Self {
        let listen = address(LISTEN);
        let mut inner = ProtoServer::new(TransportType::Udp, listen, "example.org".to_owned());
        inner.add_user("ada".to_owned(), "secret".to_owned());
        Self {
            inner,
            listen,
            relayed: Vec::new(),
            has_ipv6: true,
        }
    }

    fn allocate(&mut self, family: AddressFamily) -> Result<SocketAddr, SocketAllocateError> {
        let port = 50_000 + self.relayed.len();
        let address = if family == AddressFamily::IPV4 {
            address(&format!("198.51.100.7:{port}"))
        } else if self.has_ipv6 {
            address(&format!("[2001:db8::7]:{port}"))
        } else {
            return Err(SocketAllocateError::AddressFamilyNotSupported);
        };
        self.relayed.push(address);
        Ok(address)
    }
}

impl Server for OtherAuthors {
    fn owns(&self, address: SocketAddr) -> bool {
        address == self.listen || self.relayed.contains(&address)
    }

    fn handle(&mut self, now: Instant, packet: Datagram) -> Vec<Datagram> {
        let now = ProtoInstant::from_nanos(now.duration_since(start()).as_nanos() as i64);
        let mut sent = Vec::new();
        let mut push = |source, destination, contents| {
            sent.push(Datagram {
                source,
                destination,
                contents,
            });
        };
        let transmit = Transmit::new(
            packet.contents,
            TransportType::Udp,
            packet.source,
            packet.destination,
        );
        if let Some(answer) = self.inner.recv(transmit, now) {
            push(answer.from, answer.to, answer.data.build());
        }
        // Each allocation it asks for is granted before it goes on.
        while let TurnServerPollRet::AllocateSocket {
            transport,
            listen_addr,
            client_addr,
            allocation_transport,
            family,
        } = self.inner.poll(now)
        {
            let granted = self.allocate(family);
            self.inner.allocated_socket(
                transport,
                listen_addr,
                client_addr,
                allocation_transport,
                family,
                granted,
                now,
            );
        }
        while let Some(answer) = self.inner.poll_transmit(now) {
            push(answer.from, answer.to, answer.data);
        }
        sent
    }
}

fn network() -> Network<TurnSource> {
    network_with(OtherAuthors::new())
}

fn network_with(server: OtherAuthors) -> Network<TurnSource> {
    let source = TurnSource::new([server_at(LISTEN)], ids(1));
    Network::new(source).with_server("turn", server)
}

/// A device with an address at the server, whose peer is let through.
fn allocated() -> (Network<TurnSource>, SocketAddr) {
    let mut network = network();
    network.gather(&[SOCKET]);
    network.run_for(200 * MS);
    let own = network.addresses()[0];
    network.drive(|source, now| source.allow_peer(now, address(PEER)));
    network.run_for(100 * MS);
    (network, own)
}

#[test]
fn an_address_is_granted_after_two_round_trips() {
    let mut network = network();
    network.gather(&[SOCKET]);
    assert!(network.answered.is_empty());
    network.run_for(200 * MS);
    let granted: Vec<Instant> = network.candidates.iter().map(|(at, _)| *at).collect();
    assert_eq!(granted, [start() + 4 * DELAY, start() + 4 * DELAY]);
    assert_eq!(
        network.addresses(),
        [
            address("198.51.100.7:50001"),
            address("[2001:db8::7]:50000")
        ]
    );
    assert_eq!(network.answered, [start() + 4 * DELAY]);
}

#[test]
fn a_server_without_ipv6_grants_an_ipv4_address_alone() {
    let mut network = network_with(OtherAuthors {
        has_ipv6: false,
        ..OtherAuthors::new()
    });
    network.gather(&[SOCKET]);
    network.run_for(200 * MS);
    assert_eq!(network.addresses(), [address("198.51.100.7:50000")]);
}

#[test]
fn packets_go_both_ways_and_nobody_else_gets_one_in() {
    let (mut network, own) = allocated();
    network.send(own, PEER, b"to the peer");
    network.run_for(100 * MS);
    let at_peer = network.at_peers.pop().unwrap();
    assert_eq!(
        (at_peer.source, &at_peer.contents[..]),
        (own, &b"to the peer"[..])
    );
    network.inject(address(PEER), own, b"from the peer");
    network.inject(address("203.0.113.66:1"), own, b"from a stranger");
    network.run_for(100 * MS);
    let expected = Datagram {
        source: address(PEER),
        destination: own,
        contents: b"from the peer".to_vec(),
    };
    assert_eq!(network.packets, [expected]);
}

#[test]
fn a_packet_for_a_host_that_is_not_let_through_yet_follows_the_request_and_arrives() {
    let (mut network, own) = allocated();
    let other = "203.0.113.10:7000";
    network.send(own, other, b"first");
    network.run_for(2 * DELAY);
    assert_eq!(network.at_peers.len(), 1);
    assert_eq!(network.at_peers[0].contents, b"first");
    // What the other host answers at once is no packet of a stranger.
    network.inject(address(other), own, b"back");
    network.run_for(100 * MS);
    assert_eq!(network.packets[0].contents, b"back");
}

#[test]
fn the_path_of_a_call_costs_four_bytes_a_packet() {
    let (mut network, own) = allocated();
    network.send(own, PEER, &[7; 100]);
    let before = network.sent.last().unwrap().contents.len();
    network.drive(|source, now| source.prefer_peer(now, own, address(PEER)));
    network.run_for(100 * MS);
    network.send(own, PEER, &[7; 100]);
    assert_eq!(network.sent.last().unwrap().contents.len(), 104);
    assert_eq!(before, 144);
    network.run_for(100 * MS);
    assert_eq!(network.at_peers.len(), 2);
    network.inject(address(PEER), own, b"back");
    network.run_for(100 * MS);
    assert_eq!(network.packets[0].contents, b"back");
}

#[test]
fn an_address_its_permissions_and_channels_last_for_hours() {
    let (mut network, own) = allocated();
    network.drive(|source, now| source.prefer_peer(now, own, address(PEER)));
    for _ in 0..3 * 60 {
        network.run_for(Duration::from_secs(60));
        network.send(own, PEER, b"still there");
        network.run_for(100 * MS);
        assert_eq!(network.at_peers.len(), 1);
        network.at_peers.clear();
    }
    assert_eq!(network.lost, []);
    // Nonces of the server last an hour at most, so some were stale in between.
    assert!(network.wakeups < 2_000, "{} wake-ups", network.wakeups);
}

#[test]
fn stale_nonces_are_no_reason_to_lose_the_address() {
    let mut server = OtherAuthors::new();
    server
        .inner
        .set_nonce_expiry_duration(Duration::from_secs(30));
    let mut network = network_with(server);
    network.gather(&[SOCKET]);
    network.run_for(Duration::from_secs(3600));
    assert_eq!(network.lost, []);
    assert_eq!(network.candidates.len(), 2);
}

#[test]
fn a_wrong_password_is_named() {
    let mut server = server_at(LISTEN);
    server.credentials = credentials("ada", "wrong");
    let source = TurnSource::new([server], ids(1));
    let mut network = Network::new(source).with_server("turn", OtherAuthors::new());
    network.gather(&[SOCKET]);
    network.run_for(200 * MS);
    assert_eq!(network.addresses(), []);
    let (_, _, failure) = network.source.failures().next().unwrap();
    assert_eq!(*failure, securecall_relay::TurnFailure::WrongCredentials);
    assert_eq!(network.answered.len(), 1);
}

#[test]
fn a_server_that_forgot_us_grants_another_address_as_soon_as_it_is_noticed() {
    let (mut network, own) = allocated();
    let mut anew = OtherAuthors::new();
    // Its ports are others now.
    anew.relayed.extend([own, own, own]);
    network.servers.insert("turn", Box::new(anew));
    network.drive(|source, now| source.check(now));
    // It does not sign that, and so it might be somebody else.
    network.run_for(700 * MS);
    assert!(network.lost.iter().any(|lost| lost.address == own));
    let again = network.addresses()[2];
    network.send(again, PEER, b"again");
    network.run_for(100 * MS);
    assert_eq!(network.at_peers[0].source, again);
}

#[test]
fn the_end_of_a_call_gives_the_address_back() {
    let (mut network, own) = allocated();
    network.drive(|source, now| source.close(now));
    network.run_for(100 * MS);
    network.inject(address(PEER), own, b"too late");
    network.run_for(Duration::from_secs(60));
    assert_eq!(network.packets, []);
    let wakeups = network.wakeups;
    network.run_for(Duration::from_secs(3600));
    assert_eq!(network.wakeups, wakeups, "nothing goes on after the end");
}

#[test]
fn an_address_is_granted_through_a_network_that_loses_every_third_packet() {
    for seed in 0..50 {
        let mut network = network();
        network.loss = Some((ChaCha8Rng::seed_from_u64(seed), 3));
        network.gather(&[SOCKET]);
        network.run_for(Duration::from_secs(12));
        assert!(
            network.addresses().len() >= 2 || network.source.failures().next().is_some(),
            "seed {seed}: no address and no reason"
        );
        assert_eq!(network.answered.len(), 1, "seed {seed}");
    }
}

#[test]
fn a_socket_of_another_network_gets_an_address_of_its_own_while_the_old_one_is_held() {
    let (mut network, own) = allocated();
    network.gather(&["10.1.0.2:5000"]);
    network.run_for(200 * MS);
    assert_eq!(network.addresses().len(), 4, "each of two kinds");
    assert_eq!(network.lost, []);
    // A gathering without a new socket asks nobody anew.
    network.gather(&[]);
    network.run_for(200 * MS);
    assert_eq!(network.addresses().len(), 4);
    let new = network.addresses()[2];
    network.send(own, PEER, b"the old way");
    network.send(new, PEER, b"the new way is let through by the server too");
    network.run_for(200 * MS);
    let sources: Vec<SocketAddr> = network
        .at_peers
        .iter()
        .map(|packet| packet.source)
        .collect();
    assert_eq!(sources, [own, new]);
}

#[test]
fn an_address_got_from_a_socket_that_is_closed_is_lost_and_another_is_granted_to_the_next_socket() {
    let (mut network, _) = allocated();
    let before: Vec<_> = network.candidates.iter().map(|(_, it)| *it).collect();
    network.drive(|source, now| source.sockets_closed(now, &[address(SOCKET)]));
    assert_eq!(network.lost, before);
    let (sent, moved_at) = (network.sent.len(), network.now);
    network.gather(&["10.0.9.9:5000"]);
    network.run_for(200 * MS);
    let granted = network.candidates[before.len()].0;
    assert_eq!(granted, moved_at + 4 * DELAY, "no time-out is waited for");
    // The peer is let through without a word more, and nothing leaves from where we are no longer.
    let now_sent = &network.sent[sent..];
    assert!(
        now_sent
            .iter()
            .all(|it| it.source == address("10.0.9.9:5000"))
    );
    let own = network.addresses()[before.len()];
    network.send(own, PEER, b"from elsewhere");
    network.run_for(100 * MS);
    assert_eq!(network.at_peers.len(), 1);
}
