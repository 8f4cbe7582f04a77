//! From a WAV file to samples.

use std::io::{self, BufRead as _, BufReader, Read, Seek, SeekFrom};

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

    /// Fills `out` with the next samples, from −1 to 1. Gives how many there were: fewer at the end, and where the file cannot be
    /// read on, or has become shorter.
    pub fn read(&mut self, out: &mut [f32]) -> (usize, io::Result<()>) {
        let frame_bytes = self.frame.len();
        let mut filled = 0;
        while let Some(empty) = out.get_mut(filled..)
            && !empty.is_empty()
            && self.left > 0
        {
            let ahead = self.source.buffer();
            let frames = (ahead.len() / frame_bytes)
                .min(empty.len())
                .min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let read = if let (Some(bytes @ [_, ..]), Some(out)) =
                (ahead.get(..frames * frame_bytes), empty.get_mut(..frames))
            {
                self.header.format.mix(bytes, out);
                self.source.consume(frames * frame_bytes);
                frames
            } else {
                // It lies across the end of what was read ahead.
                if let Err(error) = self.source.read_exact(&mut self.frame) {
                    return (filled, Err(error));
                }
                self.header.format.mix(&self.frame, empty);
                1
            };
            filled += read;
            self.left -= read as u64;
        }
        (filled, Ok(()))
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const CHANNELS: u16 = 5;
    const FRAMES: usize = 20_000;

    /// 16 bit, so that a frame lies across the end of what is read ahead. All channels of a frame say its number.
    fn file() -> Vec<u8> {
        let data: Vec<u8> = (0..FRAMES)
            .flat_map(|frame| (frame as i16).to_le_bytes().repeat(CHANNELS.into()))
            .collect();
        let frame_bytes = 2 * CHANNELS;
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0".to_vec();
        file.extend(CHANNELS.to_le_bytes());
        file.extend(48_000_u32.to_le_bytes());
        file.extend((48_000 * u32::from(frame_bytes)).to_le_bytes());
        file.extend(frame_bytes.to_le_bytes());
        file.extend(16_u16.to_le_bytes());
        file.extend(b"data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn frames_come_whole_whatever_is_read_ahead_of_them() {
        let mut reader = WavReader::new(Cursor::new(file())).unwrap();
        assert_ne!(READ_AHEAD_BYTES % reader.frame.len(), 0);
        let mut heard = Vec::new();
        for wanted in (1..700).cycle() {
            let mut samples = vec![0.0; wanted];
            let (count, read) = reader.read(&mut samples);
            read.unwrap();
            heard.extend_from_slice(&samples[..count]);
            if count < wanted {
                break;
            }
        }
        let said: Vec<f32> = (0..FRAMES).map(|frame| frame as f32 / 32_768.0).collect();
        assert_eq!(heard, said);
    }

    #[test]
    fn a_file_that_becomes_shorter_is_played_as_far_as_it_is_there() {
        let mut reader = WavReader::new(Cursor::new(file())).unwrap();
        let file = reader.source.get_mut().get_mut();
        file.truncate(file.len() - 3);
        let mut samples = vec![0.0; FRAMES];
        let (count, read) = reader.read(&mut samples);
        assert_eq!(count, FRAMES - 1);
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
