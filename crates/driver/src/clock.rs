//! The one place that reads the clock, and that waits for it.

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
