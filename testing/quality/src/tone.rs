//! Tones.

use std::f64::consts::TAU;

use crate::SAMPLE_RATE;

/// The amplitude that a tone of so many Hz has in a signal.
pub fn tone_amplitude(samples: &[f32], hertz: f32) -> f32 {
    let step = TAU * f64::from(hertz) / f64::from(SAMPLE_RATE);
    let (mut cosine, mut sine) = (0.0_f64, 0.0_f64);
    for (index, sample) in samples.iter().enumerate() {
        let angle = step * index as f64;
        cosine += f64::from(*sample) * angle.cos();
        sine += f64::from(*sample) * angle.sin();
    }
    (2.0 * cosine.hypot(sine) / samples.len().max(1) as f64) as f32
}
