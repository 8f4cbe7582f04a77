//! The pauses between attempts to sync.

use std::time::Duration;

use tokio::time::Instant;

use crate::long_poll::LongPoll;

/// The first pause; each is twice the one before.
const SHORTEST: Duration = Duration::from_millis(250);

/// The longest that we take by ourselves.
const LONGEST: Duration = Duration::from_secs(8);

/// No homeserver makes us wait longer than this before we ask again.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// How long the next pause is to be.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: SHORTEST }
    }
}

impl Backoff {
    /// All is well again.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// The pause after a failure; the homeserver may have asked for more than we would take.
    pub(crate) fn after_failure(&mut self, asked: Duration) -> Duration {
        let pause = self.next.max(asked.min(LONGEST_ASKED));
        self.next = (pause * 2).min(LONGEST);
        pause
    }

    /// The pause after a long poll that was cut, although the homeserver is there.
    pub(crate) fn after_cut(&mut self, after: Duration) -> Duration {
        if LongPoll::was_held(after) {
            self.reset();
            return Duration::ZERO;
        }
        // It answers, but holds nothing open: no reason to ask without a pause.
        self.after_failure(Duration::ZERO)
    }
}

/// How many syncs that are answered at once are made without a pause: more than the messages of a call bring.
const BURST: u32 = 64;

/// How far apart they are after that. What has come meanwhile comes together.
const APART: Duration = Duration::from_millis(250);

/// Keeps a homeserver that holds no poll open from keeping us busy: each answer may also say that keys are missing, which are
/// then made and uploaded.
#[derive(Debug)]
pub(crate) struct Haste {
    left: u32,
    counted: Instant,
}

impl Haste {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            counted: now,
        }
    }

    /// A sync was answered. Gives the pause before the next.
    pub(crate) fn answered(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.counted);
        let back = u32::try_from(passed.as_millis() / APART.as_millis()).unwrap_or(u32::MAX);
        let left = self.left.saturating_add(back);
        self.left = left.min(BURST).saturating_sub(1);
        self.counted = if left >= BURST {
            now
        } else {
            self.counted + APART * back
        };
        if self.left == 0 {
            APART
        } else {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_until_all_is_well() {
        let mut backoff = Backoff::default();
        let mut pauses = |times: usize| -> Vec<u128> {
            (0..times)
                .map(|_| backoff.after_failure(Duration::ZERO).as_millis())
                .collect()
        };
        assert_eq!(pauses(7), [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000]);
        backoff.reset();
        assert_eq!(backoff.after_failure(Duration::ZERO), SHORTEST);
    }

    #[test]
    fn a_homeserver_may_ask_for_more_but_not_for_ever() {
        let mut backoff = Backoff::default();
        let second = Duration::from_secs(1);
        assert_eq!(backoff.after_failure(20 * second), 20 * second);
        assert_eq!(backoff.after_failure(Duration::ZERO), LONGEST);
        assert_eq!(backoff.after_failure(second), LONGEST);
        assert_eq!(backoff.after_failure(3_600 * second), LONGEST_ASKED);
    }

    #[test]
    fn whoever_holds_nothing_open_is_not_asked_without_a_pause() {
        let mut backoff = Backoff::default();
        let at_once = Duration::from_millis(3);
        assert_eq!(backoff.after_cut(at_once), SHORTEST);
        assert_eq!(backoff.after_cut(at_once), 2 * SHORTEST);
        // A poll that was held for a while was a pause.
        assert_eq!(backoff.after_cut(Duration::from_secs(5)), Duration::ZERO);
        assert_eq!(backoff.after_cut(at_once), SHORTEST);
    }

    #[test]
    fn a_homeserver_that_answers_at_once_is_asked_four_times_a_second_after_a_while() {
        let began = Instant::now();
        let mut haste = Haste::new(began);
        let pauses: Vec<Duration> = (0..200).map(|_| haste.answered(began)).collect();
        assert_eq!(pauses.iter().filter(|it| it.is_zero()).count(), 63);
        assert_eq!(pauses.last(), Some(&APART));
        let mut now = began;
        for _ in 0..100 {
            now += APART;
            assert_eq!(haste.answered(now), APART);
        }
        // Whoever holds polls open is never waited for.
        assert_eq!(haste.answered(now + 2 * APART), Duration::ZERO);
        assert_eq!(
            haste.answered(now + Duration::from_secs(60)),
            Duration::ZERO
        );
    }
}
