//! Recordings: a WAV file or raw PCM in an ordinary file, written by a thread of its own, for disks can be slow.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, channel, sync_channel,
};
use std::thread;
use std::time::Duration;

use crate::device::{Device, Speaker, TICK_SAMPLES, Tick};
use crate::fault::{DeviceFault, OpenError};
use crate::file_kind::{FileKind, open_failed};
use crate::fit::Fit;
use crate::pcm;
use crate::wav::recording_header;

/// 100 ms: the thread is woken so often, which is what a recording costs.
const BATCH_SAMPLES: usize = 10 * TICK_SAMPLES;

/// 5 s: how long a disk may stall before samples are lost.
const MAX_QUEUED_BATCHES: usize = 50;

/// The header is there from the start and brought up to date each second, so that even a killed program leaves a file that plays.
const BATCHES_BETWEEN_HEADERS: usize = 10;

/// How long [`Speaker::finish`] waits for the disk.
const FINISH_LIMIT: Duration = Duration::from_secs(1);

/// What a WAV header can count, less a little: 12 hours.
const MAX_WAV_BYTES: u32 = u32::MAX - 64 * 1024;

/// Ticks, until there are [`BATCH_SAMPLES`].
type Batch = Vec<i16>;

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
    fit: Fit,
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
        if is_new && container == Container::Wav {
            // A WAV from the start: what is killed before the first sample leaves one, too.
            (&file)
                .write_all(&recording_header(0))
                .map_err(|error| open_failed(path, error))?;
        }
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
            fit: Fit::default(),
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
                let emptied = match (container, is_new) {
                    // Replaced by its header first: at no moment is the file something that no player opens.
                    (Container::Wav, _) => (&file)
                        .rewind()
                        .and_then(|()| (&file).write_all(&recording_header(0)))
                        .and_then(|()| file.set_len(recording_header(0).len() as u64)),
                    (Container::Raw, false) => file.set_len(0),
                    (Container::Raw, true) => Ok(()),
                };
                let result = emptied.and_then(|()| record(file, container, &samples));
                // The other end is gone when the recording was dropped without `finish`.
                let _ = report.send(result.map_err(|error| DeviceFault::of_write(&path, &error)));
            });
        match thread {
            Ok(_) => {
                self.state = State::Running {
                    batch: empty_batch(),
                    queue,
                    outcome,
                };
            }
            Err(error) => self.fault = Some(DeviceFault::of_write(&self.path, &error)),
        }
    }
}

impl Device for Recording {
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
        let samples = self.fit.fit(samples);
        batch.extend(samples.iter().map(|it| pcm::to_i16(*it)));
        if batch.len() < BATCH_SAMPLES {
            return;
        }
        let batch = std::mem::replace(batch, empty_batch());
        match queue.try_send(batch) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!("the disk is too slow for the recording: 100 ms are lost");
            }
            // The thread has ended, and says why as the last thing it does.
            Err(TrySendError::Disconnected(_)) => {
                self.fault = match outcome.recv_timeout(FINISH_LIMIT) {
                    Ok(Err(fault)) => Some(fault),
                    _ => None,
                };
                self.state = State::Finished;
            }
        }
    }

    fn move_next(&mut self, earlier: i32) {
        self.fit.move_next(earlier);
    }

    fn finish(&mut self) -> Result<(), DeviceFault> {
        match std::mem::replace(&mut self.state, State::Finished) {
            State::Waiting { .. } => Ok(()),
            State::Running {
                batch,
                queue,
                outcome,
            } => {
                if queue.try_send(batch).is_err() {
                    tracing::warn!("the end of the recording is lost");
                }
                // Tells the thread that nothing more comes: it writes the header and ends.
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
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Err(fault) = self.finish() {
            tracing::warn!(%fault, "the recording is not complete");
        }
    }
}

fn empty_batch() -> Batch {
    Batch::with_capacity(BATCH_SAMPLES + 2 * TICK_SAMPLES)
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

/// `sink` stands behind a header. The samples go first and the header follows: it never counts more than is there.
fn record_wav<W: Write + Seek>(sink: W, samples: &Receiver<Batch>) -> io::Result<()> {
    let mut writer = BufWriter::new(sink);
    let mut data_bytes = 0;
    for (batches, batch) in samples.iter().enumerate() {
        if data_bytes > MAX_WAV_BYTES {
            bring_header_up_to_date(&mut writer, data_bytes)?;
            return Err(io::Error::other(
                "a WAV file holds 12 hours, and they are full",
            ));
        }
        writer.write_all(&pcm::bytes_of(&batch))?;
        data_bytes += (batch.len() * pcm::SAMPLE_BYTES) as u32;
        if batches.is_multiple_of(BATCHES_BETWEEN_HEADERS) {
            bring_header_up_to_date(&mut writer, data_bytes)?;
        }
    }
    bring_header_up_to_date(&mut writer, data_bytes)
}

fn bring_header_up_to_date<W: Write + Seek>(
    writer: &mut BufWriter<W>,
    data_bytes: u32,
) -> io::Result<()> {
    writer.flush()?;
    let sink = writer.get_mut();
    sink.rewind()?;
    sink.write_all(&recording_header(data_bytes))?;
    sink.seek(SeekFrom::End(0))?;
    sink.flush()
}

fn record_raw<W: Write>(sink: W, samples: &Receiver<Batch>) -> io::Result<()> {
    let mut writer = BufWriter::new(sink);
    for (batches, batch) in samples.iter().enumerate() {
        writer.write_all(&pcm::bytes_of(&batch))?;
        if batches.is_multiple_of(BATCHES_BETWEEN_HEADERS) {
            writer.flush()?;
        }
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

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
                queue.send(vec![7; TICK_SAMPLES]).unwrap();
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
