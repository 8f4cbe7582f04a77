//! From 48 kHz to the 8 kHz of telephones and back, by one low-pass filter.

use std::f64::consts::PI;

use crate::audio::TICK_SAMPLES;

/// Samples at 48 kHz for each at 8 kHz.
const RATIO: usize = 6;
/// Samples at 8 kHz in a tick.
pub(super) const NARROW_TICK: usize = TICK_SAMPLES / RATIO;
/// Taps at 48 kHz: 24 samples at 8 kHz, so 1.5 ms of delay each way.
const TAPS: usize = 24 * RATIO;
/// What each sample at 48 kHz takes of samples at 8 kHz.
const TAPS_PER_PHASE: usize = TAPS / RATIO;
/// Half of the filter's voice passes here, in cycles per sample at 48 kHz: 3.6 kHz.
const CUTOFF: f64 = 3_600.0 / 48_000.0;

/// A sinc in a window of Blackman, for a gain of 1.
fn filter() -> [f32; TAPS] {
    let mut taps = [0.0; TAPS];
    let centre = (TAPS - 1) as f64 / 2.0;
    for (i, tap) in taps.iter_mut().enumerate() {
        let x = i as f64 - centre;
        // The centre is between two taps, so there is no division by zero.
        let sinc = (2.0 * PI * CUTOFF * x).sin() / (PI * x);
        let phase = 2.0 * PI * i as f64 / (TAPS - 1) as f64;
        let window = 0.42 - 0.5 * phase.cos() + 0.08 * (2.0 * phase).cos();
        *tap = sinc * window;
    }
    let sum: f64 = taps.iter().sum();
    taps.map(|tap| (tap / sum) as f32)
}

/// 48 kHz to 8 kHz.
#[derive(Debug)]
pub(super) struct Decimator {
    filter: [f32; TAPS],
    past: [f32; TAPS],
}

impl Decimator {
    pub(super) fn new() -> Self {
        Self {
            filter: filter(),
            past: [0.0; TAPS],
        }
    }

    /// Takes a tick down.
    pub(super) fn push(&mut self, tick: &[f32; TICK_SAMPLES], out: &mut [f32; NARROW_TICK]) {
        for (six, out) in tick.as_chunks::<RATIO>().0.iter().zip(out) {
            self.past.copy_within(RATIO.., 0);
            self.past[TAPS - RATIO..].copy_from_slice(six);
            *out = dot(&self.filter, &self.past);
        }
    }
}

/// 8 kHz to 48 kHz.
#[derive(Debug)]
pub(crate) struct Interpolator {
    filter: [f32; TAPS],
    /// The oldest first.
    past: [f32; TAPS_PER_PHASE],
}

impl Interpolator {
    pub(crate) fn new() -> Self {
        Self {
            // Only one in six samples under the filter is not zero.
            filter: filter().map(|tap| tap * RATIO as f32),
            past: [0.0; TAPS_PER_PHASE],
        }
    }

    /// Takes one sample up, and appends six.
    pub(crate) fn push(&mut self, sample: f32, out: &mut Vec<f32>) {
        self.past.copy_within(1.., 0);
        self.past[TAPS_PER_PHASE - 1] = sample;
        for phase in 0..RATIO {
            let taps = self.filter.iter().skip(phase).step_by(RATIO);
            out.push(
                taps.zip(self.past.iter().rev())
                    .map(|(tap, it)| tap * it)
                    .sum(),
            );
        }
    }

    /// Forgets what was.
    pub(crate) fn reset(&mut self) {
        self.past = [0.0; TAPS_PER_PHASE];
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The RMS of a sine of amplitude 1 after it has gone down and up again.
    fn passed(hertz: f32) -> f32 {
        let (mut down, mut up) = (Decimator::new(), Interpolator::new());
        let mut out = Vec::new();
        for number in 0..50 {
            let tick = std::array::from_fn(|i| {
                let time = (number * TICK_SAMPLES + i) as f32 / 48_000.0;
                (time * hertz * std::f32::consts::TAU).sin()
            });
            let mut narrow = [0.0; NARROW_TICK];
            down.push(&tick, &mut narrow);
            for sample in narrow {
                up.push(sample, &mut out);
            }
        }
        let settled = &out[out.len() / 2..];
        (settled.iter().map(|it| it * it).sum::<f32>() / settled.len() as f32).sqrt()
    }

    #[test]
    fn what_a_telephone_carries_passes_and_nothing_else_does() {
        for hertz in [100.0, 440.0, 1_000.0, 2_500.0] {
            let rms = passed(hertz);
            assert!((rms - 0.5_f32.sqrt()).abs() < 0.01, "{hertz} Hz: {rms}");
        }
        // What is above the half of 8 kHz would be heard below it, as another tone.
        for hertz in [4_600.0, 5_000.0, 7_560.0, 15_560.0] {
            let rms = passed(hertz);
            assert!(rms < 0.002, "{hertz} Hz: {rms}");
        }
    }
}
