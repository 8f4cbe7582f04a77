//! How long a sync may be held open: what stands between us and the homeserver decides that as well.
//!
//! Many proxies end a request that is silent for some seconds, with an error or by closing the connection. That is no
//! reason to say that the homeserver is away: the next request is asked to be answered sooner.

use std::time::Duration;

/// What we ask for, if nothing speaks against it.
const LONGEST: Duration = Duration::from_secs(30);

/// Below this it would cost more than it is worth; a proxy that is less patient makes us slower, not quieter.
const SHORTEST: Duration = Duration::from_secs(2);

/// After so many answers a longer time is tried: proxies are reconfigured, and people change networks.
const ANSWERS_BEFORE_LONGER: u32 = 64;

/// The time to ask for.
#[derive(Debug)]
pub(crate) struct LongPoll {
    time: Duration,
    answers: u32,
}

impl Default for LongPoll {
    fn default() -> Self {
        Self {
            time: LONGEST,
            answers: 0,
        }
    }
}

impl LongPoll {
    /// How long the homeserver may hold the next request.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// The last long poll was answered, not cut: after some of these the next may be held longer.
    pub(crate) fn answered(&mut self) {
        if self.time < LONGEST {
            self.answers += 1;
            if self.answers >= ANSWERS_BEFORE_LONGER {
                self.answers = 0;
                self.time = (self.time * 2).min(LONGEST);
            }
        }
    }

    /// It failed after this time, although the homeserver is there.
    pub(crate) fn was_cut(&mut self, after: Duration) {
        self.answers = 0;
        // Well before the same thing happens again; half of what was asked, if that says more.
        self.time = (after * 3 / 4).min(self.time / 2).max(SHORTEST);
    }

    /// Whether a request that failed after this time was held for a while, rather than refused.
    pub(crate) fn was_held(after: Duration) -> bool {
        after >= SHORTEST / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_ends_polls_after_five_seconds_is_given_less() {
        let mut poll = LongPoll::default();
        assert_eq!(poll.time(), LONGEST);
        poll.was_cut(Duration::from_secs(5));
        assert!(poll.time() >= SHORTEST && poll.time() < Duration::from_secs(5));
    }

    #[test]
    fn answers_before_a_cut_do_not_count() {
        let mut poll = LongPoll::default();
        poll.was_cut(Duration::from_secs(4));
        for _ in 1..ANSWERS_BEFORE_LONGER {
            poll.answered();
        }
        poll.was_cut(Duration::from_secs(4));
        let cut = poll.time();
        poll.answered();
        assert_eq!(poll.time(), cut);
    }

    #[test]
    fn a_cut_that_came_late_halves_the_time_at_least() {
        let mut poll = LongPoll::default();
        for times in 1..=3 {
            // Later than it was asked to be answered: the network has its delays.
            poll.was_cut(2 * LONGEST);
            assert_eq!(poll.time(), LONGEST / 2_u32.pow(times));
        }
    }

    #[test]
    fn what_was_refused_at_once_was_not_held() {
        for (milliseconds, held) in [(0, false), (999, false), (1_000, true), (30_000, true)] {
            let after = Duration::from_millis(milliseconds);
            assert_eq!(LongPoll::was_held(after), held, "{after:?}");
        }
    }

    #[test]
    fn the_time_never_grows_or_ends_by_cuts() {
        let mut poll = LongPoll::default();
        for after in [29, 29, 29, 0, 0, 0] {
            let before = poll.time();
            poll.was_cut(Duration::from_secs(after));
            assert!(poll.time() <= before && poll.time() >= SHORTEST);
        }
    }

    #[test]
    fn a_longer_time_is_tried_after_many_answers() {
        let mut poll = LongPoll::default();
        poll.was_cut(Duration::from_secs(4));
        let cut = poll.time();
        for longer in [cut * 2, cut * 4] {
            let before = poll.time();
            for _ in 1..ANSWERS_BEFORE_LONGER {
                poll.answered();
                assert_eq!(poll.time(), before);
            }
            poll.answered();
            assert_eq!(poll.time(), longer);
        }
        for _ in 0..10 * ANSWERS_BEFORE_LONGER {
            poll.answered();
        }
        assert_eq!(poll.time(), LONGEST);
    }
}
