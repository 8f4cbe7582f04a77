//! The sockets of this machine, each a candidate: there is nothing to wait for.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use web_time::Instant;

use crate::{Candidate, CandidateKind, CandidateSource, Claim, Datagram, Inbound, SourceOutput};

/// What the peer is told in place of the address of a socket, where something in front of it forwards.
pub type CandidateMap = Arc<dyn Fn(SocketAddr) -> SocketAddr + Send + Sync>;

/// The sockets of this machine.
pub struct HostSource {
    map: Option<CandidateMap>,
    sockets: Vec<Candidate>,
    outputs: VecDeque<SourceOutput>,
}

impl HostSource {
    /// No socket yet. `map` changes the address that the peer is told.
    pub fn new(map: Option<CandidateMap>) -> Self {
        Self {
            map,
            sockets: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    fn has(&self, base: SocketAddr) -> bool {
        self.sockets.iter().any(|candidate| candidate.base == base)
    }
}

impl CandidateSource for HostSource {
    fn hides_address(&self) -> bool {
        false
    }

    fn gather(&mut self, _now: Instant, sockets: &[SocketAddr]) {
        for base in sockets {
            let candidate = Candidate {
                kind: CandidateKind::Host,
                base: *base,
                address: self.map.as_ref().map_or(*base, |map| map(*base)),
            };
            self.sockets.push(candidate);
            self.outputs.push_back(SourceOutput::Candidate(candidate));
        }
        self.outputs.push_back(SourceOutput::Answered);
    }

    fn sockets_closed(&mut self, _now: Instant, sockets: &[SocketAddr]) {
        let closed = |candidate: &mut Candidate| sockets.contains(&candidate.base);
        let lost = self.sockets.extract_if(.., closed);
        self.outputs.extend(lost.map(SourceOutput::Lost));
    }

    fn handle_datagram<'a>(&mut self, _now: Instant, datagram: Inbound<'a>) -> Claim<'a> {
        if self.has(datagram.destination) {
            Claim::Peer(datagram)
        } else {
            Claim::NotOurs
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn send(&mut self, _now: Instant, datagram: Datagram) -> Result<(), Datagram> {
        if !self.has(datagram.source) {
            return Err(datagram);
        }
        self.outputs.push_back(SourceOutput::Transmit(datagram));
        Ok(())
    }

    fn poll_output(&mut self) -> SourceOutput {
        self.outputs
            .pop_front()
            .unwrap_or(SourceOutput::Timeout(None))
    }
}
