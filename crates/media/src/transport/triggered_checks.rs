//! Checks that are repeated at once because one of the peer's has come the same way (RFC 8445 section 7.3.1.4).
//!
//! The engine repeats a check that is not answered ever more rarely: after 250 ms, 500 ms, 1 s. Who learns the other's addresses or
//! passwords first in a restart has come far by the time at which the other one can answer, and would wait for that long once more.
//! A check of the peer's says that it can.

use std::collections::{BTreeMap, BTreeSet};
use std::{net::SocketAddr, time::Duration};

use web_time::Instant;

use super::event::SelectedPair;

/// The answer to a check of ours that was sent so short a time ago may be on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(50);
/// The most pairs that anything is known of.
const MAX_KNOWN: usize = 64;

/// What is known of checks since a path was last looked for. At first, nothing is: a call begins with fresh checks on both sides.
#[derive(Default)]
pub(super) struct TriggeredChecks {
    is_looking: bool,
    /// When a check of ours was last sent over a pair.
    sent: BTreeMap<SelectedPair, Instant>,
    /// Addresses of ours from which a check was answered: what has come about there is not to be disturbed.
    answered: BTreeSet<SocketAddr>,
    /// Once for each pair: whoever sends checks without end has none sent by that.
    repeated: BTreeSet<SelectedPair>,
}

impl TriggeredChecks {
    /// A path is looked for anew.
    pub(super) fn begin(&mut self) {
        *self = Self {
            is_looking: true,
            ..Self::default()
        };
    }

    /// A check of ours was sent.
    pub(super) fn sent(&mut self, now: Instant, pair: SelectedPair) {
        if self.is_looking && (self.sent.len() < MAX_KNOWN || self.sent.contains_key(&pair)) {
            self.sent.insert(pair, now);
        }
    }

    /// It was answered.
    pub(super) fn answered(&mut self, pair: SelectedPair) {
        if self.is_looking && self.answered.len() < MAX_KNOWN {
            self.answered.insert(pair.local);
        }
    }

    /// A check of the peer's has come. Returns whether ours are to be sent again from this address.
    pub(super) fn peer_has_checked(&mut self, now: Instant, pair: SelectedPair) -> bool {
        let waits = self
            .sent
            .get(&pair)
            .is_some_and(|at| now.saturating_duration_since(*at) >= ON_ITS_WAY);
        waits && !self.answered.contains(&pair.local) && self.repeated.insert(pair)
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
        assert!(!checks.peer_has_checked(later, pair(1, 1)), "in the set-up");
        checks.begin();
        checks.sent(now, pair(1, 1));
        checks.sent(now, pair(1, 2));
        checks.sent(now, pair(2, 1));
        let almost = later - Duration::from_millis(1);
        assert!(!checks.peer_has_checked(almost, pair(1, 1)));
        assert!(checks.peer_has_checked(later, pair(1, 1)));
        assert!(!checks.peer_has_checked(later, pair(1, 1)), "once");
        assert!(!checks.peer_has_checked(later, pair(1, 3)), "none was sent");
        checks.answered(pair(1, 1));
        assert!(!checks.peer_has_checked(later, pair(1, 2)), "one works");
        assert!(checks.peer_has_checked(later, pair(2, 1)));
        checks.begin();
        checks.sent(now, pair(1, 1));
        assert!(checks.peer_has_checked(later, pair(1, 1)));
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
            checks.answered(pair(number, 1));
        }
        let sizes = [
            checks.sent.len(),
            checks.answered.len(),
            checks.repeated.len(),
        ];
        assert_eq!(sizes, [MAX_KNOWN; 3]);
    }
}
