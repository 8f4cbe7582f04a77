//! Between two clocks: the call ticks by the system's clock, a sound card by its own.
//!
//! A ring lies between the card's callback and the tick. Its level tells which clock is ahead, and a resampler on the
//! tick's side runs up to 0.5 % faster or slower to bring the level back to its target. The callback only copies.

use rtrb::{Consumer, Producer};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Resampler, ResamplerConstructionError, SincInterpolationParameters,
    WindowFunction,
};

use crate::device::{SAMPLE_RATE, TICK_SAMPLES, Tick};
use crate::fit;

/// What nobody hears; real clocks differ by a fiftieth of it.
const MAX_CORRECTION: f64 = 0.005;

/// Correction for each second that the level is off: 10 ms are made up in two seconds.
const GAIN: f64 = 0.5;

/// Weight of the newest level: a callback period makes the level jump, so it is averaged over half a second.
const SMOOTHING: f64 = 0.02;

/// A level so far above the target is a stall that is over, not drift: the excess is dropped at once.
const MAX_EXCESS_SECONDS: f64 = 0.030;

/// A card that starts takes or gives what it likes: so much more than the target goes at once, while nobody minds.
const MAX_EXCESS_AT_START_SECONDS: f64 = 0.010;

/// How many ticks a start lasts.
const START_TICKS: u32 = 100;

/// 0.7 ms of delay, and a stop band below what 16 bits resolve in speech.
const SINC_LENGTH: usize = 64;

/// Turns the ring's level into a resampling correction.
#[derive(Debug)]
struct Levelling {
    /// Samples a second in the ring.
    rate: f64,
    /// Samples that should be in it, seen just before a read or just after a write.
    target: f64,
    average: f64,
    /// Ticks until the start is over.
    starting: u32,
}

impl Levelling {
    fn new(rate: u32, target: usize) -> Self {
        Self {
            rate: f64::from(rate),
            target: target as f64,
            average: target as f64,
            starting: START_TICKS,
        }
    }

    /// The factor on the resampling ratio (output by input rate): below 1 when too much is in the ring.
    fn correction(&mut self, level: usize) -> f64 {
        self.average += SMOOTHING * (level as f64 - self.average);
        let error_seconds = (self.average - self.target) / self.rate;
        1.0 - (GAIN * error_seconds).clamp(-MAX_CORRECTION, MAX_CORRECTION)
    }

    /// How many samples to drop after a stall.
    fn excess(&mut self, level: usize) -> usize {
        let over = level as f64 - self.target;
        let allowed = match self.starting {
            0 => MAX_EXCESS_SECONDS,
            _ => MAX_EXCESS_AT_START_SECONDS,
        };
        self.starting = self.starting.saturating_sub(1);
        if over <= allowed * self.rate {
            return 0;
        }
        self.average = self.target;
        over as usize
    }

    fn restart(&mut self) {
        self.average = self.target;
        self.starting = START_TICKS;
    }

    /// So many samples of the ring, in milliseconds.
    fn ms(&self, level: usize) -> f64 {
        level as f64 * 1_000.0 / self.rate
    }
}

fn resampler(ratio: f64, fixed: FixedAsync) -> Result<Async<f32>, ResamplerConstructionError> {
    let parameters = SincInterpolationParameters::new(SINC_LENGTH, WindowFunction::Hann2);
    let most_moved = f64::from(fit::MOST) / TICK_SAMPLES as f64;
    let range = 1.0 + 2.0 * (MAX_CORRECTION + most_moved);
    Async::new_sinc(ratio, range, &parameters, TICK_SAMPLES, 1, fixed)
}

fn correct(resampler: &mut Async<f32>, factor: f64) {
    if let Some(adjustable) = resampler.as_adjustable()
        && let Err(error) = adjustable.set_resample_ratio_relative(factor, true)
    {
        tracing::debug!(%error, "drift not corrected");
    }
}

/// From a card's ring to ticks.
pub(crate) struct FromCard {
    ring: Consumer<f32>,
    resampler: Async<f32>,
    levelling: Levelling,
    input: Vec<f32>,
    /// Silence is handed out until the ring has reached its target.
    is_filling: bool,
}

impl FromCard {
    /// `rate` is the card's, `target` the level to keep.
    pub(crate) fn new(
        ring: Consumer<f32>,
        rate: u32,
        target: usize,
    ) -> Result<Self, ResamplerConstructionError> {
        let resampler = resampler(f64::from(SAMPLE_RATE) / f64::from(rate), FixedAsync::Output)?;
        let input = vec![0.0; resampler.input_frames_max()];
        let levelling = Levelling::new(rate, target);
        Ok(Self {
            ring,
            resampler,
            levelling,
            input,
            is_filling: true,
        })
    }

    /// Fills a tick; says whether the card had delivered enough.
    pub(crate) fn read(&mut self, out: &mut Tick) -> bool {
        if self.is_filling && !self.is_full_enough() {
            out.fill(0.0);
            return false;
        }
        if self.is_filling {
            self.is_filling = false;
            // What came while nobody listened.
            while self.is_full_enough() {
                let _ = self.ring.pop();
            }
        }
        self.drop_oldest(self.ring.slots());
        correct(
            &mut self.resampler,
            self.levelling.correction(self.ring.slots()),
        );
        let wanted = self.resampler.input_frames_next();
        if self.ring.slots() < wanted || !self.convert(wanted, out) {
            self.is_filling = true;
            self.levelling.restart();
            out.fill(0.0);
            return false;
        }
        true
    }

    /// Empties the ring.
    pub(crate) fn discard(&mut self) {
        while self.ring.pop().is_ok() {}
        self.is_filling = true;
        self.levelling.restart();
    }

    /// Another level to keep; it is reached without a gap.
    pub(crate) fn set_target(&mut self, target: usize) {
        self.levelling.target = target as f64;
    }

    /// Whether silence is handed out, until enough is there.
    pub(crate) fn is_filling(&self) -> bool {
        self.is_filling
    }

    /// Whether so much is there that it would not be handed out as silence.
    pub(crate) fn is_full_enough(&self) -> bool {
        self.ring.slots() as f64 >= self.levelling.target
    }

    /// Milliseconds that lie in the ring now.
    pub(crate) fn level_ms(&self) -> f64 {
        self.levelling.ms(self.ring.slots())
    }

    fn drop_oldest(&mut self, level: usize) {
        for _ in 0..self.levelling.excess(level) {
            let _ = self.ring.pop();
        }
    }

    fn convert(&mut self, wanted: usize, out: &mut Tick) -> bool {
        let Some(input) = self.input.get_mut(..wanted) else {
            return false;
        };
        for sample in input.iter_mut() {
            *sample = self.ring.pop().unwrap_or(0.0);
        }
        let Ok(from) = InterleavedSlice::new(&*input, 1, wanted) else {
            return false;
        };
        let Ok(mut to) = InterleavedSlice::new_mut(&mut out[..], 1, TICK_SAMPLES) else {
            return false;
        };
        self.resampler
            .process_into_buffer(&from, &mut to, None)
            .is_ok()
    }
}

/// From ticks to a card's ring.
pub(crate) struct ToCard {
    ring: Producer<f32>,
    capacity: usize,
    resampler: Async<f32>,
    levelling: Levelling,
    output: Vec<f32>,
    is_empty: bool,
    /// The factor on the resampling ratio that the level asks for.
    correction: f64,
    /// By how many samples the tick that is written next is shorter.
    shorter: f64,
}

impl ToCard {
    /// `rate` is the card's, `target` the level to keep; the ring must be empty and hold at least twice as much.
    pub(crate) fn new(
        ring: Producer<f32>,
        rate: u32,
        target: usize,
    ) -> Result<Self, ResamplerConstructionError> {
        let resampler = resampler(f64::from(rate) / f64::from(SAMPLE_RATE), FixedAsync::Input)?;
        let output = vec![0.0; resampler.output_frames_max()];
        let levelling = Levelling::new(rate, target);
        Ok(Self {
            capacity: ring.slots(),
            ring,
            resampler,
            levelling,
            output,
            is_empty: true,
            correction: 1.0,
            shorter: 0.0,
        })
    }

    /// The tick after the next comes so many samples earlier, so the next one lasts as much shorter: nothing more or less lies in the
    /// ring for it.
    pub(crate) fn move_next(&mut self, earlier: i32) {
        self.shorter = f64::from(fit::limited(earlier));
    }

    /// Passes a tick on.
    pub(crate) fn write(&mut self, samples: &Tick) {
        let lasts = 1.0 - std::mem::take(&mut self.shorter) / TICK_SAMPLES as f64;
        correct(&mut self.resampler, self.correction * lasts);
        let level = self.level();
        if level == 0 || self.is_empty {
            // The card has played everything, or starts: silence first, so that it does not run dry again at once.
            self.is_empty = false;
            self.levelling.restart();
            let tick = (self.levelling.rate / 100.0) as usize;
            for _ in tick + level..self.levelling.target as usize {
                let _ = self.ring.push(0.0);
            }
        }
        // What is in the ring cannot be taken back: after a stall of the card, ticks are left out instead.
        let tick = (self.levelling.rate / 100.0) as usize;
        if self.levelling.excess(self.level() + tick) > 0 {
            return;
        }
        let Ok(from) = InterleavedSlice::new(&samples[..], 1, TICK_SAMPLES) else {
            return;
        };
        let frames = self.output.len();
        let Ok(mut to) = InterleavedSlice::new_mut(&mut self.output, 1, frames) else {
            return;
        };
        let Ok((_, made)) = self.resampler.process_into_buffer(&from, &mut to, None) else {
            return;
        };
        for sample in &self.output[..made] {
            if self.ring.push(*sample).is_err() {
                break;
            }
        }
        self.correction = self.levelling.correction(self.level());
    }

    /// Another level to keep; it is reached without a gap.
    pub(crate) fn set_target(&mut self, target: usize) {
        self.levelling.target = target as f64;
    }

    /// Milliseconds that lie in the ring now.
    pub(crate) fn level_ms(&self) -> f64 {
        self.levelling.ms(self.level())
    }

    fn level(&self) -> usize {
        self.capacity - self.ring.slots()
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use rtrb::RingBuffer;

    use super::*;

    const TICKS_A_MINUTE: usize = 6_000;

    /// How many samples a card of `rate` that is off by `parts_per_million` handles between two ticks.
    struct CardClock {
        samples_a_tick: f64,
        owed: f64,
    }

    impl CardClock {
        fn new(rate: u32, parts_per_million: f64) -> Self {
            let samples_a_tick = f64::from(rate) / 100.0 * (1.0 + parts_per_million / 1e6);
            Self {
                samples_a_tick,
                owed: 0.0,
            }
        }

        fn tick(&mut self) -> usize {
            self.owed += self.samples_a_tick;
            let due = self.owed as usize;
            self.owed -= due as f64;
            due
        }
    }

    #[test]
    fn a_microphone_whose_clock_is_off_never_runs_dry_and_never_piles_up() {
        for (rate, drift) in [
            (48_000, 300.0),
            (48_000, -300.0),
            (44_100, 300.0),
            (16_000, -300.0),
        ] {
            let (mut producer, consumer) = RingBuffer::new(rate as usize);
            let target = rate as usize / 50;
            let mut from_card = FromCard::new(consumer, rate, target).unwrap();
            let mut clock = CardClock::new(rate, drift);
            let mut position = 0.0_f64;
            let (mut gaps, mut heard) = (0, Vec::new());
            for tick in 0..TICKS_A_MINUTE {
                for _ in 0..clock.tick() {
                    producer
                        .push((0.25 * (TAU * position).sin()) as f32)
                        .unwrap();
                    position = (position + 440.0 / f64::from(rate)).fract();
                }
                let mut out = [0.0; TICK_SAMPLES];
                if !from_card.read(&mut out) && tick > 10 {
                    gaps += 1;
                }
                heard.extend_from_slice(&out);
            }
            assert_eq!(gaps, 0, "{rate} Hz, {drift} ppm");
            assert!(from_card.level_ms() < 60.0, "{}", from_card.level_ms());
            let level = producer.buffer().capacity() - producer.slots();
            assert!(level < 2 * target, "{rate} Hz, {drift} ppm: {level}");
            let last = &heard[heard.len() - 48_000..];
            let power = last
                .iter()
                .map(|sample| f64::from(sample * sample))
                .sum::<f64>()
                / 48_000.0;
            assert!(
                (power.sqrt() - 0.25 / 2.0_f64.sqrt()).abs() < 0.003,
                "{}",
                power.sqrt()
            );
        }
    }

    #[test]
    fn a_speaker_whose_clock_is_off_never_runs_dry_and_never_piles_up() {
        for (rate, drift) in [(48_000, 300.0), (48_000, -300.0), (44_100, -300.0)] {
            let (producer, mut consumer) = RingBuffer::new(rate as usize);
            let target = rate as usize / 40;
            let mut to_card = ToCard::new(producer, rate, target).unwrap();
            let mut clock = CardClock::new(rate, drift);
            let mut dry = 0;
            for _ in 0..TICKS_A_MINUTE {
                to_card.write(&[0.1; TICK_SAMPLES]);
                for _ in 0..clock.tick() {
                    dry += usize::from(consumer.pop().is_err());
                }
            }
            assert_eq!(dry, 0, "{rate} Hz, {drift} ppm");
            assert!(to_card.level_ms() < 60.0, "{}", to_card.level_ms());
            assert!(
                consumer.slots() < 2 * target,
                "{rate} Hz, {drift} ppm: {}",
                consumer.slots()
            );
        }
    }

    #[test]
    fn ticks_that_come_earlier_are_heard_earlier_and_the_ring_does_not_notice() {
        // The card takes a sample whenever it is time for one, whenever ticks come.
        let (producer, mut card) = RingBuffer::new(48_000);
        let mut to_card = ToCard::new(producer, 48_000, 1_080).unwrap();
        let (mut dry, mut moved, mut owed) = (0, 0, 0.0_f64);
        let mut levels = Vec::new();
        for tick in 0..6_000_i32 {
            // 5 ms earlier by a sample a tick, then 2 ms later by a sample every four ticks.
            let earlier = match tick {
                1_000..1_240 => 1,
                3_000..3_384 if tick % 4 == 0 => -1,
                _ => 0,
            };
            moved += earlier;
            to_card.move_next(earlier);
            to_card.write(&[0.1; TICK_SAMPLES]);
            levels.push(card.slots());
            owed += f64::from(TICK_SAMPLES as i32 - earlier);
            let due = owed as usize;
            owed -= due as f64;
            dry += (0..due).filter(|_| card.pop().is_err()).count();
        }
        assert_eq!((moved, dry), (240 - 96, 0));
        // It was filled for a card that starts.
        let [least, most] = [levels[900..].iter().min(), levels[900..].iter().max()];
        assert!(
            least > Some(&1_074) && most < Some(&1_086),
            "{least:?} to {most:?}"
        );
    }

    #[test]
    fn after_a_stall_the_microphone_is_not_late() {
        let (mut producer, consumer) = RingBuffer::new(48_000);
        let mut from_card = FromCard::new(consumer, 48_000, 960).unwrap();
        for _ in 0..24_000 {
            producer.push(0.1).unwrap();
        }
        let mut out = [0.0; TICK_SAMPLES];
        assert!(from_card.read(&mut out));
        assert!(
            48_000 - producer.slots() < 960,
            "half a second was dropped down to the target"
        );
    }

    #[test]
    fn a_card_that_takes_nothing_at_its_start_is_not_late_for_it() {
        let (producer, mut consumer) = RingBuffer::new(48_000);
        let mut to_card = ToCard::new(producer, 48_000, 1_080).unwrap();
        // 30 ms until it starts.
        for _ in 0..3 {
            to_card.write(&[0.1; TICK_SAMPLES]);
        }
        for _ in 0..10 {
            (0..TICK_SAMPLES).for_each(|_| assert!(consumer.pop().is_ok()));
            to_card.write(&[0.1; TICK_SAMPLES]);
        }
        let late = consumer.slots().saturating_sub(1_080);
        assert!(late <= 480, "{late}");
    }

    #[test]
    fn what_was_captured_before_is_discarded() {
        let (mut producer, consumer) = RingBuffer::new(48_000);
        let mut from_card = FromCard::new(consumer, 48_000, 960).unwrap();
        for _ in 0..2_000 {
            producer.push(0.1).unwrap();
        }
        from_card.discard();
        assert_eq!(producer.slots(), 48_000);
        let mut out = [1.0; TICK_SAMPLES];
        assert!(!from_card.read(&mut out), "it fills up again first");
        assert_eq!(out, [0.0; TICK_SAMPLES]);
    }

    #[test]
    fn a_speaker_that_stalled_does_not_play_old_sound_for_long() {
        let (producer, mut consumer) = RingBuffer::new(48_000);
        let mut to_card = ToCard::new(producer, 48_000, 960).unwrap();
        for _ in 0..200 {
            to_card.write(&[0.1; TICK_SAMPLES]);
        }
        assert!(consumer.slots() < 5_000, "{}", consumer.slots());
        while consumer.pop().is_ok() {}
        to_card.write(&[0.1; TICK_SAMPLES]);
        assert!(
            consumer.slots() >= 900,
            "silence first, then the tick: {}",
            consumer.slots()
        );
    }

    #[test]
    fn another_target_is_reached_within_seconds_and_without_a_gap() {
        let (mut producer, consumer) = RingBuffer::new(48_000);
        let mut from_card = FromCard::new(consumer, 48_000, 1_080).unwrap();
        let (producer_of_speaker, mut speaker) = RingBuffer::new(48_000);
        let mut to_card = ToCard::new(producer_of_speaker, 48_000, 1_080).unwrap();
        for _ in 0..3 {
            (0..TICK_SAMPLES).for_each(|_| producer.push(0.1).unwrap());
        }
        for target in [1_080_usize, 1_800, 1_080] {
            from_card.set_target(target);
            to_card.set_target(target);
            let (mut gaps, mut dry) = (0, 0);
            for _ in 0..1_000 {
                (0..TICK_SAMPLES).for_each(|_| producer.push(0.1).unwrap());
                gaps += usize::from(!from_card.read(&mut [0.0; TICK_SAMPLES]));
                to_card.write(&[0.1; TICK_SAMPLES]);
                dry += (0..TICK_SAMPLES).filter(|_| speaker.pop().is_err()).count();
            }
            assert_eq!((gaps, dry), (0, 0), "{target}");
            // A tick was taken since the level was looked at.
            let level = 48_000 - producer.slots() + TICK_SAMPLES;
            assert!(level.abs_diff(target) < 60, "{level} for {target}");
            let level = speaker.slots() + TICK_SAMPLES;
            assert!(level.abs_diff(target) < 60, "{level} for {target}");
        }
    }
}
