//! A device's candidate source, servers and peers, joined by a network with a delay, on virtual time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use securecall_relay::{
    Candidate, CandidateSource, Claim, Datagram, Inbound, SourceOutput, StreamId, StreamTarget,
    TransactionIds,
};
use web_time::Instant;

pub(crate) const MS: Duration = Duration::from_millis(1);
/// The way from one host to another.
pub(crate) const DELAY: Duration = Duration::from_millis(20);

/// One moment for all tests: virtual time begins here.
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made otherwise; only differences matter"
)]
pub(crate) fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Transaction IDs by a seed.
pub(crate) fn ids(seed: u64) -> TransactionIds {
    TransactionIds::new(ChaCha8Rng::seed_from_u64(seed))
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A server on the network, or a NAT with many.
pub(crate) trait Server {
    /// Whether packets to this address come here.
    fn owns(&self, address: SocketAddr) -> bool;
    /// A packet came; gives what is sent.
    fn handle(&mut self, now: Instant, packet: Datagram) -> Vec<Datagram>;
}

/// What a server says to whoever sent this packet, from where it came to.
pub(crate) fn answer_to(packet: &Datagram, contents: Vec<u8>) -> Datagram {
    Datagram {
        source: packet.destination,
        destination: packet.source,
        contents,
    }
}

/// The network of one device.
pub(crate) struct Network<S> {
    pub(crate) now: Instant,
    pub(crate) source: S,
    pub(crate) servers: BTreeMap<&'static str, Box<dyn Server>>,
    /// Nothing arrives.
    pub(crate) cut: bool,
    /// One packet in so many is lost, by a seed.
    pub(crate) loss: Option<(ChaCha8Rng, u32)>,
    in_flight: Vec<(Instant, Datagram)>,
    deadline: Option<Instant>,
    /// What the source said, and when.
    pub(crate) candidates: Vec<(Instant, Candidate)>,
    pub(crate) lost: Vec<Candidate>,
    pub(crate) answered: Vec<Instant>,
    pub(crate) packets: Vec<Datagram>,
    pub(crate) opened: Vec<(StreamId, StreamTarget)>,
    pub(crate) written: Vec<(StreamId, Vec<u8>)>,
    pub(crate) closed: Vec<StreamId>,
    /// The sockets that the source has asked for, those that it let go of, and when it said that its user name is refused.
    pub(crate) bound: Vec<SocketAddr>,
    pub(crate) unbound: Vec<SocketAddr>,
    pub(crate) refused: Vec<Instant>,
    /// Everything that left the device.
    pub(crate) sent: Vec<Datagram>,
    /// What no server and no source took: packets for peers, and from them.
    pub(crate) at_peers: Vec<Datagram>,
    pub(crate) wakeups: usize,
}

impl<S: CandidateSource> Network<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            now: start(),
            source,
            servers: BTreeMap::new(),
            cut: false,
            loss: None,
            in_flight: Vec::new(),
            deadline: None,
            candidates: Vec::new(),
            lost: Vec::new(),
            answered: Vec::new(),
            packets: Vec::new(),
            opened: Vec::new(),
            written: Vec::new(),
            closed: Vec::new(),
            bound: Vec::new(),
            unbound: Vec::new(),
            refused: Vec::new(),
            sent: Vec::new(),
            at_peers: Vec::new(),
            wakeups: 0,
        }
    }

    pub(crate) fn with_server(mut self, name: &'static str, server: impl Server + 'static) -> Self {
        self.servers.insert(name, Box::new(server));
        self
    }

    /// Does something with the source, and takes what it has to say.
    pub(crate) fn drive<T>(&mut self, act: impl FnOnce(&mut S, Instant) -> T) -> T {
        let result = act(&mut self.source, self.now);
        self.drain();
        result
    }

    pub(crate) fn gather(&mut self, sockets: &[&str]) {
        let sockets: Vec<SocketAddr> = sockets.iter().map(|text| address(text)).collect();
        self.drive(|source, now| source.gather(now, &sockets));
    }

    /// A packet of ours to a peer.
    pub(crate) fn send(&mut self, from: SocketAddr, peer: &str, contents: &[u8]) {
        let datagram = Datagram {
            source: from,
            destination: address(peer),
            contents: contents.to_vec(),
        };
        self.drive(|source, now| source.send(now, datagram))
            .unwrap();
    }

    /// A packet from anywhere to anywhere.
    pub(crate) fn inject(&mut self, from: SocketAddr, to: SocketAddr, contents: &[u8]) {
        let datagram = Datagram {
            source: from,
            destination: to,
            contents: contents.to_vec(),
        };
        self.in_flight.push((self.now + DELAY, datagram));
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let arrival = self.in_flight.iter().map(|(at, _)| *at).min();
            let next = arrival.into_iter().chain(self.deadline).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            self.wakeups += 1;
            assert!(
                self.wakeups < 100_000,
                "the source asks to be woken for ever"
            );
            self.deliver();
            if self.deadline.is_some_and(|at| at <= self.now) {
                self.drive(|source, now| source.handle_timeout(now));
            }
        }
    }

    /// What came to a socket of ours and was not for the source.
    pub(crate) fn for_the_transport(&self, socket: &str) -> usize {
        let socket = address(socket);
        let packets = self.at_peers.iter();
        packets
            .filter(|packet| packet.destination == socket)
            .count()
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.candidates
            .iter()
            .map(|(_, candidate)| candidate.address)
            .collect()
    }

    fn deliver(&mut self) {
        let now = self.now;
        let (due, later) = std::mem::take(&mut self.in_flight)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.in_flight = later;
        let due: Vec<(Instant, Datagram)> = due;
        for (_, packet) in due {
            if self.cut || self.is_lost() {
                continue;
            }
            self.arrive(packet);
        }
    }

    fn arrive(&mut self, packet: Datagram) {
        let mut servers = self.servers.values_mut();
        if let Some(server) = servers.find(|server| server.owns(packet.destination)) {
            for answer in server.handle(self.now, packet) {
                self.in_flight.push((self.now + DELAY, answer));
            }
            return;
        }
        let inbound = Inbound {
            source: packet.source,
            destination: packet.destination,
            contents: &packet.contents,
        };
        let claim = self.source.handle_datagram(self.now, inbound);
        let of_nobody = claim == Claim::NotOurs;
        self.drain();
        if of_nobody {
            self.at_peers.push(packet);
        }
    }

    fn is_lost(&mut self) -> bool {
        let lost = |(rng, one_in): &mut (ChaCha8Rng, u32)| rng.next_u32() % *one_in == 0;
        self.loss.as_mut().is_some_and(lost)
    }

    fn drain(&mut self) {
        loop {
            match self.source.poll_output() {
                SourceOutput::Transmit(datagram) => {
                    self.sent.push(datagram.clone());
                    self.in_flight.push((self.now + DELAY, datagram));
                }
                SourceOutput::Open { stream, target } => self.opened.push((stream, target)),
                SourceOutput::Write { stream, bytes, .. } => self.written.push((stream, bytes)),
                SourceOutput::Close(stream) => self.closed.push(stream),
                SourceOutput::Candidate(candidate) => {
                    self.candidates.push((self.now, candidate));
                }
                SourceOutput::Lost(candidate) => self.lost.push(candidate),
                SourceOutput::Packet(packet) => self.packets.push(packet),
                SourceOutput::Bind(beside) => {
                    let port = 5001 + self.bound.len() as u16;
                    let socket = SocketAddr::new(beside.ip(), port);
                    self.bound.push(socket);
                    let now = self.now;
                    self.source.socket_bound(now, beside, Some(socket));
                }
                SourceOutput::Unbind(socket) => self.unbound.push(socket),
                SourceOutput::Tunnel(order) => panic!("no tunnel is known here: {order:?}"),
                SourceOutput::RelayFailed(failure) => panic!("no tunnel failed: {failure:?}"),
                SourceOutput::CredentialsRefused => self.refused.push(self.now),
                SourceOutput::Answered => self.answered.push(self.now),
                SourceOutput::Timeout(at) => {
                    self.deadline = at;
                    return;
                }
            }
        }
    }
}
