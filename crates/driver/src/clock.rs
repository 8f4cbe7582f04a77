//! The one place that reads the clock, and that waits for it.

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use std::pin::Pin;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use tokio::time::Sleep;
use web_time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, on the clock that only goes forward.
#[expect(
    clippy::disallowed_methods,
    reason = "everybody below takes the time from here"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Microseconds since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "everybody below takes the time from here"
)]
pub(crate) fn unix_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Milliseconds since the Unix epoch.
pub(crate) fn wallclock_ms() -> u64 {
    unix_us() / 1000
}

/// Waits for a deadline; for ever where there is none.
pub async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for deadlines one after the other, where many come each second and a millisecond counts.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    timer: Option<precise::Timer>,
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    timers: Option<[Pin<Box<Sleep>>; 2]>,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Alarm {
    /// Waits for a deadline; for ever where there is none. `then` is when the next one will be, as far as is known.
    pub(crate) async fn sleep_until(&mut self, deadline: Option<Instant>, _then: Option<Instant>) {
        let Some(deadline) = deadline else {
            return std::future::pending().await;
        };
        if self.timer.is_none() {
            self.timer = precise::Timer::new().ok();
        }
        let waited = match &mut self.timer {
            Some(timer) => timer.sleep_until(deadline).await,
            None => Err(std::io::ErrorKind::Unsupported.into()),
        };
        if waited.is_err() {
            // The system has no descriptor left: a millisecond late is better than never.
            sleep_until(Some(deadline)).await;
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod precise {
    //! A timer of the system. Those of tokio go off on the next full millisecond of its own clock: half a millisecond late on average,
    //! which each packet of a call would leave later.

    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::{Interest, unix::AsyncFd};
    use web_time::Instant;

    use super::now;

    #[derive(Debug)]
    pub(super) struct Timer {
        fd: AsyncFd<OwnedFd>,
        /// What it is set to.
        deadline: Option<Instant>,
    }

    impl Timer {
        #[expect(
            unsafe_code,
            reason = "tokio asks for a promise that the descriptor stays open"
        )]
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            // SAFETY: the descriptor is owned from here on, and open until it is dropped.
            let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
            Ok(Self {
                fd: registered.map_err(|error| error.into_parts().1)?,
                deadline: None,
            })
        }

        pub(super) async fn sleep_until(&mut self, deadline: Instant) -> io::Result<()> {
            loop {
                let left = deadline.saturating_duration_since(now());
                if left.is_zero() {
                    return Ok(());
                }
                if self.deadline != Some(deadline) {
                    let once = Itimerspec {
                        it_interval: Timespec::default(),
                        it_value: left.try_into().map_err(io::Error::other)?,
                    };
                    timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &once)?;
                    self.deadline = Some(deadline);
                }
                // Also for a deadline of before; nothing is read, as each time that it goes off is told.
                self.fd.readable().await?.clear_ready();
            }
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Alarm {
    /// Waits for a deadline; for ever where there is none. `then` is when the next one will be, as far as is known.
    ///
    /// A timer of tokio that is due before all others that it knows wakes tokio's reactor, also where that is about to look at its
    /// timers anyway: two system calls and a wake-up for nothing. So the moment that is known to follow a deadline has a timer of its
    /// own by the time that the deadline comes.
    pub(crate) async fn sleep_until(&mut self, deadline: Option<Instant>, then: Option<Instant>) {
        let Some(deadline) = deadline else {
            return std::future::pending().await;
        };
        let timers = self.timers.get_or_insert_with(|| {
            [deadline, then.unwrap_or(deadline)]
                .map(|at| Box::pin(tokio::time::sleep_until(at.into())))
        });
        let [due, following] = timers;
        set(due, deadline);
        if let Some(then) = then {
            set(following, then);
        }
        due.await;
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set(timer: &mut Pin<Box<Sleep>>, at: Instant) {
    let at = at.into();
    if timer.deadline() != at {
        timer.as_mut().reset(at);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether an alarm set so has gone off already.
    async fn goes_off(alarm: &mut Alarm, deadline: Option<Instant>, then: Option<Instant>) -> bool {
        tokio::select! {
            biased;
            () = alarm.sleep_until(deadline, then) => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn an_alarm_goes_off_at_the_deadline_it_was_set_to_last_and_at_no_other() {
        const HOUR: Duration = Duration::from_secs(3600);
        // Before tokio's own clock began: it looks at its timers once a millisecond.
        let (mut alarm, past) = (Alarm::default(), now() - Duration::from_secs(1));
        let [soon, later] = [past + HOUR, past + 2 * HOUR];
        assert!(!goes_off(&mut alarm, Some(soon), Some(later)).await);
        for _ in 0..3 {
            // Whatever went off before, and whatever follows.
            for then in [None, Some(past), Some(soon)] {
                assert!(goes_off(&mut alarm, Some(past), then).await);
                assert!(!goes_off(&mut alarm, Some(soon), then).await);
                assert!(!goes_off(&mut alarm, None, then).await);
            }
            assert!(!goes_off(&mut alarm, Some(later), Some(soon)).await);
        }
    }

    #[tokio::test]
    async fn an_alarm_wakes_who_waits_for_it() {
        let mut alarm = Alarm::default();
        for _ in 0..5 {
            let deadline = now() + Duration::from_millis(2);
            alarm
                .sleep_until(Some(deadline), Some(deadline + Duration::from_millis(2)))
                .await;
            assert!(now() >= deadline);
        }
    }
}
