//! When the ticks of a call begin.
//!
//! Both ends tick every 10 ms, each by its own clock, and a frame that comes right after a tick waits for the next one. The
//! callee's path is up first, and its first frame is right behind the last packet that brings the caller's path up: a caller
//! that began at once would just miss that frame, and so each frame of the call. So it only says at once that it is there, by a
//! frame of silence, and begins to tick by the frame that comes.

use std::time::Duration;

use web_time::Instant;

use crate::audio_engine::TICK;

/// How long the caller waits for the first frame: the time that it takes to encode one, and some more.
const PATIENCE: Duration = Duration::from_millis(5);
/// How long before a tick the first frame came: frames that are a little later than it must not miss their tick. It is what the
/// jitter buffer wants where nothing is late, so the speaker's ticks stay with the microphone's.
const MARGIN: Duration = Duration::from_millis(1);

/// What to do for ticks to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// The first tick is due at this moment.
    TickAt(Instant),
    /// Say that we are there; it is too early for ticks.
    Greet,
    /// Wait.
    Wait,
}

/// Finds the moment of the first tick.
#[derive(Debug, Default)]
pub(super) struct FirstTick {
    /// The peer has had its path first: its first frame is on its way.
    follows: bool,
    has_greeted: bool,
    waits_until: Option<Instant>,
}

impl FirstTick {
    /// Ticks begin by the peer's first frame.
    pub(super) const fn follow(&mut self) {
        self.follows = true;
    }

    /// What to do now that there is a path; the first frame came at `heard_at`.
    pub(super) fn begin(&mut self, now: Instant, heard_at: Option<Instant>) -> Begin {
        if !self.follows {
            // One that is due already: two make the first frame, and the peer waits for it.
            return Begin::TickAt(now.checked_sub(TICK).unwrap_or(now));
        }
        if !self.has_greeted {
            return Begin::Greet;
        }
        if let Some(heard_at) = heard_at {
            return Begin::TickAt(next_of_grid(heard_at + MARGIN, now));
        }
        let until = *self.waits_until.get_or_insert(now + PATIENCE);
        if until <= now {
            Begin::TickAt(now)
        } else {
            Begin::Wait
        }
    }

    /// The peer was told that we are there.
    pub(super) const fn greeted(&mut self) {
        self.has_greeted = true;
    }

    /// When to ask again, though nothing has happened.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Instant> {
        self.waits_until.filter(|until| *until > now)
    }
}

/// The first moment from `now` on that is a number of ticks after `first`.
fn next_of_grid(first: Instant, now: Instant) -> Instant {
    let missed = now.saturating_duration_since(first).as_nanos();
    // Devices that take hours to open have no call any more.
    let ticks = u32::try_from(missed.div_ceil(TICK.as_nanos())).unwrap_or(u32::MAX);
    first + TICK * ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Of a caller that has said that it is there.
    fn following(now: Instant) -> FirstTick {
        let mut first_tick = FirstTick::default();
        first_tick.follow();
        assert_eq!(first_tick.begin(now, None), Begin::Greet);
        first_tick.greeted();
        first_tick
    }

    #[test]
    fn who_has_its_path_first_begins_at_once() {
        let now = crate::clock::now() + TICK;
        let mut first_tick = FirstTick::default();
        assert_eq!(first_tick.begin(now, None), Begin::TickAt(now - TICK));
        assert_eq!(first_tick.next_wake(now), None);
    }

    #[test]
    fn the_caller_says_that_it_is_there_and_begins_by_the_first_frame() {
        let now = crate::clock::now();
        let mut first_tick = following(now);
        assert_eq!(first_tick.begin(now, None), Begin::Wait);
        assert_eq!(first_tick.next_wake(now), Some(now + PATIENCE));
        let heard = now + ms(2);
        let begin = first_tick.begin(heard, Some(heard));
        assert_eq!(begin, Begin::TickAt(heard + MARGIN));
        // With devices that are late, ticks are where they would be.
        for (late, ticks) in [(MARGIN, 0), (MARGIN + ms(1), 1), (MARGIN + ms(333), 34)] {
            let begin = first_tick.begin(heard + late, Some(heard));
            assert_eq!(begin, Begin::TickAt(heard + MARGIN + TICK * ticks));
        }
    }

    #[test]
    fn a_caller_that_is_heard_of_first_says_so_all_the_same() {
        let now = crate::clock::now();
        let mut first_tick = FirstTick::default();
        first_tick.follow();
        assert_eq!(first_tick.begin(now, Some(now)), Begin::Greet);
    }

    #[test]
    fn a_first_frame_that_is_lost_is_not_waited_for() {
        let now = crate::clock::now();
        let mut first_tick = following(now);
        assert_eq!(first_tick.begin(now, None), Begin::Wait);
        assert_eq!(first_tick.begin(now + ms(4), None), Begin::Wait);
        assert_eq!(first_tick.next_wake(now + ms(4)), Some(now + PATIENCE));
        let after = now + PATIENCE;
        assert_eq!(first_tick.begin(after, None), Begin::TickAt(after));
        assert_eq!(first_tick.next_wake(after), None);
    }
}
