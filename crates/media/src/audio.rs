//! The one sample format of the engine, and levels.

/// Samples per second, everywhere: 48 kHz, one channel.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples in a tick, the 10 ms in which microphone and speaker are served.
pub const TICK_SAMPLES: usize = 480;
/// Samples in a frame, the 20 ms that one packet holds.
pub const FRAME_SAMPLES: usize = 960;
/// The same in microseconds.
pub(crate) const FRAME_US: i64 = 20_000;

/// 10 ms of audio: samples from −1 to 1.
pub type Tick = [f32; TICK_SAMPLES];

/// The level of a signal over the last tick, as shown by a meter.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Level {
    /// Root mean square, 0 to 1, falling slowly (a meter's ballistics: 20 dB in about 0.5 s).
    pub rms: f32,
    /// Greatest magnitude of the last tick.
    pub peak: f32,
}

/// The sum of all squares. In eight sums, which a processor adds up side by side: one alone waits for each of its additions.
pub(crate) fn energy(samples: &[f32]) -> f32 {
    let (eights, rest) = samples.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for eight in eights {
        for (sum, sample) in sums.iter_mut().zip(eight) {
            *sum += sample * sample;
        }
    }
    let all: f32 = sums.iter().sum();
    all + rest.iter().map(|sample| sample * sample).sum::<f32>()
}

impl Level {
    const FALL_PER_TICK: f32 = 0.955;

    /// The RMS in decibels below full scale, at least −100.
    pub fn dbfs(&self) -> f32 {
        (20.0 * self.rms.max(1e-5).log10()).min(0.0)
    }

    pub(crate) fn measure(&mut self, samples: &[f32]) {
        let rms = (energy(samples) / samples.len().max(1) as f32).sqrt();
        self.rms = rms.max(self.rms * Self::FALL_PER_TICK);
        let (eights, rest) = samples.as_chunks::<8>();
        let mut peaks = [0.0_f32; 8];
        for eight in eights {
            for (peak, sample) in peaks.iter_mut().zip(eight) {
                *peak = peak.max(sample.abs());
            }
        }
        let all = peaks.iter().chain(rest);
        self.peak = all.fold(0.0, |peak, sample| peak.max(sample.abs()));
    }
}
