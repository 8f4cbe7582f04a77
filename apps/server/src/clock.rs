//! The one place that asks what time it is.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use securecall_ghostnet::UnixTime;

/// Now, for deadlines and rates.
#[expect(
    clippy::disallowed_methods,
    reason = "a daemon has a clock; what is tested without one takes `now`"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The time of day, for what expires.
#[expect(clippy::disallowed_methods, reason = "as above")]
pub(crate) fn unix_time() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixTime::from_secs(since.map_or(0, |since| since.as_secs()))
}
