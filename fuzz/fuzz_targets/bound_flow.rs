//! Whatever a client says to an exit, and an exit to a client: no panic, no packet to where none may go, none in from a host that
//! the client has not sent to, at most one for each and never a longer one, and nothing after a mistake.

#![no_main]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use securecall_fuzz::{START, address};
use securecall_relay::is_public;
use securecall_relay::masque::{Admission, BoundClient, BoundProxy};
use web_time::Instant;

const PEERS: [&str; 4] = [
    "203.0.113.9:7000",
    "203.0.113.9:7001",
    "203.0.113.10:7000",
    "[2001:db8::9]:7000",
];

struct World {
    now: Instant,
    proxy: BoundProxy,
    client: BoundClient,
    heard: usize,
    answered: usize,
    is_over: bool,
}

impl World {
    fn new() -> Self {
        let bound = [
            address("198.51.100.7:40000"),
            address("[2001:db8::7]:40000"),
        ];
        Self {
            now: *START,
            proxy: BoundProxy::new(&bound, Arc::new(Admission::of_public_hosts())),
            client: BoundClient::new(&bound),
            heard: 0,
            answered: 0,
            is_over: false,
        }
    }

    fn to_proxy(&mut self, bytes: &[u8]) {
        self.heard += bytes.len();
        let result = self.proxy.handle_capsules(self.now, bytes);
        assert!(!self.is_over || result.is_err());
        self.is_over = result.is_err();
        if let Some(answers) = self.proxy.poll_capsules() {
            self.answered += answers.len();
        }
        assert!(self.answered <= self.heard, "it says more than it hears");
    }

    fn datagram_to_proxy(&mut self, bytes: &[u8]) {
        if let Ok(outbound) = self.proxy.handle_datagram(self.now, bytes) {
            assert!(!self.is_over && is_public(outbound.peer));
            assert!(outbound.payload.len() < bytes.len());
        }
    }

    fn packet(&mut self, peer: SocketAddr) {
        if let Ok(header) = self.proxy.handle_packet(self.now, peer) {
            assert!(!self.is_over && header.as_ref().len() <= 27);
        }
    }

    fn to_client(&mut self, bytes: &[u8]) {
        let _ = self.client.handle_capsules(bytes);
        let _ = self.client.poll_capsules();
    }

    fn datagram_to_client(&mut self, bytes: &[u8]) {
        if let Ok((peer, payload)) = self.client.handle_datagram(bytes) {
            assert!(peer.port() != 0 && payload.len() < bytes.len());
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut world = World::new();
    let mut rest = data;
    while let [act, len, more @ ..] = rest {
        let (bytes, after) = more.split_at(more.len().min(usize::from(*len)));
        rest = after;
        let peer = address(PEERS[usize::from(*len) % PEERS.len()]);
        match act % 10 {
            0 | 1 => world.to_proxy(bytes),
            2 | 3 => world.datagram_to_proxy(bytes),
            4 => {
                world.packet(peer);
                rest = more;
            }
            5 => world.to_client(bytes),
            6 => world.datagram_to_client(bytes),
            7 => {
                world.client.open();
                rest = more;
            }
            8 => {
                world.client.prefer(peer);
                world.client.probe();
                let _ = world.client.datagram(peer, b"check");
                rest = more;
            }
            _ => {
                world.now += Duration::from_secs(u64::from(*len));
                rest = more;
            }
        }
    }
    // Somebody of whom nobody has spoken gets nothing in.
    let stranger = address("192.0.2.99:1");
    if !data.windows(4).any(|window| window == [192, 0, 2, 99]) {
        assert!(world.proxy.handle_packet(world.now, stranger).is_err());
    }
});
