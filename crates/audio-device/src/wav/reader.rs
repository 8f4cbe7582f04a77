//! From a WAV file to samples.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::header::{HeaderReader, WavHeader};
use crate::fault::WavProblem;

/// Reads ahead a second of 16-bit sound, so that most ticks touch no file.
const READ_AHEAD_BYTES: usize = 96 * 1024;

/// Why a WAV file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// It is none that can be played.
    #[error("the file {0}")]
    Problem(#[from] WavProblem),
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Plays a WAV file once, mixed to one channel, at the file's own rate.
#[derive(Debug)]
pub struct WavReader<R> {
    source: BufReader<R>,
    header: WavHeader,
    /// Frames that are still to come.
    left: u64,
    frame: Vec<u8>,
}

impl<R: Read + Seek> WavReader<R> {
    /// Reads the header of a file.
    ///
    /// # Errors
    ///
    /// It is none that can be played, or it cannot be read.
    pub fn new(mut source: R) -> Result<Self, WavError> {
        let mut reader = HeaderReader::new(source.seek(SeekFrom::End(0))?);
        let mut bytes = Vec::new();
        let header = loop {
            let wanted = reader.wanted();
            source.seek(SeekFrom::Start(wanted.at))?;
            bytes.clear();
            source
                .by_ref()
                .take(wanted.count as u64)
                .read_to_end(&mut bytes)?;
            if let Some(header) = reader.handle(&bytes)? {
                break header;
            }
        };
        source.seek(SeekFrom::Start(header.data_at))?;
        Ok(Self {
            source: BufReader::with_capacity(READ_AHEAD_BYTES, source),
            left: header.frames,
            frame: vec![0; header.format.frame_bytes()],
            header,
        })
    }

    /// What the file holds.
    #[must_use]
    pub fn header(&self) -> &WavHeader {
        &self.header
    }

    /// The next sample, from −1 to 1; `None` at the end.
    ///
    /// # Errors
    ///
    /// The file cannot be read on, or has become shorter.
    pub fn next_sample(&mut self) -> io::Result<Option<f32>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.source.read_exact(&mut self.frame)?;
        self.left -= 1;
        Ok(Some(self.header.format.mix(&self.frame)))
    }

    /// Back to the first sample.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn rewind(&mut self) -> io::Result<()> {
        self.source.seek(SeekFrom::Start(self.header.data_at))?;
        self.left = self.header.frames;
        Ok(())
    }
}
