//! WAV files, read as 48 kHz mono whatever they are.

use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use thiserror::Error;

use crate::{SAMPLE_RATE, resample};

/// A WAV file could not be read or written.
#[derive(Debug, Error)]
#[error("{}: {source}", path.display())]
pub struct WavError {
    path: PathBuf,
    source: hound::Error,
}

/// Reads a WAV file as 48 kHz mono: channels are averaged, other rates resampled.
///
/// # Errors
///
/// [`WavError`] if there is no such file or it is not a WAV.
pub fn read_wav(path: impl AsRef<Path>) -> Result<Vec<f32>, WavError> {
    let path = path.as_ref();
    read(path).map_err(|source| WavError {
        path: path.to_owned(),
        source,
    })
}

/// Writes 48 kHz mono, 16 bit.
///
/// # Errors
///
/// [`WavError`] if the file cannot be written.
pub fn write_wav(path: impl AsRef<Path>, samples: &[f32]) -> Result<(), WavError> {
    write_wav_at(path, samples, SAMPLE_RATE)
}

/// Writes samples of another rate, mono, 16 bit; they are not resampled.
///
/// # Errors
///
/// [`WavError`] if the file cannot be written.
pub fn write_wav_at(path: impl AsRef<Path>, samples: &[f32], rate: u32) -> Result<(), WavError> {
    let path = path.as_ref();
    write(path, samples, rate).map_err(|source| WavError {
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<f32>, hound::Error> {
    let mut reader = WavReader::open(path)?;
    let spec = reader.spec();
    let interleaved: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>()?,
        SampleFormat::Int => {
            let full_scale = (1_i64 << (spec.bits_per_sample - 1)) as f32;
            reader
                .samples::<i32>()
                .map(|sample| sample.map(|sample| sample as f32 / full_scale))
                .collect::<Result<_, _>>()?
        }
    };
    let channels = usize::from(spec.channels.max(1));
    let mono: Vec<f32> = interleaved
        .chunks_exact(channels)
        .map(|frame| frame.iter().sum::<f32>() / channels as f32)
        .collect();
    Ok(resample(&mono, spec.sample_rate, SAMPLE_RATE))
}

fn write(path: &Path, samples: &[f32], rate: u32) -> Result<(), hound::Error> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::create(path, spec)?;
    for sample in samples {
        writer.write_sample((sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16)?;
    }
    writer.finalize()
}
