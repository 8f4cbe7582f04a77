//! A source of GhostNet with relays that do as they are told, on virtual time. The exits are [`BoundProxy`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use securecall_relay::masque::{Admission, BoundProxy};
use securecall_relay::{
    Candidate, CandidateSource, Datagram, GhostNetSource, Hop, HopProof, HopRole, SourceOutput,
    TunnelEvent, TunnelFailure, TunnelFailureKind, TunnelId, TunnelOrder, TunnelPath,
};
use web_time::Instant;

use crate::network::{DELAY, MS, address, start};

/// What a tunnel takes until it is there: four round trips over two hops.
pub(crate) const SETUP: Duration = DELAY.checked_mul(8).unwrap();

/// What becomes of a tunnel that is ordered.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It opens, with these addresses.
    Opens(Vec<SocketAddr>),
    /// It fails so long after it was ordered.
    Fails(Duration, TunnelFailure),
    /// Nothing is ever heard of it.
    Silent,
}

/// A path whose exit is at this address, and what becomes of it.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) entry: SocketAddr,
    pub(crate) exit: SocketAddr,
    pub(crate) fate: Fate,
}

/// What comes to the source, or to an exit.
enum Message {
    Order(TunnelOrder),
    Opened(TunnelId, Vec<SocketAddr>),
    Datagram(TunnelId, Vec<u8>),
    Capsules(TunnelId, Vec<u8>),
    Closed(TunnelId, TunnelFailure),
}

pub(crate) struct Exits {
    pub(crate) now: Instant,
    pub(crate) source: GhostNetSource,
    planned: Arc<Mutex<Vec<Planned>>>,
    /// What each path was asked for after.
    pub(crate) asked: Arc<Mutex<Vec<Option<TunnelFailure>>>>,
    fates: BTreeMap<SocketAddr, Fate>,
    proxies: BTreeMap<TunnelId, (BoundProxy, Vec<SocketAddr>)>,
    /// Exits that hear and say nothing any more.
    pub(crate) dead: Vec<TunnelId>,
    /// An exit that keeps what it would say, and that.
    reticent: Option<(TunnelId, Vec<Message>)>,
    in_flight: Vec<(Instant, Message)>,
    deadline: Option<Instant>,
    pub(crate) opened: Vec<(Instant, TunnelId, SocketAddr)>,
    pub(crate) closed: Vec<TunnelId>,
    pub(crate) candidates: Vec<(Instant, Candidate)>,
    pub(crate) lost: Vec<(Instant, Candidate)>,
    pub(crate) failures: Vec<(Instant, TunnelFailure)>,
    pub(crate) answered: Vec<Instant>,
    pub(crate) packets: Vec<Datagram>,
    /// What got to peers: through which tunnel, to whom, what.
    pub(crate) at_peers: Vec<(TunnelId, SocketAddr, Vec<u8>)>,
    /// The length of each datagram that left the device.
    pub(crate) sent: Vec<usize>,
    wakeups: usize,
}

pub(crate) fn failure(hop: HopRole, kind: TunnelFailureKind) -> TunnelFailure {
    TunnelFailure { hop, kind }
}

/// The address of an exit, and what it binds for a tunnel.
pub(crate) fn exit(number: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, number], 443))
}

pub(crate) fn public(number: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, number], 40_000))
}

/// A path by the first entry to an exit that works.
pub(crate) fn good(number: u8) -> Planned {
    planned(number, Fate::Opens(vec![public(number)]))
}

pub(crate) fn planned(number: u8, fate: Fate) -> Planned {
    Planned {
        entry: address("192.0.2.50:443"),
        exit: exit(number),
        fate,
    }
}

impl Exits {
    pub(crate) fn new(paths: impl IntoIterator<Item = Planned>) -> Self {
        let mut paths: Vec<Planned> = paths.into_iter().collect();
        let fates = paths.iter().map(|path| (path.exit, path.fate.clone()));
        let fates = fates.collect();
        paths.reverse();
        let planned = Arc::new(Mutex::new(paths));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (theirs, theirs_too) = (planned.clone(), asked.clone());
        let source = GhostNetSource::new(move |after| {
            theirs_too.lock().unwrap().push(after);
            let next = theirs.lock().unwrap().pop()?;
            let hop = |address| Hop {
                address,
                name: "relay.example".to_owned(),
                proof: HopProof::Authorities,
                authorization: None,
            };
            Some(TunnelPath {
                entry: hop(next.entry),
                exit: hop(next.exit),
            })
        });
        Self {
            now: start(),
            source,
            planned,
            asked,
            fates,
            proxies: BTreeMap::new(),
            dead: Vec::new(),
            reticent: None,
            in_flight: Vec::new(),
            deadline: None,
            opened: Vec::new(),
            closed: Vec::new(),
            candidates: Vec::new(),
            lost: Vec::new(),
            failures: Vec::new(),
            answered: Vec::new(),
            packets: Vec::new(),
            at_peers: Vec::new(),
            sent: Vec::new(),
            wakeups: 0,
        }
    }

    /// One whose first exit has given an address.
    pub(crate) fn gathered(paths: impl IntoIterator<Item = Planned>) -> Self {
        let mut exits = Self::new(paths);
        exits.gather();
        exits.run_for(SETUP + 10 * DELAY);
        assert_eq!(exits.candidates.len(), 1);
        exits
    }

    /// One in a call: packets go to and come from a peer.
    pub(crate) fn in_call(paths: impl IntoIterator<Item = Planned>, peer: SocketAddr) -> Self {
        let mut exits = Self::gathered(paths);
        let base = exits.candidates[0].1.base;
        exits.drive(|source, now| source.allow_peer(now, peer));
        exits.send(base, peer, b"check");
        exits.run_for(10 * DELAY);
        exits.drive(|source, now| source.prefer_peer(now, base, peer));
        exits.run_for(10 * DELAY);
        exits
    }

    pub(crate) fn drive<T>(&mut self, act: impl FnOnce(&mut GhostNetSource, Instant) -> T) -> T {
        let result = act(&mut self.source, self.now);
        self.drain();
        result
    }

    pub(crate) fn gather(&mut self) {
        self.drive(|source, now| source.gather(now, &[]));
    }

    pub(crate) fn paths_left(&self) -> usize {
        self.planned.lock().unwrap().len()
    }

    pub(crate) fn send(&mut self, base: SocketAddr, peer: SocketAddr, contents: &[u8]) {
        let datagram = Datagram {
            source: base,
            destination: peer,
            contents: contents.to_vec(),
        };
        self.drive(|source, now| source.send(now, datagram))
            .unwrap();
    }

    /// A packet comes to what an exit has bound. Whether it passes.
    pub(crate) fn peer_sends(&mut self, peer: SocketAddr, to: SocketAddr, contents: &[u8]) -> bool {
        let mut proxies = self.proxies.iter();
        let bound = proxies.find(|(_, (_, bound))| bound.contains(&to));
        let (id, (proxy, _)) = bound.expect("nobody has bound it");
        let Ok(header) = proxy.handle_packet(self.now, peer) else {
            return false;
        };
        let datagram = [header.as_ref(), contents].concat();
        self.say(*id, Message::Datagram(*id, datagram));
        true
    }

    /// A tunnel is closed from outside.
    pub(crate) fn close(&mut self, id: TunnelId, failure: TunnelFailure) {
        self.dead.push(id);
        self.deliver(&Message::Closed(id, failure));
    }

    /// Bytes of the exit's stream, whatever they are.
    pub(crate) fn exit_says(&mut self, id: TunnelId, capsules: &[u8]) {
        self.deliver(&Message::Capsules(id, capsules.to_vec()));
    }

    pub(crate) fn exit_sends(&mut self, id: TunnelId, datagram: &[u8]) {
        self.deliver(&Message::Datagram(id, datagram.to_vec()));
    }

    pub(crate) fn opens_again(&mut self, id: TunnelId, public: Vec<SocketAddr>) {
        self.deliver(&Message::Opened(id, public));
    }

    /// From now on this exit hears everything and says nothing.
    pub(crate) fn keep_silent(&mut self, id: TunnelId) {
        self.reticent = Some((id, Vec::new()));
    }

    /// It says all that it has kept.
    pub(crate) fn speak(&mut self) {
        for message in self.reticent.take().into_iter().flat_map(|(_, kept)| kept) {
            self.deliver(&message);
        }
    }

    /// The order in which things happened is told by time; two hops take twice the delay.
    fn say(&mut self, id: TunnelId, message: Message) {
        if let Some((_, kept)) = self.reticent.as_mut().filter(|(it, _)| *it == id) {
            return kept.push(message);
        }
        if !self.dead.contains(&id) {
            self.in_flight.push((self.now + 2 * DELAY, message));
        }
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
            assert!(self.wakeups < 10_000, "it asks to be woken for ever");
            while let Some(due) = self.in_flight.iter().position(|(at, _)| *at <= self.now) {
                let (_, message) = self.in_flight.remove(due);
                self.deliver(&message);
            }
            if self.deadline.is_some_and(|at| at <= self.now) {
                self.drive(|source, now| source.handle_timeout(now));
            }
        }
    }

    fn deliver(&mut self, message: &Message) {
        let now = self.now;
        let (id, event) = match message {
            Message::Order(order) => return self.carry_out(order),
            Message::Opened(id, public) => (*id, TunnelEvent::Opened { public }),
            Message::Datagram(id, bytes) => (*id, TunnelEvent::Datagram(bytes)),
            Message::Capsules(id, bytes) => (*id, TunnelEvent::Capsules(bytes)),
            Message::Closed(id, failure) => (*id, TunnelEvent::Closed(*failure)),
        };
        let is_closed = self.closed.contains(&id);
        let is_known = self.drive(|source, _| source.handle_tunnel(now, id, event));
        assert!(!(is_known && is_closed), "it is closed");
    }

    /// What an exit does with what came.
    fn carry_out(&mut self, order: &TunnelOrder) {
        let (TunnelOrder::Datagram { tunnel: id, .. } | TunnelOrder::Capsules { tunnel: id, .. }) =
            order
        else {
            return;
        };
        let id = *id;
        let Some((proxy, _)) = self
            .proxies
            .get_mut(&id)
            .filter(|_| !self.dead.contains(&id))
        else {
            return;
        };
        match order {
            TunnelOrder::Datagram { contents, .. } => {
                if let Ok(outbound) = proxy.handle_datagram(self.now, contents) {
                    let packet = (id, outbound.peer, outbound.payload.to_vec());
                    self.at_peers.push(packet);
                }
            }
            TunnelOrder::Capsules { bytes, .. } => {
                proxy.handle_capsules(self.now, bytes).unwrap();
                if let Some(answers) = proxy.poll_capsules() {
                    self.say(id, Message::Capsules(id, answers));
                }
            }
            TunnelOrder::Open { .. } | TunnelOrder::Close(_) => {}
        }
    }

    fn drain(&mut self) {
        loop {
            match self.source.poll_output() {
                SourceOutput::Tunnel(TunnelOrder::Open { tunnel, path }) => {
                    let exit = path.exit.address;
                    self.opened.push((self.now, tunnel, exit));
                    match self.fates[&exit].clone() {
                        Fate::Silent => {}
                        Fate::Fails(after, failure) => {
                            let closed = Message::Closed(tunnel, failure);
                            self.in_flight.push((self.now + after, closed));
                        }
                        Fate::Opens(public) => {
                            let admission = Arc::new(Admission::of_any_host());
                            let proxy = BoundProxy::new(&public, admission);
                            self.proxies.insert(tunnel, (proxy, public.clone()));
                            let opened = Message::Opened(tunnel, public);
                            self.in_flight.push((self.now + SETUP, opened));
                        }
                    }
                }
                SourceOutput::Tunnel(TunnelOrder::Close(tunnel)) => {
                    assert!(!self.closed.contains(&tunnel), "closed twice");
                    self.closed.push(tunnel);
                    self.proxies.remove(&tunnel);
                }
                SourceOutput::Tunnel(order) => {
                    if let TunnelOrder::Datagram { contents, .. } = &order {
                        self.sent.push(contents.len());
                    }
                    self.in_flight
                        .push((self.now + 2 * DELAY, Message::Order(order)));
                }
                SourceOutput::Candidate(candidate) => self.candidates.push((self.now, candidate)),
                SourceOutput::Lost(candidate) => self.lost.push((self.now, candidate)),
                SourceOutput::RelayFailed(failure) => self.failures.push((self.now, failure)),
                SourceOutput::Packet(packet) => self.packets.push(packet),
                SourceOutput::Answered => self.answered.push(self.now),
                SourceOutput::Timeout(at) => {
                    // What is due has been done: else it would be woken without end.
                    assert!(at.is_none_or(|at| at > self.now), "woken for nothing");
                    self.deadline = at;
                    return;
                }
                other => panic!("not what goes through tunnels: {other:?}"),
            }
        }
    }
}

/// A while in which nothing is due that was ordered before.
pub(crate) const LONG: Duration = MS.checked_mul(60_000).unwrap();
