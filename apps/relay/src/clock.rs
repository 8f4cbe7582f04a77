//! The one place that asks what time it is.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, for deadlines and rates.
#[expect(
    clippy::disallowed_methods,
    reason = "a daemon has a clock; what is tested without one takes `now`"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970, for what expires.
#[expect(clippy::disallowed_methods, reason = "as above")]
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
