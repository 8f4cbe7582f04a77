//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use securecall_ghostnet::UnixTime;

/// The time of day, for what expires.
#[expect(
    clippy::disallowed_methods,
    reason = "a daemon has a clock; what is tested without one takes `now`"
)]
pub fn unix_time() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixTime::from_secs(since.map_or(0, |since| since.as_secs()))
}
