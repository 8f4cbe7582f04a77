//! Whatever servers say to probes of NATs and relays: no panic, an end in time, nothing for machines of our own network, and no
//! more than a handful of packets for anybody but the server.

#![no_main]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;
use securecall_fuzz::{START, VirtualTime, address};
use securecall_relay::probe::{NatDiscovery, Probe, ProbeOutput, TurnProbe, TurnProbeSockets};
use securecall_relay::stun::{
    AttributeType, Class, IntegrityAlgorithm, IntegrityKey, Message, MessageBuilder, Method,
};
use securecall_relay::{
    Credentials, Datagram, Inbound, ServerLink, TransactionIds, TurnServer, is_public,
};
use web_time::Instant;
use zeroize::Zeroizing;

const MAX_PIECES: usize = 24;
const SERVER: &str = "198.51.100.8:3478";
const SOCKETS: [&str; 3] = ["10.0.0.2:5000", "10.0.0.2:5001", "10.0.0.2:5002"];

fn ids(seed: u64) -> TransactionIds {
    TransactionIds::new(ChaCha8Rng::seed_from_u64(seed))
}

struct World<P> {
    now: Instant,
    probe: P,
    requests: Vec<Datagram>,
    sent_to: BTreeMap<SocketAddr, usize>,
    deadline: Instant,
    is_finished: bool,
}

impl<P: Probe> World<P> {
    fn new(probe: P) -> Self {
        let mut world = Self {
            now: *START,
            probe,
            requests: Vec::new(),
            sent_to: BTreeMap::new(),
            deadline: *START,
            is_finished: false,
        };
        world.drain();
        world
    }

    fn drain(&mut self) {
        while !self.is_finished {
            match self.probe.poll_output() {
                ProbeOutput::Transmit(datagram) => {
                    let to = datagram.destination;
                    assert!(is_public(to), "{to}");
                    *self.sent_to.entry(to).or_default() += 1;
                    if self.requests.len() < 64 {
                        self.requests.push(datagram);
                    }
                }
                ProbeOutput::Timeout(at) => {
                    self.deadline = at;
                    return;
                }
                ProbeOutput::Finished(_) => self.is_finished = true,
                ProbeOutput::Open(..) | ProbeOutput::Write(..) | ProbeOutput::Close(_) => {}
            }
        }
    }

    fn receive(&mut self, source: SocketAddr, socket: SocketAddr, contents: &[u8]) {
        if !self.is_finished {
            let inbound = Inbound {
                source,
                destination: socket,
                contents,
            };
            self.probe.handle_datagram(self.now, inbound);
            self.drain();
        }
    }

    /// An answer to the oldest request, with an attribute of the fuzzer; from the server, or from another address of it.
    fn answer(&mut self, kind: u8, value: &[u8]) {
        if self.requests.is_empty() {
            return;
        }
        let datagram = self.requests.remove(0);
        let Ok(request) = Message::parse(&datagram.contents) else {
            return;
        };
        let mapped = address("203.0.113.9:7000");
        let new = |class| MessageBuilder::new(class, request.method(), request.transaction());
        let granted = new(Class::Success).xor_address(AttributeType::XOR_MAPPED_ADDRESS, mapped);
        let is_challenged = request.attribute(AttributeType::USERNAME).is_some();
        let answer = match (request.method(), kind) {
            (Method::Binding, 0..=0x3f) => granted.attribute(AttributeType::OTHER_ADDRESS, value),
            (Method::Binding, 0x40..=0x7f) => granted.attribute(
                AttributeType::OTHER_ADDRESS,
                &[0, 1, 0x0d, 0x97, 198, 51, 100, 9],
            ),
            (Method::Binding, 0x80..=0xbf) => {
                new(Class::Success).attribute(AttributeType::XOR_MAPPED_ADDRESS, value)
            }
            (Method::Binding, _) => new(Class::Error).attribute(AttributeType::ERROR_CODE, value),
            (_, _) if !is_challenged => new(Class::Error)
                .attribute(AttributeType::ERROR_CODE, &[0, 0, 4, 1])
                .attribute(AttributeType::REALM, b"example.org")
                .attribute(AttributeType::NONCE, b"nonce"),
            (Method::Allocate, 0..=0x7f) => granted
                .xor_address(
                    AttributeType::XOR_RELAYED_ADDRESS,
                    address("198.51.100.8:50000"),
                )
                .number(AttributeType::LIFETIME, 600),
            (Method::Allocate, 0x80..=0xbf) => granted
                .attribute(AttributeType::XOR_RELAYED_ADDRESS, value)
                .number(AttributeType::LIFETIME, 600),
            (_, 0..=0xbf) => new(Class::Success).number(AttributeType::LIFETIME, 600),
            (_, _) => new(Class::Error).attribute(AttributeType::ERROR_CODE, value),
        };
        let answer = if request.method() == Method::Binding {
            answer
        } else {
            let (algorithm, realm) = (IntegrityAlgorithm::Md5, "example.org");
            answer.integrity(&IntegrityKey::long_term(algorithm, "ada", realm, "secret"))
        };
        let other = address("198.51.100.9:3479");
        let from = [datagram.destination, datagram.destination, other];
        let from = from[usize::from(kind) % from.len()];
        self.receive(from, datagram.source, &answer.finish());
    }

    fn run(mut self, mut rest: &[u8]) {
        for _ in 0..MAX_PIECES {
            let [kind, len, more @ ..] = rest else {
                break;
            };
            let (piece, after) = more.split_at(usize::from(*len).min(more.len()));
            rest = after;
            match kind % 5 {
                0..=2 => self.answer(len.wrapping_mul(37), piece),
                3 => {
                    let socket = SOCKETS[usize::from(*len) % SOCKETS.len()];
                    self.receive(address(SERVER), address(socket), piece);
                }
                _ => self.pass(Duration::from_millis(u64::from(*len) * 8)),
            }
        }
        self.pass(Duration::from_secs(30));
        assert!(self.is_finished, "it does not come to an end");
        for (to, count) in &self.sent_to {
            let most = if *to == address(SERVER) { 100 } else { 12 };
            assert!(*count <= most, "{count} packets to {to}");
        }
    }
}

impl<P: Probe> VirtualTime for World<P> {
    fn now(&mut self) -> &mut Instant {
        &mut self.now
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.is_finished).then_some(self.deadline)
    }

    fn wake(&mut self) {
        self.probe.handle_timeout(self.now);
        self.drain();
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let [control, second, peer] = SOCKETS.map(address);
    if first & 1 == 0 {
        let servers = [address(SERVER)];
        World::new(NatDiscovery::new(
            *START,
            [control, second],
            servers,
            ids(1),
        ))
        .run(rest);
        return;
    }
    let server = TurnServer {
        address: address(SERVER),
        link: ServerLink::Udp,
        credentials: Credentials::new("ada", Zeroizing::new("secret".to_owned())).unwrap(),
    };
    let sockets = TurnProbeSockets {
        control: [control, second],
        peer,
    };
    let mut seed = 0;
    let probe = TurnProbe::new(*START, server, sockets, || {
        seed += 1;
        ids(seed)
    });
    World::new(probe).run(rest);
});
