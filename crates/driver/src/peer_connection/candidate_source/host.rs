//! The sockets of this machine, each a candidate: there is nothing to wait for.

use std::collections::VecDeque;
use std::net::SocketAddr;

use securecall_media::{CandidateKind, Datagram, LocalCandidate};
use securecall_session::Route;
use web_time::Instant;

use super::{CandidateSource, Claim, Inbound, SourceOutput};
use crate::config::CandidateMap;

/// The sockets of this machine.
pub(super) struct HostSource {
    /// Changes the address that the peer is told.
    map: Option<CandidateMap>,
    bases: Vec<SocketAddr>,
    outputs: VecDeque<SourceOutput>,
}

impl HostSource {
    pub(super) fn new(map: Option<CandidateMap>) -> Self {
        Self {
            map,
            bases: Vec::new(),
            outputs: VecDeque::new(),
        }
    }
}

impl CandidateSource for HostSource {
    fn serves(&self, route: Route) -> bool {
        match route {
            Route::Direct => true,
            Route::Relay => false,
        }
    }

    fn gather(&mut self, _now: Instant, sockets: &[SocketAddr]) {
        for base in sockets {
            self.bases.push(*base);
            let address = self.map.as_ref().map_or(*base, |map| map(*base));
            self.outputs
                .push_back(SourceOutput::Candidate(LocalCandidate {
                    kind: CandidateKind::Host,
                    base: *base,
                    address,
                }));
        }
        self.outputs.push_back(SourceOutput::Answered);
    }

    fn handle_datagram<'a>(&mut self, _now: Instant, datagram: Inbound<'a>) -> Claim<'a> {
        if self.bases.contains(&datagram.destination) {
            Claim::Peer(datagram)
        } else {
            Claim::NotOurs
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn wrap(&self, datagram: Datagram) -> Result<Datagram, Datagram> {
        if self.bases.contains(&datagram.source) {
            Ok(datagram)
        } else {
            Err(datagram)
        }
    }

    fn poll_output(&mut self) -> SourceOutput {
        self.outputs
            .pop_front()
            .unwrap_or(SourceOutput::Timeout(None))
    }
}
