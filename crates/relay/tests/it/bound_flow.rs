//! Both ends of a bound flow, over a network that loses, delays, doubles and reorders datagrams. The request's stream is
//! late, but whole and in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use securecall_netem::{Conditions, Link, virtual_start};
use securecall_relay::masque::{Admission, BoundClient, BoundProxy};
use web_time::Instant;

use crate::network::{MS, address};

const PEERS: [&str; 4] = [
    "203.0.113.1:7000",
    "203.0.113.2:7000",
    // Another port of a host, and another family.
    "203.0.113.1:7001",
    "[2001:db8::9]:7000",
];

/// A client and its exit.
struct Pair {
    now: Instant,
    client: BoundClient,
    proxy: BoundProxy,
    datagrams: [Link<Vec<u8>>; 2],
    capsules: [Link<Vec<u8>>; 2],
    rng: ChaCha8Rng,
    /// Payloads that got to peers and to the client.
    delivered: [Vec<u32>; 2],
    next_payload: u32,
}

impl Pair {
    fn new(seed: u64, conditions: Conditions) -> Self {
        let stream = Conditions {
            delay: 20 * MS,
            jitter: 60 * MS,
            in_order: true,
            ..Conditions::default()
        };
        let bound = [
            address("198.51.100.7:40000"),
            address("[2001:db8::7]:40000"),
        ];
        Self {
            now: virtual_start(),
            client: BoundClient::new(&bound),
            proxy: BoundProxy::new(&bound, Arc::new(Admission::of_public_hosts())),
            datagrams: [seed, seed + 1].map(|seed| Link::new(seed, conditions)),
            capsules: [seed + 2, seed + 3].map(|seed| Link::new(seed, stream)),
            rng: ChaCha8Rng::seed_from_u64(seed),
            delivered: [Vec::new(), Vec::new()],
            next_payload: 0,
        }
    }

    /// A payload that says who it is for, or from, and which it is.
    fn payload(&mut self, peer: usize) -> Vec<u8> {
        self.next_payload += 1;
        [&[peer as u8][..], &self.next_payload.to_be_bytes()].concat()
    }

    fn client_sends(&mut self, peer: usize) -> bool {
        let payload = self.payload(peer);
        let Ok(datagram) = self.client.datagram(address(PEERS[peer]), &payload) else {
            return false;
        };
        self.datagrams[0].send(self.now, datagram.len(), datagram);
        true
    }

    fn peer_sends(&mut self, peer: usize) -> bool {
        let payload = self.payload(peer);
        let Ok(header) = self.proxy.handle_packet(self.now, address(PEERS[peer])) else {
            return false;
        };
        let datagram = [header.as_ref(), &payload].concat();
        self.datagrams[1].send(self.now, datagram.len(), datagram);
        true
    }

    fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.exchange();
            self.now += 5 * MS;
        }
        self.exchange();
    }

    fn exchange(&mut self) {
        let now = self.now;
        if let Some(bytes) = self.client.poll_capsules() {
            self.capsules[0].send(now, bytes.len(), bytes);
        }
        while let Some((_, bytes)) = self.capsules[0].receive(now) {
            // Cut anywhere.
            let cut = self.rng.next_u32() as usize % (bytes.len() + 1);
            self.proxy.handle_capsules(now, &bytes[..cut]).unwrap();
            self.proxy.handle_capsules(now, &bytes[cut..]).unwrap();
        }
        if let Some(bytes) = self.proxy.poll_capsules() {
            self.capsules[1].send(now, bytes.len(), bytes);
        }
        while let Some((_, bytes)) = self.capsules[1].receive(now) {
            self.client.handle_capsules(&bytes).unwrap();
        }
        while let Some((_, datagram)) = self.datagrams[0].receive(now) {
            if let Ok(outbound) = self.proxy.handle_datagram(now, &datagram) {
                let number = checked(outbound.peer, outbound.payload);
                assert!(outbound.payload.len() < datagram.len());
                self.delivered[0].push(number);
            }
        }
        while let Some((_, datagram)) = self.datagrams[1].receive(now) {
            if let Ok((peer, payload)) = self.client.handle_datagram(&datagram) {
                self.delivered[1].push(checked(peer, payload));
            }
        }
    }
}

/// Whom a packet says it is for, or from, that is where it goes, or comes from.
fn checked(peer: SocketAddr, payload: &[u8]) -> u32 {
    let (named, number) = payload.split_first().unwrap();
    assert_eq!(peer, address(PEERS[usize::from(*named)]));
    u32::from_be_bytes(number.try_into().unwrap())
}

fn bad_network() -> Conditions {
    Conditions {
        loss: 0.1,
        delay: 20 * MS,
        jitter: 80 * MS,
        reorder: 0.1,
        reorder_delay: 200 * MS,
        duplicate: 0.05,
        ..Conditions::default()
    }
}

#[test]
fn on_a_good_network_no_packet_is_lost_whatever_is_registered_meanwhile() {
    let calm = Conditions {
        delay: 20 * MS,
        in_order: true,
        ..Conditions::default()
    };
    let mut pair = Pair::new(1, calm);
    pair.client.open();
    pair.run_for(500 * MS);
    assert!(pair.client_sends(0));
    pair.run_for(500 * MS);
    let mut sent = [1, 0];
    for step in 0..300 {
        if step == 100 {
            pair.client.prefer(address(PEERS[0]));
        }
        if step == 200 {
            pair.client.open();
        }
        sent[0] += usize::from(pair.client_sends(0));
        sent[1] += usize::from(pair.peer_sends(0));
        pair.run_for(20 * MS);
    }
    pair.run_for(500 * MS);
    assert_eq!(sent, [301, 300]);
    // No capsule overtakes a datagram here, so the uncompressed context is closed behind what went by it.
    assert_eq!(pair.delivered[0].len(), 301);
    assert_eq!(pair.delivered[1].len(), 300);
}

#[test]
fn a_peer_gets_in_while_a_path_is_looked_for_and_nobody_else_after() {
    let mut pair = Pair::new(2, bad_network());
    pair.client.open();
    pair.run_for(500 * MS);
    for _ in 0..20 {
        pair.client_sends(0);
        pair.run_for(20 * MS);
    }
    // The host is known by now, from any port; another one is not.
    assert!(pair.peer_sends(2) && !pair.peer_sends(1));
    pair.client.prefer(address(PEERS[0]));
    pair.run_for(500 * MS);
    assert!(!pair.client.is_open() && pair.client.is_answered());
    assert!(pair.peer_sends(0) && !pair.peer_sends(2) && !pair.peer_sends(1));
    assert!(pair.client_sends(0) && !pair.client_sends(2));
    pair.run_for(1000 * MS);
    assert!(pair.delivered[0].len() >= 15 && !pair.delivered[1].is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the order of things, neither end says what the other must refuse, no packet goes to or comes from another peer
    /// than it should, and in the end they agree.
    #[test]
    fn both_ends_agree_whatever_happens_in_between(
        seed in any::<u32>(),
        acts in prop::collection::vec((0..7_u8, 0..PEERS.len(), 0..120_u64), 1..80),
    ) {
        let mut pair = Pair::new(u64::from(seed), bad_network());
        for (act, peer, wait) in acts {
            match act {
                0 => pair.client.open(),
                1 => pair.client.prefer(address(PEERS[peer])),
                2 => pair.client.probe(),
                3 | 4 => { pair.client_sends(peer); }
                _ => { pair.peer_sends(peer); }
            }
            pair.run_for(Duration::from_millis(wait));
        }
        pair.run_for(3000 * MS);
        prop_assert!(pair.client.is_answered());
        // Now everybody hears everybody, on a good network.
        pair.datagrams = [1, 2].map(|seed| Link::new(seed, Conditions::default()));
        pair.client.open();
        pair.run_for(1000 * MS);
        for peer in 0..PEERS.len() {
            let before = [pair.delivered[0].len(), pair.delivered[1].len()];
            prop_assert!(pair.client_sends(peer));
            pair.run_for(5 * MS);
            prop_assert!(pair.peer_sends(peer));
            pair.run_for(5 * MS);
            prop_assert_eq!(pair.delivered[0].len(), before[0] + 1);
            prop_assert_eq!(pair.delivered[1].len(), before[1] + 1);
        }
        // And behind the firewall one alone.
        pair.client.prefer(address(PEERS[0]));
        pair.run_for(1000 * MS);
        prop_assert!(!pair.client.is_open());
        prop_assert!(pair.client_sends(0) && pair.peer_sends(0));
    }
}
