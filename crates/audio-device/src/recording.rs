//! Recordings: a WAV file or raw PCM in an ordinary file, written by a thread of its own, for disks can be slow.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, channel, sync_channel,
};
use std::thread;
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::device::{SAMPLE_RATE, Speaker, TICK_SAMPLES, Tick};
use crate::fault::{DeviceFault, OpenError};
use crate::file_kind::{FileKind, open_failed};
use crate::pcm;

/// 100 ms: the thread is woken so often, which is what a recording costs.
const BATCH_TICKS: usize = 10;

/// 5 s: how long a disk may stall before samples are lost.
const MAX_QUEUED_BATCHES: usize = 50;

/// The header is brought up to date each second, so that even a killed program leaves a file that plays.
const TICKS_BETWEEN_HEADERS: usize = 100;

/// How long [`Speaker::finish`] waits for the disk.
const FINISH_LIMIT: Duration = Duration::from_secs(1);

/// What a WAV header can count, less a little: 12 hours.
const MAX_WAV_BYTES: u64 = u32::MAX as u64 - 64 * 1024;

type Samples = [i16; TICK_SAMPLES];

/// Up to [`BATCH_TICKS`].
type Batch = Vec<Samples>;

/// What the samples are wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    /// 16 bit, 48 kHz, mono.
    Wav,
    /// The same samples without a header.
    Raw,
}

/// A speaker that writes to a file. The file is made when it is opened, an older one is replaced with the first
/// sample: a call that does not come about destroys no recording.
pub(crate) struct Recording {
    path: PathBuf,
    container: Container,
    state: State,
    fault: Option<DeviceFault>,
}

enum State {
    /// Opened, not a sample yet.
    Waiting {
        file: File,
        is_new: bool,
    },
    Running {
        batch: Batch,
        queue: SyncSender<Batch>,
        outcome: Receiver<Result<(), DeviceFault>>,
    },
    Finished,
}

impl Recording {
    pub(crate) fn open(path: &Path, container: Container) -> Result<Self, OpenError> {
        let is_new = match FileKind::of(path) {
            Ok(kind) => {
                kind.must_be_file(path, "a file (a pipe is given as raw:PATH)")?;
                false
            }
            Err(OpenError::NotFound { .. }) => true,
            Err(error) => return Err(error),
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| match error.kind() {
                // The file need not be there, so it is its directory that is missing.
                io::ErrorKind::NotFound => OpenError::Io {
                    path: path.to_owned(),
                    source: error,
                },
                _ => open_failed(path, error),
            })?;
        Ok(Self::new(path, file, is_new, container))
    }

    /// Standard output that is an ordinary file; the shell has emptied it or wants it appended to.
    pub(crate) fn standard_output(file: File) -> Self {
        Self::new(Path::new("standard output"), file, true, Container::Raw)
    }

    fn new(path: &Path, file: File, is_new: bool, container: Container) -> Self {
        Self {
            path: path.to_owned(),
            container,
            state: State::Waiting { file, is_new },
            fault: None,
        }
    }

    /// Starts the thread that writes.
    fn start(&mut self, file: File, is_new: bool) {
        let (queue, samples) = sync_channel(MAX_QUEUED_BATCHES);
        let (report, outcome) = channel();
        let (path, container) = (self.path.clone(), self.container);
        let thread = thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || {
                let emptied = if is_new { Ok(()) } else { file.set_len(0) };
                let result = emptied.and_then(|()| record(file, container, &samples));
                // The other end is gone when the recording was dropped without `finish`.
                let _ = report.send(result.map_err(|error| DeviceFault::of_write(&path, &error)));
            });
        match thread {
            Ok(_) => {
                self.state = State::Running {
                    batch: Batch::with_capacity(BATCH_TICKS),
                    queue,
                    outcome,
                };
            }
            Err(error) => self.fault = Some(DeviceFault::of_write(&self.path, &error)),
        }
    }
}

impl Speaker for Recording {
    fn write(&mut self, samples: &Tick) {
        if matches!(self.state, State::Waiting { .. })
            && let State::Waiting { file, is_new } =
                std::mem::replace(&mut self.state, State::Finished)
        {
            self.start(file, is_new);
        }
        let State::Running {
            batch,
            queue,
            outcome,
        } = &mut self.state
        else {
            return;
        };
        batch.push(samples.map(pcm::to_i16));
        if batch.len() < BATCH_TICKS {
            return;
        }
        let batch = std::mem::replace(batch, Batch::with_capacity(BATCH_TICKS));
        match queue.try_send(batch) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!("the disk is too slow for the recording: 100 ms are lost");
            }
            Err(TrySendError::Disconnected(_)) => {
                self.fault = match outcome.recv_timeout(FINISH_LIMIT) {
                    Ok(Err(fault)) => Some(fault),
                    _ => None,
                };
                self.state = State::Finished;
            }
        }
    }

    fn finish(&mut self) -> Result<(), DeviceFault> {
        match std::mem::replace(&mut self.state, State::Finished) {
            State::Waiting { file, is_new: true } if self.container == Container::Wav => {
                // Not a sample came, but a new file must be a WAV.
                wav_writer(file)
                    .and_then(|writer| writer.finalize().map_err(into_io))
                    .map_err(|error| DeviceFault::of_write(&self.path, &error))
            }
            State::Waiting { .. } => Ok(()),
            State::Running {
                batch,
                queue,
                outcome,
            } => {
                if queue.try_send(batch).is_err() {
                    tracing::warn!("the end of the recording is lost");
                }
                drop(queue);
                match outcome.recv_timeout(FINISH_LIMIT) {
                    Ok(result) => result,
                    Err(RecvTimeoutError::Timeout) => Err(DeviceFault::WriteFailed {
                        path: self.path.clone(),
                        detail: "the disk does not answer".to_owned(),
                    }),
                    Err(RecvTimeoutError::Disconnected) => Ok(()),
                }
            }
            State::Finished => self.fault.take().map_or(Ok(()), Err),
        }
    }

    fn take_fault(&mut self) -> Option<DeviceFault> {
        if let State::Running { outcome, .. } = &self.state {
            match outcome.try_recv() {
                Ok(Err(fault)) => {
                    self.fault = Some(fault);
                    self.state = State::Finished;
                }
                Ok(Ok(())) | Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
            }
        }
        self.fault.take()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Err(fault) = self.finish() {
            tracing::warn!(%fault, "the recording is not complete");
        }
    }
}

/// The thread: writes what comes until the queue is closed.
fn record<W: Write + Seek>(
    sink: W,
    container: Container,
    samples: &Receiver<Batch>,
) -> io::Result<()> {
    match container {
        Container::Wav => record_wav(sink, samples),
        Container::Raw => record_raw(sink, samples),
    }
}

fn record_wav<W: Write + Seek>(sink: W, samples: &Receiver<Batch>) -> io::Result<()> {
    let mut writer = wav_writer(sink)?;
    for (ticks, tick) in samples.iter().flatten().enumerate() {
        if ticks as u64 * pcm::TICK_BYTES as u64 > MAX_WAV_BYTES {
            writer.finalize().map_err(into_io)?;
            return Err(io::Error::other(
                "a WAV file holds 12 hours, and they are full",
            ));
        }
        for sample in tick {
            writer.write_sample(sample).map_err(into_io)?;
        }
        if ticks.is_multiple_of(TICKS_BETWEEN_HEADERS) {
            writer.flush().map_err(into_io)?;
        }
    }
    writer.finalize().map_err(into_io)
}

fn record_raw<W: Write>(sink: W, samples: &Receiver<Batch>) -> io::Result<()> {
    let mut writer = BufWriter::new(sink);
    for (ticks, tick) in samples.iter().flatten().enumerate() {
        for sample in tick {
            writer.write_all(&sample.to_le_bytes())?;
        }
        if ticks.is_multiple_of(TICKS_BETWEEN_HEADERS) {
            writer.flush()?;
        }
    }
    writer.flush()
}

fn wav_writer<W: Write + Seek>(sink: W) -> io::Result<WavWriter<BufWriter<W>>> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    WavWriter::new(BufWriter::new(sink), spec).map_err(into_io)
}

fn into_io(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, SeekFrom};

    use super::*;

    /// A disk with room for so many bytes.
    struct SmallDisk {
        content: Cursor<Vec<u8>>,
        room: usize,
    }

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.content.position() as usize + bytes.len() > self.room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.content.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for SmallDisk {
        fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
            self.content.seek(position)
        }
    }

    #[test]
    fn a_disk_that_fills_up_is_reported_as_full() {
        for container in [Container::Wav, Container::Raw] {
            let (queue, samples) = sync_channel(400);
            for _ in 0..400 {
                queue.send(vec![[7; TICK_SAMPLES]]).unwrap();
            }
            drop(queue);
            let disk = SmallDisk {
                content: Cursor::default(),
                room: 200_000,
            };
            let error = record(disk, container, &samples).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            let fault = DeviceFault::of_write(Path::new("call.wav"), &error);
            assert_eq!(
                fault.to_string(),
                "the disk is full: the recording call.wav ends here"
            );
        }
    }
}
