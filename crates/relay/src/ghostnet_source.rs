//! The source of candidates of GhostNet: addresses at an exit, behind an entry that does not know whom we talk to.

mod failures;
mod tries;
mod tunnel;

use std::collections::VecDeque;
use std::net::SocketAddr;

use tracing::{debug, info};
use web_time::Instant;

use self::tries::Tries;
use self::tunnel::Tunnel;
use crate::{
    Candidate, CandidateSource, Claim, Datagram, Inbound, SourceOutput, TunnelEvent, TunnelFailure,
    TunnelFailureKind, TunnelId, TunnelOrder, TunnelPath,
};

/// The most tunnels that are being made at a time: one, and another beside it where that takes long.
const MAX_OPENING: usize = 2;
/// The most peers that are remembered: as many as a peer may name candidates, twice.
const MAX_PEERS: usize = 64;
/// The most failures that are kept to be told.
const MAX_FAILURES: usize = 16;

/// Addresses at an exit of GhostNet.
///
/// There is one tunnel, and another one beside it only where that does not answer: whichever does first is used. No candidate
/// of any other kind is told, whatever fails.
///
/// An exit that fails is replaced at once, in a call too; where several fail it is tried ever more rarely, and in vain eight
/// times at most, until it is gathered again. Each failure is told ([`SourceOutput::RelayFailed`]).
pub struct GhostNetSource {
    paths: Box<dyn FnMut(Option<TunnelFailure>) -> Option<TunnelPath> + Send>,
    /// Those of this machine: no exit may claim one.
    sockets: Vec<SocketAddr>,
    tunnels: Vec<Tunnel>,
    next_tunnel: u32,
    tries: Tries,
    /// Where the peer may be, those last that were named last.
    peers: VecDeque<SocketAddr>,
    failures: VecDeque<TunnelFailure>,
    answered: bool,
    outputs: VecDeque<SourceOutput>,
}

impl GhostNetSource {
    /// Nothing is ordered yet. `paths` gives the next path each time that one is wanted: with an exit that was not tried before,
    /// and tokens that were not used. It is told which failure led to it, if any did; where that is of the entry, it is for `paths` to
    /// decide whether the entry is given up, for it may be our own network that is out. `None` where there is no path.
    pub fn new(
        paths: impl FnMut(Option<TunnelFailure>) -> Option<TunnelPath> + Send + 'static,
    ) -> Self {
        Self {
            paths: Box::new(paths),
            sockets: Vec::new(),
            tunnels: Vec::new(),
            next_tunnel: 0,
            tries: Tries::default(),
            peers: VecDeque::new(),
            failures: VecDeque::new(),
            answered: true,
            outputs: VecDeque::new(),
        }
    }

    /// What went wrong so far, oldest first.
    pub fn failures(&self) -> impl Iterator<Item = &TunnelFailure> {
        self.failures.iter()
    }

    /// Orders a tunnel by the next path, if there is one.
    fn open(&mut self, now: Instant, after: Option<TunnelFailure>) {
        let Some(path) = (self.paths)(after) else {
            debug!("no path through two relays is left");
            return self.tries.give_up();
        };
        self.tries.begin();
        let id = TunnelId(self.next_tunnel);
        self.next_tunnel += 1;
        self.tunnels.push(Tunnel::new(now, id, &path));
        self.outputs
            .push_back(SourceOutput::Tunnel(TunnelOrder::Open {
                tunnel: id,
                path: Box::new(path),
            }));
    }

    fn opened(&mut self, now: Instant, id: TunnelId, public: &[SocketAddr]) {
        let others = self.tunnels.iter().filter(|other| other.id != id);
        let others = others.flat_map(|other| other.public());
        let taken: Vec<SocketAddr> = others.chain(&self.sockets).copied().collect();
        let Some(tunnel) = self.tunnels.iter_mut().find(|tunnel| tunnel.id == id) else {
            return;
        };
        let is_claimed = public.iter().any(|address| taken.contains(address));
        if is_claimed || !tunnel.open(now, public) {
            return self.end(now, id, TunnelFailureKind::Protocol);
        }
        let found = tunnel.public().iter().copied().map(Candidate::relayed);
        self.outputs.extend(found.map(SourceOutput::Candidate));
        self.tries.rest();
        // First, so that whoever loses a candidate has the new one already.
        self.close_all_but(id);
        info!("an exit has an address for us");
    }

    fn close_all_but(&mut self, id: TunnelId) {
        for other in self.tunnels.extract_if(.., |tunnel| tunnel.id != id) {
            let lost = other.public().iter().copied().map(Candidate::relayed);
            self.outputs.extend(lost.map(SourceOutput::Lost));
            self.outputs
                .push_back(SourceOutput::Tunnel(TunnelOrder::Close(other.id)));
        }
    }

    /// Whether an exit is there that answers.
    fn is_held(&self) -> bool {
        self.tunnels.iter().any(Tunnel::is_held)
    }

    fn opening(&self) -> usize {
        let opening = self.tunnels.iter().filter(|tunnel| tunnel.is_opening());
        opening.count()
    }

    /// After every call: what is due is done, and all is said.
    fn settle(&mut self, now: Instant) {
        self.give_up_on_slow(now);
        self.doubt_silent(now);
        if let Some(id) = self
            .tunnels
            .iter()
            .find(|tunnel| tunnel.is_held())
            .map(|tunnel| tunnel.id)
        {
            // It answers after all: what was ordered in its place is not needed.
            self.tries.rest();
            self.close_all_but(id);
        } else {
            self.try_if_due(now);
        }
        for tunnel in &mut self.tunnels {
            if let Some(bytes) = tunnel.poll_capsules() {
                let tunnel = tunnel.id;
                self.outputs
                    .push_back(SourceOutput::Tunnel(TunnelOrder::Capsules {
                        tunnel,
                        bytes,
                    }));
            }
        }
        let nothing_more = self.opening() == 0 && self.tries.at().is_none();
        if !self.answered && (self.is_held() || nothing_more) {
            self.answered = true;
            self.outputs.push_back(SourceOutput::Answered);
        }
    }

    /// Nobody is there who answers: another path, now or when it is time; and one more beside a path that takes long.
    fn try_if_due(&mut self, now: Instant) {
        if let Some(after) = self.tries.take_due(now) {
            self.open(now, after);
        }
        let slow = self.tunnels.iter_mut().filter(|tunnel| tunnel.is_slow(now));
        let slow = slow.map(Tunnel::forget_slowness).count();
        if slow > 0 && self.opening() < MAX_OPENING && self.tries.may_try() {
            self.open(now, None);
        }
    }

    fn tunnel_of(&mut self, base: SocketAddr) -> Option<&mut Tunnel> {
        let mut tunnels = self.tunnels.iter_mut();
        tunnels.find(|tunnel| tunnel.public().contains(&base))
    }
}

impl CandidateSource for GhostNetSource {
    fn hides_address(&self) -> bool {
        true
    }

    fn is_anonymous(&self) -> bool {
        true
    }

    fn gather(&mut self, now: Instant, sockets: &[SocketAddr]) {
        self.answered = false;
        self.sockets.extend_from_slice(sockets);
        self.tries.renew(now);
        // Whoever gathers again has lost the path, perhaps because an exit was started anew; and the peer may be elsewhere.
        for tunnel in &mut self.tunnels {
            tunnel.look_for_path(now);
            tunnel.check(now);
        }
        if !self.is_held() && self.opening() == 0 {
            self.tries.want(now);
        }
        self.settle(now);
    }

    fn sockets_closed(&mut self, now: Instant, sockets: &[SocketAddr]) {
        self.sockets.retain(|socket| !sockets.contains(socket));
        // What the tunnels leave by is not ours to know: it may be gone, too.
        self.check(now);
    }

    fn handle_datagram<'a>(&mut self, _now: Instant, _datagram: Inbound<'a>) -> Claim<'a> {
        Claim::NotOurs
    }

    fn handle_tunnel(&mut self, now: Instant, id: TunnelId, event: TunnelEvent<'_>) -> bool {
        let Some(tunnel) = self.tunnels.iter_mut().find(|tunnel| tunnel.id == id) else {
            return false;
        };
        match event {
            TunnelEvent::Opened { public } => self.opened(now, id, public),
            TunnelEvent::Datagram(bytes) => match tunnel.handle_datagram(bytes) {
                Ok(Some(packet)) => {
                    // The way of every frame: nothing else is to be done.
                    self.outputs.push_back(SourceOutput::Packet(packet));
                    return true;
                }
                Ok(None) => return true,
                Err(kind) => self.end(now, id, kind),
            },
            TunnelEvent::Capsules(bytes) => {
                if let Err(kind) = tunnel.handle_capsules(bytes) {
                    self.end(now, id, kind);
                }
            }
            TunnelEvent::Closed(failure) => self.failed(now, id, failure),
        }
        self.settle(now);
        true
    }

    /// The exit lets a host through as soon as something is sent there, which ICE does: nothing is to be asked for. But behind
    /// the firewall a new peer needs it open again.
    fn allow_peer(&mut self, now: Instant, peer: SocketAddr) {
        if self.peers.contains(&peer) {
            return;
        }
        if self.peers.len() >= MAX_PEERS {
            self.peers.pop_front();
        }
        self.peers.push_back(peer);
        for tunnel in &mut self.tunnels {
            tunnel.look_for_path(now);
        }
        self.settle(now);
    }

    fn prefer_peer(&mut self, now: Instant, base: SocketAddr, peer: SocketAddr) {
        if let Some(tunnel) = self.tunnel_of(base) {
            tunnel.prefer(peer);
        }
        self.settle(now);
    }

    fn check(&mut self, now: Instant) {
        for tunnel in &mut self.tunnels {
            tunnel.check(now);
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.settle(now);
    }

    fn send(&mut self, _now: Instant, datagram: Datagram) -> Result<(), Datagram> {
        let Some(tunnel) = self.tunnel_of(datagram.source) else {
            return Err(datagram);
        };
        let id = tunnel.id;
        // What cannot be sent is lost, as on any network: a peer of another family, one behind the firewall.
        if let Some(contents) = tunnel.datagram(datagram.destination, &datagram.contents) {
            let order = TunnelOrder::Datagram {
                tunnel: id,
                contents,
            };
            self.outputs.push_back(SourceOutput::Tunnel(order));
        }
        Ok(())
    }

    fn close(&mut self, now: Instant) {
        self.tries.give_up();
        for tunnel in self.tunnels.drain(..) {
            self.outputs
                .push_back(SourceOutput::Tunnel(TunnelOrder::Close(tunnel.id)));
        }
        self.settle(now);
    }

    fn poll_output(&mut self) -> SourceOutput {
        self.outputs.pop_front().unwrap_or_else(|| {
            let tunnels = self.tunnels.iter();
            let deadlines = tunnels.filter_map(Tunnel::deadline);
            SourceOutput::Timeout(deadlines.chain(self.tries.at()).min())
        })
    }
}
