//! A WAV file as a microphone: played once, then silence.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec};

use crate::device::{Microphone, SAMPLE_RATE, TICK_SAMPLES, Tick};
use crate::fault::{DeviceFault, OpenError, WavProblem};
use crate::file_kind::{FileKind, open_failed};
use crate::file_resampler::FileResampler;

/// What plausible recordings have; the resampler's tables grow with the rate.
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// Reads ahead a second of 16-bit sound, so that most ticks touch no file.
const READ_AHEAD_BYTES: usize = 96 * 1024;

type Reader = WavReader<BufReader<File>>;

/// Plays a file. 8 to 32 bit, mono or stereo, any usual rate: what is not 48 kHz mono is converted while it plays.
pub(crate) struct WavMicrophone {
    path: PathBuf,
    reader: Reader,
    resampler: Option<FileResampler>,
    /// Converted samples that wait for their tick.
    ready: VecDeque<f32>,
    ended: bool,
    fault: Option<DeviceFault>,
    notice: Option<String>,
}

impl WavMicrophone {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let wav_error = |problem| OpenError::Wav {
            path: path.to_owned(),
            problem,
        };
        FileKind::of(path)?.must_be_file(path, "a WAV file (a pipe is given as raw:PATH)")?;
        let mut file = File::open(path).map_err(|error| open_failed(path, error))?;
        check(&mut file).map_err(|error| match error {
            CheckError::Wav(problem) => wav_error(problem),
            CheckError::Io(source) => OpenError::Io {
                path: path.to_owned(),
                source,
            },
        })?;
        let reader = WavReader::new(BufReader::with_capacity(READ_AHEAD_BYTES, file))
            .map_err(|error| wav_error(header_problem(&error)))?;
        let spec = reader.spec();
        let resampler = match spec.sample_rate {
            SAMPLE_RATE => None,
            rate => Some(
                FileResampler::new(rate).map_err(|_| wav_error(WavProblem::SampleRate(rate)))?,
            ),
        };
        Ok(Self {
            path: path.to_owned(),
            reader,
            resampler,
            ready: VecDeque::with_capacity(2 * TICK_SAMPLES),
            ended: false,
            fault: None,
            notice: conversion_notice(path, spec),
        })
    }

    /// One sample of the file, downmixed; `None` at the end or where the file cannot be read on.
    fn next_frame(&mut self) -> Option<f32> {
        let WavSpec {
            channels,
            bits_per_sample,
            sample_format,
            ..
        } = self.reader.spec();
        let mut sum = 0.0;
        for _ in 0..channels {
            let sample = match sample_format {
                SampleFormat::Float => self.reader.samples::<f32>().next()?,
                SampleFormat::Int => {
                    let full_scale = (1_i64 << (bits_per_sample - 1)) as f32;
                    let sample = self.reader.samples::<i32>().next()?;
                    sample.map(|sample| sample as f32 / full_scale)
                }
            };
            match sample {
                Ok(sample) if sample.is_finite() => sum += sample.clamp(-1.0, 1.0),
                Ok(_) => {}
                Err(error) => {
                    self.fault = Some(DeviceFault::ReadFailed {
                        path: self.path.clone(),
                        detail: error.to_string(),
                    });
                    return None;
                }
            }
        }
        Some(sum / f32::from(channels))
    }

    /// Fetches converted samples until a tick is full or the file ends.
    fn fill(&mut self) {
        while self.ready.len() < TICK_SAMPLES && !self.ended {
            let Some(mut resampler) = self.resampler.take() else {
                match self.next_frame() {
                    Some(sample) => self.ready.push_back(sample),
                    None => self.ended = true,
                }
                continue;
            };
            let wanted = resampler.wanted();
            let input: Vec<f32> = std::iter::from_fn(|| self.next_frame())
                .take(wanted)
                .collect();
            self.ended = input.len() < wanted;
            resampler.convert(&input, &mut self.ready);
            if self.ended {
                resampler.flush(&mut self.ready);
            }
            self.resampler = Some(resampler);
        }
    }
}

impl Microphone for WavMicrophone {
    fn read(&mut self, out: &mut Tick) {
        self.fill();
        for place in out {
            *place = self.ready.pop_front().unwrap_or(0.0);
        }
    }

    fn take_fault(&mut self) -> Option<DeviceFault> {
        self.fault.take()
    }

    fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }
}

enum CheckError {
    Wav(WavProblem),
    Io(std::io::Error),
}

/// Reads the header and compares its promise with the file's length, then rewinds.
fn check(file: &mut File) -> Result<(), CheckError> {
    let length = file.metadata().map_err(CheckError::Io)?.len();
    if length == 0 {
        return Err(CheckError::Wav(WavProblem::EmptyFile));
    }
    let mut head = Vec::new();
    file.by_ref()
        .take(12)
        .read_to_end(&mut head)
        .map_err(CheckError::Io)?;
    let is_wav = head.starts_with(b"RIFF") && head.get(8..12).is_none_or(|kind| kind == b"WAVE");
    if !is_wav {
        return Err(CheckError::Wav(WavProblem::NotWav));
    }
    file.rewind().map_err(CheckError::Io)?;
    let reader =
        WavReader::new(&mut *file).map_err(|error| CheckError::Wav(header_problem(&error)))?;
    let (spec, samples) = (reader.spec(), reader.len());
    let known_coding = match spec.sample_format {
        SampleFormat::Float => spec.bits_per_sample == 32,
        SampleFormat::Int => matches!(spec.bits_per_sample, 8 | 16 | 24 | 32),
    };
    let problem = if !known_coding {
        Some(WavProblem::Coding)
    } else if !matches!(spec.channels, 1 | 2) {
        Some(WavProblem::Channels(spec.channels))
    } else if !SAMPLE_RATES.contains(&spec.sample_rate) {
        Some(WavProblem::SampleRate(spec.sample_rate))
    } else {
        // Nothing is buffered, so the file stands at its first sample.
        let data_start = file.stream_position().map_err(CheckError::Io)?;
        let there = length.saturating_sub(data_start);
        let sample_bytes = u64::from(spec.bits_per_sample / 8);
        let seconds = |bytes: u64| {
            let frame_bytes = sample_bytes * u64::from(spec.channels);
            bytes as f64 / (frame_bytes * u64::from(spec.sample_rate)) as f64
        };
        let promised = u64::from(samples) * sample_bytes;
        if promised > there {
            Some(WavProblem::Truncated {
                promised: seconds(promised),
                found: seconds(there),
            })
        } else if samples < u32::from(spec.channels) {
            Some(WavProblem::NoSamples)
        } else {
            None
        }
    };
    if let Some(problem) = problem {
        return Err(CheckError::Wav(problem));
    }
    file.rewind().map_err(CheckError::Io)
}

fn header_problem(error: &hound::Error) -> WavProblem {
    match error {
        hound::Error::Unsupported => WavProblem::Coding,
        hound::Error::IoError(_) => WavProblem::BadHeader("it ends early".to_owned()),
        other => WavProblem::BadHeader(other.to_string()),
    }
}

fn conversion_notice(path: &Path, spec: WavSpec) -> Option<String> {
    let mut differences = Vec::new();
    if spec.sample_rate != SAMPLE_RATE {
        differences.push(format!("{} Hz", spec.sample_rate));
    }
    if spec.channels != 1 {
        differences.push("stereo".to_owned());
    }
    if spec.bits_per_sample == 8 {
        differences.push("8 bit".to_owned());
    }
    if differences.is_empty() {
        return None;
    }
    let differences = differences.join(", ");
    Some(format!(
        "{} is {differences}: converted to 48 kHz mono while it plays",
        path.display()
    ))
}
