//! Whether the machine has slept: the clock that counts the time since it was switched on runs ahead of the one that stands
//! still in sleep.

use std::time::Duration;

/// By less than this the clocks do not tell sleep from the time between two readings of them.
const SLEPT: Duration = Duration::from_secs(2);

/// By how much one clock was ahead of the other.
#[derive(Debug)]
pub(super) struct SleepClock {
    ahead: Option<Duration>,
}

impl SleepClock {
    /// Counts from now.
    pub(super) fn new() -> Self {
        Self { ahead: ahead() }
    }

    /// Whether the machine has slept since this was asked last. Where there are no such clocks nobody knows.
    pub(super) fn has_slept(&mut self) -> bool {
        self.compare(ahead())
    }

    fn compare(&mut self, ahead: Option<Duration>) -> bool {
        let before = std::mem::replace(&mut self.ahead, ahead);
        let (Some(now), Some(before)) = (ahead, before) else {
            return false;
        };
        now.saturating_sub(before) >= SLEPT
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

    #[test]
    fn a_clock_that_runs_ahead_says_that_the_machine_has_slept_once() {
        let at = |seconds| Some(Duration::from_secs(seconds));
        let mut clock = SleepClock { ahead: at(100) };
        assert!(!clock.compare(at(101)));
        assert!(clock.compare(at(103)));
        assert!(!clock.compare(at(103)));
        // A clock that cannot be read says nothing.
        assert!(!clock.compare(None) && !clock.compare(at(1000)));
    }

    #[test]
    fn a_machine_that_is_awake_has_not_slept() {
        let mut clock = SleepClock::new();
        #[cfg(any(target_os = "linux", target_os = "android"))]
        assert!(clock.ahead.is_some());
        assert!(!clock.has_slept());
    }
}
