//! How long what a sync brings has been at the homeserver: for events that do not say how old they are.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A homeserver that has answered after so long had nothing to tell before: what it tells has just come.
const HAD_NOTHING: Duration = Duration::from_secs(2);

/// When the homeserver has answered last, in this run.
#[derive(Debug, Default)]
pub(crate) struct LastAnswer(Mutex<Option<Instant>>);

impl LastAnswer {
    /// An answer has come: how long what it brings has been there at most. `None` for the first, which may bring what is old.
    pub(crate) fn answered(&self, asked_at: Instant, answered_at: Instant) -> Option<Duration> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.replace(answered_at)?;
        Some(if answered_at.duration_since(asked_at) >= HAD_NOTHING {
            Duration::ZERO
        } else {
            answered_at.duration_since(before)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_has_come_since_the_last_answer_or_just_now_and_of_the_first_nobody_knows() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let last = LastAnswer::default();
        for (asked_at, answered_at, expected) in [
            (0, 5_000, None),
            // At once: it may have come while nobody asked, in a minute without a network.
            (65_000, 65_100, Some(60_100)),
            (65_100, 67_099, Some(1_999)),
            // After a wait: there was nothing before.
            (67_100, 69_100, Some(0)),
            (69_100, 99_100, Some(0)),
        ] {
            assert_eq!(
                last.answered(at(asked_at), at(answered_at)),
                expected.map(Duration::from_millis),
                "{asked_at}"
            );
        }
    }
}
