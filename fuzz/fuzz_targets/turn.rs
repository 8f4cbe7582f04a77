//! Whatever a TURN server sends, over datagrams and in a stream, before and after it granted an address: no panic, no packet of
//! a host that was not let through, no waking for ever, and every answer is asked for.

#![no_main]

use std::net::SocketAddr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;
use securecall_fuzz::{START, VirtualTime, address};
use securecall_relay::stun::{
    AttributeType, Class, IntegrityAlgorithm, IntegrityKey, Message, MessageBuilder, Method,
};
use securecall_relay::{
    CandidateSource as _, Credentials, Datagram, Inbound, ServerLink, SourceOutput, StreamEvent,
    StreamId, TransactionIds, TurnServer, TurnSource,
};
use web_time::Instant;
use zeroize::Zeroizing;

const MAX_PIECES: usize = 24;

struct World {
    now: Instant,
    source: TurnSource,
    in_stream: bool,
    peer: SocketAddr,
    requests: Vec<Vec<u8>>,
    sent: usize,
    deadline: Option<Instant>,
}

impl World {
    fn new(in_stream: bool) -> Self {
        let link = if in_stream {
            ServerLink::Tcp
        } else {
            ServerLink::Udp
        };
        let server = TurnServer {
            address: address("198.51.100.8:3478"),
            link,
            credentials: Credentials::new("ada", Zeroizing::new("secret".to_owned())).unwrap(),
        };
        let ids = TransactionIds::new(ChaCha8Rng::seed_from_u64(1));
        let mut world = Self {
            now: *START,
            source: TurnSource::new([server], ids),
            in_stream,
            peer: address("203.0.113.9:7000"),
            requests: Vec::new(),
            sent: 0,
            deadline: None,
        };
        world.source.gather(world.now, &[address("10.0.0.2:5000")]);
        world.drain();
        if in_stream {
            world
                .source
                .handle_stream(world.now, StreamId(0), StreamEvent::Opened);
            world.drain();
        }
        world
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.in_stream {
            self.source
                .handle_stream(self.now, StreamId(0), StreamEvent::Bytes(bytes));
        } else {
            let inbound = Inbound {
                source: address("198.51.100.8:3478"),
                destination: address("10.0.0.2:5000"),
                contents: bytes,
            };
            let _ = self.source.handle_datagram(self.now, inbound);
        }
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.source.poll_output() {
                SourceOutput::Transmit(Datagram {
                    contents: bytes, ..
                })
                | SourceOutput::Write { bytes, .. } => {
                    self.sent += 1;
                    if self.requests.len() < 64 {
                        self.requests.push(bytes);
                    }
                }
                SourceOutput::Packet(packet) => assert_eq!(packet.source.ip(), self.peer.ip()),
                // There is room for no other.
                SourceOutput::Bind(beside) => self.source.socket_bound(self.now, beside, None),
                SourceOutput::Timeout(at) => {
                    self.deadline = at;
                    return;
                }
                SourceOutput::Open { .. }
                | SourceOutput::Close(_)
                | SourceOutput::Candidate(_)
                | SourceOutput::Lost(_)
                | SourceOutput::Unbind(_)
                | SourceOutput::CredentialsRefused
                | SourceOutput::Tunnel(_)
                | SourceOutput::RelayFailed(_)
                | SourceOutput::Answered => {}
            }
        }
    }

    /// An honest answer to the oldest request, or one whose attribute is of the fuzzer.
    fn answer(&mut self, kind: u8, value: &[u8]) {
        if self.requests.is_empty() {
            return;
        }
        let request = self.requests.remove(0);
        let Ok(request) = Message::parse(&request) else {
            return;
        };
        if request.class() != Class::Request {
            return;
        }
        let key = IntegrityKey::long_term(IntegrityAlgorithm::Md5, "ada", "example.org", "secret");
        let new = |class| MessageBuilder::new(class, request.method(), request.transaction());
        let answer = if request.attribute(AttributeType::USERNAME).is_none() {
            new(Class::Error)
                .attribute(AttributeType::ERROR_CODE, &[0, 0, 4, 1])
                .attribute(AttributeType::REALM, b"example.org")
                .attribute(AttributeType::NONCE, b"nonce")
        } else {
            match kind {
                0..=0x7f => {
                    let granted = new(Class::Success).number(AttributeType::LIFETIME, 600);
                    if request.method() == Method::Allocate {
                        granted.xor_address(
                            AttributeType::XOR_RELAYED_ADDRESS,
                            address("198.51.100.8:50000"),
                        )
                    } else {
                        granted
                    }
                }
                0x80..=0xbf => new(Class::Error).attribute(AttributeType::ERROR_CODE, value),
                _ => new(Class::Success).attribute(AttributeType(u16::from(kind & 0x3f)), value),
            }
        };
        self.receive(&answer.integrity(&key).finish());
    }
}

impl VirtualTime for World {
    fn now(&mut self) -> &mut Instant {
        &mut self.now
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn wake(&mut self) {
        self.source.handle_timeout(self.now);
        self.drain();
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((first, mut rest)) = data.split_first() else {
        return;
    };
    let mut world = World::new(first & 1 == 1);
    for _ in 0..MAX_PIECES {
        let [kind, len, more @ ..] = rest else {
            break;
        };
        let (piece, after) = more.split_at(usize::from(*len).min(more.len()));
        rest = after;
        match kind % 6 {
            0 | 1 => world.answer(len.wrapping_mul(37), piece),
            2 => world.receive(piece),
            3 => world.source.allow_peer(world.now, world.peer),
            4 => world.pass(Duration::from_secs(u64::from(*len))),
            _ => {
                world.source.check(world.now);
                world.drain();
            }
        }
        world.drain();
    }
    // Even a server that loses us again and again is not asked without end.
    let before = world.sent;
    world.pass(Duration::from_secs(600));
    assert!(world.sent - before < 2000);
});
