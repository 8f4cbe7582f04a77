//! The one clock of a run.

use std::time::Instant;

/// The time now.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is where time comes from"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}
