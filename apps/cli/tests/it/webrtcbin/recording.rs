//! What a speaker got, by its tones.

use std::f32::consts::TAU;
use std::path::Path;

/// A tenth of a second at 48 kHz.
const WINDOW: usize = 4_800;
/// Half of what a tone of either side has, which is a quarter of full scale.
const LOUD: f32 = 0.12;

/// Samples of a WAV file that the command has written.
pub(super) struct Recording(Vec<f32>);

impl Recording {
    pub(super) fn read(path: &Path) -> Self {
        let mut wav = hound::WavReader::open(path).unwrap();
        let samples = wav.samples::<i16>();
        Self(
            samples
                .map(|sample| f32::from(sample.unwrap()) / 32_768.0)
                .collect(),
        )
    }

    /// It is this tone for more than a second, and never the other.
    #[track_caller]
    pub(super) fn is_of(&self, tone: u32, other: u32) {
        let (heard, echo) = (self.windows_with(tone), self.windows_with(other));
        let windows = self.0.len() / WINDOW;
        assert!(heard > 10, "{tone} Hz in {heard} of {windows} windows");
        assert_eq!(echo, 0, "windows of {windows} with {other} Hz");
    }

    fn windows_with(&self, hertz: u32) -> usize {
        let windows = self.0.chunks_exact(WINDOW);
        windows
            .filter(|window| amplitude(window, hertz) > LOUD)
            .count()
    }
}

/// The amplitude of a tone (Goertzel).
fn amplitude(window: &[f32], hertz: u32) -> f32 {
    // Tones of tests are whole numbers far below 2^24.
    let step = TAU * hertz as f32 / 48_000.0;
    let (mut cosine, mut sine) = (0.0, 0.0);
    for (index, sample) in window.iter().enumerate() {
        let angle = step * index as f32;
        cosine += sample * angle.cos();
        sine += sample * angle.sin();
    }
    2.0 * f32::hypot(cosine, sine) / window.len() as f32
}
