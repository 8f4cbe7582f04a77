//! How packets arrive, and what delay follows from it.

use std::collections::VecDeque;

/// Packets over which arrivals are judged: 10 s. Long enough for a quantile, short enough to follow drift.
const WINDOW: usize = 500;
/// No lateness counts that the last packets, 4 s, did not have: after a spike the delay shrinks sooner than the window is over.
/// The slowest of so many is hardly ever faster than the quantile looked for, so mere jitter is judged by the whole window.
const RECENT: usize = 200;
/// The last packets, 1 s, tell of jitter that has only begun: they are judged by themselves …
const NEWEST: usize = 50;
/// … with so many times the exceptions, which in steady jitter asks for less than the window does.
const NEWEST_EXCEPTIONS: f64 = 3.0;
/// Packets, 0.8 s, that tell of a new path if they are all faster, or all slower, than nearly all before them …
const NEW_PATH: usize = 40;
/// … by this much …
const NEW_PATH_STEP_US: i64 = 5_000;
/// … but for this share of those: where the new path is faster, its first packets arrive between the last of the old.
const NEW_PATH_EXCEPTIONS: f64 = 0.05;
/// A packet later than this by more than the fastest is an accident, not jitter.
const MAX_JITTER_US: i64 = 500_000;
/// Accidents in a row, and for how long, before they are taken for a new path.
const SLOW_PATH_PACKETS: u32 = 25;
const SLOW_PATH_US: i64 = 1_000_000;
/// What is worth waiting for the very slowest. Machines that are busy, here or there, keep single packets by a millisecond or
/// three, and each that misses its turn is heard; where packets are scattered, it is less than this anyway.
const FOR_SLOWEST_US: i64 = 3_000;
/// Packets that come within this time of one another were held up together …
const BURST_US: i64 = 3_000;
/// … and only so many of them count, so that a single stall does not pass for jitter (1.2 % of the window; more stalls do).
const MAX_BURST: u32 = 6;

/// A sliding window of transit times (arrival minus media time, up to a constant).
#[derive(Debug)]
pub(super) struct ArrivalStatistics {
    /// In the order of their arrival.
    transits: VecDeque<i64>,
    /// The same, the fastest first.
    sorted: Vec<i64>,
    /// The last of them, the fastest first.
    newest: Vec<i64>,
    /// The slowest of [`RECENT`].
    slowest: i64,
    base: i64,
    outliers: u32,
    first_outlier_at: i64,
    previous: Option<i64>,
    last_arrival: i64,
    burst: u32,
    jitter_us: f64,
}

impl ArrivalStatistics {
    pub(super) fn new() -> Self {
        Self {
            transits: VecDeque::with_capacity(WINDOW),
            sorted: Vec::with_capacity(WINDOW),
            newest: Vec::with_capacity(NEWEST),
            slowest: 0,
            base: 0,
            outliers: 0,
            first_outlier_at: 0,
            previous: None,
            last_arrival: i64::MIN,
            burst: 0,
            jitter_us: 0.0,
        }
    }

    /// Forgets everything but the jitter figure: the peer's timeline or the path is another.
    pub(super) fn reset(&mut self) {
        self.clear();
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
        // Such a packet alone would hold the delay up for as long as it is remembered.
        if !self.transits.is_empty() && transit.saturating_sub(self.base) > MAX_JITTER_US {
            if self.outliers == 0 {
                self.first_outlier_at = arrival;
            }
            self.outliers += 1;
            if self.outliers < SLOW_PATH_PACKETS
                || arrival.saturating_sub(self.first_outlier_at) < SLOW_PATH_US
            {
                return;
            }
            self.clear();
        }
        self.outliers = 0;
        let together = arrival.saturating_sub(self.last_arrival) < BURST_US;
        self.last_arrival = arrival;
        self.burst = if together { self.burst + 1 } else { 1 };
        // A faster one counts always, for it moves the base.
        if self.burst > MAX_BURST && transit > self.base {
            return;
        }
        self.push(transit);
        self.forget_old_path();
        self.evaluate();
    }

    /// The transit of the fastest packet.
    pub(super) fn base(&self) -> i64 {
        self.base
    }

    /// The lateness, from the fastest packet on, that `share` of the packets do not exceed.
    pub(super) fn lateness(&self, share: f64) -> i64 {
        let steady = quantile(&self.sorted, share).min(self.slowest);
        let begun = quantile(&self.newest, 1.0 - NEWEST_EXCEPTIONS * (1.0 - share));
        steady.max(begun).saturating_sub(self.base).max(0)
    }

    /// By how much the slowest of all is later than `share` of the packets, as far as that is worth waiting for.
    pub(super) fn for_slowest(&self, share: f64) -> i64 {
        let slowest = self.sorted.last().copied().unwrap_or(self.base);
        let beyond = slowest.saturating_sub(self.base) - self.lateness(share);
        beyond.clamp(0, FOR_SLOWEST_US)
    }

    /// The share of the packets that are at most so late.
    pub(super) fn share_within(&self, lateness: i64) -> f32 {
        let limit = self.base.saturating_add(lateness);
        let within = self.sorted.partition_point(|transit| *transit <= limit);
        within as f32 / self.sorted.len().max(1) as f32
    }

    /// The interarrival jitter of RFC 3550, in microseconds.
    pub(super) fn jitter_us(&self) -> f64 {
        self.jitter_us
    }

    fn push(&mut self, transit: i64) {
        if self.transits.len() == WINDOW {
            self.forget_oldest();
        }
        self.transits.push_back(transit);
        let at = self.sorted.partition_point(|other| *other < transit);
        self.sorted.insert(at, transit);
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.transits.pop_front()
            && let Ok(at) = self.sorted.binary_search(&oldest)
        {
            self.sorted.remove(at);
        }
    }

    fn clear(&mut self) {
        self.transits.clear();
        self.sorted.clear();
        self.newest.clear();
        self.slowest = i64::MIN;
    }

    /// Where the last packets have nothing in common with those before, only they tell of the path there is.
    fn forget_old_path(&mut self) {
        let Some(older) = self
            .transits
            .len()
            .checked_sub(NEW_PATH)
            .filter(|older| *older >= NEW_PATH)
        else {
            return;
        };
        let recent = || self.transits.iter().skip(older);
        let (Some(fastest), Some(slowest)) = (recent().min(), recent().max()) else {
            return;
        };
        let exceptions = (older as f64 * NEW_PATH_EXCEPTIONS) as usize;
        let few = |common: &dyn Fn(i64) -> bool| {
            self.transits
                .iter()
                .take(older)
                .filter(|transit| common(**transit))
                .take(exceptions + 1)
                .count()
                <= exceptions
        };
        let faster = slowest.saturating_add(NEW_PATH_STEP_US);
        let slower = fastest.saturating_sub(NEW_PATH_STEP_US);
        if few(&|transit| transit <= faster) || few(&|transit| transit >= slower) {
            for _ in 0..older {
                self.forget_oldest();
            }
        }
    }

    fn evaluate(&mut self) {
        if let Some(fastest) = self.sorted.first() {
            self.base = *fastest;
        }
        let recent = self.transits.iter().rev().take(RECENT);
        self.slowest = recent.copied().max().unwrap_or(self.base);
        self.newest.clear();
        self.newest
            .extend(self.transits.iter().rev().take(NEWEST).copied());
        self.newest.sort_unstable();
    }
}

/// The value that `share` of all do not exceed; the least there is for none at all.
fn quantile(sorted: &[i64], share: f64) -> i64 {
    let rank = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
    sorted
        .get(rank)
        .or(sorted.last())
        .copied()
        .unwrap_or(i64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: i64 = 20_000;

    /// Statistics after `count` packets, each later than the fastest by what `extra` says.
    fn after(count: i64, extra: impl Fn(i64) -> i64) -> ArrivalStatistics {
        let mut arrivals = ArrivalStatistics::new();
        go_on(&mut arrivals, 0..count, extra);
        arrivals
    }

    fn go_on(
        arrivals: &mut ArrivalStatistics,
        packets: std::ops::Range<i64>,
        extra: impl Fn(i64) -> i64,
    ) {
        for i in packets {
            arrivals.record(i * FRAME + extra(i), i * FRAME);
        }
    }

    #[test]
    fn the_slowest_of_all_is_waited_for_where_that_is_little() {
        let beyond = |late| {
            let arrivals = after(500, |i| if i % 250 == 0 { late } else { 0 });
            assert_eq!(arrivals.lateness(0.995), 0);
            arrivals.for_slowest(0.995)
        };
        assert_eq!([0, 2_000, 50_000].map(beyond), [0, 2_000, FOR_SLOWEST_US]);
        assert_eq!(after(500, |i| i % 2 * 1_000).for_slowest(0.995), 0);
    }

    #[test]
    fn the_slowest_few_are_left_out() {
        let arrivals = after(500, |i| {
            7_000
                + if i % 100 == 0 {
                    90_000
                } else {
                    (i % 40) * 1_000
                }
        });
        assert_eq!(arrivals.base(), 7_000);
        assert_eq!(arrivals.lateness(0.985), 39_000);
        assert_eq!(arrivals.lateness(1.0), 90_000);
        assert!((arrivals.share_within(19_000) - 0.5).abs() < 0.02);
        assert_eq!(arrivals.share_within(-1), 0.0);
    }

    #[test]
    fn sudden_jitter_is_seen_within_ten_packets() {
        let mut arrivals = after(500, |_| 0);
        assert_eq!(arrivals.lateness(0.985), 0);
        go_on(&mut arrivals, 500..510, |_| 60_000);
        assert_eq!(arrivals.lateness(0.985), 60_000);
    }

    #[test]
    fn a_spike_is_forgotten_sooner_than_the_window() {
        let mut arrivals = after(500, |i| if i < 450 { (i % 5) * 1_000 } else { 80_000 });
        go_on(&mut arrivals, 500..700, |i| (i % 5) * 1_000);
        assert_eq!(arrivals.lateness(0.985), 4_000);
    }

    #[test]
    fn another_path_is_the_measure_within_a_second() {
        for (before, after_change) in [(10_000, 40_000), (300_000, 10_000), (60_000, 30_000)] {
            let mut arrivals = after(500, |i| before + (i % 7) * 1_000);
            go_on(&mut arrivals, 500..540, |i| after_change + (i % 7) * 1_000);
            assert_eq!(arrivals.base(), after_change);
            assert_eq!(arrivals.lateness(1.0), 6_000);
        }
    }

    #[test]
    fn clocks_that_drift_are_no_other_path() {
        // 200 ppm: 4 µs a frame.
        let arrivals = after(1_000, |i| 4 * i);
        assert_eq!(arrivals.sorted.len(), WINDOW);
        let arrivals = after(1_000, |i| 8_000 - 4 * i);
        assert_eq!(arrivals.sorted.len(), WINDOW);
    }

    #[test]
    fn a_burst_after_an_outage_does_not_count_as_jitter_but_a_slower_path_becomes_the_measure() {
        let mut arrivals = after(100, |_| 0);
        for i in 100..350 {
            arrivals.record(350 * FRAME, i * FRAME);
        }
        assert!(arrivals.lateness(1.0) <= MAX_JITTER_US);
        go_on(&mut arrivals, 350..1_000, |_| 2_000_000);
        assert_eq!((arrivals.base(), arrivals.lateness(1.0)), (2_000_000, 0));
    }
}
