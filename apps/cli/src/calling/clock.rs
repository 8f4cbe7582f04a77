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

/// Waits until a time; for ever, if there is none.
pub(super) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
