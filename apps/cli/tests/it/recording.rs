//! What a speaker got, by its tones.

use std::f32::consts::TAU;
use std::path::Path;

/// A tenth of a second at 48 kHz.
const WINDOW: usize = 4_800;
/// Half of what a tone of ours and of theirs has, which is a quarter of full scale.
const LOUD: f32 = 0.12;
/// What is not meant to be there.
const SOFT: f32 = 0.02;

/// Samples of a WAV file that the command has written.
pub(crate) struct Recording {
    samples: Vec<f32>,
}

impl Recording {
    pub(crate) fn read(path: &Path) -> Self {
        let mut wav = hound::WavReader::open(path).unwrap();
        let samples = wav.samples::<i16>();
        Self {
            samples: samples
                .map(|sample| f32::from(sample.unwrap()) / 32_768.0)
                .collect(),
        }
    }

    /// It is this tone for more than a second, and never the other.
    #[track_caller]
    pub(crate) fn is_of(&self, tone: f32, other: f32) {
        let count = |hertz, least| {
            let amplitudes = self.amplitudes(hertz);
            amplitudes.filter(|amplitude| *amplitude > least).count()
        };
        let (heard, echo) = (count(tone, LOUD), count(other, LOUD));
        let windows = self.samples.len() / WINDOW;
        assert!(heard > 10, "{tone} Hz in {heard} of {windows} windows");
        assert_eq!(echo, 0, "windows of {windows} with {other} Hz");
    }

    /// Whether it is to be heard for more than a second, with whatever else there is.
    pub(crate) fn has(&self, tone: f32) -> bool {
        self.amplitudes(tone).filter(|it| *it > LOUD).count() > 10
    }

    /// Whether it is to be heard, in turns, from when it first is to when it last is; each lasts half a second or more, and what
    /// is shorter counts for nothing.
    pub(crate) fn turns(&self, tone: f32) -> Vec<bool> {
        let mut turns: Vec<bool> = Vec::new();
        let mut run = (None, 0);
        for amplitude in self.amplitudes(tone) {
            let is_heard = if amplitude > LOUD {
                Some(true)
            } else if amplitude < SOFT {
                Some(false)
            } else {
                None
            };
            run = if is_heard == run.0 {
                (is_heard, run.1 + 1)
            } else {
                (is_heard, 1)
            };
            if let (Some(is_heard), 5..) = run
                && turns.last().copied().unwrap_or_default() != is_heard
            {
                turns.push(is_heard);
            }
        }
        turns.pop_if(|is_heard| !*is_heard);
        turns
    }

    /// The most that a tone has in any window.
    pub(crate) fn loudest(&self, hertz: f32) -> f32 {
        self.amplitudes(hertz).fold(0.0, f32::max)
    }

    /// The amplitude of a tone in each window (Goertzel).
    fn amplitudes(&self, hertz: f32) -> impl Iterator<Item = f32> {
        let step = TAU * hertz / 48_000.0;
        self.samples.chunks_exact(WINDOW).map(move |window| {
            let (mut cosine, mut sine) = (0.0, 0.0);
            for (index, sample) in window.iter().enumerate() {
                let angle = step * index as f32;
                cosine += sample * angle.cos();
                sine += sample * angle.sin();
            }
            2.0 * f32::hypot(cosine, sine) / window.len() as f32
        })
    }
}
