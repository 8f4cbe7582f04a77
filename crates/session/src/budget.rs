//! How much work a peer can make us do in a time.

use std::time::Duration;

use web_time::Instant;

/// Tokens that come back one by one.
#[derive(Debug)]
pub(crate) struct Budget {
    capacity: u32,
    /// How long a token takes to come back.
    refill: Duration,
    left: u32,
    /// Up to when tokens have come back.
    refilled: Option<Instant>,
}

impl Budget {
    pub(crate) const fn new(capacity: u32, refill: Duration) -> Self {
        Self {
            capacity,
            refill,
            left: capacity,
            refilled: None,
        }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let since = *self.refilled.get_or_insert(now);
        let passed = now.saturating_duration_since(since);
        let tokens = u32::try_from(passed.as_nanos() / self.refill.as_nanos().max(1));
        let tokens = tokens.unwrap_or(u32::MAX).min(self.capacity);
        self.left = self.left.saturating_add(tokens).min(self.capacity);
        // What was not enough for a token counts on; a full bucket has nothing to count on.
        self.refilled = if self.left == self.capacity {
            Some(now)
        } else {
            Some(since + self.refill * tokens)
        };
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }

    /// Takes so many tokens more, as far as there are some.
    pub(crate) fn charge(&mut self, tokens: u32) {
        self.left = self.left.saturating_sub(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant cannot be made otherwise; only differences matter"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_burst_is_allowed_and_then_what_comes_back() {
        let now = start();
        let mut budget = Budget::new(10, Duration::from_millis(100));
        assert_eq!((0..50).filter(|_| budget.take(now)).count(), 10);
        assert!(!budget.take(now + Duration::from_millis(99)));
        assert!(budget.take(now + Duration::from_millis(150)));
        // The 50 ms that were left count.
        assert!(budget.take(now + Duration::from_millis(200)));
        assert!(!budget.take(now + Duration::from_millis(200)));
        let hour = now + Duration::from_secs(3600);
        assert_eq!((0..50).filter(|_| budget.take(hour)).count(), 10);
    }

    #[test]
    fn what_costs_more_leaves_less() {
        let now = start();
        let mut budget = Budget::new(10, Duration::from_millis(100));
        assert!(budget.take(now));
        budget.charge(7);
        assert_eq!((0..50).filter(|_| budget.take(now)).count(), 2);
        budget.charge(100);
        assert!(!budget.take(now));
    }
}
