//! Raw PCM (s16le, 48 kHz, mono) to a pipe or standard output, in real time.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::device::{Device, Speaker, Tick};
use crate::fault::{DeviceFault, OpenError};
use crate::file_kind::{FileKind, open_failed};
use crate::fit::Fit;
use crate::{pcm, readiness};

/// 170 ms: what a reader may be late without losing samples, and the oldest sound it hears after a stall.
const PIPE_BYTES: i32 = 16 * 1024;

/// How bytes go out without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Our own descriptor, opened with O_NONBLOCK.
    NonBlocking,
    /// A standard stream that is a pipe or a device: written only when there is room.
    AskFirst,
    /// A standard stream that is a socket.
    Socket,
}

/// Writes raw PCM without ever waiting for its reader: what does not fit at its time is lost.
pub(crate) struct RawSpeaker {
    name: PathBuf,
    /// `None` while a named pipe has no reader, and for good after an error.
    sink: Option<File>,
    way: Way,
    /// Open the named pipe again when a reader comes.
    reopen: bool,
    /// The rest of a tick of which a part was written: it goes first, so that samples stay whole.
    rest: Vec<u8>,
    fit: Fit,
    fault: Option<DeviceFault>,
}

impl RawSpeaker {
    /// A named pipe or a device such as `/dev/null`.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let mut speaker = Self {
            name: path.to_owned(),
            sink: None,
            way: Way::NonBlocking,
            reopen: true,
            rest: Vec::new(),
            fit: Fit::default(),
            fault: None,
        };
        speaker
            .open_sink()
            .map_err(|error| open_failed(path, error))?;
        Ok(speaker)
    }

    /// Standard output that is not an ordinary file.
    pub(crate) fn standard_output(sink: File, kind: FileKind) -> Self {
        readiness::limit_pipe(&sink, PIPE_BYTES);
        Self {
            name: "standard output".into(),
            sink: Some(sink),
            way: if kind == FileKind::Socket {
                Way::Socket
            } else {
                Way::AskFirst
            },
            reopen: false,
            rest: Vec::new(),
            fit: Fit::default(),
            fault: None,
        }
    }

    /// Opens the pipe if it has a reader; without one it is no error.
    fn open_sink(&mut self) -> io::Result<()> {
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&self.name);
        match opened {
            Ok(sink) => {
                readiness::limit_pipe(&sink, PIPE_BYTES);
                self.sink = Some(sink);
                Ok(())
            }
            // Nobody reads yet.
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes what fits; says how much.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let Some(sink) = &mut self.sink else { return 0 };
        let written = match self.way {
            Way::NonBlocking => sink.write(bytes),
            Way::AskFirst if readiness::writable(sink) => sink.write(bytes),
            Way::AskFirst => return 0,
            Way::Socket => readiness::send_now(sink, bytes),
        };
        match written {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => {
                self.fail(&error);
                0
            }
        }
    }

    fn fail(&mut self, error: &io::Error) {
        self.sink = None;
        self.rest.clear();
        if error.kind() == io::ErrorKind::BrokenPipe {
            if !self.reopen {
                self.fault = Some(DeviceFault::OutputClosed);
            }
            return;
        }
        self.reopen = false;
        self.fault = Some(DeviceFault::of_write(&self.name, error));
    }
}

impl Device for RawSpeaker {
    fn take_fault(&mut self) -> Option<DeviceFault> {
        self.fault.take()
    }
}

impl Speaker for RawSpeaker {
    fn write(&mut self, samples: &Tick) {
        let samples = self.fit.fit(samples);
        if self.sink.is_none()
            && self.reopen
            && let Err(error) = self.open_sink()
        {
            self.fail(&error);
        }
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            let written = self.put(&rest);
            if written < rest.len() && self.sink.is_some() {
                self.rest = rest[written..].to_vec();
                return;
            }
        }
        let bytes = pcm::to_bytes(&samples);
        let written = self.put(&bytes);
        if written > 0 && written < bytes.len() {
            self.rest = bytes[written..].to_vec();
        }
    }

    fn move_next(&mut self, earlier: i32) {
        self.fit.move_next(earlier);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::device::TICK_SAMPLES;
    use crate::pcm::TICK_BYTES;

    const TICK: Tick = [0.5; TICK_SAMPLES];

    #[test]
    fn a_reader_of_standard_output_that_stalls_loses_samples_and_blocks_nothing() {
        let (mut reader, writer) = io::pipe().unwrap();
        let sink = File::from(OwnedFd::from(writer));
        let mut speaker = RawSpeaker::standard_output(sink, FileKind::Pipe);
        for _ in 0..1_000 {
            speaker.write(&TICK);
        }
        assert!(speaker.take_fault().is_none());
        drop(speaker);
        let mut heard = Vec::new();
        reader.read_to_end(&mut heard).unwrap();
        assert!(heard.len() >= 4 * TICK_BYTES, "{}", heard.len());
        assert!(heard.len() < 100 * TICK_BYTES, "{}", heard.len());
        assert_eq!(heard.len() % TICK_BYTES, 0, "whole ticks");
        assert!(heard.chunks_exact(2).all(|sample| sample == [0, 0x40]));
    }

    #[test]
    fn a_closed_standard_output_is_reported_once() {
        let (reader, writer) = io::pipe().unwrap();
        let sink = File::from(OwnedFd::from(writer));
        let mut speaker = RawSpeaker::standard_output(sink, FileKind::Pipe);
        drop(reader);
        speaker.write(&TICK);
        speaker.write(&TICK);
        assert_eq!(speaker.take_fault(), Some(DeviceFault::OutputClosed));
        assert_eq!(speaker.take_fault(), None);
    }

    #[test]
    fn a_socket_that_takes_parts_of_ticks_gets_whole_samples() {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        let sink = File::from(OwnedFd::from(writer));
        let mut speaker = RawSpeaker::standard_output(sink, FileKind::Socket);
        for _ in 0..2_000 {
            speaker.write(&TICK);
        }
        let mut head = vec![0; 50_001];
        reader.read_exact(&mut head).unwrap();
        for _ in 0..10 {
            speaker.write(&TICK);
        }
        drop(speaker);
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        head.extend(rest);
        assert!(head.chunks_exact(2).all(|sample| sample == [0, 0x40]));
    }

    #[test]
    fn a_device_without_room_is_reported_as_a_full_disk() {
        let mut speaker = RawSpeaker::open(Path::new("/dev/full")).unwrap();
        speaker.write(&TICK);
        speaker.write(&TICK);
        let fault = speaker.take_fault().unwrap();
        assert_eq!(
            fault.to_string(),
            "the disk is full: the recording /dev/full ends here"
        );
        assert_eq!(speaker.take_fault(), None, "once");
    }
}
