//! The clock that deadlines and rates go by.

use std::time::Instant;

/// Now, for deadlines and rates.
#[expect(
    clippy::disallowed_methods,
    reason = "a daemon has a clock; what is tested without one takes `now`"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
