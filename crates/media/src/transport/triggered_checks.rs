//! Checks that are repeated at once because one of the peer's has come the same way (RFC 8445 section 7.3.1.4).
//!
//! The engine repeats a check that is not answered ever more rarely: after 50, 100, 200 ms and so on, up to 1 s. Who learns the
//! other's addresses or passwords first has come far by the time at which the other one can answer, and would wait for that long once
//! more. A check of the peer's says that it can. So it is in a restart, and in the set-up of the profile `Matrix`, where whoever
//! answers has sent checks since it made the answer, and whoever called can take them when that has come. (In the other profile who
//! answers is told of addresses last.)

use std::collections::{BTreeMap, BTreeSet};
use std::{net::SocketAddr, time::Duration};

use web_time::Instant;

use super::event::SelectedPair;

/// The answer to a check of ours that was sent so short a time ago may be on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(50);
/// The same in a set-up, where nothing works yet: what was sent within one round trip is sent again sooner than its next time comes,
/// so only what has just left is left alone.
const JUST_LEFT: Duration = Duration::from_millis(1);
/// The most pairs that anything is known of.
const MAX_KNOWN: usize = 64;

/// What is known of checks since a path was last looked for. By default nothing is noted until there was a path: a call begins with
/// fresh checks on both sides.
#[derive(Default)]
pub(super) struct TriggeredChecks {
    is_looking: bool,
    on_its_way: Duration,
    /// When a check of ours was last sent over a pair.
    sent: BTreeMap<SelectedPair, Instant>,
    /// Addresses of ours from which a check was answered, or to which the peer has nominated a pair: what has come about there is not
    /// to be disturbed.
    settled: BTreeSet<SocketAddr>,
    /// Once for each pair: whoever sends checks without end has none sent by that.
    repeated: BTreeSet<SelectedPair>,
}

impl TriggeredChecks {
    /// For a call in which one side has checked for a while by the time at which the other one can.
    pub(super) fn in_set_up() -> Self {
        Self {
            is_looking: true,
            on_its_way: JUST_LEFT,
            ..Self::default()
        }
    }

    /// A path is looked for anew.
    pub(super) fn begin(&mut self) {
        *self = Self {
            is_looking: true,
            on_its_way: ON_ITS_WAY,
            ..Self::default()
        };
    }

    /// A check of ours was sent.
    pub(super) fn sent(&mut self, now: Instant, pair: SelectedPair) {
        if self.is_looking && (self.sent.len() < MAX_KNOWN || self.sent.contains_key(&pair)) {
            self.sent.insert(pair, now);
        }
    }

    /// It was answered, or the peer has nominated the pair: the engine would forget that with the pair.
    pub(super) fn settled(&mut self, pair: SelectedPair) {
        if self.is_looking && self.settled.len() < MAX_KNOWN {
            self.settled.insert(pair.local);
        }
    }

    /// A check of the peer's has come. Returns whether ours are to be sent again from this address.
    pub(super) fn peer_has_checked(&mut self, now: Instant, pair: SelectedPair) -> bool {
        let waits = self
            .sent
            .get(&pair)
            .is_some_and(|at| now.saturating_duration_since(*at) >= self.on_its_way);
        waits && !self.settled.contains(&pair.local) && self.repeated.insert(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(local: u16, remote: u16) -> SelectedPair {
        let [local, remote] = [local, remote].map(|port| ([192, 0, 2, 1], port).into());
        SelectedPair { local, remote }
    }

    #[test]
    fn a_check_is_repeated_once_where_it_waits_for_its_answer_and_nothing_works() {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let now = Instant::now();
        let later = now + ON_ITS_WAY;
        let mut checks = TriggeredChecks::default();
        checks.sent(now, pair(1, 1));
        assert!(!checks.peer_has_checked(later, pair(1, 1)), "in a set-up");
        checks.begin();
        checks.sent(now, pair(1, 1));
        checks.sent(now, pair(1, 2));
        checks.sent(now, pair(2, 1));
        let almost = later - Duration::from_millis(1);
        assert!(!checks.peer_has_checked(almost, pair(1, 1)));
        assert!(checks.peer_has_checked(later, pair(1, 1)));
        assert!(!checks.peer_has_checked(later, pair(1, 1)), "once");
        assert!(!checks.peer_has_checked(later, pair(1, 3)), "none was sent");
        checks.settled(pair(1, 1));
        assert!(!checks.peer_has_checked(later, pair(1, 2)), "one works");
        assert!(checks.peer_has_checked(later, pair(2, 1)));
        checks.begin();
        checks.sent(now, pair(1, 1));
        assert!(checks.peer_has_checked(later, pair(1, 1)));
    }

    #[test]
    fn in_a_set_up_that_one_side_begins_earlier_no_answer_is_waited_for() {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let now = Instant::now();
        let later = now + JUST_LEFT;
        let mut checks = TriggeredChecks::in_set_up();
        assert!(!checks.peer_has_checked(later, pair(1, 1)), "none was sent");
        for port in 1..=3 {
            checks.sent(now, pair(port, 1));
        }
        assert!(
            !checks.peer_has_checked(now, pair(1, 1)),
            "it has just left"
        );
        checks.settled(pair(2, 1));
        let repeated = [1, 2, 3, 1].map(|port| checks.peer_has_checked(later, pair(port, 1)));
        assert_eq!(repeated, [true, false, true, false]);
    }

    #[test]
    fn whoever_names_thousands_of_addresses_fills_nothing() {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let now = Instant::now();
        let mut checks = TriggeredChecks::default();
        checks.begin();
        for number in 0..5000 {
            checks.sent(now, pair(number, 1));
            checks.peer_has_checked(now + ON_ITS_WAY, pair(number, 1));
            checks.settled(pair(number, 1));
        }
        let sizes = [
            checks.sent.len(),
            checks.settled.len(),
            checks.repeated.len(),
        ];
        assert_eq!(sizes, [MAX_KNOWN; 3]);
    }
}
