//! Whether a voice has anything above 8 kHz.
//!
//! Opus spends a third of 32 kbit/s on the spectrum above 8 kHz, also where there is nothing: microphones of headsets, recordings
//! at 16 kHz, noise suppression. Without it the same bytes sound better (docs/performance.md).

use crate::audio::FRAME_SAMPLES;

/// What is weaker than this beside the loudest of late is not heard: −50 dB, as energies.
const AUDIBLE_SHARE: f32 = 1e-5;
/// Nor is what is weaker than −80 dB of full scale, as the mean square of a sample.
const AUDIBLE_POWER: f32 = 1e-8;
/// The loudest of late is forgotten by half in two seconds.
const FORGET_PER_FRAME: f32 = 0.993;
/// Frames in a row, so that a click is none: a sibilant lasts for 50 ms and more.
const HEARD_FROM: u32 = 3;
/// A high band that was heard is kept through this many frames of voice without it: 10 s. Sibilants are far more frequent.
const KEPT_FOR: u32 = 500;

/// Watches the input of an encoder.
#[derive(Debug)]
pub(super) struct HighBand {
    filter: HighPass,
    loudest: f32,
    /// Frames in a row with something to hear there.
    in_a_row: u32,
    /// Frames of voice for which the high band is still kept.
    kept: u32,
}

impl HighBand {
    pub(super) fn new() -> Self {
        Self {
            filter: HighPass::default(),
            loudest: 0.0,
            in_a_row: 0,
            kept: 0,
        }
    }

    /// Takes the next frame, and says whether the high band is worth its bytes.
    pub(super) fn is_heard(&mut self, samples: &[f32; FRAME_SAMPLES]) -> bool {
        let (mut all, mut high) = (0.0, 0.0);
        for sample in samples {
            let above = self.filter.next(*sample);
            all += sample * sample;
            high += above * above;
        }
        let (all, high) = (all / FRAME_SAMPLES as f32, high / FRAME_SAMPLES as f32);
        self.loudest = (self.loudest * FORGET_PER_FRAME).max(all);
        let audible = high > AUDIBLE_POWER && high > self.loudest * AUDIBLE_SHARE;
        self.in_a_row = if audible { self.in_a_row + 1 } else { 0 };
        if audible && self.in_a_row >= HEARD_FROM {
            self.in_a_row = HEARD_FROM;
            self.kept = KEPT_FOR;
        } else if all > AUDIBLE_POWER {
            self.kept = self.kept.saturating_sub(1);
        }
        self.kept > 0
    }
}

/// A Butterworth high-pass of order 12 at 10 kHz: −3 dB there, −30 dB at 8 kHz, −46 dB at 7 kHz.
#[derive(Debug, Default)]
struct HighPass {
    /// What each section of second order remembers (transposed direct form II).
    memory: [[f32; 2]; SECTIONS.len()],
}

impl HighPass {
    fn next(&mut self, sample: f32) -> f32 {
        let mut signal = sample;
        for ([gain, a1, a2], [first, second]) in SECTIONS.iter().zip(&mut self.memory) {
            let scaled = signal * gain;
            let out = scaled + *first;
            *first = *second - 2.0 * scaled - a1 * out;
            *second = scaled - a2 * out;
            signal = out;
        }
        signal
    }
}

/// Numerator `gain · (1 − 2z⁻¹ + z⁻²)`, denominator `1 + a1·z⁻¹ + a2·z⁻²`: `[gain, a1, a2]`, by the bilinear transform.
const SECTIONS: [[f32; 3]; 6] = [
    [0.321511, -0.264416, 0.0216267],
    [0.332599, -0.273535, 0.0568595],
    [0.356339, -0.29306, 0.132297],
    [0.396349, -0.325965, 0.259431],
    [0.459542, -0.377936, 0.460234],
    [0.558939, -0.459682, 0.776075],
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone of `hertz` at `level`, beside a louder one of 300 Hz at a tenth of full scale.
    fn heard(hertz: f32, level: f32, frames: usize) -> bool {
        let mut band = HighBand::new();
        let mut heard = false;
        for frame in 0..frames {
            heard = band.is_heard(&std::array::from_fn(|i| {
                let t = (frame * FRAME_SAMPLES + i) as f32 / 48_000.0;
                let tone = |hertz: f32| (t * hertz % 1.0 * std::f32::consts::TAU).sin();
                0.1 * tone(300.0) + level * tone(hertz)
            }));
        }
        heard
    }

    #[test]
    fn what_is_above_8_khz_is_heard_and_what_is_below_is_not() {
        assert!(heard(12_000.0, 0.003, 50), "30 dB below");
        assert!(!heard(12_000.0, 0.0001, 50), "60 dB below");
        assert!(!heard(7_000.0, 0.03, 50), "loud, but below");
    }

    #[test]
    fn a_sibilant_keeps_the_high_band_for_ten_seconds_of_voice() {
        let mut band = HighBand::new();
        let hiss = std::array::from_fn(|i| if i % 2 == 0 { 0.05 } else { -0.05 });
        let vowel = |frame: usize| -> [f32; FRAME_SAMPLES] {
            std::array::from_fn(|i| 0.1 * ((frame * FRAME_SAMPLES + i) as f32 * 0.0393).sin())
        };
        assert!(!band.is_heard(&vowel(0)));
        assert!(!band.is_heard(&hiss), "a click");
        // Its echo in the filter is in the first of these.
        assert!(!band.is_heard(&vowel(2)) && !band.is_heard(&vowel(3)));
        assert!(!band.is_heard(&hiss) && !band.is_heard(&hiss) && band.is_heard(&hiss));
        for frame in 1..400 {
            assert!(band.is_heard(&vowel(frame)), "{frame}");
        }
        for _ in 0..1_000 {
            assert!(band.is_heard(&[0.0; FRAME_SAMPLES]), "a pause is no voice");
        }
        assert!((400..600).any(|frame| !band.is_heard(&vowel(frame))));
    }
}
