//! Which pair DTLS and SRTP take: the one that the engine has nominated, unless that is dead and another is known to work.
//!
//! The engine gives a nominated pair up only when its checks have gone unanswered for half a minute, and the controlled side
//! sends over no pair that the other has not nominated. But data may go over any valid pair (RFC 8445 section 12.1). So it
//! does when an address of ours is gone, and when the peer's packets come from elsewhere: the call goes on while the engines
//! are still to agree. Whatever the engine nominates later has the last word, if it works.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use web_time::Instant;

use super::event::SelectedPair;
use super::packet::{BINDING_REQUEST, BINDING_SUCCESS, Transaction, transaction};

/// A pair is valid for so long after an answer: the engine checks every second, and one check may get lost.
const VALID_FOR: Duration = Duration::from_millis(2500);
/// For so long a pair may be used without an answer (RFC 7675 section 5.1): who is there no more, or never was, is not sent voice
/// without end for the word of a peer that is elsewhere. The engine looks after none but what it has nominated in this generation.
const CONSENT: Duration = Duration::from_secs(30);
/// For so long nothing must have come from where the peer was, before it counts as having moved to where its packets come from
/// now. It sends every 20 ms, and packets of two paths overtake each other by less.
const MOVED_AFTER: Duration = Duration::from_millis(150);
/// When the peer is silent, another pair that answers waits for so long for the answer of the one in use.
const IN_USE_FIRST: Duration = Duration::from_millis(100);
/// Checks that wait for their answers: those of some seconds, of all pairs there can be.
const MAX_CHECKS: usize = 256;
/// The most pairs, and the most addresses of the peer, that anything is known of.
const MAX_KNOWN: usize = 64;

/// What is known of the pairs of a call.
#[derive(Default)]
pub(super) struct Selection {
    /// Checks of ours without an answer so far, oldest first.
    checks: VecDeque<(Transaction, SelectedPair)>,
    /// When a check of a pair was answered last.
    answered: BTreeMap<SelectedPair, Instant>,
    /// When an authenticated packet came last from an address of the peer.
    heard: BTreeMap<SocketAddr, Instant>,
    /// What the engine has nominated.
    nominated: Option<SelectedPair>,
    /// What is used in place of that.
    instead: Option<SelectedPair>,
    /// The pair in use leads nowhere, and no other is known to work.
    lost: bool,
    /// When whoever is at the other end of the pair in use has agreed last to be sent to, or the engine has seen to that.
    agreed: Option<Instant>,
    /// The peer is silent, and all pairs are tried since then.
    tried_since: Option<Instant>,
    /// When the pair in use has had its time to answer.
    decided_at: Option<Instant>,
}

impl Selection {
    /// The pair in use.
    pub(super) fn pair(&self) -> Option<SelectedPair> {
        self.instead.or(self.nominated)
    }

    /// Whether the pair in use leads nowhere, and no other is known to work.
    pub(super) const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether the peer may be sent to at this address: it is the one in use, or a check was answered there.
    pub(super) fn uses(&self, remote: SocketAddr) -> bool {
        let mut answered = self.answered.keys();
        let is_there = |pair: &SelectedPair| pair.remote == remote;
        self.pair().as_ref().is_some_and(is_there) || answered.any(is_there)
    }

    /// The engine sends a check, or the answer to one, over any pair there is.
    pub(super) fn check_sent(&mut self, pair: SelectedPair, contents: &[u8]) {
        let Some(transaction) = transaction(contents, BINDING_REQUEST) else {
            return;
        };
        if self.checks.len() >= MAX_CHECKS {
            self.checks.pop_front();
        }
        self.checks.push_back((transaction, pair));
    }

    /// The engine sends something over the pair it has nominated. Gives the pair to send it over; none where nobody has answered for
    /// so long that nothing may be sent.
    pub(super) fn route(&mut self, now: Instant, nominated: SelectedPair) -> Option<SelectedPair> {
        if self.nominated != Some(nominated) {
            let in_use = self.pair();
            self.nominated = Some(nominated);
            if self.tried_since.is_some() && !self.lost {
                // The engine takes whichever answers first, for a moment. It is decided by the answers here.
                self.instead = in_use.filter(|in_use| *in_use != nominated);
                return in_use;
            }
            // Among pairs that have worked the engine prefers by kind, and knows not which of them are dead.
            if self.instead.is_none() || self.is_valid(now, nominated) {
                self.instead = None;
                self.lost = false;
                let answered = self.answered.get(&nominated).copied();
                self.agreed = answered.or(Some(now));
            }
        }
        let agreed = *self.agreed.get_or_insert(now);
        if now.saturating_duration_since(agreed) > CONSENT {
            self.lost = true;
            return None;
        }
        self.pair()
    }

    /// A datagram came, perhaps the answer to a check. Whoever sees a check on its way knows its transaction ID, so it counts only if
    /// it `is_genuine`, which is asked of those that could be one. Returns whether it counts.
    pub(super) fn answer_came(
        &mut self,
        now: Instant,
        pair: SelectedPair,
        contents: &[u8],
        is_genuine: impl FnOnce() -> bool,
        is_relayed: impl Fn(SelectedPair) -> bool,
    ) -> bool {
        let Some(answered) = transaction(contents, BINDING_SUCCESS) else {
            return false;
        };
        let is_answer =
            |(check, of): &(Transaction, SelectedPair)| (check, of) == (&answered, &pair);
        let Some(index) = self.checks.iter().position(is_answer) else {
            return false;
        };
        // The check stays open: the peer's own answer may still come.
        if !is_genuine() {
            return false;
        }
        self.checks.remove(index);
        if self.answered.len() >= MAX_KNOWN && !self.answered.contains_key(&pair) {
            forget_oldest(&mut self.answered);
        }
        self.answered.insert(pair, now);
        if self.pair() == Some(pair) {
            self.agreed = Some(now);
        }
        if self.lost {
            self.choose(|at| is_recent(now, at), is_relayed);
        } else if self.nominated == Some(pair)
            && !is_relayed(pair)
            && self.instead.is_some_and(&is_relayed)
        {
            // The direct path is back, and the engine has not let go of it: it would never say so.
            self.instead = None;
            self.agreed = Some(now);
            self.tried_since = None;
        } else {
            self.decide_trial(now, is_relayed);
        }
        true
    }

    /// The peer is silent, and the engine tries all pairs anew: only their answers from now on say which works.
    pub(super) fn trial_begins(&mut self, now: Instant) {
        self.checks.clear();
        self.tried_since = Some(now);
        self.decided_at = Some(now + IN_USE_FIRST);
    }

    /// When to decide by the answers that there are.
    pub(super) fn trial_ends(&self) -> Option<Instant> {
        self.decided_at.filter(|_| self.tried_since.is_some())
    }

    /// Takes another pair if that has answered and the one in use has not.
    pub(super) fn decide_trial(&mut self, now: Instant, is_relayed: impl Fn(SelectedPair) -> bool) {
        let Some(since) = self.tried_since else {
            return;
        };
        if self.decided_at.is_some_and(|at| now < at) {
            return;
        }
        // From now on each answer decides.
        self.decided_at = None;
        let has_answered = |at: Instant| at >= since;
        if self.last_answer().is_some_and(has_answered) || self.choose(has_answered, is_relayed) {
            self.tried_since = None;
        }
    }

    /// A packet of the peer was authenticated that came over this pair: it is there. If it was elsewhere before and is silent
    /// there, it has moved, and we follow.
    pub(super) fn heard(&mut self, now: Instant, pair: SelectedPair) {
        if self.heard.len() >= MAX_KNOWN && !self.heard.contains_key(&pair.remote) {
            forget_oldest(&mut self.heard);
        }
        self.heard.insert(pair.remote, now);
        if self.pair() == Some(pair) {
            self.tried_since = None;
        }
        let Some(current) = self.pair().filter(|current| current.remote != pair.remote) else {
            return;
        };
        // Who has never sent from there has its own reasons, and both sides following each other would go round in circles.
        let moved = self
            .heard
            .get(&current.remote)
            .is_some_and(|last| now.saturating_duration_since(*last) >= MOVED_AFTER);
        // Only where a check was answered: packets can be repeated by others, from anywhere.
        if moved && self.is_valid(now, pair) {
            self.use_instead(pair);
        }
    }

    /// Nothing can be sent from this address any more.
    pub(super) fn local_gone(
        &mut self,
        now: Instant,
        base: SocketAddr,
        is_relayed: impl Fn(SelectedPair) -> bool,
    ) {
        self.distrust_those(now, |pair| pair.local == base, is_relayed);
    }

    /// The pair in use does not work, as far as we know: what was heard of it so far does not count.
    pub(super) fn distrust(&mut self, now: Instant, is_relayed: impl Fn(SelectedPair) -> bool) {
        if let Some(pair) = self.pair() {
            self.distrust_those(now, |other| other == pair, is_relayed);
        }
    }

    /// These pairs lead nowhere any more, as far as we know: what was heard of them so far does not count.
    pub(super) fn distrust_those(
        &mut self,
        now: Instant,
        is_dead: impl Fn(SelectedPair) -> bool,
        is_relayed: impl Fn(SelectedPair) -> bool,
    ) {
        self.answered.retain(|pair, _| !is_dead(*pair));
        // Answers that are under way were sent before it was known.
        self.checks.retain(|(_, pair)| !is_dead(*pair));
        if self.pair().is_some_and(is_dead) {
            self.lost = true;
            self.choose(|at| is_recent(now, at), is_relayed);
        }
    }

    /// When a check of the pair in use was answered last.
    pub(super) fn last_answer(&self) -> Option<Instant> {
        self.answered.get(&self.pair()?).copied()
    }

    /// Takes the best pair that is known to work by when it answered: one without a relay before one with, then the one that
    /// answered last. Returns whether there is one.
    fn choose(
        &mut self,
        works: impl Fn(Instant) -> bool,
        is_relayed: impl Fn(SelectedPair) -> bool,
    ) -> bool {
        let valid = self.answered.iter().filter(|(_, at)| works(**at));
        let best = valid.max_by_key(|(pair, at)| (!is_relayed(**pair), **at));
        let best = best.map(|(pair, _)| *pair);
        if let Some(pair) = best {
            self.use_instead(pair);
        }
        best.is_some()
    }

    fn use_instead(&mut self, pair: SelectedPair) {
        self.instead = Some(pair).filter(|_| self.nominated != Some(pair));
        self.lost = false;
        self.tried_since = None;
        self.agreed = self.answered.get(&pair).copied();
    }

    fn is_valid(&self, now: Instant, pair: SelectedPair) -> bool {
        let answered = self.answered.get(&pair);
        answered.is_some_and(|at| is_recent(now, *at))
    }
}

fn is_recent(now: Instant, at: Instant) -> bool {
    now.saturating_duration_since(at) <= VALID_FOR
}

fn forget_oldest<K: Ord + Copy>(times: &mut BTreeMap<K, Instant>) {
    let oldest = times.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key);
    if let Some(oldest) = oldest {
        times.remove(&oldest);
    }
}

#[cfg(test)]
mod tests;
