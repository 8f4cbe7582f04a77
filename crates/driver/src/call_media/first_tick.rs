//! When the ticks of a call begin.
//!
//! Both ends tick every 10 ms, each by its own clock, and a frame that comes right after a tick waits for the next one. The
//! callee's path is up first, and its first frame is right behind the last packet that brings the caller's path up: a caller
//! that began at once would just miss that frame, and so each frame of the call.

use std::time::Duration;

use web_time::Instant;

use crate::audio_engine::TICK;

/// How long the caller waits for the first frame: the time that it takes to encode one, and some more.
const PATIENCE: Duration = Duration::from_millis(5);
/// How long before a tick the first frame came: frames that are a little later than it must not miss their tick.
const MARGIN: Duration = Duration::from_millis(4);

/// Finds the moment of the first tick.
#[derive(Debug, Default)]
pub(super) struct FirstTick {
    /// The peer has had its path first: its first frame is on its way.
    follows: bool,
    waits_until: Option<Instant>,
}

impl FirstTick {
    /// Ticks begin by the peer's first frame.
    pub(super) const fn follow(&mut self) {
        self.follows = true;
    }

    /// When ticks may begin, if it is not yet too early to say. There is a path; the first frame came at `heard_at`.
    pub(super) fn at(&mut self, now: Instant, heard_at: Option<Instant>) -> Option<Instant> {
        if !self.follows {
            return Some(now);
        }
        if let Some(heard_at) = heard_at {
            return Some(next_of_grid(heard_at + MARGIN, now));
        }
        let until = *self.waits_until.get_or_insert(now + PATIENCE);
        (until <= now).then_some(now)
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

    #[test]
    fn who_has_its_path_first_begins_at_once() {
        let now = crate::clock::now();
        let mut first_tick = FirstTick::default();
        assert_eq!(first_tick.at(now, None), Some(now));
        assert_eq!(first_tick.next_wake(now), None);
    }

    #[test]
    fn the_caller_begins_by_the_first_frame() {
        let now = crate::clock::now();
        let mut first_tick = FirstTick::default();
        first_tick.follow();
        assert_eq!(first_tick.at(now, None), None);
        assert_eq!(first_tick.next_wake(now), Some(now + PATIENCE));
        let heard = now + ms(2);
        assert_eq!(first_tick.at(heard, Some(heard)), Some(heard + MARGIN));
        // With devices that are late, ticks are where they would be.
        let late = heard + ms(333);
        let begins = first_tick.at(late, Some(heard));
        assert_eq!(begins, Some(heard + MARGIN + ms(340)));
    }

    #[test]
    fn a_first_frame_that_is_lost_is_not_waited_for() {
        let now = crate::clock::now();
        let mut first_tick = FirstTick::default();
        first_tick.follow();
        assert_eq!(first_tick.at(now, None), None);
        assert_eq!(first_tick.at(now + ms(4), None), None);
        assert_eq!(first_tick.next_wake(now + ms(4)), Some(now + PATIENCE));
        let after = now + PATIENCE;
        assert_eq!(first_tick.at(after, None), Some(after));
        assert_eq!(first_tick.next_wake(after), None);
    }
}
