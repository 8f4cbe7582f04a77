//! A sine, for tests of the line.

use std::f64::consts::TAU;

use crate::device::{Device, Microphone, SAMPLE_RATE, Tick};

/// Loud enough to measure, far from clipping.
const AMPLITUDE: f64 = 0.25;

/// A sine of constant frequency that never jumps in phase.
#[derive(Debug)]
pub(crate) struct ToneMicrophone {
    /// Position in the period, from 0 to 1.
    phase: f64,
    /// Periods a sample.
    step: f64,
}

impl ToneMicrophone {
    pub(crate) fn new(hertz: f32) -> Self {
        Self {
            phase: 0.0,
            step: f64::from(hertz) / f64::from(SAMPLE_RATE),
        }
    }
}

impl Device for ToneMicrophone {}

impl Microphone for ToneMicrophone {
    fn read(&mut self, out: &mut Tick) {
        for sample in out {
            *sample = (AMPLITUDE * (TAU * self.phase).sin()) as f32;
            self.phase = (self.phase + self.step).fract();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::TICK_SAMPLES;

    #[test]
    fn a_second_of_440_hz_has_880_zero_crossings_and_amplitude_a_quarter() {
        let mut tone = ToneMicrophone::new(440.0);
        let mut samples = Vec::new();
        for _ in 0..100 {
            let mut tick = [0.0; TICK_SAMPLES];
            tone.read(&mut tick);
            samples.extend_from_slice(&tick);
        }
        let crossings = samples
            .windows(2)
            .filter(|pair| pair[0] * pair[1] < 0.0)
            .count();
        assert!((878..=880).contains(&crossings), "{crossings}");
        let peak = samples
            .iter()
            .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!((peak - 0.25).abs() < 1e-3, "{peak}");
    }
}
