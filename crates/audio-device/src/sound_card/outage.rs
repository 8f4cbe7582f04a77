//! A card that is away: when to try it again, and when the user is told.

use std::time::Duration;

/// Before the second attempt; the first comes at once. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A headset that is plugged in is noticed within this time, however long it was away.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// A card that is away so long does not come back by itself.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// A stream that fails sooner has not worked.
const WORKED: Duration = Duration::from_secs(5);

/// What the user is told of an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// It stopped; attempts are made.
    Interrupted,
    /// It seems to be gone for good; attempts go on.
    Lost,
}

/// One outage after another.
#[derive(Debug, Default)]
pub(super) struct Outage {
    attempts: u32,
    /// All pauses together.
    waited: Duration,
    to_tell: Option<Words>,
    told: Option<Words>,
    /// It was told that the card is back.
    told_back: bool,
}

impl Outage {
    /// The stream failed after it had worked for so long, or could not be opened; gives the pause before the next
    /// attempt.
    pub(super) fn failed(&mut self, worked: Duration) -> Duration {
        if worked >= WORKED {
            *self = Self::default();
        }
        let pause = match self.attempts {
            0 => Duration::ZERO,
            more => (FIRST_PAUSE * 2_u32.saturating_pow(more - 1)).min(LONGEST_PAUSE),
        };
        self.attempts += 1;
        self.waited += pause;
        let words = match (self.attempts, self.waited) {
            // What works again at once is no news.
            (1, _) => None,
            (_, waited) if waited >= LOST_AFTER => Some(Words::Lost),
            _ => Some(Words::Interrupted),
        };
        if words.is_some() && self.told != words {
            self.told = words;
            self.to_tell = words;
        }
        pause
    }

    /// How many have failed.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What is to be told now: each once in an outage.
    pub(super) fn take_words(&mut self) -> Option<Words> {
        self.to_tell.take()
    }

    /// A stream is open; says whether the user is to be told that.
    pub(super) fn opened(&mut self) -> bool {
        let is_news = self.told.is_some() && !self.told_back;
        self.told_back = self.told.is_some();
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_begin_at_once_and_never_end() {
        let mut outage = Outage::default();
        let pauses: Vec<u128> = (0..9)
            .map(|_| outage.failed(Duration::ZERO).as_millis())
            .collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1_600, 3_000, 3_000, 3_000]);
        for _ in 0..10_000 {
            assert_eq!(outage.failed(Duration::ZERO), LONGEST_PAUSE);
        }
    }

    #[test]
    fn an_outage_is_told_once_and_once_more_after_half_a_minute() {
        let mut outage = Outage::default();
        assert!(!outage.opened(), "nothing was told");
        outage.failed(WORKED);
        assert_eq!(outage.take_words(), None);
        assert!(!outage.opened(), "a moment is not told");
        let (mut told, mut waited) = (Vec::new(), Duration::ZERO);
        for _ in 0..100 {
            waited += outage.failed(Duration::ZERO);
            if let Some(words) = outage.take_words() {
                told.push((words, waited.as_secs()));
            }
        }
        assert_eq!(told, [(Words::Interrupted, 0), (Words::Lost, 30)]);
        assert!(outage.opened());
        assert!(!outage.opened());
    }

    #[test]
    fn a_card_that_comes_and_goes_is_told_as_one_outage_and_is_no_busy_loop() {
        let mut outage = Outage::default();
        let mut words = 0;
        for _ in 0..50 {
            outage.failed(Duration::from_millis(300));
            words += usize::from(outage.take_words() == Some(Words::Interrupted));
            words += usize::from(outage.opened());
        }
        assert_eq!(words, 2, "interrupted, back");
        assert_eq!(outage.failed(Duration::from_millis(300)), LONGEST_PAUSE);
        assert_eq!(outage.failed(WORKED), Duration::ZERO, "it had worked");
        assert_eq!(outage.failed(Duration::ZERO), FIRST_PAUSE);
        assert_eq!(outage.take_words(), Some(Words::Interrupted));
        assert!(outage.opened());
    }
}
