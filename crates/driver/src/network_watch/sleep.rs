//! Whether the machine has slept: the clock that counts the time since it was switched on runs ahead of the one that stands
//! still in sleep. Or whether the program was stopped, which is no different to those who wait for it: it is asked once a second,
//! and was not for much longer. (Where no clock stands still in sleep, that shows sleep as well.)

use std::time::Duration;

use web_time::Instant;

/// By less than this the clocks do not tell sleep from the time between two readings of them.
const SLEPT: Duration = Duration::from_secs(2);

/// A machine that has too much to do does not keep a program waiting for so long, and peers have taken its path for dead by then.
const STOPPED: Duration = Duration::from_secs(4);

/// How the clocks stood when they were looked at last.
#[derive(Debug)]
pub(super) struct SleepClock {
    /// By how much one was ahead of the other.
    ahead: Option<Duration>,
    looked_at: Instant,
}

impl SleepClock {
    /// Counts from now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ahead: ahead(),
            looked_at: now,
        }
    }

    /// Whether the machine has slept since this was asked last, or the program was stopped. To be asked every second.
    pub(super) fn has_slept(&mut self, now: Instant) -> bool {
        self.compare(now, ahead())
    }

    fn compare(&mut self, now: Instant, ahead: Option<Duration>) -> bool {
        let looked_at = std::mem::replace(&mut self.looked_at, now);
        let before = std::mem::replace(&mut self.ahead, ahead);
        let was_stopped = now.saturating_duration_since(looked_at) >= STOPPED;
        // Where there are no such clocks nobody knows.
        let has_slept = ahead
            .zip(before)
            .is_some_and(|(ahead, before)| ahead.saturating_sub(before) >= SLEPT);
        was_stopped || has_slept
    }
}

/// By how much the one is ahead.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn ahead() -> Option<Duration> {
    // In this order what passes between the two makes it less.
    let with_sleep = clock(libc::CLOCK_BOOTTIME)?;
    let without = clock(libc::CLOCK_MONOTONIC)?;
    Some(with_sleep.saturating_sub(without))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
const fn ahead() -> Option<Duration> {
    None
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(
    unsafe_code,
    reason = "the standard library reads neither clock by name"
)]
fn clock(id: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a timespec that lives through the call and to which clock_gettime writes.
    if unsafe { libc::clock_gettime(id, &raw mut time) } != 0 {
        return None;
    }
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_clock_that_runs_ahead_says_that_the_machine_has_slept_once() {
        let now = clock::now();
        let at = |seconds| Some(Duration::from_secs(seconds));
        let mut sleep = SleepClock {
            ahead: at(100),
            looked_at: now,
        };
        assert!(!sleep.compare(now, at(101)));
        assert!(sleep.compare(now, at(103)));
        assert!(!sleep.compare(now, at(103)));
        // A clock that cannot be read says nothing.
        assert!(!sleep.compare(now, None) && !sleep.compare(now, at(1000)));
    }

    #[test]
    fn a_program_that_has_not_looked_for_seconds_was_stopped() {
        let mut now = clock::now();
        let mut sleep = SleepClock {
            ahead: None,
            looked_at: now,
        };
        for (after_ms, was_stopped) in [(1_000, false), (3_999, false), (4_000, true), (10, false)]
        {
            now += Duration::from_millis(after_ms);
            assert_eq!(sleep.compare(now, None), was_stopped, "{after_ms} ms");
        }
    }

    #[test]
    fn a_machine_that_is_awake_has_not_slept() {
        let now = clock::now();
        let mut sleep = SleepClock::new(now);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        assert!(sleep.ahead.is_some());
        assert!(!sleep.has_slept(now));
    }
}
