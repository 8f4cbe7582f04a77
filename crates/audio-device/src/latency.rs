//! How long sound is on its way between a sound card and the tick.
//!
//! The card's callback says where the edge of what it has moved is: when the newest sample that it has put into the
//! ring was captured, or when the last one that it took will have been played. The tick adds what waits in the ring.
//! Both are figures of one moment each, the two need not be of the same one, and a sound server that starts says what it
//! likes; so the median of half a second counts.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Ticks that an estimate is made of: half a second.
const WINDOW: usize = 50;

/// What a card says that is further off is a fault of its driver.
const MAX_SHIFT: Duration = Duration::from_secs(2);

/// No callback has been there.
const UNKNOWN: i64 = i64::MIN;

/// What a card's callback tells the tick, without a lock.
#[derive(Debug)]
pub(crate) struct CallbackReport {
    origin: Instant,
    /// Microseconds since the origin.
    edge_us: AtomicI64,
    /// How often the card has called.
    calls: AtomicU32,
    /// How often the ring had nothing for the card.
    dry: AtomicU32,
    /// How often the card's own buffer ran dry or over.
    xruns: AtomicU32,
}

impl CallbackReport {
    pub(crate) fn new() -> Self {
        Self {
            origin: now(),
            edge_us: AtomicI64::new(UNKNOWN),
            calls: AtomicU32::new(0),
            dry: AtomicU32::new(0),
            xruns: AtomicU32::new(0),
        }
    }

    /// The card delivers so much; its first sample has been captured `age` ago.
    pub(crate) fn captured(&self, age: Duration, delivered: Duration) {
        let newest_age = age.min(MAX_SHIFT).saturating_sub(delivered);
        self.set_edge(micros(self.elapsed()) - micros(newest_age));
    }

    /// The card takes so much, whose first sample will be played after `delay`.
    pub(crate) fn will_play(&self, delay: Duration, taken: Duration) {
        self.set_edge(micros(self.elapsed()) + micros(delay.min(MAX_SHIFT) + taken));
    }

    /// The ring had nothing for the card.
    pub(crate) fn ran_dry(&self) {
        self.dry.fetch_add(1, Ordering::Relaxed);
    }

    /// The card's buffer ran dry or over.
    pub(crate) fn xrun(&self) {
        self.xruns.fetch_add(1, Ordering::Relaxed);
    }

    /// How often each happened since this was last asked: dry, xruns.
    pub(crate) fn take_glitches(&self) -> (u32, u32) {
        let take = |count: &AtomicU32| count.swap(0, Ordering::Relaxed);
        (take(&self.dry), take(&self.xruns))
    }

    /// How often the card has called so far; it goes round.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How far the edge lies ahead, in milliseconds: for a microphone behind, and so below 0.
    pub(crate) fn edge_ms(&self) -> Option<f64> {
        let edge = self.edge_us.load(Ordering::Relaxed);
        (edge != UNKNOWN).then(|| (edge - micros(self.elapsed())) as f64 / 1_000.0)
    }

    fn set_edge(&self, edge_us: i64) {
        self.edge_us.store(edge_us, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.origin)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a card's callback comes at a time of its own"
)]
fn now() -> Instant {
    Instant::now()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A running estimate of a card's latency.
#[derive(Debug)]
pub(crate) struct Latency {
    /// The last figures, in milliseconds.
    window: [f64; WINDOW],
    /// Figures so far.
    count: usize,
}

impl Latency {
    pub(crate) fn new() -> Self {
        Self {
            window: [0.0; WINDOW],
            count: 0,
        }
    }

    /// A tick of a microphone: `level_ms` lies in the ring just before it is read, and its edge is `edge_ms` ahead.
    ///
    /// The figure is how much later samples come than at the end of the 10 ms in which they were captured.
    pub(crate) fn heard(&mut self, level_ms: f64, edge_ms: f64) {
        let tick_ms = 10.0;
        self.add(level_ms - edge_ms - tick_ms);
    }

    /// A tick of a speaker: `level_ms` lies in the ring just before it is written.
    ///
    /// The figure is how much later samples are played than written.
    pub(crate) fn played(&mut self, level_ms: f64, edge_ms: f64) {
        self.add(level_ms + edge_ms);
    }

    /// Another stream has other figures.
    pub(crate) fn restart(&mut self) {
        self.count = 0;
    }

    /// In milliseconds; none before half a second is over.
    pub(crate) fn ms(&self) -> Option<f64> {
        if self.count < WINDOW {
            return None;
        }
        let mut sorted = self.window;
        let (_, median, _) = sorted.select_nth_unstable_by(WINDOW / 2, f64::total_cmp);
        Some(*median)
    }

    fn add(&mut self, ms: f64) {
        if let Some(place) = self.window.get_mut(self.count % WINDOW) {
            *place = ms.max(0.0);
        }
        // The first half second is told by the count.
        self.count = match self.count + 1 {
            count if count == 2 * WINDOW => WINDOW,
            count => count,
        };
    }
}

/// So many samples of a card, as time.
pub(crate) fn duration(samples: usize, rate: u32) -> Duration {
    Duration::from_secs_f64(samples as f64 / f64::from(rate.max(1)))
}

/// So many milliseconds of a card, in samples.
pub(crate) fn samples(ms: u32, rate: u32) -> usize {
    (u64::from(ms) * u64::from(rate) / 1_000) as usize
}

/// Samples to keep in the ring, seen just before a read or just after a write: what the callback moves at once, what a
/// tick moves at once, and a quarter of that for both being late. `buffer_ms` is what the rule wants.
pub(crate) fn ring_target(period: usize, buffer_ms: u32, rate: u32) -> usize {
    let tick = samples(10, rate);
    // A card that has a period of seconds is not followed.
    let period = period.min(8 * tick);
    tick + period.max(samples(buffer_ms, rate)) + tick / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_microphone_is_as_late_as_what_waits_in_the_card_and_in_the_ring() {
        let mut latency = Latency::new();
        // 25 ms in the ring, the newest of them captured 4 ms ago: the tick's own 10 ms are of age 19 to 29.
        for _ in 0..WINDOW {
            assert_eq!(latency.ms(), None);
            latency.heard(25.0, -4.0);
        }
        assert_eq!(latency.ms(), Some(19.0));
    }

    #[test]
    fn a_speaker_is_as_late_as_what_is_before_it_in_the_ring_and_in_the_card() {
        let mut latency = Latency::new();
        for _ in 0..3 * WINDOW {
            latency.played(12.0, 20.0);
        }
        assert_eq!(latency.ms(), Some(32.0));
    }

    #[test]
    fn what_is_said_for_a_moment_only_counts_for_nothing_and_what_stays_counts_soon() {
        let mut latency = Latency::new();
        // A sound server that starts.
        (0..WINDOW).for_each(|_| latency.played(12.0, 500.0));
        (0..WINDOW / 2 + 1).for_each(|_| latency.played(12.0, 20.0));
        assert_eq!(latency.ms(), Some(32.0));
        (0..WINDOW / 2 - 1).for_each(|_| latency.played(0.0, -900.0));
        assert_eq!(latency.ms(), Some(32.0));
        latency.restart();
        assert_eq!(latency.ms(), None);
    }

    #[test]
    fn the_edge_moves_with_what_the_callback_says() {
        let report = CallbackReport::new();
        assert_eq!((report.edge_ms(), report.calls()), (None, 0));
        report.captured(Duration::from_millis(500), Duration::from_millis(10));
        let edge = report.edge_ms().unwrap();
        assert!(edge <= -490.0, "{edge}");
        report.will_play(Duration::from_secs(1), Duration::from_secs(1_000));
        assert!(report.edge_ms().unwrap() > 900_000.0);
        // A driver that counts wrongly.
        report.captured(Duration::from_secs(1 << 40), Duration::ZERO);
        assert!(report.edge_ms().unwrap() > -1_000_000.0);
        assert_eq!(report.calls(), 3);
    }

    #[test]
    fn glitches_are_told_once() {
        let report = CallbackReport::new();
        report.ran_dry();
        report.xrun();
        report.xrun();
        assert_eq!(report.take_glitches(), (1, 2));
        assert_eq!(report.take_glitches(), (0, 0));
    }

    #[test]
    fn the_ring_holds_a_tick_a_period_and_a_little() {
        assert_eq!(ring_target(480, 10, 48_000), 1_080);
        assert_eq!(ring_target(480, 30, 48_000), 480 + 1_440 + 120);
        assert_eq!(ring_target(1_200, 10, 48_000), 480 + 1_200 + 120);
        assert_eq!(ring_target(96_000, 10, 48_000), 480 + 3_840 + 120);
        assert_eq!(ring_target(441, 10, 44_100), 441 + 441 + 110);
    }
}
