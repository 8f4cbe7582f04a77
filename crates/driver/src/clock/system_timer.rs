//! A timer of the system. Those of tokio go off on the next full millisecond of its own clock: half a millisecond late on average, which
//! each packet of a call would leave later.

use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::{Interest, unix::AsyncFd};
use web_time::Instant;

use super::now;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct SystemTimer {
    fd: AsyncFd<OwnedFd>,
    /// What it is set to.
    deadline: Option<Instant>,
}

/// Waits for a deadline with the timer, which is made if there is none. Gives whether it was still to come.
pub(super) async fn sleep_until(
    timer: &mut Option<SystemTimer>,
    deadline: Instant,
) -> io::Result<bool> {
    let timer = match timer {
        Some(timer) => timer,
        None => timer.insert(SystemTimer::new()?),
    };
    timer.sleep_until(deadline).await
}

impl SystemTimer {
    #[expect(
        unsafe_code,
        reason = "tokio asks for a promise that the descriptor stays open"
    )]
    fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // SAFETY: the descriptor is owned from here on, and open until it is dropped.
        let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Self {
            fd: registered.map_err(|error| error.into_parts().1)?,
            deadline: None,
        })
    }

    async fn sleep_until(&mut self, deadline: Instant) -> io::Result<bool> {
        let mut has_waited = false;
        loop {
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return Ok(has_waited);
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
            has_waited = true;
            self.deadline = None;
        }
    }
}
