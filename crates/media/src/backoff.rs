//! Trials that come ever more rarely if they fail.

use std::time::Duration;

use web_time::Instant;

/// How long to wait before something is tried again that did not work.
#[derive(Debug)]
pub(crate) struct Backoff {
    least: Duration,
    most: Duration,
    wait: Duration,
    begun_at: Option<Instant>,
    not_before: Option<Instant>,
}

impl Backoff {
    /// Waits so long at first, and at most.
    pub(crate) fn new(least: Duration, most: Duration) -> Self {
        Self {
            least,
            most,
            wait: least,
            begun_at: None,
            not_before: None,
        }
    }

    /// How long to wait before the next trial.
    pub(crate) fn wait(&self) -> Duration {
        self.wait
    }

    /// A trial begins.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.begun_at = Some(now);
    }

    /// Whether enough time has gone by since the last that failed.
    pub(crate) fn may_begin(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    /// The trial failed: the next comes later, and the one after it, if that fails too, later still.
    pub(crate) fn fail(&mut self, now: Instant) {
        self.begun_at = None;
        self.not_before = Some(now + self.wait);
        self.wait = (self.wait * 2).min(self.most);
    }

    /// The trial failed if it was not long ago; otherwise it had worked.
    pub(crate) fn fail_if_young(&mut self, now: Instant, trial: Duration) {
        match self.begun_at {
            Some(at) if now.saturating_duration_since(at) < trial => self.fail(now),
            Some(_) => {
                self.begun_at = None;
                self.wait = self.least;
            }
            None => {}
        }
    }
}
