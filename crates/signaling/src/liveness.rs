//! Until when an event of a call in a room counts.

use std::time::Duration;

use web_time::Instant;

use crate::wire::room::MAX_LIFETIME;

/// What must be left of an invite's lifetime for somebody to answer. matrix-js-sdk leaves as much.
pub const RING_GRACE: Duration = Duration::from_secs(3);

/// Until when an invite or a `negotiate` in a room counts: as long as its age, as the homeserver gave it, and the time since it was
/// received are together less than its lifetime ([VoIP events]). The clocks of the two ends do not matter for that.
///
/// [VoIP events]: https://spec.matrix.org/v1.16/client-server-api/#voip-events
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    until: Instant,
}

impl Liveness {
    /// Of an event that was received with an `unsigned.age` in milliseconds. An age that is not there, or negative because two
    /// servers' clocks differ, counts as none: whoever reads events from before it was on line must not let those without an age ring.
    pub fn of(received: Instant, age: Option<i64>, lifetime: Duration) -> Self {
        let age = age.map_or(0, |age| age.max(0).unsigned_abs());
        // Lifetimes that were read are within this bound; any other would be a time that no clock has.
        let left = lifetime
            .min(MAX_LIFETIME)
            .saturating_sub(Duration::from_millis(age));
        Self {
            until: received + left,
        }
    }

    /// When it ends.
    pub const fn until(self) -> Instant {
        self.until
    }

    /// Whether it counts at a time.
    pub fn is_alive(self, now: Instant) -> bool {
        now < self.until
    }

    /// Whether somebody has the time to answer, so that it is worth ringing.
    pub fn is_worth_ringing(self, now: Instant) -> bool {
        now + RING_GRACE <= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can only be had from the clock; the test counts on from it"
    )]
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn age_and_time_since_receipt_are_together_less_than_the_lifetime() {
        let received = origin();
        let liveness = Liveness::of(received, Some(20_000), SECOND * 60);
        assert_eq!(liveness.until(), received + SECOND * 40);
        let just_before = received + SECOND * 40 - Duration::from_nanos(1);
        assert!(liveness.is_alive(received) && liveness.is_alive(just_before));
        assert!(!liveness.is_alive(received + SECOND * 40));
    }

    #[test]
    fn it_rings_if_three_seconds_are_left_and_not_if_less_are() {
        let received = origin();
        let liveness = Liveness::of(received, Some(50_000), SECOND * 60);
        assert!(liveness.is_worth_ringing(received + SECOND * 7));
        assert!(!liveness.is_worth_ringing(received + SECOND * 7 + Duration::from_nanos(1)));
    }

    #[test]
    fn what_is_as_old_as_its_lifetime_or_older_is_dead_on_arrival() {
        let received = origin();
        for (age, lifetime) in [(60_000, 60), (60_001, 60), (i64::MAX, 60), (0, 0)] {
            let liveness = Liveness::of(received, Some(age), SECOND * lifetime);
            assert_eq!(liveness.until(), received, "{age}");
            assert!(!liveness.is_alive(received) && !liveness.is_worth_ringing(received));
        }
    }

    #[test]
    fn an_age_that_is_not_there_or_negative_is_none() {
        let received = origin();
        for age in [None, Some(0), Some(-1), Some(i64::MIN)] {
            let liveness = Liveness::of(received, age, SECOND * 60);
            assert_eq!(liveness.until(), received + SECOND * 60, "{age:?}");
        }
    }

    #[test]
    fn no_lifetime_is_longer_than_the_longest() {
        let received = origin();
        for lifetime in [MAX_LIFETIME, MAX_LIFETIME + SECOND, Duration::MAX] {
            let liveness = Liveness::of(received, None, lifetime);
            assert_eq!(liveness.until(), received + MAX_LIFETIME);
        }
        let old = Liveness::of(received, Some(179_000), Duration::MAX);
        assert_eq!(
            old.until(),
            received + SECOND,
            "the age counts from the longest"
        );
    }
}
