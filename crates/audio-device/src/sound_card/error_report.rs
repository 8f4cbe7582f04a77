//! What becomes of the errors of a stream.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::keeper::StreamErrors;
use crate::latency::CallbackReport;

/// A stream that fails for so long is broken.
///
/// ALSA's plugin for PulseAudio answers every question with EIO until the server has told it how late it is, which is
/// one round trip after each start. cpal asks again, and the stream works from then on; to close it there would only
/// begin the same again, and on a busy machine never end. Other systems end a stream with its first error.
const PATIENCE: Duration = match cfg!(target_os = "linux") {
    true => Duration::from_millis(300),
    false => Duration::ZERO,
};

/// Errors further apart have nothing to do with each other.
const APART: Duration = Duration::from_millis(100);

/// cpal asks a stream that fails again at once, and keeps a core busy with that.
const BETWEEN_ERRORS: Duration = Duration::from_millis(2);

/// Where the errors of a stream go.
pub(super) struct ErrorReport {
    report: Arc<CallbackReport>,
    errors: StreamErrors,
    run: ErrorRun,
}

impl ErrorReport {
    pub(super) fn new(report: Arc<CallbackReport>, errors: StreamErrors) -> Self {
        Self {
            report,
            errors,
            run: ErrorRun::default(),
        }
    }

    /// From cpal's error callback.
    pub(super) fn tell(&mut self, error: cpal::Error) {
        match error.kind() {
            cpal::ErrorKind::Xrun => self.report.xrun(),
            cpal::ErrorKind::BackendError if !self.run.lasts(now()) => wait(),
            _ => self.errors.tell(error),
        }
    }
}

/// Errors that follow each other.
#[derive(Debug, Default)]
struct ErrorRun {
    /// When the first and the last one came.
    span: Option<(Instant, Instant)>,
}

impl ErrorRun {
    /// Takes in an error that may pass; says whether it does not.
    fn lasts(&mut self, now: Instant) -> bool {
        let since = match self.span {
            Some((first, last)) if now.saturating_duration_since(last) <= APART => first,
            _ => now,
        };
        self.span = Some((since, now));
        now.saturating_duration_since(since) >= PATIENCE
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a card fails at a time of its own"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "cpal's thread has nothing else to do, and no deadline to wait for"
)]
fn wait() {
    if !PATIENCE.is_zero() {
        thread::sleep(BETWEEN_ERRORS);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// How many errors of a run there are, with such pauses in between, until it lasts.
    fn errors_until_it_lasts(pause: Duration) -> Option<u32> {
        let mut run = ErrorRun::default();
        let start = now();
        (0..1_000).find(|count| run.lasts(start + pause * *count))
    }

    #[test]
    fn errors_that_pass_are_no_failure_and_those_that_go_on_are() {
        let ms = Duration::from_millis;
        assert_eq!(errors_until_it_lasts(ms(2)), Some(150));
        assert_eq!(errors_until_it_lasts(ms(100)), Some(3));
        // Each has passed before the next one comes.
        assert_eq!(errors_until_it_lasts(ms(101)), None);
    }
}
