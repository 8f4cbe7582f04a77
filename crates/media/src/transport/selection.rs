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
            self.nominated = Some(nominated);
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
    /// it `is_genuine`, which is asked of those that could be one.
    pub(super) fn answer_came(
        &mut self,
        now: Instant,
        pair: SelectedPair,
        contents: &[u8],
        is_genuine: impl FnOnce() -> bool,
        is_relayed: impl Fn(SelectedPair) -> bool,
    ) {
        let Some(answered) = transaction(contents, BINDING_SUCCESS) else {
            return;
        };
        let is_answer =
            |(check, of): &(Transaction, SelectedPair)| (check, of) == (&answered, &pair);
        let Some(index) = self.checks.iter().position(is_answer) else {
            return;
        };
        // The check stays open: the peer's own answer may still come.
        if !is_genuine() {
            return;
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
            self.choose(now, is_relayed);
        }
    }

    /// A packet of the peer was authenticated that came over this pair: it is there. If it was elsewhere before and is silent
    /// there, it has moved, and we follow.
    pub(super) fn heard(&mut self, now: Instant, pair: SelectedPair) {
        if self.heard.len() >= MAX_KNOWN && !self.heard.contains_key(&pair.remote) {
            forget_oldest(&mut self.heard);
        }
        self.heard.insert(pair.remote, now);
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
        self.checks.retain(|(_, pair)| pair.local != base);
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
        if self.pair().is_some_and(is_dead) {
            self.lost = true;
            self.choose(now, is_relayed);
        }
    }

    /// When a check of the pair in use was answered last.
    pub(super) fn last_answer(&self) -> Option<Instant> {
        self.answered.get(&self.pair()?).copied()
    }

    /// Takes the best pair that is known to work: one without a relay before one with, then the one that answered last.
    fn choose(&mut self, now: Instant, is_relayed: impl Fn(SelectedPair) -> bool) {
        let valid = self.answered.iter().filter(|(_, at)| is_recent(now, **at));
        let best = valid.max_by_key(|(pair, at)| (!is_relayed(**pair), **at));
        if let Some(pair) = best.map(|(pair, _)| *pair) {
            self.use_instead(pair);
        }
    }

    fn use_instead(&mut self, pair: SelectedPair) {
        self.instead = Some(pair).filter(|_| self.nominated != Some(pair));
        self.lost = false;
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
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time needs an origin, and any will do"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    fn pair(local: u16, remote: u16) -> SelectedPair {
        SelectedPair {
            local: SocketAddr::from(([10, 0, 0, 1], local)),
            remote: SocketAddr::from(([10, 0, 0, 2], remote)),
        }
    }

    fn message(kind: [u8; 2], transaction: u32) -> Vec<u8> {
        let mut message = kind.to_vec();
        message.extend_from_slice(&[0; 14]);
        message.extend_from_slice(&transaction.to_be_bytes());
        message
    }

    fn answer(selection: &mut Selection, now: Instant, of: SelectedPair, transaction: u32) {
        selection.check_sent(of, &message(BINDING_REQUEST, transaction));
        let success = message(BINDING_SUCCESS, transaction);
        selection.answer_came(now, of, &success, || true, |_| false);
    }

    /// Over the first pair, from whose other end the peer was heard.
    fn talking(now: Instant) -> Selection {
        let mut selection = Selection::default();
        answer(&mut selection, now, pair(1, 1), 1);
        assert_eq!(selection.route(now, pair(1, 1)), Some(pair(1, 1)));
        selection.heard(now, pair(1, 1));
        selection
    }

    #[test]
    fn packets_from_where_no_check_was_answered_are_not_followed() {
        let now = start();
        let mut selection = talking(now);
        for ms in (20..2000).step_by(20) {
            selection.heard(now + ms * MS, pair(1, 2));
        }
        assert_eq!(selection.pair(), Some(pair(1, 1)));
        // Nor does an answer help that comes from somebody else, or to what was never asked.
        let later = now + 2000 * MS;
        selection.check_sent(pair(1, 3), &message(BINDING_REQUEST, 7));
        for transaction in [7, 8] {
            let success = message(BINDING_SUCCESS, transaction);
            selection.answer_came(later, pair(1, 2), &success, || true, |_| false);
        }
        selection.heard(later, pair(1, 2));
        assert_eq!(selection.pair(), Some(pair(1, 1)));
        answer(&mut selection, later, pair(1, 2), 9);
        selection.heard(later, pair(1, 2));
        assert_eq!(selection.pair(), Some(pair(1, 2)));
    }

    #[test]
    fn a_forged_answer_counts_for_nothing_and_the_true_one_behind_it_does() {
        let now = start();
        let mut selection = talking(now);
        let later = now + 2000 * MS;
        selection.check_sent(pair(1, 1), &message(BINDING_REQUEST, 7));
        let success = message(BINDING_SUCCESS, 7);
        for (is_genuine, answered_at) in [(false, now), (true, later)] {
            selection.answer_came(later, pair(1, 1), &success, || is_genuine, |_| false);
            assert_eq!(selection.last_answer(), Some(answered_at));
        }
        // What is no answer of anybody is not looked at.
        let other = message(BINDING_SUCCESS, 8);
        selection.answer_came(later, pair(1, 1), &other, || unreachable!(), |_| false);
    }

    #[test]
    fn the_peer_is_followed_when_it_has_been_silent_where_it_was_and_back_again() {
        let now = start();
        let mut selection = talking(now);
        answer(&mut selection, now, pair(1, 2), 2);
        selection.heard(now + 149 * MS, pair(1, 2));
        assert_eq!(selection.pair(), Some(pair(1, 1)));
        selection.heard(now + 150 * MS, pair(1, 2));
        assert_eq!(selection.pair(), Some(pair(1, 2)));
        selection.heard(now + 300 * MS, pair(1, 1));
        assert_eq!(selection.pair(), Some(pair(1, 1)));
    }

    #[test]
    fn two_sides_that_use_different_pairs_do_not_go_round_in_circles() {
        let now = start();
        let mut selection = Selection::default();
        for (of, transaction) in [(pair(1, 1), 1), (pair(1, 2), 2)] {
            answer(&mut selection, now, of, transaction);
        }
        selection.route(now, pair(1, 1));
        for ms in (0..2000).step_by(20) {
            selection.heard(now + ms * MS, pair(1, 2));
        }
        assert_eq!(selection.pair(), Some(pair(1, 1)));
    }

    #[test]
    fn what_the_engine_nominates_in_place_of_a_lost_pair_counts_if_it_works() {
        let now = start();
        let mut selection = talking(now);
        answer(&mut selection, now, pair(2, 1), 2);
        selection.local_gone(now, pair(1, 1).local, |_| false);
        assert_eq!(
            (selection.pair(), selection.is_lost()),
            (Some(pair(2, 1)), false)
        );
        // It prefers one that has answered once and is dead now.
        assert_eq!(selection.route(now, pair(3, 1)), Some(pair(2, 1)));
        answer(&mut selection, now, pair(4, 1), 3);
        assert_eq!(selection.route(now, pair(4, 1)), Some(pair(4, 1)));
    }

    #[test]
    fn a_relay_is_the_second_choice_and_what_answered_long_ago_is_none() {
        let now = start();
        let mut selection = talking(now);
        answer(&mut selection, now, pair(2, 1), 2);
        answer(&mut selection, now + MS, pair(3, 1), 3);
        let relays = |of: SelectedPair| of.local == pair(3, 1).local;
        selection.local_gone(now + 2 * MS, pair(1, 1).local, relays);
        assert_eq!(selection.pair(), Some(pair(2, 1)));
        selection.local_gone(now + 3 * MS, pair(2, 1).local, relays);
        assert_eq!(selection.pair(), Some(pair(3, 1)));

        let mut selection = talking(now);
        answer(&mut selection, now, pair(2, 1), 2);
        selection.local_gone(now + VALID_FOR + MS, pair(1, 1).local, relays);
        assert!(selection.is_lost());
        answer(&mut selection, now + VALID_FOR + 2 * MS, pair(2, 1), 4);
        assert_eq!(
            (selection.pair(), selection.is_lost()),
            (Some(pair(2, 1)), false)
        );
    }

    #[test]
    fn of_pairs_that_lead_nowhere_none_takes_over_from_another() {
        let now = start();
        let dead = |pair: SelectedPair| pair.local.port() <= 2;
        let mut selection = talking(now);
        answer(&mut selection, now, pair(2, 1), 2);
        selection.distrust_those(now, |_| false, |_| false);
        assert!(!selection.is_lost());
        selection.distrust_those(now, dead, |_| false);
        assert!(selection.is_lost());
        answer(&mut selection, now, pair(3, 1), 3);
        assert_eq!(selection.pair(), Some(pair(3, 1)));
        // Another that works is taken at once, and one in use that works is kept.
        let mut selection = talking(now);
        answer(&mut selection, now, pair(3, 1), 2);
        for _ in 0..2 {
            selection.distrust_those(now, dead, |_| false);
            assert_eq!(
                (selection.pair(), selection.is_lost()),
                (Some(pair(3, 1)), false)
            );
        }
        // Should they work nevertheless, their answers say so.
        let mut selection = talking(now);
        selection.distrust_those(now, dead, |_| false);
        answer(&mut selection, now, pair(1, 1), 4);
        assert_eq!(
            (selection.pair(), selection.is_lost()),
            (Some(pair(1, 1)), false)
        );
    }

    #[test]
    fn whatever_comes_takes_bounded_memory() {
        let now = start();
        let mut selection = talking(now);
        for number in 0..5000_u16 {
            answer(
                &mut selection,
                now + u32::from(number) * MS,
                pair(1, number),
                number.into(),
            );
            selection.check_sent(
                pair(1, 1),
                &message(BINDING_REQUEST, 10_000 + u32::from(number)),
            );
            selection.heard(now, pair(1, number));
        }
        assert_eq!(selection.checks.len(), MAX_CHECKS);
        assert_eq!(
            (selection.answered.len(), selection.heard.len()),
            (MAX_KNOWN, MAX_KNOWN)
        );
        // The newest are known.
        assert!(selection.answered.contains_key(&pair(1, 4999)));
    }
}
