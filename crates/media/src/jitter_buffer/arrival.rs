//! How packets arrive, and what delay follows from it.

use std::collections::VecDeque;

/// Packets over which arrivals are judged: 10 s. Long enough for a quantile, short enough to shrink again and to follow drift.
const WINDOW: usize = 500;
/// The share of packets that shall be there in time.
const IN_TIME: f64 = 0.985;
/// A packet later than this by more than the fastest is an accident, not jitter.
const MAX_JITTER_US: i64 = 500_000;
/// Accidents in a row, and for how long, before they are taken for a new path.
const NEW_PATH_PACKETS: u32 = 25;
const NEW_PATH_US: i64 = 1_000_000;
/// Packets that come within this time of one another were held up together …
const BURST_US: i64 = 3_000;
/// … and only so many of them count, so that a single stall does not pass for jitter (1.2 % of the window; two stalls do).
const MAX_BURST: u32 = 6;

/// A sliding window of transit times (arrival minus media time, up to a constant).
#[derive(Debug)]
pub(super) struct ArrivalStatistics {
    transits: VecDeque<i64>,
    sorted: Vec<i64>,
    outliers: u32,
    first_outlier_at: i64,
    previous: Option<i64>,
    last_arrival: i64,
    burst: u32,
    jitter_us: f64,
    base: i64,
    spread: i64,
}

impl ArrivalStatistics {
    pub(super) fn new() -> Self {
        Self {
            transits: VecDeque::with_capacity(WINDOW + 1),
            sorted: Vec::with_capacity(WINDOW + 1),
            outliers: 0,
            first_outlier_at: 0,
            previous: None,
            last_arrival: i64::MIN,
            burst: 0,
            jitter_us: 0.0,
            base: 0,
            spread: 0,
        }
    }

    /// Forgets everything but the jitter figure: the peer's timeline or the path is another.
    pub(super) fn reset(&mut self) {
        self.transits.clear();
        self.outliers = 0;
        self.previous = None;
    }

    /// Takes note of a packet. Both times in microseconds.
    pub(super) fn record(&mut self, arrival: i64, media_time: i64) {
        let transit = arrival.saturating_sub(media_time);
        if let Some(previous) = self.previous.replace(transit) {
            // RFC 3550 section 6.4.1.
            let difference = transit
                .saturating_sub(previous)
                .unsigned_abs()
                .min(MAX_JITTER_US.unsigned_abs());
            self.jitter_us += (difference as f64 - self.jitter_us) / 16.0;
        }
        // Such a packet alone would hold the cushion open for as long as the window is.
        if !self.transits.is_empty() && transit.saturating_sub(self.base) > MAX_JITTER_US {
            if self.outliers == 0 {
                self.first_outlier_at = arrival;
            }
            self.outliers += 1;
            if self.outliers < NEW_PATH_PACKETS
                || arrival.saturating_sub(self.first_outlier_at) < NEW_PATH_US
            {
                return;
            }
            self.transits.clear();
        }
        self.outliers = 0;
        let together = arrival.saturating_sub(self.last_arrival) < BURST_US;
        self.last_arrival = arrival;
        self.burst = if together { self.burst + 1 } else { 1 };
        // A faster one counts always, for it moves the base.
        if self.burst > MAX_BURST && transit > self.base {
            return;
        }
        if self.transits.len() == WINDOW {
            self.transits.pop_front();
        }
        self.transits.push_back(transit);
        self.evaluate();
    }

    fn evaluate(&mut self) {
        self.sorted.clear();
        self.sorted.extend(&self.transits);
        let rank =
            ((self.sorted.len() as f64 * IN_TIME).ceil() as usize).clamp(1, self.sorted.len()) - 1;
        let (faster, slowest_in_time, _) = self.sorted.select_nth_unstable(rank);
        let base = faster.iter().copied().min().unwrap_or(*slowest_in_time);
        self.base = base;
        self.spread = slowest_in_time.saturating_sub(base);
    }

    /// The transit of the fastest packet.
    pub(super) fn base(&self) -> i64 {
        self.base
    }

    /// By how much nearly all packets are at most slower than the fastest.
    pub(super) fn spread(&self) -> i64 {
        self.spread
    }

    /// The interarrival jitter of RFC 3550, in microseconds.
    pub(super) fn jitter_us(&self) -> f64 {
        self.jitter_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: i64 = 20_000;

    #[test]
    fn the_spread_leaves_out_the_slowest_few() {
        let mut arrivals = ArrivalStatistics::new();
        for i in 0..500 {
            let extra = if i % 100 == 0 {
                90_000
            } else {
                (i % 40) * 1_000
            };
            arrivals.record(i * FRAME + 7_000 + extra, i * FRAME);
        }
        assert_eq!(arrivals.base(), 7_000);
        assert_eq!(arrivals.spread(), 39_000);
    }

    #[test]
    fn sudden_jitter_is_seen_within_ten_packets() {
        let mut arrivals = ArrivalStatistics::new();
        for i in 0..500 {
            arrivals.record(i * FRAME, i * FRAME);
        }
        assert_eq!(arrivals.spread(), 0);
        for i in 500..510 {
            arrivals.record(i * FRAME + 60_000, i * FRAME);
        }
        assert_eq!(arrivals.spread(), 60_000);
    }

    #[test]
    fn a_burst_after_an_outage_does_not_count_as_jitter_but_a_slower_path_becomes_the_measure() {
        let mut arrivals = ArrivalStatistics::new();
        for i in 0..100 {
            arrivals.record(i * FRAME, i * FRAME);
        }
        for i in 100..350 {
            arrivals.record(350 * FRAME, i * FRAME);
        }
        assert!(arrivals.spread() <= MAX_JITTER_US);
        for i in 350..1_000 {
            arrivals.record(i * FRAME + 2_000_000, i * FRAME);
        }
        assert_eq!((arrivals.base(), arrivals.spread()), (2_000_000, 0));
    }
}
