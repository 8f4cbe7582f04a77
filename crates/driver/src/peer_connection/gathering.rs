//! Candidates of all sources, and when gathering counts as complete.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use securecall_relay::{
    Candidate, CandidateSource, Claim, Datagram, Inbound, SourceOutput, StreamEvent, StreamId,
    StreamTarget, TunnelEvent, TunnelFailure, TunnelId, TunnelOrder, Urgency,
};
use securecall_session::Route;
use web_time::Instant;

/// How long gathering waits for a source. What comes later is told when it comes: a peer that waits
/// for the end of candidates waits no longer for a server of ours that is slow.
const GATHERING_TIMEOUT: Duration = Duration::from_millis(200);
/// The same through two relays, which take four round trips: until then the peer has nothing of us that it could go by, and its end is
/// one more message, before the one that counts.
const TWO_RELAYS_TIMEOUT: Duration = Duration::from_millis(1500);
/// The bits of a stream's name that are its source's own; the rest says which source.
const STREAM_BITS: u32 = 24;

/// What there is to do, or was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GatheringOutput {
    /// Send this datagram from the socket it names.
    Transmit(Datagram),
    /// Open a stream.
    Open(StreamId, StreamTarget),
    /// Write to a stream.
    Write(StreamId, Vec<u8>, Urgency),
    /// Close a stream.
    Close(StreamId),
    /// Something to do with a tunnel.
    Tunnel(TunnelOrder),
    /// A candidate was found.
    Candidate(Candidate),
    /// A candidate is no more.
    Lost(Candidate),
    /// A packet of the peer came through a relay.
    Packet(Datagram),
    /// Bind another socket at the IP address of this one, and answer with [`Gathering::socket_bound`].
    Bind(Wanted),
    /// Close a socket that was bound so.
    Unbind(SocketAddr),
    /// A server takes the user name no more that the homeserver has made.
    CredentialsRefused,
    /// A relay of a tunnel fails, and another is tried.
    RelayFailed(TunnelFailure),
    /// Every source has answered, or had time to. Comes once for each gathering.
    Complete,
    /// Nothing more to do now: call `handle_timeout` at this time, if there is one.
    Timeout(Option<Instant>),
}

/// A socket that a source wants for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    source: usize,
    /// At the same IP address as this one.
    pub(super) beside: SocketAddr,
}

/// The sources of one peer connection.
pub(super) struct Gathering {
    route: Route,
    sources: Vec<Asked>,
    /// Until when gathering waits; `None` while there is none.
    until: Option<Instant>,
    outputs: VecDeque<GatheringOutput>,
}

struct Asked {
    source: Box<dyn CandidateSource>,
    answered: bool,
    deadline: Option<Instant>,
}

impl Gathering {
    /// Nothing is asked yet.
    pub(super) fn new(sources: Vec<Box<dyn CandidateSource>>) -> Self {
        let sources = sources.into_iter().map(|source| Asked {
            source,
            answered: false,
            deadline: None,
        });
        Self {
            route: Route::Direct,
            sources: sources.collect(),
            until: None,
            outputs: VecDeque::new(),
        }
    }

    /// From now on only sources of this route are asked.
    pub(super) fn set_route(&mut self, route: Route) {
        self.route = route;
        self.sources.retain(|asked| {
            let source = &asked.source;
            match route {
                Route::Direct => !source.is_anonymous(),
                Route::Relay => source.hides_address() && !source.is_anonymous(),
                Route::GhostNet => source.is_anonymous(),
            }
        });
        if route != Route::Direct {
            for asked in &mut self.sources {
                asked.source.be_discreet();
            }
        }
    }

    /// The route that was set last.
    pub(super) const fn route(&self) -> Route {
        self.route
    }

    /// Why the other side is told no address, in words. By relay that is not this machine's fault. `None` while that is as it should
    /// be: through two relays the first address takes its time.
    pub(super) fn without_candidates(&self) -> Option<&'static str> {
        if self.route == Route::GhostNet && !self.sources.iter().all(|asked| asked.answered) {
            return None;
        }
        Some(match self.route {
            Route::Direct => {
                "this machine has no network address that could be told to the other side"
            }
            Route::Relay => {
                "no TURN server has given an address yet; by relay the other side is told no other"
            }
            Route::GhostNet => {
                "no relay of GhostNet has given an address; by GhostNet the other side is told no other"
            }
        })
    }

    /// Whether anybody is to be asked who needs sockets of this call.
    pub(super) fn needs_sockets(&self) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|asked| !asked.source.is_anonymous())
    }

    /// Asks all sources, about these new sockets too.
    pub(super) fn begin(&mut self, now: Instant, sockets: &[SocketAddr]) {
        let patience = match self.route {
            Route::Direct | Route::Relay => GATHERING_TIMEOUT,
            Route::GhostNet => TWO_RELAYS_TIMEOUT,
        };
        self.until = Some(now + patience);
        for asked in &mut self.sources {
            asked.answered = false;
            asked.source.gather(now, sockets);
        }
        self.settle(now);
    }

    /// These sockets are closed: their addresses are gone.
    pub(super) fn sockets_closed(&mut self, now: Instant, sockets: &[SocketAddr]) {
        self.tell_all(now, |source| source.sockets_closed(now, sockets));
    }

    /// A socket was bound for a source; `None` if none can be had.
    pub(super) fn socket_bound(&mut self, now: Instant, wanted: Wanted, bound: Option<SocketAddr>) {
        if let Some(asked) = self.sources.get_mut(wanted.source) {
            asked.source.socket_bound(now, wanted.beside, bound);
        }
        self.settle(now);
    }

    /// What the transport gets of a datagram that came in.
    pub(super) fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        datagram: Inbound<'a>,
    ) -> Option<Inbound<'a>> {
        for asked in &mut self.sources {
            match asked.source.handle_datagram(now, datagram) {
                Claim::NotOurs => {}
                Claim::Peer(inbound) => return Some(inbound),
                Claim::Taken => {
                    self.settle(now);
                    return None;
                }
            }
        }
        None
    }

    /// Something happened to a stream.
    pub(super) fn handle_stream(&mut self, now: Instant, stream: StreamId, event: StreamEvent<'_>) {
        let (index, own) = split(stream);
        if let Some(asked) = self.sources.get_mut(index) {
            asked.source.handle_stream(now, own, event);
            self.settle(now);
        }
    }

    /// Something happened to a tunnel.
    pub(super) fn handle_tunnel(&mut self, now: Instant, tunnel: TunnelId, event: TunnelEvent<'_>) {
        let mut sources = self.sources.iter_mut();
        if sources.any(|asked| asked.source.handle_tunnel(now, tunnel, event)) {
            self.settle(now);
        }
    }

    /// The peer may be there.
    pub(super) fn allow_peer(&mut self, now: Instant, peer: SocketAddr) {
        self.tell_all(now, |source| source.allow_peer(now, peer));
    }

    /// The call goes this way from now on.
    pub(super) fn prefer_peer(&mut self, now: Instant, base: SocketAddr, peer: SocketAddr) {
        self.tell_all(now, |source| source.prefer_peer(now, base, peer));
    }

    /// From which socket, and where to, packets leave that are sent from an address at a relay, unless they leave in a stream.
    pub(super) fn way_of(&self, base: SocketAddr) -> Option<(SocketAddr, SocketAddr)> {
        let mut sources = self.sources.iter();
        sources.find_map(|asked| asked.source.way_of(base))
    }

    /// Nothing comes any more.
    pub(super) fn check(&mut self, now: Instant) {
        self.tell_all(now, |source| source.check(now));
    }

    /// Other servers are known than before.
    pub(super) fn servers_changed(&mut self, now: Instant) {
        self.tell_all(now, |source| source.servers_changed(now));
    }

    /// The call is over.
    pub(super) fn close(&mut self, now: Instant) {
        self.tell_all(now, |source| source.close(now));
    }

    /// To be called at the time that [`GatheringOutput::Timeout`] names.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for asked in &mut self.sources {
            if asked.deadline.is_some_and(|at| at <= now) {
                asked.source.handle_timeout(now);
            }
        }
        self.settle(now);
    }

    /// What the transport sends, through the source of the candidate that it sends from. From a candidate that is no
    /// more, nothing is sent.
    pub(super) fn send(&mut self, now: Instant, datagram: Datagram) {
        let mut datagram = datagram;
        for asked in &mut self.sources {
            match asked.source.send(now, datagram) {
                Ok(()) => return self.settle(now),
                Err(unclaimed) => datagram = unclaimed,
            }
        }
    }

    /// The next thing to do.
    pub(super) fn poll_output(&mut self) -> GatheringOutput {
        self.outputs
            .pop_front()
            .unwrap_or_else(|| GatheringOutput::Timeout(self.deadline()))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.sources.iter().filter_map(|asked| asked.deadline);
        deadlines.chain(self.until).min()
    }

    fn tell_all(&mut self, now: Instant, tell: impl Fn(&mut dyn CandidateSource)) {
        for asked in &mut self.sources {
            tell(asked.source.as_mut());
        }
        self.settle(now);
    }

    /// Drains the sources, as it must be after whatever they were told.
    fn settle(&mut self, now: Instant) {
        for (index, asked) in self.sources.iter_mut().enumerate() {
            loop {
                let output = match asked.source.poll_output() {
                    SourceOutput::Transmit(datagram) => GatheringOutput::Transmit(datagram),
                    SourceOutput::Open { stream, target } => {
                        GatheringOutput::Open(joined(index, stream), target)
                    }
                    SourceOutput::Write {
                        stream,
                        bytes,
                        urgency,
                    } => GatheringOutput::Write(joined(index, stream), bytes, urgency),
                    SourceOutput::Close(stream) => GatheringOutput::Close(joined(index, stream)),
                    SourceOutput::Candidate(found) => GatheringOutput::Candidate(found),
                    SourceOutput::Lost(candidate) => GatheringOutput::Lost(candidate),
                    SourceOutput::RelayFailed(failure) => GatheringOutput::RelayFailed(failure),
                    SourceOutput::Packet(packet) => GatheringOutput::Packet(packet),
                    SourceOutput::Bind(beside) => GatheringOutput::Bind(Wanted {
                        source: index,
                        beside,
                    }),
                    SourceOutput::Unbind(socket) => GatheringOutput::Unbind(socket),
                    SourceOutput::CredentialsRefused => GatheringOutput::CredentialsRefused,
                    // One source of a call orders tunnels, so their names need not be joined.
                    SourceOutput::Tunnel(order) => GatheringOutput::Tunnel(order),
                    SourceOutput::Answered => {
                        asked.answered = true;
                        continue;
                    }
                    SourceOutput::Timeout(at) => {
                        asked.deadline = at;
                        break;
                    }
                };
                self.outputs.push_back(output);
            }
        }
        let all_answered = self.sources.iter().all(|asked| asked.answered);
        if self.until.is_some_and(|until| all_answered || until <= now) {
            self.until = None;
            self.outputs.push_back(GatheringOutput::Complete);
        }
    }
}

/// The name of a stream among those of all sources.
fn joined(index: usize, own: StreamId) -> StreamId {
    // A call has a handful of sources, and opens no sixteen million streams.
    StreamId((index as u32) << STREAM_BITS | own.0 & ((1 << STREAM_BITS) - 1))
}

fn split(stream: StreamId) -> (usize, StreamId) {
    let own = StreamId(stream.0 & ((1 << STREAM_BITS) - 1));
    ((stream.0 >> STREAM_BITS) as usize, own)
}

#[cfg(test)]
mod tests;
