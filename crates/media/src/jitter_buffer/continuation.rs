//! How a signal would go on: its last period, again and again.
//!
//! It bridges a wait without the decoder, which stays where it was and decodes what comes as if nothing had happened. It is what a
//! seam is faded from, too.

use super::time_stretch::{MAX_LAG, MIN_LAG, correlation};

/// Samples at the end of the past that are looked for before it: 5 ms.
const HEAD: usize = 240;
/// Samples of the past that are needed.
pub(super) const HISTORY: usize = 2 * MAX_LAG + HEAD;
/// Less alike than this is no period.
const LEAST_CORRELATION: f32 = 0.6;
/// Over so many samples a step at the beginning is taken back: 1 ms.
const STEP_SAMPLES: usize = 48;

/// A period that goes on.
#[derive(Debug)]
pub(super) struct Continuation {
    period: [f32; MAX_LAG],
    lag: usize,
    voiced: bool,
    position: usize,
    step: f32,
}

impl Continuation {
    pub(super) fn new() -> Self {
        Self {
            period: [0.0; MAX_LAG],
            lag: MAX_LAG,
            voiced: false,
            position: 0,
            step: 0.0,
        }
    }

    /// Begins after `history`.
    pub(super) fn begin(&mut self, history: &[f32; HISTORY]) {
        let (lag, correlation) = find_period(history);
        self.voiced = correlation >= LEAST_CORRELATION;
        // Noise sounds the less like a tone the longer what is repeated.
        self.lag = if self.voiced { lag } else { MAX_LAG };
        self.position = 0;
        let lag = self.lag;
        let last = &history[HISTORY - lag..];
        let before = &history[HISTORY - 2 * lag..HISTORY - lag];
        self.period[..lag].copy_from_slice(last);
        // The end leads into the beginning: as it did one period earlier.
        let overlap = lag / 2;
        for i in lag - overlap..lag {
            let fade = (i + overlap + 1 - lag) as f32 / (overlap + 1) as f32;
            self.period[i] = last[i] * (1.0 - fade) + before[i] * fade;
        }
        self.step = history[HISTORY - 1] - history[HISTORY - 1 - lag];
    }

    /// Gives the next samples.
    pub(super) fn fill(&mut self, samples: &mut [f32]) {
        for sample in samples {
            let step = 1.0 - (self.position as f32 / STEP_SAMPLES as f32).min(1.0);
            *sample = self.period[self.position % self.lag] + self.step * step;
            self.position += 1;
        }
    }

    /// By how many samples the signal is away from where it began: positive within a period, negative shortly before the next. Nothing
    /// for a signal without periods.
    pub(super) fn phase(&self) -> Option<isize> {
        let phase = (self.position % self.lag) as isize;
        let lag = self.lag as isize;
        self.voiced
            .then_some(if 2 * phase > lag { phase - lag } else { phase })
    }
}

/// The lag at which the end of `history` resembles what was before it, and how much.
fn find_period(history: &[f32; HISTORY]) -> (usize, f32) {
    const COARSE_STEP: usize = 4;
    let head = &history[HISTORY - HEAD..];
    let alike = |lag: usize, stride| correlation(head, &history[HISTORY - HEAD - lag..], stride);
    let better = |a: (usize, f32), b: (usize, f32)| if b.1 > a.1 { b } else { a };
    let (lag, _) = (MIN_LAG..=MAX_LAG)
        .step_by(COARSE_STEP)
        .map(|lag| (lag, alike(lag, 2)))
        .fold((MIN_LAG, f32::MIN), better);
    (lag.saturating_sub(COARSE_STEP).max(MIN_LAG)..=(lag + COARSE_STEP).min(MAX_LAG))
        .map(|lag| (lag, alike(lag, 1)))
        .fold((lag, f32::MIN), better)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_goes_on_as_if_it_had_never_ended() {
        for period in [130.0, 241.5, 333.3, 480.0] {
            let tone = |i: usize| (i as f32 / period * std::f32::consts::TAU).sin() * 0.3;
            let mut continuation = Continuation::new();
            continuation.begin(&std::array::from_fn(tone));
            let mut samples = [0.0; 700];
            continuation.fill(&mut samples);
            let worst = samples
                .iter()
                .enumerate()
                .map(|(i, sample)| (sample - tone(HISTORY + i)).abs())
                .fold(0.0, f32::max);
            assert!(worst < 0.03, "{period}: {worst}");
            let periods = (700.0 - continuation.phase().unwrap() as f32) / period;
            assert!((periods - periods.round()).abs() < 0.03, "{periods}");
        }
    }

    #[test]
    fn noise_has_no_phase_and_silence_goes_on() {
        let mut seed = 1_u32;
        let noise = std::array::from_fn(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 24) as f32 - 0.5
        });
        let mut continuation = Continuation::new();
        continuation.begin(&noise);
        assert_eq!(continuation.phase(), None);
        continuation.begin(&[0.0; HISTORY]);
        let mut samples = [1.0; 960];
        continuation.fill(&mut samples);
        assert!(samples.iter().all(|sample| *sample == 0.0));
    }
}
