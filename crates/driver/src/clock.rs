//! The one place that reads the clock, and that waits for it.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system_timer;

use std::pin::Pin;

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
    system: Option<system_timer::SystemTimer>,
    timers: Timers,
}

impl Alarm {
    /// Waits for a deadline; for ever where there is none. `then` is when the next one will be, as far as is known. Gives whether it
    /// may have waited: if not, the deadline was over, and the runtime has not looked for anything else meanwhile.
    pub(crate) async fn sleep_until(
        &mut self,
        deadline: Option<Instant>,
        then: Option<Instant>,
    ) -> bool {
        let Some(deadline) = deadline else {
            return std::future::pending().await;
        };
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Ok(has_waited) = system_timer::sleep_until(&mut self.system, deadline).await {
            return has_waited;
        }
        // Where the system has none, or no descriptor left: a millisecond late is better than never.
        self.timers.sleep_until(deadline, then).await;
        true
    }
}

/// Timers of tokio.
///
/// One that is due before all others that tokio knows wakes its reactor, also where that is about to look at its timers anyway: two
/// system calls and a wake-up for nothing. So the moment that is known to follow a deadline has a timer of its own by the time that the
/// deadline comes.
#[derive(Debug, Default)]
struct Timers(Option<[Pin<Box<Sleep>>; 2]>);

impl Timers {
    async fn sleep_until(&mut self, deadline: Instant, then: Option<Instant>) {
        let timers = self.0.get_or_insert_with(|| {
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

    /// An alarm as it comes, or what it is made of where the system has no timer for it.
    enum Tried {
        Alarm(Alarm),
        Timers(Timers),
    }

    impl Tried {
        fn both() -> [Self; 2] {
            [
                Self::Alarm(Alarm::default()),
                Self::Timers(Timers::default()),
            ]
        }

        async fn sleep_until(&mut self, deadline: Option<Instant>, then: Option<Instant>) {
            match (self, deadline) {
                (Self::Alarm(alarm), _) => drop(alarm.sleep_until(deadline, then).await),
                (Self::Timers(timers), Some(deadline)) => timers.sleep_until(deadline, then).await,
                (Self::Timers(_), None) => std::future::pending().await,
            }
        }
    }

    /// Whether an alarm set so has gone off already.
    async fn goes_off(alarm: &mut Tried, deadline: Option<Instant>, then: Option<Instant>) -> bool {
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
        let past = now() - Duration::from_secs(1);
        let [soon, later] = [past + HOUR, past + 2 * HOUR];
        for mut alarm in Tried::both() {
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
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[tokio::test]
    async fn a_timer_of_the_system_that_went_off_unheard_is_no_deadline_that_comes_later() {
        const SOON: Duration = Duration::from_millis(2);
        let mut alarm = Alarm::default();
        for _ in 0..3 {
            // Given up before it goes off, which it does all the same.
            tokio::select! {
                biased;
                _ = alarm.sleep_until(Some(now() + SOON), None) => panic!("too early"),
                () = std::future::ready(()) => {}
            }
            assert!(alarm.system.is_some());
            tokio::time::sleep(2 * SOON).await;
            let later = now() + SOON;
            assert!(alarm.sleep_until(Some(later), None).await);
            assert!(now() >= later);
            assert!(!alarm.sleep_until(Some(later), None).await, "it is over");
        }
    }

    #[tokio::test]
    async fn an_alarm_wakes_who_waits_for_it() {
        for mut alarm in Tried::both() {
            for _ in 0..5 {
                let deadline = now() + Duration::from_millis(2);
                alarm
                    .sleep_until(Some(deadline), Some(deadline + Duration::from_millis(2)))
                    .await;
                assert!(now() >= deadline);
            }
        }
    }
}
