//! When another path is tried, and how often.

use std::time::Duration;

use web_time::Instant;

use crate::TunnelFailure;

/// The most paths that are tried in vain: each costs a token of both relays.
const MAX_TRIES: u32 = 8;
/// The waits between them: none, then these, doubling.
const MIN_WAIT: Duration = Duration::from_millis(250);
const MAX_WAIT: Duration = Duration::from_secs(8);
/// An exit that was there for so long is not blamed for those before it.
const FAILURES_FORGOTTEN: Duration = Duration::from_secs(60);

/// How many paths may still be tried, and when the next one is.
#[derive(Debug, Default)]
pub(super) struct Tries {
    left: u32,
    /// How long the next failure is waited for.
    wait: Duration,
    next: Option<(Instant, Option<TunnelFailure>)>,
}

impl Tries {
    /// It is gathered: all may be tried again.
    pub(super) fn renew(&mut self, now: Instant) {
        self.left = MAX_TRIES;
        self.wait = Duration::ZERO;
        // Not later than now, where one is waited for.
        self.next = self.next.map(|(at, after)| (at.min(now), after));
    }

    /// A path is wanted at once, where none is tried or waited for.
    pub(super) fn want(&mut self, now: Instant) {
        self.next.get_or_insert((now, None));
    }

    /// A path has failed, after it was good for so long.
    pub(super) fn again(&mut self, now: Instant, failure: TunnelFailure, good_for: Duration) {
        if good_for >= FAILURES_FORGOTTEN {
            self.renew(now);
        }
        self.next = (self.left > 0).then_some((now + self.wait, Some(failure)));
        self.wait = (self.wait * 2).clamp(MIN_WAIT, MAX_WAIT);
    }

    /// What the path that is due now is tried after.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Option<TunnelFailure>> {
        let (_, after) = self.next.take_if(|(at, _)| *at <= now)?;
        Some(after)
    }

    /// A path is tried.
    pub(super) fn begin(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    /// One is good: nothing more is waited for.
    pub(super) fn rest(&mut self) {
        self.next = None;
    }

    /// There are no paths, or none is wanted.
    pub(super) fn give_up(&mut self) {
        self.left = 0;
        self.next = None;
    }

    /// Whether one more may be tried.
    pub(super) fn may_try(&self) -> bool {
        self.left > 0
    }

    /// When the next one is tried.
    pub(super) fn at(&self) -> Option<Instant> {
        self.next.map(|(at, _)| at)
    }
}
