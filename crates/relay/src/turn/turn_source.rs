//! The source of relayed candidates: all servers are asked at once, over all links they have, and the
//! first address that is granted wins.

mod again;
mod failures;
mod sockets;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tracing::info;
use web_time::Instant;

use self::again::Retry;
use self::failures::Refusals;
use self::sockets::Sockets;
use super::allocation::{Allocation, AllocationOutput, Via};
use super::discretion::Discretion;
use super::peers::MAX_PERMISSIONS;
use super::{Grant, ServerLink, TurnFailure, TurnServer};
use crate::{
    Candidate, CandidateSource, Claim, Datagram, Inbound, SourceOutput, StreamEvent, StreamId,
    TransactionIds, Urgency,
};

/// The most servers and links that are asked: three links to two servers with an address of each family.
const MAX_SERVERS: usize = 12;
/// The most allocations that are asked for or held by datagrams: sockets times servers.
const MAX_BY_DATAGRAMS: usize = 16;
/// The same by streams. They have a bound of their own: on a machine with many addresses they must not be left out, for where
/// nothing else gets through they are all there is.
const MAX_BY_STREAMS: usize = 12;
/// How long datagrams may still win over a stream that was faster: they are worth it, for a lost packet
/// holds up all that follow it in a stream.
const DATAGRAMS_MAY_COME_LATE: Duration = Duration::from_secs(1);

/// Addresses at TURN servers.
pub struct TurnSource {
    servers: Box<dyn FnMut() -> Vec<TurnServer> + Send>,
    ids: TransactionIds,
    sockets: Sockets,
    attempts: Vec<Attempt>,
    next_stream: u32,
    redirects: u8,
    /// Whom the servers are to let through, those last that were named last.
    peers: VecDeque<IpAddr>,
    /// Counts the gatherings that brought new sockets. Only attempts of one compete: an address that was granted before may be
    /// behind a network that is gone.
    generation: u32,
    /// Until when datagrams may win over the stream that has.
    late_until: Option<Instant>,
    retry: Option<Retry>,
    refusals: Refusals,
    discretion: Discretion,
    /// Why there is no address at these servers.
    failures: VecDeque<(SocketAddr, ServerLink, TurnFailure)>,
    answered: bool,
    outputs: VecDeque<SourceOutput>,
}

/// An allocation, and what was told of it.
struct Attempt {
    allocation: Allocation,
    generation: u32,
    candidates: Vec<Candidate>,
}

impl TurnSource {
    /// Nobody is asked yet.
    pub fn new(servers: impl IntoIterator<Item = TurnServer>, ids: TransactionIds) -> Self {
        let servers: Vec<TurnServer> = servers.into_iter().collect();
        Self::with_servers(move || servers.clone(), ids)
    }

    /// Nobody is asked yet. Which servers there are is found out each time they are asked: in a long call
    /// credentials are renewed.
    pub fn with_servers(
        servers: impl FnMut() -> Vec<TurnServer> + Send + 'static,
        ids: TransactionIds,
    ) -> Self {
        Self {
            servers: Box::new(servers),
            ids,
            sockets: Sockets::default(),
            attempts: Vec::new(),
            next_stream: 0,
            redirects: 0,
            peers: VecDeque::new(),
            generation: 0,
            late_until: None,
            retry: None,
            refusals: Refusals::default(),
            discretion: Discretion::default(),
            failures: VecDeque::new(),
            answered: true,
            outputs: VecDeque::new(),
        }
    }

    /// Why there is no address at these servers, oldest first.
    pub fn failures(&self) -> impl Iterator<Item = &(SocketAddr, ServerLink, TurnFailure)> {
        self.failures.iter()
    }

    /// What servers have granted, of that which is still held.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        let attempts = self.attempts.iter();
        attempts.filter_map(|attempt| attempt.allocation.grant.as_ref())
    }

    /// Whether the server that has this address for us lets packets of a host through; `None` while it has not said.
    pub fn permits(&self, base: SocketAddr, peer: IpAddr) -> Option<bool> {
        let mut attempts = self.attempts.iter();
        let attempt = attempts.find(|attempt| attempt.allocation.relayed().contains(&base))?;
        attempt.allocation.permits(peer)
    }

    fn ask_all(&mut self, now: Instant, sockets: &[SocketAddr]) {
        let mut servers = (self.servers)();
        servers.truncate(MAX_SERVERS);
        for server in self.discretion.admitted(now, servers, sockets) {
            self.ask(now, server, sockets);
        }
    }

    fn ask(&mut self, now: Instant, server: TurnServer, sockets: &[SocketAddr]) {
        let Some(target) = server.stream_target() else {
            for socket in sockets {
                if socket.is_ipv4() == server.address.is_ipv4() {
                    let socket = self.sockets.in_place_of(*socket);
                    self.begin(now, server.clone(), Via::Socket(socket));
                }
            }
            return;
        };
        let is_asked = self.attempts.iter().any(|attempt| {
            let other = &attempt.allocation.server;
            (other.address, &other.link) == (server.address, &server.link)
                && other.credentials.username() == server.credentials.username()
        });
        if !is_asked && self.has_room(true) {
            let stream = StreamId(self.next_stream);
            self.next_stream += 1;
            self.outputs
                .push_back(SourceOutput::Open { stream, target });
            self.begin(now, server, Via::Stream(stream));
        }
    }

    fn begin(&mut self, now: Instant, server: TurnServer, via: Via) {
        if self.has_room(via.is_stream()) {
            self.attempts.push(Attempt {
                allocation: Allocation::new(now, &mut self.ids, server, via),
                generation: self.generation,
                candidates: Vec::new(),
            });
        }
    }

    fn has_room(&self, by_stream: bool) -> bool {
        let attempts = self.attempts.iter();
        let others = attempts.filter(|attempt| attempt.allocation.via.is_stream() == by_stream);
        let bound = [MAX_BY_DATAGRAMS, MAX_BY_STREAMS][usize::from(by_stream)];
        others.count() < bound
    }

    /// Takes what the allocations have to say, as it must be after whatever they were told.
    fn settle(&mut self, now: Instant) {
        let mut index = 0;
        while index < self.attempts.len() {
            while let Some(output) = self.attempts[index].allocation.poll_output() {
                self.handle_output(now, index, output);
            }
            index += 1;
        }
        self.attempts
            .retain(|attempt| !attempt.allocation.is_over());
        let more_later = self.retry.is_some() || self.discretion.until().is_some();
        let nobody_left = self.attempts.is_empty() && !more_later;
        if !self.answered && (self.is_held() || nobody_left) {
            self.answered = true;
            self.outputs.push_back(SourceOutput::Answered);
        }
    }

    fn handle_output(&mut self, now: Instant, index: usize, output: AllocationOutput) {
        match output {
            AllocationOutput::Send(bytes, urgency) => self.transmit(index, bytes, urgency),
            AllocationOutput::Packet {
                peer,
                own,
                contents,
            } => self.outputs.push_back(SourceOutput::Packet(Datagram {
                source: peer,
                destination: own,
                contents,
            })),
            AllocationOutput::Allocated => self.allocated(now, index),
            AllocationOutput::Failed(failure) => self.failed(now, index, failure),
        }
    }

    fn transmit(&mut self, index: usize, bytes: Vec<u8>, urgency: Urgency) {
        let allocation = &self.attempts[index].allocation;
        self.outputs.push_back(match allocation.via {
            Via::Socket(source) => SourceOutput::Transmit(Datagram {
                source,
                destination: allocation.server.address,
                contents: bytes,
            }),
            Via::Stream(stream) => SourceOutput::Write {
                stream,
                bytes,
                urgency,
            },
        });
    }

    /// Whether a server claims an address for us that we have without it: what is sent from there would be led to it.
    fn claims_what_is_ours(&self, index: usize) -> bool {
        let mut claimed = self.attempts[index].allocation.relayed().iter();
        claimed.any(|address| {
            let mut others = self.attempts.iter();
            let is_told = |other: &Attempt| {
                let mut candidates = other.candidates.iter();
                candidates.any(|candidate| candidate.base == *address)
            };
            self.sockets.contains(*address) || others.any(is_told)
        })
    }

    fn allocated(&mut self, now: Instant, index: usize) {
        // First: such an address must not become a candidate.
        if self.claims_what_is_ours(index) {
            self.end(now, index);
            let failure = TurnFailure::Nonsense("it grants an address that is ours without it");
            return self.failed(now, index, failure);
        }
        let by_stream = self.attempts[index].allocation.via.is_stream();
        let generation = self.attempts[index].generation;
        let is_told = self.is_told(generation);
        let late = is_told && !by_stream && self.late_until.is_some_and(|until| now < until);
        if is_told && !late {
            // Another one was faster.
            self.end(now, index);
            return;
        }
        self.late_until = by_stream.then(|| now + DATAGRAMS_MAY_COME_LATE);
        self.retry = None;
        for other in 0..self.attempts.len() {
            let attempt = &self.attempts[other];
            let may_come_late = by_stream && !attempt.allocation.via.is_stream();
            let is_asked = attempt.allocation.relayed().is_empty();
            let competes = attempt.generation == generation && other != index;
            if competes && is_asked && !may_come_late {
                self.end(now, other);
            }
        }
        let ids = &mut self.ids;
        let attempt = &mut self.attempts[index];
        // Those that were named while it was asked for.
        for peer in &self.peers {
            attempt.allocation.allow(now, ids, *peer);
        }
        for address in attempt.allocation.relayed() {
            let candidate = Candidate::relayed(*address);
            attempt.candidates.push(candidate);
            self.outputs.push_back(SourceOutput::Candidate(candidate));
        }
        info!(by_stream, "a TURN server has an address for us");
    }

    /// Gives up on an attempt, or gives back what it holds.
    fn end(&mut self, now: Instant, index: usize) {
        let ids = &mut self.ids;
        let allocation = &mut self.attempts[index].allocation;
        allocation.release(now, ids);
        let via = allocation.via;
        while let Some(output) = self.attempts[index].allocation.poll_output() {
            if let AllocationOutput::Send(bytes, urgency) = output {
                self.transmit(index, bytes, urgency);
            }
        }
        if let Via::Stream(stream) = via {
            self.outputs.push_back(SourceOutput::Close(stream));
        }
    }

    /// Whether the peer may be told an address that one of these attempts has.
    fn is_told(&self, generation: u32) -> bool {
        let mut attempts = self.attempts.iter();
        attempts.any(|attempt| attempt.generation == generation && !attempt.candidates.is_empty())
    }

    fn is_held(&self) -> bool {
        let mut attempts = self.attempts.iter();
        attempts.any(|attempt| !attempt.allocation.relayed().is_empty())
    }

    fn end_late(&mut self, now: Instant) {
        if self.late_until.is_some_and(|until| until <= now) {
            self.late_until = None;
            for index in 0..self.attempts.len() {
                if self.attempts[index].allocation.relayed().is_empty() {
                    self.end(now, index);
                }
            }
        }
    }

    /// After every call: what is due now is done, and all is said.
    fn after(&mut self, now: Instant) {
        self.settle(now);
        self.ask_held_back(now);
        self.retry_if_due(now);
        self.settle(now);
    }
}

impl CandidateSource for TurnSource {
    fn hides_address(&self) -> bool {
        true
    }

    fn be_discreet(&mut self) {
        self.discretion.begin();
    }

    fn gather(&mut self, now: Instant, sockets: &[SocketAddr]) {
        self.answered = false;
        self.sockets.add(sockets);
        if !sockets.is_empty() {
            self.generation += 1;
            self.late_until = None;
        }
        // Whoever gathers again has lost the path, perhaps because a server was started anew.
        for attempt in &mut self.attempts {
            attempt.allocation.check(now, &mut self.ids);
        }
        self.ask_all(now, sockets);
        self.after(now);
    }

    fn sockets_closed(&mut self, now: Instant, sockets: &[SocketAddr]) {
        self.sockets.remove(sockets);
        for attempt in &mut self.attempts {
            // Nothing can be given back either: the server hears no more of us there.
            if matches!(attempt.allocation.via, Via::Socket(socket) if sockets.contains(&socket)) {
                let closed = StreamEvent::Closed;
                attempt.allocation.handle_stream(now, &mut self.ids, closed);
            }
        }
        self.after(now);
    }

    fn socket_bound(&mut self, now: Instant, beside: SocketAddr, bound: Option<SocketAddr>) {
        if let Some(useless) = self.sockets.bound(beside, bound) {
            self.outputs.push_back(SourceOutput::Unbind(useless));
        }
        self.after(now);
    }

    fn handle_datagram<'a>(&mut self, now: Instant, datagram: Inbound<'a>) -> Claim<'a> {
        let via = Via::Socket(datagram.destination);
        // One server may be asked twice from a socket, with other credentials.
        let asked = self.attempts.iter_mut().filter(|attempt| {
            attempt.allocation.via == via && attempt.allocation.server.address == datagram.source
        });
        let mut taken = false;
        for attempt in asked {
            let allocation = &mut attempt.allocation;
            taken = allocation.handle_bytes(now, &mut self.ids, datagram.contents);
            if taken {
                break;
            }
        }
        self.after(now);
        if taken { Claim::Taken } else { Claim::NotOurs }
    }

    fn handle_stream(&mut self, now: Instant, stream: StreamId, event: StreamEvent<'_>) -> bool {
        let mut attempts = self.attempts.iter_mut();
        let Some(attempt) = attempts.find(|attempt| attempt.allocation.via == Via::Stream(stream))
        else {
            return false;
        };
        attempt.allocation.handle_stream(now, &mut self.ids, event);
        self.after(now);
        true
    }

    fn allow_peer(&mut self, now: Instant, peer: SocketAddr) {
        self.peers.retain(|named| *named != peer.ip());
        if self.peers.len() >= MAX_PERMISSIONS {
            self.peers.pop_front();
        }
        self.peers.push_back(peer.ip());
        for attempt in &mut self.attempts {
            attempt.allocation.allow(now, &mut self.ids, peer.ip());
        }
        self.after(now);
    }

    fn prefer_peer(&mut self, now: Instant, base: SocketAddr, peer: SocketAddr) {
        let mut attempts = self.attempts.iter_mut();
        if let Some(attempt) = attempts.find(|attempt| attempt.allocation.relayed().contains(&base))
        {
            attempt.allocation.bind(now, &mut self.ids, peer);
        }
        self.after(now);
    }

    fn way_of(&self, base: SocketAddr) -> Option<(SocketAddr, SocketAddr)> {
        let mut attempts = self.attempts.iter().map(|attempt| &attempt.allocation);
        let allocation = attempts.find(|allocation| allocation.relayed().contains(&base))?;
        match allocation.via {
            Via::Socket(socket) => Some((socket, allocation.server.address)),
            Via::Stream(_) => None,
        }
    }

    fn check(&mut self, now: Instant) {
        for attempt in &mut self.attempts {
            attempt.allocation.check(now, &mut self.ids);
        }
        self.after(now);
    }

    fn servers_changed(&mut self, now: Instant) {
        self.ask_others(now);
        self.after(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        for attempt in &mut self.attempts {
            if attempt
                .allocation
                .poll_timeout()
                .is_some_and(|at| at <= now)
            {
                attempt.allocation.handle_timeout(now, &mut self.ids);
            }
        }
        self.end_late(now);
        self.after(now);
    }

    fn send(&mut self, now: Instant, datagram: Datagram) -> Result<(), Datagram> {
        let mut attempts = self.attempts.iter_mut();
        let Some(attempt) =
            attempts.find(|attempt| attempt.allocation.relayed().contains(&datagram.source))
        else {
            return Err(datagram);
        };
        attempt
            .allocation
            .send(now, &mut self.ids, datagram.destination, &datagram.contents);
        self.after(now);
        Ok(())
    }

    fn close(&mut self, now: Instant) {
        self.retry = None;
        self.discretion.forget();
        for index in 0..self.attempts.len() {
            self.end(now, index);
        }
        self.settle(now);
    }

    fn poll_output(&mut self) -> SourceOutput {
        self.outputs.pop_front().unwrap_or_else(|| {
            let attempts = self.attempts.iter();
            let deadlines = attempts.filter_map(|attempt| attempt.allocation.poll_timeout());
            SourceOutput::Timeout(
                deadlines
                    .chain(self.late_until)
                    .chain(self.retry_at())
                    .chain(self.discretion.until())
                    .min(),
            )
        })
    }
}
