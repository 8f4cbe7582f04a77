//! How much of a tone is in a recording.

use std::path::Path;

use securecall_quality::{SAMPLE_RATE, read_wav, tone_amplitude};

/// 40 ms. In the first seconds of a call the speaker's ticks move, and with them the pitch, by up to 0.2 %: in 100 ms a tone of 1,600 Hz
/// is a third of a period away from itself, and seems a fifth weaker.
const WINDOW: usize = SAMPLE_RATE as usize / 25;

/// The greatest amplitude of a frequency in any [`WINDOW`]: of a tone that is there for a part of the time only.
///
/// While frames carry copies, as they do for the first second of a call, libopus distorts a sine that does not change, down to half of
/// its amplitude. A held vowel it leaves as it is (the test `held_vowels_are_as_loud_with_copies_as_without` of `securecall-media`).
pub(crate) fn greatest_amplitude(recording: &Path, hertz: f32) -> f32 {
    let samples = read_wav(recording).unwrap();
    let windows = samples.chunks_exact(WINDOW);
    windows
        .map(|chunk| tone_amplitude(chunk, hertz))
        .fold(0.0, f32::max)
}

/// Amplitude of a frequency over [`WINDOW`] (Goertzel), the median of those in which there is any sound.
pub(crate) fn median_amplitude(recording: &Path, hertz: f32) -> f32 {
    let samples = read_wav(recording).unwrap();
    let mut amplitudes: Vec<f32> = samples
        .chunks_exact(WINDOW)
        .filter(|chunk| chunk.iter().any(|sample| sample.abs() > 0.01))
        .map(|chunk| tone_amplitude(chunk, hertz))
        .collect();
    assert!(
        !amplitudes.is_empty(),
        "{} s of silence",
        samples.len() / SAMPLE_RATE as usize
    );
    amplitudes.sort_by(f32::total_cmp);
    amplitudes[amplitudes.len() / 2]
}
