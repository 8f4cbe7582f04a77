//! A tunnel fails, or is given up.

use tracing::debug;
use web_time::Instant;

use super::{GhostNetSource, MAX_FAILURES};
use crate::{
    Candidate, HopRole, SourceOutput, TunnelFailure, TunnelFailureKind, TunnelId, TunnelOrder,
};

impl GhostNetSource {
    /// Closes a tunnel whose exit does what it must not.
    pub(super) fn end(&mut self, now: Instant, id: TunnelId, kind: TunnelFailureKind) {
        self.outputs
            .push_back(SourceOutput::Tunnel(TunnelOrder::Close(id)));
        let hop = HopRole::Exit;
        self.failed(now, id, TunnelFailure { hop, kind });
    }

    /// A tunnel is closed.
    pub(super) fn failed(&mut self, now: Instant, id: TunnelId, failure: TunnelFailure) {
        let mut gone = self.tunnels.extract_if(.., |tunnel| tunnel.id == id);
        let Some(tunnel) = gone.next() else {
            return;
        };
        drop(gone);
        debug!(?failure, "a tunnel through two relays failed");
        let lost = tunnel.public().iter().copied().map(Candidate::relayed);
        self.outputs.extend(lost.map(SourceOutput::Lost));
        self.remember(failure);
        // An entry that fails one tunnel fails those beside it, which need not be waited for.
        if failure.hop == HopRole::Entry {
            let is_beside =
                |other: &mut super::Tunnel| other.is_opening() && other.entry == tunnel.entry;
            for other in self.tunnels.extract_if(.., is_beside) {
                self.outputs
                    .push_back(SourceOutput::Tunnel(TunnelOrder::Close(other.id)));
            }
        }
        if self.opening() == 0 {
            self.tries.again(now, failure, tunnel.held_for(now));
        }
    }

    /// Those that have had all the time there is.
    pub(super) fn give_up_on_slow(&mut self, now: Instant) {
        while let Some(slow) = self.tunnels.iter().find(|tunnel| tunnel.is_hopeless(now)) {
            let id = slow.id;
            self.end(now, id, TunnelFailureKind::Silent);
        }
    }

    /// An exit does not answer: another one is looked for beside it. It stays until there is one, for it may be our own network
    /// that is out, and comes back.
    pub(super) fn doubt_silent(&mut self, now: Instant) {
        let failure = TunnelFailure {
            hop: HopRole::Exit,
            kind: TunnelFailureKind::Silent,
        };
        for index in 0..self.tunnels.len() {
            let tunnel = &mut self.tunnels[index];
            let was_held = tunnel.is_held();
            let held_for = tunnel.held_for(now);
            if tunnel.settle(now) {
                if was_held {
                    self.remember(failure);
                }
                if self.opening() == 0 && self.tries.at().is_none() {
                    self.tries.again(now, failure, held_for);
                }
            }
        }
    }

    fn remember(&mut self, failure: TunnelFailure) {
        if self.failures.len() >= MAX_FAILURES {
            self.failures.pop_front();
        }
        self.failures.push_back(failure);
        self.outputs.push_back(SourceOutput::RelayFailed(failure));
    }
}
