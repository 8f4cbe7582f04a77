//! How much one flow may carry.

use std::time::{Duration, Instant};

/// A rate and how far it may be exceeded for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// How many a second.
    pub(crate) per_second: u32,
    /// How many at once.
    pub(crate) burst: u32,
}

/// A token bucket. It counts in nanoseconds of the rate, so that nothing is lost by rounding.
#[derive(Debug)]
struct Bucket {
    /// What one costs, in nanoseconds.
    cost: u64,
    /// The time for which the bucket may be in debt.
    depth: u64,
    /// When it was last empty, were it always full before: nanoseconds after the start. One number is the whole state (as the
    /// generic cell rate algorithm of ATM has it).
    due: u64,
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        let cost = 1_000_000_000 / u64::from(rate.per_second.max(1));
        Self {
            cost,
            depth: cost.saturating_mul(u64::from(rate.burst.max(1))),
            due: 0,
        }
    }

    fn would_be_due(&self, elapsed: u64, count: u64) -> Option<u64> {
        let due = self
            .due
            .max(elapsed)
            .saturating_add(self.cost.saturating_mul(count));
        (due - elapsed <= self.depth).then_some(due)
    }
}

/// Packets and bytes of one direction of a flow.
#[derive(Debug)]
pub(crate) struct FlowRate {
    start: Instant,
    packets: Bucket,
    bytes: Bucket,
}

/// Bytes that count as one, so that a second's worth of them is far more than the clock's nanosecond.
const BYTES: u32 = 16;

impl FlowRate {
    pub(crate) fn new(now: Instant, packets: Rate, bytes: Rate) -> Self {
        let bytes = Rate {
            per_second: bytes.per_second / BYTES,
            burst: bytes.burst / BYTES,
        };
        Self {
            start: now,
            packets: Bucket::new(packets),
            bytes: Bucket::new(bytes),
        }
    }

    /// Whether a packet of this size may pass now. One that may not costs nothing.
    pub(crate) fn allows(&mut self, now: Instant, size: usize) -> bool {
        let elapsed = now.saturating_duration_since(self.start);
        let elapsed = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let units = (size as u64).div_ceil(u64::from(BYTES));
        match (
            self.packets.would_be_due(elapsed, 1),
            self.bytes.would_be_due(elapsed, units),
        ) {
            (Some(packets), Some(bytes)) => {
                self.packets.due = packets;
                self.bytes.due = bytes;
                true
            }
            _ => false,
        }
    }
}

/// What a flow may do, as the settings say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowLimits {
    pub(crate) packets: Rate,
    pub(crate) bytes: Rate,
    pub(crate) lifetime: Duration,
}

impl FlowLimits {
    /// The rate of one direction, from now on.
    pub(crate) fn rate(&self, now: Instant) -> FlowRate {
        FlowRate::new(now, self.packets, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: Rate = Rate {
        per_second: 100,
        burst: 10,
    };
    const BYTES: Rate = Rate {
        per_second: 16_000,
        burst: 3_200,
    };

    fn passed(rate: &mut FlowRate, now: Instant, packets: usize, size: usize) -> usize {
        (0..packets).filter(|_| rate.allows(now, size)).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let start = crate::clock::now();
        let mut rate = FlowRate::new(start, PACKETS, BYTES);
        assert_eq!(passed(&mut rate, start, 50, 16), 10);
        assert_eq!(
            passed(&mut rate, start + Duration::from_millis(50), 50, 16),
            5
        );
        // A pause fills it again, and no further than that.
        assert_eq!(
            passed(&mut rate, start + Duration::from_secs(60), 50, 16),
            10
        );
    }

    #[test]
    fn bytes_count_beside_packets() {
        let start = crate::clock::now();
        let mut rate = FlowRate::new(start, PACKETS, BYTES);
        assert_eq!(passed(&mut rate, start, 10, 1_600), 2);
        assert_eq!(
            passed(&mut rate, start + Duration::from_millis(100), 10, 1_600),
            1
        );
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let start = crate::clock::now();
        let mut rate = FlowRate::new(start, PACKETS, BYTES);
        assert!(!rate.allows(start, 64_000));
        assert_eq!(passed(&mut rate, start, 50, 16), 10);
    }

    #[test]
    fn over_an_hour_the_rate_is_exact() {
        let start = crate::clock::now();
        let mut rate = FlowRate::new(start, PACKETS, BYTES);
        let passed = (0..3_600_000_u64)
            .filter(|ms| rate.allows(start + Duration::from_millis(*ms), 16))
            .count();
        assert!((360_000..=360_010).contains(&passed), "{passed}");
    }
}
