//! A WAV file as a microphone: played once, then silence.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::device::{Device, Microphone, SAMPLE_RATE, TICK_SAMPLES, Tick};
use crate::fault::{DeviceFault, OpenError, WavProblem};
use crate::file_kind::{FileKind, open_failed};
use crate::file_resampler::FileResampler;
use crate::wav::{Coding, WavError, WavHeader, WavReader};

/// Plays a file. Whatever its rate, its channels and its coding are, it becomes 48 kHz mono while it plays.
pub(crate) struct WavMicrophone {
    path: PathBuf,
    reader: WavReader<File>,
    resampler: Option<FileResampler>,
    /// What was read last; kept for its memory.
    input: Vec<f32>,
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
        // Before it is opened: opening a pipe waits for its writer.
        FileKind::of(path)?.must_be_file(path, "a WAV file (a pipe is given as raw:PATH)")?;
        let file = File::open(path).map_err(|error| open_failed(path, error))?;
        let reader = WavReader::new(file).map_err(|error| match error {
            WavError::Problem(problem) => wav_error(problem),
            WavError::Io(error) => open_failed(path, error),
        })?;
        let header = reader.header();
        let resampler = match header.format.sample_rate {
            SAMPLE_RATE => None,
            rate => Some(
                FileResampler::new(rate).map_err(|_| wav_error(WavProblem::SampleRate(rate)))?,
            ),
        };
        let notice = notice(path, header);
        Ok(Self {
            path: path.to_owned(),
            reader,
            resampler,
            input: Vec::new(),
            ready: VecDeque::with_capacity(2 * TICK_SAMPLES),
            ended: false,
            fault: None,
            notice,
        })
    }

    /// Whether all of it has been handed out.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended && self.ready.is_empty()
    }

    /// Plays it once more; says whether that works.
    pub(crate) fn begin_anew(&mut self) -> bool {
        let rate = self.reader.header().format.sample_rate;
        let resampler = match rate {
            SAMPLE_RATE => Ok(None),
            rate => FileResampler::new(rate).map(Some),
        };
        let (Ok(resampler), Ok(())) = (resampler, self.reader.rewind()) else {
            return false;
        };
        (self.resampler, self.ended) = (resampler, false);
        true
    }

    /// Samples of the file. Gives how many: fewer are the end, or where the file cannot be read on.
    fn read_file(&mut self, out: &mut [f32]) -> usize {
        let (count, read) = self.reader.read(out);
        if let Err(error) = read {
            self.fault = Some(DeviceFault::ReadFailed {
                path: self.path.clone(),
                detail: error.to_string(),
            });
        }
        count
    }

    /// Fetches converted samples until a tick is full or the file ends.
    fn fill(&mut self) {
        while self.ready.len() < TICK_SAMPLES && !self.ended {
            let wanted = match &self.resampler {
                Some(resampler) => resampler.wanted(),
                None => TICK_SAMPLES - self.ready.len(),
            };
            let mut input = std::mem::take(&mut self.input);
            input.resize(wanted, 0.0);
            let count = self.read_file(&mut input);
            input.truncate(count);
            self.ended = count < wanted;
            if let Some(resampler) = &mut self.resampler {
                resampler.convert(&input, &mut self.ready);
                if self.ended {
                    resampler.flush(&mut self.ready);
                }
            } else {
                self.ready.extend(&input);
            }
            self.input = input;
        }
    }
}

impl Device for WavMicrophone {
    fn take_fault(&mut self) -> Option<DeviceFault> {
        self.fault.take()
    }

    fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }
}

impl Microphone for WavMicrophone {
    fn read(&mut self, out: &mut Tick) {
        self.fill();
        out.fill(0.0);
        let count = self.ready.len().min(out.len());
        for (place, sample) in out.iter_mut().zip(self.ready.drain(..count)) {
            *place = sample;
        }
    }
}

/// What the user should know of a file that is not 48 kHz mono, or not whole.
fn notice(path: &Path, header: &WavHeader) -> Option<String> {
    let format = &header.format;
    let mut differences = Vec::new();
    if format.sample_rate != SAMPLE_RATE {
        differences.push(format!("{} Hz", format.sample_rate));
    }
    match format.channels {
        1 => {}
        2 => differences.push("stereo".to_owned()),
        channels => differences.push(format!("{channels} channels")),
    }
    match format.coding {
        Coding::Integer(1) => differences.push("8 bit".to_owned()),
        Coding::ALaw => differences.push("A-law".to_owned()),
        Coding::MuLaw => differences.push("µ-law".to_owned()),
        Coding::Integer(_) | Coding::Float32 | Coding::Float64 => {}
    }
    let converted = (!differences.is_empty()).then(|| {
        format!(
            "is {}: converted to 48 kHz mono while it plays",
            differences.join(", ")
        )
    });
    let cut_off = header.promised.map(|promised| {
        format!(
            "is cut off: its header promises {:.1} s, {:.1} s are there and are played",
            header.seconds(promised),
            header.seconds(header.frames)
        )
    });
    let path = path.display();
    match (converted, cut_off) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(format!("{path} {one}")),
        (Some(converted), Some(cut_off)) => Some(format!("{path} {converted}; it {cut_off}")),
    }
}
