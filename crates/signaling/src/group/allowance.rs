//! An allowance: some at once, then some in a while.

use std::time::Duration;

use web_time::Instant;

/// What may be done: so often in one go, and then once in every period.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    burst: u32,
    period: Duration,
}

/// How much of an [`Allowance`] is used up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    /// When all of it is there again: each use adds a period.
    whole_at: Option<Instant>,
}

impl Allowance {
    pub(super) const fn new(burst: u32, period: Duration) -> Self {
        Self { burst, period }
    }

    /// Uses one, if there is one.
    pub(super) fn take(self, now: Instant, used: &mut Used) -> bool {
        let whole_at = used.whole_at.map_or(now, |at| at.max(now)) + self.period;
        let is_there = whole_at <= now + self.period * self.burst;
        if is_there {
            used.whole_at = Some(whole_at);
        }
        is_there
    }

    /// From when on there is one; `None`: none was used yet.
    pub(super) fn ready_at(self, used: &Used) -> Option<Instant> {
        used.whole_at?.checked_sub(self.period * (self.burst - 1))
    }
}
