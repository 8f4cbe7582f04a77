//! How the frames of a peer come: which of them are lost on the way, and what waits in queues there.
//!
//! Whether a frame came in time for its turn is the jitter buffer's matter. Here a frame is lost if it did not come at all,
//! so mere jitter is no loss.

use std::time::Duration;

use web_time::Instant;

use crate::{
    audio::FRAME_US,
    queueing::Queueing,
    sequence::{distance, near_distance},
    voice_report::VoiceReport,
};

/// Frames over which loss is judged: 2 s.
const WINDOW: u32 = 100;
/// The newest frames are not judged: those before them may still come (200 ms).
const MARGIN: u32 = 10;
/// With fewer frames than these the share is not of them but of so many: one lost frame of the first two is not half of all.
const LEAST_JUDGED: u32 = 50;

/// Watches sequence numbers and arrival times.
#[derive(Debug)]
pub(crate) struct Reception {
    epoch: Option<Instant>,
    count: Option<Count>,
    queueing: Queueing,
}

/// Which of the last frames have come.
#[derive(Debug, Clone, Copy)]
struct Count {
    first: u64,
    newest: u64,
    /// Bit 0 is the newest, bit 1 the one before it.
    arrived: u128,
    /// How many frames there have been since the first, as far as `arrived` reaches.
    known: u32,
}

impl Reception {
    pub(crate) fn new() -> Self {
        Self {
            epoch: None,
            count: None,
            queueing: Queueing::new(),
        }
    }

    /// Takes note of an authentic frame by its extended sequence number. Each frame is 20 ms long.
    pub(crate) fn handle_frame(&mut self, now: Instant, sequence: u64) {
        self.handle(now, sequence, |count| {
            distance(count.first, sequence).saturating_mul(FRAME_US)
        });
    }

    /// Takes note of a packet of any length whose sound begins at `media_time`, in microseconds from some beginning.
    pub(crate) fn handle_packet(&mut self, now: Instant, sequence: u64, media_time: i64) {
        self.handle(now, sequence, |_| media_time);
    }

    /// Media time has another beginning from now on.
    pub(crate) fn begin_timeline(&mut self) {
        self.queueing = Queueing::new();
    }

    /// What waits in queues on the way here.
    pub(crate) fn queueing_delay(&self) -> Duration {
        self.queueing.delay()
    }

    fn handle(&mut self, now: Instant, sequence: u64, media_time: impl FnOnce(&Count) -> i64) {
        let epoch = *self.epoch.get_or_insert(now);
        let arrival = now.saturating_duration_since(epoch).as_micros();
        let arrival = i64::try_from(arrival).unwrap_or(i64::MAX);
        let count = match &mut self.count {
            Some(count) if near_distance(count.newest, sequence).is_some() => count,
            count => {
                self.queueing = Queueing::new();
                count.insert(Count::new(sequence))
            }
        };
        count.record(sequence);
        let media_time = media_time(count);
        self.queueing.record(arrival, media_time);
    }

    /// What is to be told of the last seconds.
    pub(crate) fn report(&self) -> VoiceReport {
        let (loss_percent, burst) = self.count.map_or((0, 0.0), Count::losses);
        VoiceReport::new(loss_percent, burst, self.queueing.delay())
    }
}

impl Count {
    fn new(sequence: u64) -> Self {
        Self {
            first: sequence,
            newest: sequence,
            arrived: 0,
            known: 1,
        }
    }

    fn record(&mut self, sequence: u64) {
        let ahead = distance(self.newest, sequence);
        if ahead > 0 {
            let ahead = ahead.unsigned_abs() as u32;
            self.newest = sequence;
            self.arrived = self.arrived.checked_shl(ahead).unwrap_or(0) | 1;
            self.known = self.known.saturating_add(ahead).min(u128::BITS);
        } else {
            // One that was overtaken, or comes late: not lost after all.
            let behind = ahead.unsigned_abs() as u32;
            self.arrived |= 1_u128.checked_shl(behind).unwrap_or(0);
        }
    }

    /// The share of lost frames in percent, rounded up, and how many of them there are in a row, as a mean.
    fn losses(self) -> (u8, f32) {
        let judged = self.known.saturating_sub(MARGIN).min(WINDOW);
        let window = (1_u128 << judged) - 1;
        let lost = !(self.arrived >> MARGIN) & window;
        let share = (lost.count_ones() * 100).div_ceil(judged.max(LEAST_JUDGED));
        let runs = (lost & !(lost << 1)).count_ones();
        (share as u8, lost.count_ones() as f32 / runs.max(1) as f32)
    }
}

#[cfg(test)]
mod tests {
    use securecall_netem::{Bursts, Conditions, Link, virtual_start};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Sends a frame every 20 ms and gives the report at each of these times, with the time since the start.
    fn reports(
        seed: u64,
        seconds: u32,
        weather: impl Fn(Duration) -> Conditions,
    ) -> Vec<(Duration, VoiceReport)> {
        let start = virtual_start();
        let mut link = Link::new(seed, weather(Duration::ZERO));
        let mut reception = Reception::new();
        let mut reports = Vec::new();
        for number in 0..seconds * 50 {
            let now = start + 20 * MS * number;
            link.set_conditions(weather(now - start));
            link.send(now, 151, 65_000 + u64::from(number));
            while let Some((at, sequence)) = link.receive(now) {
                reception.handle_frame(at, sequence);
            }
            reports.push((now - start, reception.report()));
        }
        reports
    }

    fn after(reports: &[(Duration, VoiceReport)], seconds: u64) -> Vec<VoiceReport> {
        let late = reports
            .iter()
            .filter(|(at, _)| *at >= Duration::from_secs(seconds));
        late.map(|(_, report)| *report).collect()
    }

    fn mean_loss(reports: &[VoiceReport]) -> f64 {
        let sum: f64 = reports.iter().map(|it| f64::from(it.loss_percent())).sum();
        sum / reports.len() as f64
    }

    #[test]
    fn jitter_that_reorders_is_neither_loss_nor_queue() {
        let reports = reports(1, 60, |_| Conditions {
            jitter: 100 * MS,
            duplicate: 0.1,
            ..Conditions::default()
        });
        for (at, report) in reports {
            assert_eq!(report, VoiceReport::default(), "{at:?}");
        }
    }

    #[test]
    fn a_lost_frame_is_told_of_within_300_ms_and_for_two_seconds() {
        let mut reception = Reception::new();
        let start = virtual_start();
        let mut told = Vec::new();
        for number in 0..400_u32 {
            if number != 200 {
                reception.handle_frame(start + 20 * MS * number, number.into());
            }
            if reception.report().loss_percent() > 0 {
                told.push(number);
            }
        }
        assert_eq!((told[0], told.len()), (210, 100));
    }

    #[test]
    fn loss_has_its_share_and_bursts_their_length() {
        for loss in [0.05, 0.2, 0.3] {
            let reports = reports(2, 200, |_| Conditions {
                loss,
                jitter: 40 * MS,
                ..Conditions::default()
            });
            let mean = mean_loss(&after(&reports, 3));
            assert!((mean - loss * 100.0).abs() < 2.0, "{loss}: {mean} %");
            let bursts = after(&reports, 3).into_iter().map(VoiceReport::mean_burst);
            let longest = bursts.fold(0.0, f32::max);
            assert!(longest <= 2.5, "single losses: {longest}");
        }
        let bursts = Some(Bursts {
            begin: 0.02,
            end: 0.25,
        });
        let reports = after(
            &reports(3, 200, |_| Conditions {
                bursts,
                ..Conditions::default()
            }),
            3,
        );
        let sum: f32 = reports.iter().map(|it| it.mean_burst()).sum();
        let mean = sum / reports.iter().filter(|it| it.mean_burst() > 0.0).count() as f32;
        assert!((3.0..5.0).contains(&mean), "{mean}");
    }

    #[test]
    fn a_path_that_is_too_narrow_shows_as_queue_and_then_as_loss_too() {
        let reports = reports(4, 20, |at| Conditions {
            rate: (at > 5_000 * MS).then_some(6_550),
            queue: 300 * MS,
            ..Conditions::default()
        });
        let at = |seconds: u64| after(&reports, seconds)[0];
        assert_eq!(at(4), VoiceReport::default());
        assert!(at(8).queueing_delay() >= 200 * MS);
        assert!((10..18).contains(&at(14).loss_percent()), "{:?}", at(14));
        assert!(at(14).queueing_delay() >= 280 * MS);
    }

    #[test]
    fn another_path_is_a_queue_for_half_a_minute_at_most() {
        let reports = reports(5, 60, |at| Conditions {
            delay: if at < 5_000 * MS { 10 * MS } else { 110 * MS },
            ..Conditions::default()
        });
        assert!(after(&reports, 8)[0].queueing_delay() >= 80 * MS);
        assert!(
            after(&reports, 37)
                .iter()
                .all(|it| it.queueing_delay().is_zero())
        );
    }

    #[test]
    fn numbers_from_anywhere_do_no_harm() {
        let (mut reception, start) = (Reception::new(), virtual_start());
        for (i, sequence) in [0, u64::MAX, 1 << 63, 5, 4, 6, 900, u64::MAX / 2, 7]
            .into_iter()
            .cycle()
            .take(1_000)
            .enumerate()
        {
            reception.handle_frame(start + Duration::from_secs(i as u64 * 10), sequence);
            assert!(reception.report().loss_percent() <= 63);
        }
    }
}
