//! From a file's sample rate to 48 kHz, sample for sample: nothing is cut at the start or the end.

use std::collections::VecDeque;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler, ResamplerConstructionError,
    SincInterpolationParameters, WindowFunction,
};

use crate::device::{SAMPLE_RATE, TICK_SAMPLES};

/// The filter's length, in samples of the slower side: its edge is steep enough for a recording of 8 kHz to keep what it
/// has. An FFT would be a little cheaper to run and much dearer to compile.
const SINC_LENGTH: usize = 256;

/// Converts a stream whose length becomes known at its end.
pub(crate) struct FileResampler {
    resampler: Async<f32>,
    input_rate: u32,
    /// Samples taken in.
    consumed: u64,
    /// Samples handed out.
    produced: u64,
    /// Samples of the filter's own delay that are still to be dropped.
    to_skip: usize,
    output: Vec<f32>,
}

impl FileResampler {
    pub(crate) fn new(input_rate: u32) -> Result<Self, ResamplerConstructionError> {
        let ratio = f64::from(SAMPLE_RATE) / f64::from(input_rate);
        let parameters =
            SincInterpolationParameters::new(SINC_LENGTH, WindowFunction::BlackmanHarris2);
        let resampler =
            Async::new_sinc(ratio, 1.0, &parameters, TICK_SAMPLES, 1, FixedAsync::Output)?;
        let output = vec![0.0; resampler.output_frames_max()];
        Ok(Self {
            // Its first sample lies one step of the output in: one less is the filter's.
            to_skip: resampler.output_delay().saturating_sub(1),
            resampler,
            input_rate,
            consumed: 0,
            produced: 0,
            output,
        })
    }

    /// How many samples the next [`convert`](Self::convert) would like.
    pub(crate) fn wanted(&self) -> usize {
        self.resampler.input_frames_next()
    }

    /// Converts `input`; fewer samples than wanted mean that it is the end.
    pub(crate) fn convert(&mut self, input: &[f32], into: &mut VecDeque<f32>) {
        self.consumed += input.len() as u64;
        self.step(input, into);
    }

    /// Hands out what is still in the filter.
    pub(crate) fn flush(&mut self, into: &mut VecDeque<f32>) {
        while self.produced < self.due() {
            let before = self.to_skip;
            if !self.step(&[], into) && self.to_skip == before {
                return;
            }
        }
    }

    /// Samples that the input so far lasts at 48 kHz.
    fn due(&self) -> u64 {
        (self.consumed * u64::from(SAMPLE_RATE)).div_ceil(u64::from(self.input_rate))
    }

    /// One call of the resampler; says whether anything came out.
    fn step(&mut self, input: &[f32], into: &mut VecDeque<f32>) -> bool {
        let wanted = self.wanted();
        let mut padded = vec![0.0; wanted];
        let given = input.len().min(wanted);
        padded[..given].copy_from_slice(&input[..given]);
        let frames = self.output.len();
        let indexing = Indexing::new().partial_len(given);
        let Ok(from) = InterleavedSlice::new(&padded, 1, wanted) else {
            return false;
        };
        let Ok(mut to) = InterleavedSlice::new_mut(&mut self.output, 1, frames) else {
            return false;
        };
        let Ok((_, made)) = self
            .resampler
            .process_into_buffer(&from, &mut to, Some(&indexing))
        else {
            return false;
        };
        let skipped = self.to_skip.min(made);
        self.to_skip -= skipped;
        // The filter rings on after the end: a second of the file is a second here.
        let room = usize::try_from(self.due() - self.produced).unwrap_or(usize::MAX);
        let taken = (made - skipped).min(room);
        into.extend(
            self.output[skipped..skipped + taken]
                .iter()
                .map(|sample| sample.clamp(-1.0, 1.0)),
        );
        self.produced += taken as u64;
        taken > 0
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    /// A tone of 440 Hz at `rate`, converted.
    fn converted(rate: u32, length: usize) -> Vec<f32> {
        let mut resampler = FileResampler::new(rate).unwrap();
        let input: Vec<f32> = (0..length)
            .map(|n| 0.5 * (TAU * 440.0 * n as f32 / rate as f32).sin())
            .collect();
        let mut output = VecDeque::new();
        let mut rest = &input[..];
        loop {
            let (now, later) = rest.split_at(resampler.wanted().min(rest.len()));
            let ended = now.len() < resampler.wanted();
            resampler.convert(now, &mut output);
            if ended {
                resampler.flush(&mut output);
                return output.into();
            }
            rest = later;
        }
    }

    #[test]
    fn a_tone_keeps_its_pitch_its_loudness_its_start_and_its_length() {
        for rate in [8_000, 16_000, 22_050, 44_100, 96_000] {
            let output = converted(rate, rate as usize);
            assert_eq!(output.len(), 48_000, "at {rate} Hz");
            // The ends ring, as every band-limited filter does; in between the samples must agree
            // but for half a sample of delay.
            for (n, sample) in output.iter().enumerate().take(46_000).skip(2_000) {
                let expected = 0.5 * (TAU * 440.0 * n as f32 / 48_000.0).sin();
                assert!(
                    (sample - expected).abs() < 0.02,
                    "at {rate} Hz, sample {n}: {sample} {expected}"
                );
            }
        }
    }

    #[test]
    fn a_file_shorter_than_one_step_comes_out_whole() {
        assert_eq!(converted(44_100, 1).len(), 2);
        assert_eq!(converted(8_000, 10).len(), 60);
    }
}
