//! How much of a frame goes to copies of earlier ones: as much as the peer's reports call for, and nothing on a clean path.
//!
//! Up at once, down slowly. Protection that went off and was needed again soon stays longer the next time, so that losses
//! which come every few seconds do not switch it to and fro.

use std::time::Duration;

use web_time::Instant;

use crate::{opus_codec::DRED_BESIDE_FEC, voice_report::VoiceReport};

/// What is expected to get lost, in percent, by what does, smoothed: from so much on, so much. Coarse, so that the encoder is not
/// set anew with every report. The first line is for any loss at all.
const EXPECTED_LOSS: [(f32, u8); 6] = [
    (0.0, 4),
    (4.0, 7),
    (8.0, 11),
    (13.0, 16),
    (18.0, 22),
    (26.0, 30),
];
/// Which line holds at the start of a call, before there are reports.
const FIRST_LEVEL: u8 = 2;
/// Frames in a row, as a mean, from which on losses are bursts that FEC is no answer to: it restores the last frame of each, and
/// up to here that is more than deep redundancy gives, which the other side must wait for (docs/performance.md).
const BURSTY: f32 = 3.75;
/// Up to here they are single ones, of which FEC restores nearly all that can be: deep redundancy beside it costs a tenth of an
/// encoder's time for hardly anything.
const PAIRED: f32 = 2.0;
/// In bursts, deep redundancy takes the place of FEC, and restores so many for each frame of a burst. One is over before what
/// follows it can restore it, and the next may be longer.
const DRED_PER_BURST: f32 = 3.0;
const MIN_DRED_IN_BURSTS: f32 = 10.0;
const MAX_DRED_FRAMES: f32 = 20.0;
/// Copies of whole frames come with the next frame, which costs the least delay; in bursts with the one after it.
const COPY_DISTANCE_IN_BURSTS: usize = 2;
/// Weight of one report in the smoothed loss: about a second up, three seconds down.
const RISE: f32 = 1.0 / 50.0;
const FALL: f32 = 1.0 / 150.0;
/// Less protection only after the reports have called for less for so long.
const DOWN_AFTER: Duration = Duration::from_secs(5);
/// The first time in a call, reports without any loss for so long end the protection: most paths lose nothing.
const FIRST_OFF_AFTER: Duration = Duration::from_millis(1500);
/// Later only after so long, at first …
const OFF_AFTER: Duration = Duration::from_secs(5);
/// … and at most.
const MAX_OFF_AFTER: Duration = Duration::from_secs(40);
/// Loss that returns within this many times that time makes it twice as long.
const RETURNS_WITHIN: u32 = 4;

/// What losses are like, as far as protection is concerned.
const SINGLE: u8 = 0;
const SHORT: u8 = 1;
const LONG: u8 = 2;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct LossProtection {
    loss_percent: f32,
    /// A line of [`EXPECTED_LOSS`], counted from 1; 0 for none.
    level: HeldPeak,
    mean_burst: f32,
    /// [`SINGLE`], [`SHORT`] or [`LONG`].
    bursts: HeldPeak,
    off_after: Duration,
    /// When it went off.
    off_since: Option<Instant>,
}

impl Default for LossProtection {
    fn default() -> Self {
        Self {
            loss_percent: 0.0,
            level: HeldPeak::of(FIRST_LEVEL),
            mean_burst: 0.0,
            bursts: HeldPeak::of(SINGLE),
            off_after: FIRST_OFF_AFTER,
            off_since: None,
        }
    }
}

impl LossProtection {
    pub(super) fn handle_report(&mut self, now: Instant, report: VoiceReport) {
        let loss = f32::from(report.loss_percent());
        let weight = if loss > self.loss_percent { RISE } else { FALL };
        self.loss_percent += (loss - self.loss_percent) * weight;
        let level = match report.loss_percent() {
            0 => 0,
            _ => level_for(self.loss_percent),
        };
        let was_on = self.level.value > 0;
        if !was_on && level > 0 {
            self.note_return(now);
        }
        self.level.record(now, level, self.off_after);
        if report.loss_percent() > 0 {
            self.mean_burst += (report.mean_burst() - self.mean_burst) * RISE;
        }
        // As long as any protection is needed, that there were bursts is remembered as well.
        let bursts = match report.loss_percent() {
            0 => SINGLE,
            _ if self.mean_burst >= BURSTY => LONG,
            _ if self.mean_burst >= PAIRED => SHORT,
            _ => SINGLE,
        };
        self.bursts.record(now, bursts, self.off_after);
        if was_on && self.level.value == 0 {
            self.off_since = Some(now);
        }
    }

    pub(super) fn expected_loss_percent(&self) -> u8 {
        let line = usize::from(self.level.value).checked_sub(1);
        line.and_then(|line| EXPECTED_LOSS.get(line))
            .map_or(0, |(_, expected)| *expected)
    }

    pub(super) fn dred_frames(&self) -> u8 {
        if self.level.value == 0 {
            return 0;
        }
        match self.bursts.value {
            SINGLE => return 0,
            SHORT => return DRED_BESIDE_FEC,
            _ => {}
        }
        // By whole frames, so that the encoder is not set anew with every report.
        let frames = self.mean_burst.round() * DRED_PER_BURST;
        frames.clamp(MIN_DRED_IN_BURSTS, MAX_DRED_FRAMES) as u8
    }

    pub(super) fn copy_distance(&self) -> usize {
        if self.bursts.value < LONG {
            1
        } else {
            COPY_DISTANCE_IN_BURSTS
        }
    }

    fn note_return(&mut self, now: Instant) {
        let soon = self.off_since.is_some_and(|off| {
            now.saturating_duration_since(off) < self.off_after.max(OFF_AFTER) * RETURNS_WITHIN
        });
        self.off_after = if soon {
            (self.off_after * 2).clamp(OFF_AFTER, MAX_OFF_AFTER)
        } else {
            OFF_AFTER
        };
    }
}

fn level_for(loss_percent: f32) -> u8 {
    let reached = EXPECTED_LOSS
        .iter()
        .filter(|(from, _)| *from <= loss_percent);
    reached.count() as u8
}

/// A figure that rises at once, and falls to the greatest that has come for a while.
#[derive(Debug)]
struct HeldPeak {
    value: u8,
    /// The greatest since then.
    lower: u8,
    since: Option<Instant>,
}

impl HeldPeak {
    fn of(value: u8) -> Self {
        Self {
            value,
            lower: 0,
            since: None,
        }
    }

    fn record(&mut self, now: Instant, value: u8, off_after: Duration) {
        let since = *self.since.get_or_insert(now);
        if value >= self.value {
            *self = Self {
                since: Some(now),
                ..Self::of(value)
            };
            return;
        }
        self.lower = self.lower.max(value);
        let hold = if self.lower == 0 {
            off_after
        } else {
            DOWN_AFTER
        };
        if now.saturating_duration_since(since) >= hold {
            *self = Self {
                since: Some(now),
                ..Self::of(self.lower)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use securecall_netem::{Bursts, Conditions, Link, virtual_start};

    use super::*;
    use crate::reception::Reception;

    const MS: Duration = Duration::from_millis(1);

    /// What is expected and how deep redundancy is, after each 20 ms.
    type Settings = Vec<(u8, u8)>;

    /// Frames through weather, reports back over a path that delays by 50 ms.
    fn settings(seed: u64, seconds: u32, weather: impl Fn(u32) -> Conditions) -> Settings {
        let start = virtual_start();
        let mut link = Link::new(seed, weather(0));
        let mut back = Link::new(
            seed,
            Conditions {
                delay: 50 * MS,
                ..Conditions::default()
            },
        );
        let (mut reception, mut protection) = (Reception::new(), LossProtection::default());
        let mut settings = Vec::new();
        for number in 0..seconds * 50 {
            let now = start + 20 * MS * number;
            link.set_conditions(weather(number / 50));
            link.send(now, 151, u64::from(number));
            while let Some((at, sequence)) = link.receive(now) {
                reception.handle_frame(at, sequence);
            }
            back.send(now, 151, reception.report());
            while let Some((at, report)) = back.receive(now) {
                protection.handle_report(at, report);
            }
            settings.push((protection.expected_loss_percent(), protection.dred_frames()));
        }
        settings
    }

    fn random(loss: f64) -> Conditions {
        Conditions {
            loss,
            delay: 50 * MS,
            ..Conditions::default()
        }
    }

    fn gilbert_elliott(begin: f64, end: f64) -> Conditions {
        Conditions {
            bursts: Some(Bursts { begin, end }),
            ..random(0.0)
        }
    }

    fn is_on(settings: &(u8, u8)) -> bool {
        settings.0 > 0
    }

    /// How often protection goes on or off.
    fn switches(settings: &[(u8, u8)]) -> usize {
        let pairs = settings.windows(2);
        pairs
            .filter(|pair| is_on(&pair[0]) != is_on(&pair[1]))
            .count()
    }

    #[test]
    fn a_clean_path_has_no_protection_after_some_seconds_and_for_good() {
        let settings = settings(1, 120, |_| Conditions {
            jitter: 100 * MS,
            ..random(0.0)
        });
        assert!(settings[..50].iter().all(is_on), "not before one can know");
        assert_eq!(settings[2 * 50..], vec![(0, 0); 118 * 50]);
    }

    #[test]
    fn protection_is_back_within_a_second_of_the_first_losses() {
        for seed in 0..20 {
            let settings = settings(seed, 40, |second| {
                random(if second < 30 { 0.0 } else { 0.1 })
            });
            assert!(!is_on(&settings[30 * 50 - 1]));
            // The first of them may be a few frames later than the weather.
            let first = settings.iter().skip(30 * 50).position(is_on);
            assert!(first.is_some_and(|frames| frames < 70), "{first:?} frames");
        }
    }

    #[test]
    fn one_lost_frame_switches_it_on_within_a_second() {
        let start = virtual_start();
        let (mut reception, mut protection) = (Reception::new(), LossProtection::default());
        let mut on_at = None;
        for number in 0..1_000_u32 {
            let now = start + 20 * MS * number;
            if number != 800 {
                reception.handle_frame(now, number.into());
            }
            protection.handle_report(now, reception.report());
            if number > 800 && protection.expected_loss_percent() > 0 {
                on_at.get_or_insert(number);
            }
        }
        assert_eq!(on_at, Some(810));
    }

    #[test]
    fn what_is_expected_grows_with_loss_and_with_bursts_and_both_are_bounded() {
        let last = |weather: Conditions| {
            let settings = settings(3, 60, |_| weather);
            let late = settings[20 * 50..].iter();
            late.fold((0, 0), |most, it| (most.0.max(it.0), most.1.max(it.1)))
        };
        let (little, more, much) = (last(random(0.02)), last(random(0.1)), last(random(0.3)));
        assert!(
            little.0 < more.0 && more.0 < much.0,
            "{little:?} {more:?} {much:?}"
        );
        let bursts = last(gilbert_elliott(0.02, 0.2));
        assert_eq!([little.1, more.1, much.1], [0; 3]);
        let short = last(gilbert_elliott(0.04, 0.5));
        assert_eq!(short.1, DRED_BESIDE_FEC);
        assert!(bursts.1 > DRED_BESIDE_FEC, "{bursts:?}");
        for (expected, dred) in [much, bursts, last(random(1.0))] {
            assert!(expected <= 30 && f32::from(dred) <= MAX_DRED_FRAMES);
        }
    }

    #[test]
    fn random_loss_and_bursts_do_not_make_it_flap() {
        for seed in 0..5 {
            for weather in [
                random(0.001),
                random(0.003),
                random(0.01),
                random(0.05),
                random(0.2),
                gilbert_elliott(0.001, 0.3),
                gilbert_elliott(0.005, 0.3),
                gilbert_elliott(0.02, 0.3),
            ] {
                let settings = settings(seed, 600, |_| weather);
                let switches = switches(&settings);
                // Ten minutes.
                assert!(switches <= 24, "{weather:?}: {switches} times on or off");
                let changes = settings.windows(2).filter(|it| it[0].0 != it[1].0).count();
                assert!(changes <= 180, "{weather:?}: {changes} changes");
            }
        }
    }
}
