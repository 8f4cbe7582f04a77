//! The pace of the speaker's ticks: 10 ms, and a little less or more until they come right after the peer's frames.
//!
//! A frame that comes waits for the next tick, 5 ms in the middle. The peer's frames come at a pace of 20 ms, so ticks that lie
//! right take each of them soon. A tick is moved by a sample at a time, and what is played of it becomes as much shorter or longer,
//! which nobody hears.
//!
//! Ticks that follow the peer's frames also follow the peer's clock, where that differs from ours.

use std::time::Duration;

use crate::audio::{SAMPLE_RATE, TICK_SAMPLES};

/// Ticks that move do so until they are as near to where they should be, in microseconds.
const NEAR_US: i64 = 250;
/// They move once they could come so much earlier: what arrivals call for changes all the time, and they need not follow it each time.
const EARLY_US: i64 = 1_000;
/// They move once they should come so much later: in time, before frames miss them.
const LATE_US: i64 = 500;
/// Every how many ticks one is moved so that they come later: 0.05 %.
const LATER_EVERY: u32 = 4;

/// Paces the ticks of a speaker.
#[derive(Debug, Default)]
pub struct SpeakerPace {
    moves: bool,
    since_moved: u32,
}

impl SpeakerPace {
    /// Ticks that lie where they began.
    pub fn new() -> Self {
        Self::default()
    }

    /// By how many samples the next tick comes earlier than 10 ms after this one; below 0, later. `spare` is how many microseconds
    /// earlier ticks could come ([`JitterBuffer::spare`](crate::JitterBuffer::spare)); of several peers, that of who could least.
    pub fn step(&mut self, spare: Option<i64>) -> i32 {
        self.since_moved = self.since_moved.saturating_add(1);
        let Some(spare) = spare else {
            return 0;
        };
        let (early, late) = if self.moves {
            (NEAR_US, NEAR_US)
        } else {
            (EARLY_US, LATE_US)
        };
        self.moves = spare > early || spare < -late;
        let step = match spare {
            _ if !self.moves => return 0,
            0.. => 1,
            _ if self.since_moved >= LATER_EVERY => -1,
            _ => return 0,
        };
        self.since_moved = 0;
        step
    }

    /// From a tick to the next, which comes so many samples earlier than 10 ms after it.
    pub fn interval(earlier: i32) -> Duration {
        let samples = (TICK_SAMPLES as u32).saturating_add_signed(-earlier);
        Duration::from_secs(samples.into()) / SAMPLE_RATE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where ticks come to lie that could come so much earlier, and after how many of them.
    fn settled(mut spare_us: f64, pace: &mut SpeakerPace) -> (f64, usize) {
        let mut last = 0;
        for tick in 1..20_000 {
            let step = pace.step(Some(spare_us as i64));
            spare_us -= f64::from(step) * 1e6 / f64::from(SAMPLE_RATE);
            if step != 0 {
                last = tick;
            }
        }
        (spare_us, last)
    }

    #[test]
    fn ticks_move_until_they_are_near_enough_and_then_stay() {
        for (spare, ticks) in [(9_000.0, 420), (3_000.0, 132), (-2_000.0, 336)] {
            let (left, last) = settled(spare, &mut SpeakerPace::new());
            assert!(left.abs() < 251.0, "{left} of {spare}");
            assert!(last <= ticks + 4, "{last} ticks for {spare}");
        }
    }

    #[test]
    fn ticks_stay_where_they_are_for_little() {
        let mut pace = SpeakerPace::new();
        for (rests, moves) in [(900.0, 1_100.0), (-400.0, -600.0)] {
            assert_eq!(settled(rests, &mut pace), (rests, 0));
            assert!(settled(moves, &mut pace).1 > 0);
        }
    }

    #[test]
    fn nothing_moves_while_nobody_is_heard() {
        let mut pace = SpeakerPace::new();
        assert!((0..100).all(|_| pace.step(None) == 0));
    }

    #[test]
    fn ticks_are_10_ms_apart_but_for_what_they_are_moved_by() {
        let us = |earlier| SpeakerPace::interval(earlier).as_nanos();
        assert_eq!((us(0), us(1), us(-1)), (10_000_000, 9_979_166, 10_020_833));
    }
}
