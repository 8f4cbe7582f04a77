//! Raw PCM (s16le, 48 kHz, mono) from a pipe, a file or standard input.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::device::{Device, Microphone, Tick};
use crate::fault::{DeviceFault, OpenError};
use crate::file_kind::{FileKind, open_failed};
use crate::pcm::{self, SAMPLE_BYTES, TICK_BYTES};
use crate::readiness;

/// 40 ms: live sound that waits longer is stale.
const MAX_WAITING_BYTES: usize = 4 * TICK_BYTES;

/// What one call takes from a pipe at most (2.7 s): four times what a pipe holds, so it is emptied, but an endless
/// source such as `/dev/zero` does not hold the call up.
const MAX_DRAIN_BYTES: usize = 256 * 1024;

/// Reads raw PCM without ever waiting for its writer.
///
/// A pipe is live: what waits longer than 40 ms is dropped, and a pause of the writer is silence. A file is played
/// from its start at its own pace, then silence.
pub(crate) struct RawMicrophone {
    name: PathBuf,
    source: Option<File>,
    /// An ordinary file: paced by the ticks, nothing in it is stale.
    paced: bool,
    /// Not switched to non-blocking: ask before each read.
    ask_first: bool,
    /// Standard input does not come back after its end, a named pipe may get another writer.
    ends: bool,
    waiting: VecDeque<u8>,
    fault: Option<DeviceFault>,
}

impl RawMicrophone {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let kind = FileKind::of(path)?;
        match kind {
            FileKind::File | FileKind::Pipe | FileKind::CharacterDevice => {}
            FileKind::Socket | FileKind::Directory | FileKind::BlockDevice => {
                return Err(kind.refusal(path, "a pipe or a file"));
            }
        }
        // Without O_NONBLOCK this would wait until somebody writes.
        let source = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(|error| open_failed(path, error))?;
        Ok(Self::new(path, source, kind, false))
    }

    pub(crate) fn standard_input() -> Result<Self, OpenError> {
        let name = Path::new("standard input");
        let stdin = io::stdin();
        if stdin.is_terminal() {
            return Err(OpenError::WrongKind {
                path: name.to_owned(),
                found: "a terminal",
                expected: "a pipe or a file",
            });
        }
        let failed = |error| open_failed(name, error);
        let source = File::from(stdin.as_fd().try_clone_to_owned().map_err(failed)?);
        let kind = FileKind::from_metadata(&source.metadata().map_err(failed)?);
        Ok(Self::new(name, source, kind, true))
    }

    fn new(name: &Path, source: File, kind: FileKind, standard: bool) -> Self {
        Self {
            name: name.to_owned(),
            source: Some(source),
            paced: kind == FileKind::File,
            ask_first: standard,
            ends: standard || kind != FileKind::Pipe,
            waiting: VecDeque::new(),
            fault: None,
        }
    }

    /// Takes what is there, at most `limit` bytes.
    fn take_in(&mut self, limit: usize) {
        let mut chunk = [0; 16 * 1024];
        let mut left = limit;
        while left > 0 {
            let Some(source) = &mut self.source else {
                return;
            };
            // Standard input cannot be switched to non-blocking (see `readiness`).
            if self.ask_first && !readiness::readable(source) {
                return;
            }
            let size = chunk.len().min(left);
            match source.read(&mut chunk[..size]) {
                Ok(0) => {
                    // No writer (any more): half a sample will not be completed.
                    if !self.waiting.len().is_multiple_of(SAMPLE_BYTES) {
                        self.waiting.pop_back();
                    }
                    // A named pipe is kept: another writer may open it.
                    if self.ends {
                        self.source = None;
                    }
                    return;
                }
                Ok(count) => {
                    self.waiting.extend(&chunk[..count]);
                    left -= count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    let detail = error.to_string();
                    self.fault = Some(DeviceFault::ReadFailed {
                        path: self.name.clone(),
                        detail,
                    });
                    self.source = None;
                    return;
                }
            }
        }
    }

    /// Drops the oldest whole samples until at most `bytes` and half a sample wait.
    fn keep(&mut self, bytes: usize) {
        let excess = self.waiting.len().saturating_sub(bytes) / SAMPLE_BYTES * SAMPLE_BYTES;
        self.waiting.drain(..excess);
    }
}

impl Device for RawMicrophone {
    fn take_fault(&mut self) -> Option<DeviceFault> {
        self.fault.take()
    }
}

impl Microphone for RawMicrophone {
    fn read(&mut self, out: &mut Tick) {
        if self.paced {
            self.take_in(TICK_BYTES.saturating_sub(self.waiting.len()));
        } else {
            self.take_in(MAX_DRAIN_BYTES);
            self.keep(TICK_BYTES + MAX_WAITING_BYTES);
        }
        // Less than a tick from a writer that is only late is kept: a gap once is better than a click each tick.
        if self.waiting.len() < TICK_BYTES && self.source.is_some() {
            out.fill(0.0);
            return;
        }
        for place in out {
            let (Some(low), Some(high)) = (self.waiting.pop_front(), self.waiting.pop_front())
            else {
                *place = 0.0;
                continue;
            };
            *place = pcm::from_i16(i16::from_le_bytes([low, high]));
        }
    }

    fn discard(&mut self) {
        if !self.paced {
            self.take_in(MAX_DRAIN_BYTES);
            self.keep(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::device::TICK_SAMPLES;

    /// A microphone on an unnamed pipe, as standard input is, and its writer.
    fn piped() -> (RawMicrophone, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        let source = File::from(OwnedFd::from(reader));
        (
            RawMicrophone::new(Path::new("standard input"), source, FileKind::Pipe, true),
            writer,
        )
    }

    fn tick_of(value: i16) -> Vec<u8> {
        value.to_le_bytes().repeat(TICK_SAMPLES)
    }

    fn read(microphone: &mut RawMicrophone) -> Tick {
        let mut out = [9.0; TICK_SAMPLES];
        microphone.read(&mut out);
        out
    }

    #[test]
    fn an_open_pipe_without_a_byte_is_silence_and_does_not_block() {
        let (mut microphone, _writer) = piped();
        microphone.discard();
        assert_eq!(read(&mut microphone), [0.0; TICK_SAMPLES]);
    }

    #[test]
    fn the_end_of_the_pipe_is_silence_after_its_last_sample() {
        let (mut microphone, mut writer) = piped();
        writer
            .write_all(&tick_of(16_384)[..100 * SAMPLE_BYTES + 1])
            .unwrap();
        drop(writer);
        // The first tick may still be waiting for more; then the end shows.
        let ticks = [read(&mut microphone), read(&mut microphone)].concat();
        let sounding = ticks.iter().filter(|sample| **sample == 0.5).count();
        let silent = ticks.iter().filter(|sample| **sample == 0.0).count();
        assert_eq!(
            (sounding, silent),
            (100, 2 * TICK_SAMPLES - 100),
            "half a sample is dropped"
        );
        assert_eq!(read(&mut microphone), [0.0; TICK_SAMPLES]);
        assert!(microphone.take_fault().is_none(), "an end is no fault");
    }

    #[test]
    fn an_endless_source_does_not_hold_the_tick_up() {
        let mut microphone = RawMicrophone::open(Path::new("/dev/zero")).unwrap();
        microphone.discard();
        assert_eq!(read(&mut microphone), [0.0; TICK_SAMPLES]);
        assert!(microphone.waiting.len() <= MAX_WAITING_BYTES);
    }

    #[test]
    fn at_most_40_ms_are_kept_waiting_and_they_are_the_newest() {
        let (mut microphone, mut writer) = piped();
        for value in 1..=20 {
            writer.write_all(&tick_of(value)).unwrap();
        }
        let first = pcm::to_i16(read(&mut microphone)[0]);
        assert_eq!(first, 16, "ticks 16 to 20: one is handed out, four wait");
        assert_eq!(microphone.waiting.len(), MAX_WAITING_BYTES);
    }

    #[test]
    fn a_tick_that_comes_in_two_parts_is_one_gap_and_loses_no_sample() {
        let (mut microphone, mut writer) = piped();
        let tick = tick_of(16_384);
        // The cut goes through a sample.
        writer.write_all(&tick[..333]).unwrap();
        assert_eq!(read(&mut microphone), [0.0; TICK_SAMPLES]);
        writer.write_all(&tick[333..]).unwrap();
        assert_eq!(read(&mut microphone), [0.5; TICK_SAMPLES]);
    }

    #[test]
    fn what_came_before_the_call_was_connected_is_dropped_to_the_byte() {
        let (mut microphone, mut writer) = piped();
        writer.write_all(&tick_of(-1)[..555]).unwrap();
        microphone.discard();
        // The other half of the sample that was cut, then the first whole one.
        writer.write_all(&tick_of(-1)[555..556]).unwrap();
        writer.write_all(&tick_of(16_384)).unwrap();
        let out = read(&mut microphone);
        let stale = out.iter().filter(|sample| **sample != 0.5).count();
        assert_eq!(stale, 1, "at most the sample that was under way");
    }

    #[test]
    fn standard_input_from_a_file_is_played_from_its_start_at_its_own_pace() {
        let mut file = tempfile::tempfile().unwrap();
        for value in 1..=20 {
            file.write_all(&tick_of(value)).unwrap();
        }
        io::Seek::rewind(&mut file).unwrap();
        let name = Path::new("standard input");
        let mut microphone = RawMicrophone::new(name, file, FileKind::File, true);
        microphone.discard();
        for value in 1..=20 {
            assert_eq!(pcm::to_i16(read(&mut microphone)[479]), value);
        }
        assert_eq!(read(&mut microphone), [0.0; TICK_SAMPLES]);
    }
}
