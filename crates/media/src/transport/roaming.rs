//! A transport whose addresses change, or whose peer is at another address.

use std::time::Duration;

use web_time::Instant;

use super::candidate::{LocalCandidate, MAX_REMOTE_CANDIDATES, peer_reflexive};
use super::engine::parse;
use super::event::{SelectedPair, TransportEvent};
use super::packet::is_stun;
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

    /// The peer begins an ICE generation: what it has named in those before takes no room.
    pub(super) fn begin_generation(&mut self) {
        self.check_sources.begin_generation();
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
