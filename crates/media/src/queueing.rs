//! What waits in queues on the way here, by how long frames or packets were under way.

use std::time::Duration;

/// The fastest of the last second, in five parts …
const RECENT_US: i64 = 200_000;
const RECENT_PARTS: usize = 5;
/// … against the fastest of the last half minute, in six.
const BASE_US: i64 = 5_000_000;
const BASE_PARTS: usize = 6;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Queueing {
    recent: WindowedMinimum<RECENT_PARTS>,
    base: WindowedMinimum<BASE_PARTS>,
}

impl Queueing {
    pub(crate) fn new() -> Self {
        Self {
            recent: WindowedMinimum::new(RECENT_US),
            base: WindowedMinimum::new(BASE_US),
        }
    }

    /// Takes note of what came at `arrival` and holds the sound of `media_time`: microseconds, each from a beginning of its own.
    pub(crate) fn record(&mut self, arrival: i64, media_time: i64) {
        let transit = arrival.saturating_sub(media_time);
        self.recent.record(arrival, transit);
        self.base.record(arrival, transit);
    }

    /// By how much even the fastest of the last second were slower than the fastest of the last half minute.
    pub(crate) fn delay(&self) -> Duration {
        let queue = match (self.recent.minimum(), self.base.minimum()) {
            (Some(recent), Some(base)) => recent.saturating_sub(base),
            _ => 0,
        };
        Duration::from_micros(u64::try_from(queue).unwrap_or(0))
    }
}

/// The least of the values of a while, which is made of `N` parts and forgets a part at a time.
#[derive(Debug)]
struct WindowedMinimum<const N: usize> {
    part_us: i64,
    /// Which part each is, counted from the start, and its least value.
    parts: [Option<(i64, i64)>; N],
    newest: i64,
}

impl<const N: usize> WindowedMinimum<N> {
    fn new(part_us: i64) -> Self {
        Self {
            part_us,
            parts: [None; N],
            newest: 0,
        }
    }

    fn record(&mut self, at: i64, value: i64) {
        let part = at / self.part_us;
        self.newest = self.newest.max(part);
        let slot = &mut self.parts[part.unsigned_abs() as usize % N];
        *slot = match *slot {
            Some((known, least)) if known == part => Some((part, least.min(value))),
            _ => Some((part, value)),
        };
    }

    fn minimum(&self) -> Option<i64> {
        let parts = self.parts.iter().flatten();
        let recent = parts.filter(|(part, _)| self.newest - part < N as i64);
        recent.map(|(_, least)| *least).min()
    }
}
