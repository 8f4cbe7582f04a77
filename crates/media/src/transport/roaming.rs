//! A transport whose addresses change, or whose peer is at another address.

use std::{net::SocketAddr, time::Duration};

use tracing::debug;
use web_time::Instant;

use super::candidate::{CandidateKind, LocalCandidate, MAX_REMOTE_CANDIDATES, peer_reflexive};
use super::engine::parse;
use super::event::{SelectedPair, TransportEvent};
use super::packet::{BINDING_REQUEST, is_stun, transaction};
use super::{Transport, TransportError};

/// A candidate of the peer may overtake the description that begins its ICE generation: what came within this time before
/// counts for the new generation as well.
const OVERTAKES: Duration = Duration::from_secs(10);

impl Transport {
    /// One of our candidates is no more: nothing is sent from it from now on. If the path of the call began there, and no other
    /// is known to work, [`TransportEvent::PathLost`] says so.
    ///
    /// # Errors
    /// [`TransportError`] if the call cannot go on.
    pub fn remove_local_candidate(
        &mut self,
        now: Instant,
        local: LocalCandidate,
    ) -> Result<(), TransportError> {
        let candidate = local.to_engine()?;
        self.silence.explain();
        self.engine.run(|rtc| {
            rtc.direct_api().invalidate_candidate(&candidate);
            Ok(())
        })?;
        let before = self.local_candidates.len();
        self.local_candidates.retain(|other| *other != local);
        // A socket may be several candidates, and the path lasts as long as the last of them.
        let mut others = self.local_candidates.iter();
        let is_last = others.all(|other| other.base != local.base);
        if is_last && self.local_candidates.len() < before {
            let nomination = &self.nomination;
            let is_relayed = |pair| nomination.is_relayed(pair);
            let was_lost = self.selection.is_lost();
            self.selection.local_gone(now, local.base, is_relayed);
            // Once: each time the peer is asked for a restart.
            if !was_lost {
                self.tell_if_lost();
            }
        }
        self.settle(now)
    }

    /// The path in use is dead, as far as is known from elsewhere: another one that works is taken at once, or
    /// [`TransportEvent::PathLost`] says that there is none.
    ///
    /// # Errors
    /// [`TransportError`] if the call cannot go on.
    pub fn distrust_path(&mut self, now: Instant) -> Result<(), TransportError> {
        let nomination = &self.nomination;
        self.selection
            .distrust(now, |pair| nomination.is_relayed(pair));
        self.tell_if_lost();
        self.settle(now)
    }

    /// The same of all pairs of which this is so, one of them in use or not.
    ///
    /// # Errors
    /// [`TransportError`] if the call cannot go on.
    pub fn distrust_pairs(
        &mut self,
        now: Instant,
        is_dead: impl Fn(SelectedPair) -> bool,
    ) -> Result<(), TransportError> {
        let nomination = &self.nomination;
        let is_relayed = |pair| nomination.is_relayed(pair);
        let was_lost = self.selection.is_lost();
        self.selection.distrust_those(now, is_dead, is_relayed);
        if !was_lost {
            self.tell_if_lost();
        }
        self.settle(now)
    }

    /// Whether the path in use is known to lead nowhere, and no other to work. What comes in is no proof that it does.
    pub fn is_path_lost(&self) -> bool {
        self.selection.is_lost()
    }

    /// When a connectivity check of the path in use was answered last.
    pub fn last_answer(&self) -> Option<Instant> {
        self.selection.last_answer()
    }

    /// The peer has been silent for longer than the network ever was by itself: a NAT may have forgotten us, or a link be gone without
    /// a word. All pairs are tried at once, and another one that answers is taken if the one in use does not.
    pub(super) fn notice_silence(&mut self, now: Instant) -> Result<(), TransportError> {
        if !self.path_up {
            return Ok(());
        }
        if self.selection.trial_ends().is_some_and(|at| at <= now) {
            let nomination = &self.nomination;
            self.selection
                .decide_trial(now, |pair| nomination.is_relayed(pair));
        }
        // Where the path is known to be lost, all that can be done about it is done.
        if !self.silence.begins(now) || self.selection.is_lost() {
            return Ok(());
        }
        debug!("the peer is silent");
        self.emit(TransportEvent::PathSilent);
        // In a generation that has just begun everything is tried as it is.
        if self.is_checking() {
            return Ok(());
        }
        self.selection.trial_begins(now);
        self.triggered_checks.begin();
        self.try_pairs(|_| true)?;
        self.settle(now)?;
        self.check(now)
    }

    /// A genuine check of the peer has come, and the engine has taken it: where ours wait for their answer, they are sent again. Not
    /// for one that nominates: that would be lost with the pair, and the engine itself follows it at once.
    pub(super) fn follow_check_of_peer(
        &mut self,
        now: Instant,
        pair: SelectedPair,
    ) -> Result<(), TransportError> {
        if !self.is_checking() || !self.triggered_checks.peer_has_checked(now, pair) {
            return Ok(());
        }
        debug!("a check of the peer has come where ours were not answered");
        self.try_pairs(|base| base == pair.local)?;
        self.settle(now)?;
        self.check(now)
    }

    /// The engine makes its pairs from these addresses anew, and so checks each at once. That of the nomination goes on being sent
    /// over.
    fn try_pairs(&mut self, is_from: impl Fn(SocketAddr) -> bool) -> Result<(), TransportError> {
        let of_sockets = |local: &&LocalCandidate| local.kind != CandidateKind::ServerReflexive;
        let of_these = |local: &&LocalCandidate| of_sockets(local) && is_from(local.base);
        for local in self.local_candidates.iter().filter(of_these) {
            let candidate = local.to_engine()?;
            self.engine.run(|rtc| {
                rtc.direct_api().invalidate_candidate(&candidate);
                rtc.add_local_candidate(candidate);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// When [`notice_silence`](Self::notice_silence) has something to do.
    pub(super) fn silence_deadline(&self) -> Option<Instant> {
        let deadlines = [self.silence.deadline(), self.selection.trial_ends()];
        deadlines
            .into_iter()
            .flatten()
            .min()
            .filter(|_| self.path_up)
    }

    /// The peer begins an ICE generation: what it has named in those before takes no room.
    pub(super) fn begin_generation(&mut self) {
        self.silence.explain();
        self.check_sources.begin_generation();
        self.triggered_checks.begin();
        let selection = &self.selection;
        self.nomination
            .begin_generation(|relay| selection.uses(relay));
    }

    /// The engine has forgotten the candidates of the peer, also those that came by themselves and belong to this generation.
    pub(super) fn use_overtaking(&mut self, now: Instant) -> Result<(), TransportError> {
        for (at, candidate) in std::mem::take(&mut self.trickled) {
            if now.saturating_duration_since(at) < OVERTAKES
                && self.remote_candidates < MAX_REMOTE_CANDIDATES
            {
                self.remote_candidates += 1;
                self.use_candidate(candidate)?;
            }
        }
        Ok(())
    }

    /// A packet of the peer was authenticated, end to end or by SRTP.
    pub(super) fn heard_at(
        &mut self,
        now: Instant,
        pair: SelectedPair,
    ) -> Result<(), TransportError> {
        self.silence.heard(now, pair);
        self.selection.heard(now, pair);
        // A NAT has made another mapping, or the peer is at another address: it is checked without waiting for a check of the
        // peer's to come from there.
        if self.check_sources.learn(pair.remote) {
            let candidate = parse(|| peer_reflexive(pair.remote))?;
            self.engine.run(|rtc| {
                rtc.add_remote_candidate(candidate);
                Ok(())
            })?;
            self.settle(now)?;
            self.check(now)?;
        }
        Ok(())
    }

    fn tell_if_lost(&mut self) {
        if self.path_up && self.selection.is_lost() {
            self.emit(TransportEvent::PathLost);
        }
    }

    /// Which way a datagram of the engine takes, if any. Checks and their answers go to every pair there is; everything else goes
    /// over the nominated one, or over what is used in place of that, while whoever is there answers.
    pub(super) fn way_of(
        &mut self,
        now: Instant,
        pair: SelectedPair,
        contents: &[u8],
    ) -> Option<SelectedPair> {
        if is_stun(contents) {
            self.selection.check_sent(pair, contents);
            if transaction(contents, BINDING_REQUEST).is_some() {
                self.triggered_checks.sent(now, pair);
            }
            return Some(pair);
        }
        let was_lost = self.selection.is_lost();
        let pair = self.selection.route(now, pair);
        if let Some(pair) = pair {
            self.nomination.selected(pair);
        } else if !was_lost {
            self.tell_if_lost();
        }
        pair
    }
}
