//! The noise behind the peer's voice: its level and coarse spectrum, measured while it plays, and noise like it.

use crate::audio::FRAME_SAMPLES;

/// Order of the linear prediction that holds the spectrum.
const ORDER: usize = 12;
/// A frame up to so many times the energy of the floor is background …
const QUIET: f32 = 4.0;
/// … but never one louder than −38 dBFS.
const LOUDEST: f32 = 1.6e-4;
/// Quieter than −80 dBFS is silence, and stays that.
const SILENCE: f32 = 1e-8;
/// By how much the floor rises at each frame: 2 dB a second. It follows a noise that grows, and stays below a sentence.
const RISE: f32 = 1.009;
/// Weight of one quiet frame in the spectrum.
const WEIGHT: f32 = 1.0 / 8.0;

/// Noise as it is behind the peer's voice.
#[derive(Debug)]
pub(super) struct Background {
    /// Energy of the quietest frames, per sample.
    floor: f32,
    /// Autocorrelation of the quiet frames, per sample.
    autocorrelation: [f32; ORDER + 1],
    /// What predicts a sample from those before it, and the RMS of what it misses.
    predictor: [f32; ORDER],
    residual: f32,
    /// The last samples made, the latest first.
    memory: [f32; ORDER],
    seed: u32,
}

impl Background {
    pub(super) fn new() -> Self {
        Self {
            floor: LOUDEST,
            autocorrelation: [0.0; ORDER + 1],
            predictor: [0.0; ORDER],
            residual: 0.0,
            memory: [0.0; ORDER],
            seed: 1,
        }
    }

    /// Takes note of a frame of the peer; returns whether it holds nothing but background.
    pub(super) fn observe(&mut self, frame: &[f32; FRAME_SAMPLES]) -> bool {
        let energy = autocorrelation(frame, 0);
        // At once down: a pause may be short.
        self.floor = (self.floor * RISE).max(SILENCE).min(energy).min(LOUDEST);
        if energy > (QUIET * self.floor).clamp(SILENCE, LOUDEST) {
            return false;
        }
        for (lag, mean) in self.autocorrelation.iter_mut().enumerate() {
            *mean += (autocorrelation(frame, lag) - *mean) * WEIGHT;
        }
        self.predict();
        true
    }

    /// Gives the next samples of noise.
    pub(super) fn fill(&mut self, samples: &mut [f32]) {
        for sample in samples {
            self.seed = self
                .seed
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            // Uniform, of variance 1.
            let white = ((self.seed >> 8) as f32 / (1 << 23) as f32 - 1.0) * 3.0_f32.sqrt();
            let predicted: f32 = self
                .predictor
                .iter()
                .zip(&self.memory)
                .map(|(a, x)| a * x)
                .sum();
            let next = (predicted + white * self.residual).clamp(-0.1, 0.1);
            self.memory.rotate_right(1);
            self.memory[0] = next;
            *sample = next;
        }
    }

    /// The Levinson-Durbin recursion.
    fn predict(&mut self) {
        let r = &self.autocorrelation;
        // White noise 40 dB below keeps the recursion stable where a band is empty.
        let mut error = r[0] * 1.0001;
        let mut a = [0.0; ORDER];
        for i in 0..ORDER {
            if error < SILENCE * 1e-3 {
                break;
            }
            let correlation: f32 = r[i + 1] - (0..i).map(|j| a[j] * r[i - j]).sum::<f32>();
            let reflection = (correlation / error).clamp(-0.99, 0.99);
            let before = a;
            for j in 0..i {
                a[j] -= reflection * before[i - 1 - j];
            }
            a[i] = reflection;
            error *= 1.0 - reflection * reflection;
        }
        self.predictor = a;
        self.residual = if r[0] < SILENCE {
            0.0
        } else {
            error.max(0.0).sqrt()
        };
    }
}

fn autocorrelation(frame: &[f32], lag: usize) -> f32 {
    let products = frame[lag..].iter().zip(frame).map(|(a, b)| a * b);
    products.sum::<f32>() / frame.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn energy(samples: &[f32]) -> f32 {
        samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32
    }

    /// Energy of what is left when low frequencies are taken away.
    fn high(samples: &[f32]) -> f32 {
        let differences: Vec<f32> = samples.windows(2).map(|pair| pair[1] - pair[0]).collect();
        energy(&differences)
    }

    fn noise(seed: &mut u32, colour: f32, gain: f32) -> [f32; FRAME_SAMPLES] {
        let mut last = 0.0;
        std::array::from_fn(|_| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = (*seed >> 8) as f32 / (1 << 23) as f32 - 1.0;
            last = colour * last + gain * white;
            last
        })
    }

    #[test]
    fn it_is_as_loud_and_as_bright_as_what_it_heard_between_words() {
        for (colour, gain) in [(0.9, 0.001), (0.0, 0.004), (-0.6, 0.002)] {
            let (mut background, mut seed) = (Background::new(), 7);
            let mut heard = Vec::new();
            for i in 0..200 {
                let mut frame = noise(&mut seed, colour, gain);
                if i % 3 == 0 {
                    heard.extend_from_slice(&frame);
                } else {
                    frame
                        .iter_mut()
                        .enumerate()
                        .for_each(|(i, s)| *s += (i as f32 * 0.03).sin() * 0.2);
                }
                assert_eq!(background.observe(&frame), i % 3 == 0, "{i}");
            }
            let mut made = vec![0.0; 48_000];
            background.fill(&mut made);
            for measure in [energy, high] {
                let ratio = 10.0 * (measure(&made) / measure(&heard)).log10();
                assert!(ratio.abs() < 2.0, "{colour}: {ratio} dB");
            }
        }
    }

    #[test]
    fn a_voice_without_pauses_and_silence_leave_silence() {
        let mut background = Background::new();
        let mut made = [0.0; FRAME_SAMPLES];
        for frame in [[0.3; FRAME_SAMPLES], [0.0; FRAME_SAMPLES]] {
            for _ in 0..500 {
                background.observe(&frame);
            }
            background.fill(&mut made);
            assert!(energy(&made) < SILENCE);
        }
    }
}
