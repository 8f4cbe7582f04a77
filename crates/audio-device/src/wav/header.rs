//! From the first byte of a WAV file to its first sample, without touching a file.
//!
//! RIFF ([Microsoft, 1991](https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/Docs/riffmci.pdf)), big-endian RIFX, and
//! RF64 and BW64 with lengths of 64 bits ([EBU Tech 3306](https://tech.ebu.ch/docs/tech/tech3306v1_0.pdf),
//! [ITU-R BS.2088](https://www.itu.int/rec/R-REC-BS.2088)). The length of the whole that the header gives is not looked at: many
//! writers leave it wrong, and nothing follows from it.

use super::format::{ByteOrder, FORMAT_BYTES, WavFormat};
use super::other_files::{SIGNATURE_BYTES, name_of};
use crate::fault::WavProblem;

/// Chunks before the samples. Recorders write a dozen; each costs a read of the file.
const MAX_CHUNKS: usize = 4_096;

/// Identifier and length.
const CHUNK_HEADER_BYTES: usize = 8;

/// `ds64` up to and with the length of `data`.
const SIZES_BYTES: usize = 16;

/// A length of 32 bits from here on is no promise but what writers put there that cannot go back, because they write into a
/// pipe: 0xFFFFFFFF (ffmpeg), 0x7FFFF000 and a little (SoX), 0x80000000 and a little (arecord), 0x7FFFFFFF.
const LEAST_UNKNOWN: u64 = 0x7fff_0000;

/// Chunks that are found in WAV files. Some writers leave out the byte that evens a chunk of odd length; the next one is
/// recognised by these names then.
const KNOWN_CHUNKS: [&[u8; 4]; 24] = [
    b"fmt ", b"data", b"LIST", b"fact", b"bext", b"JUNK", b"junk", b"PAD ", b"FLLR", b"cue ",
    b"smpl", b"inst", b"id3 ", b"ID3 ", b"iXML", b"axml", b"chna", b"PEAK", b"cart", b"DISP",
    b"minf", b"elm1", b"regn", b"umid",
];

/// Bytes of the file that the next step needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Where they begin.
    pub at: u64,
    /// How many; fewer are there only at the end of the file.
    pub count: usize,
}

/// Where the samples of a WAV file are, and what they are.
#[derive(Debug, Clone, PartialEq)]
pub struct WavHeader {
    /// Rate, channels and coding.
    pub format: WavFormat,
    /// Where the first sample begins.
    pub data_at: u64,
    /// Whole frames that are there, at least one.
    pub frames: u64,
    /// Frames that the header promises, if those are more.
    pub promised: Option<u64>,
}

impl WavHeader {
    /// How long so many frames last, in seconds.
    #[must_use]
    pub fn seconds(&self, frames: u64) -> f64 {
        frames as f64 / f64::from(self.format.sample_rate)
    }
}

/// Reads a header step by step: give [`handle`](Self::handle) the bytes that [`wanted`](Self::wanted) asks for, until it has a
/// [`WavHeader`].
#[derive(Debug)]
pub struct HeaderReader {
    /// Bytes of the whole file.
    length: u64,
    step: Step,
    order: ByteOrder,
    /// RF64 and BW64: a length of 0xFFFFFFFF is in the `ds64` chunk.
    is_64: bool,
    /// The length of `data` by the `ds64` chunk.
    data_length: Option<u64>,
    format: Option<WavFormat>,
    chunks: usize,
}

/// What is read next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// `RIFF`, a length, `WAVE`.
    Start,
    /// Identifier and length of a chunk.
    Chunk { at: u64 },
    /// The body of `fmt `.
    Format { at: u64, length: u32 },
    /// The body of `ds64`.
    Sizes { at: u64, length: u32 },
    /// What follows a chunk of odd length: a byte to be skipped, or a writer's next chunk.
    Odd { at: u64 },
    /// Chunks after `data` with a length of zero, whose samples would begin at `data_at`: if they fill the file to its end,
    /// there are none.
    AfterEmpty { data_at: u64, at: u64 },
}

impl HeaderReader {
    /// For a file of `length` bytes.
    #[must_use]
    pub fn new(length: u64) -> Self {
        Self {
            length,
            step: Step::Start,
            order: ByteOrder::Little,
            is_64: false,
            data_length: None,
            format: None,
            chunks: 0,
        }
    }

    /// Which bytes come next.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let (at, count) = match self.step {
            Step::Start => (0, SIGNATURE_BYTES),
            Step::Chunk { at } | Step::AfterEmpty { at, .. } => (at, CHUNK_HEADER_BYTES),
            Step::Format { at, length } => (at, FORMAT_BYTES.min(length as usize)),
            Step::Sizes { at, length } => (at, SIZES_BYTES.min(length as usize)),
            Step::Odd { at } => (at, 4),
        };
        Wanted { at, count }
    }

    /// Takes the bytes that were wanted, fewer at the end of the file.
    ///
    /// # Errors
    ///
    /// The file is none that can be played.
    pub fn handle(&mut self, bytes: &[u8]) -> Result<Option<WavHeader>, WavProblem> {
        match self.step {
            Step::Start => self.start(bytes)?,
            Step::Chunk { at } => return self.chunk(at, bytes),
            Step::Format { at, length } => {
                self.format = Some(WavFormat::parse(bytes, self.order)?);
                self.skip(at, length)?;
            }
            Step::Sizes { at, length } => {
                self.data_length = self.order.u64_at(bytes, 8);
                self.skip(at, length)?;
            }
            Step::Odd { at } => {
                let unpadded = KNOWN_CHUNKS.iter().any(|known| bytes == *known);
                self.step = Step::Chunk {
                    at: if unpadded { at } else { at + 1 },
                };
            }
            Step::AfterEmpty { data_at, at } => return self.after_empty(data_at, at, bytes),
        }
        Ok(None)
    }

    fn start(&mut self, bytes: &[u8]) -> Result<(), WavProblem> {
        if self.length == 0 {
            return Err(WavProblem::EmptyFile);
        }
        (self.order, self.is_64) = match bytes.first_chunk::<4>() {
            Some(b"RIFF") => (ByteOrder::Little, false),
            Some(b"RIFX") => (ByteOrder::Big, false),
            Some(b"RF64" | b"BW64") => (ByteOrder::Little, true),
            _ => return Err(name_of(bytes).map_or(WavProblem::NotWav, WavProblem::OtherFile)),
        };
        match bytes.get(8..12) {
            Some(b"WAVE") => {}
            Some(_) => return Err(name_of(bytes).map_or(WavProblem::NotWav, WavProblem::OtherFile)),
            None => return Err(ends_early()),
        }
        self.step = Step::Chunk { at: 12 };
        Ok(())
    }

    fn chunk(&mut self, at: u64, bytes: &[u8]) -> Result<Option<WavHeader>, WavProblem> {
        self.chunks += 1;
        if self.chunks > MAX_CHUNKS {
            return Err(damaged("no sound in its first 4096 chunks"));
        }
        let (Some(identifier), Some(length)) =
            (bytes.first_chunk::<4>(), self.order.u32_at(bytes, 4))
        else {
            return Err(ends_early());
        };
        let at = at + CHUNK_HEADER_BYTES as u64;
        match identifier {
            b"data" => return self.data(at, length),
            // The first one counts.
            b"fmt " if self.format.is_none() => self.step = Step::Format { at, length },
            b"ds64" => self.step = Step::Sizes { at, length },
            _ => self.skip(at, length)?,
        }
        Ok(None)
    }

    /// Goes on behind a chunk whose body is at `at`.
    fn skip(&mut self, at: u64, length: u32) -> Result<(), WavProblem> {
        let end = at + u64::from(length);
        if end >= self.length {
            return Err(ends_early());
        }
        self.step = if length.is_multiple_of(2) {
            Step::Chunk { at: end }
        } else {
            Step::Odd { at: end }
        };
        Ok(())
    }

    fn data(&mut self, at: u64, length: u32) -> Result<Option<WavHeader>, WavProblem> {
        let format = self
            .format
            .ok_or_else(|| damaged("its sound comes before its format"))?;
        let there = self.length.saturating_sub(at);
        let promised = match length {
            0 => {
                self.step = Step::AfterEmpty { data_at: at, at };
                return Ok(None);
            }
            // Zero there is a writer's that could not go back.
            u32::MAX if self.is_64 => self.data_length.filter(|length| *length > 0),
            length => {
                let length = u64::from(length);
                (length < LEAST_UNKNOWN || length <= there).then_some(length)
            }
        };
        self.found(format, at, promised).map(Some)
    }

    /// A length of zero: either there is no sample, or the writer did not know how many there would be.
    fn after_empty(
        &mut self,
        data_at: u64,
        at: u64,
        bytes: &[u8],
    ) -> Result<Option<WavHeader>, WavProblem> {
        if at >= self.length {
            return Err(WavProblem::NoSamples);
        }
        self.chunks += 1;
        let next = bytes
            .first_chunk::<4>()
            .filter(|identifier| self.chunks <= MAX_CHUNKS && KNOWN_CHUNKS.contains(identifier))
            .and_then(|_| self.order.u32_at(bytes, 4))
            .map(|length| at + CHUNK_HEADER_BYTES as u64 + u64::from(length).next_multiple_of(2))
            // The byte that evens the last one may be missing.
            .filter(|next| *next <= self.length + 1);
        match (next, self.format) {
            (Some(at), _) => {
                self.step = Step::AfterEmpty { data_at, at };
                Ok(None)
            }
            (None, Some(format)) => self.found(format, data_at, None).map(Some),
            (None, None) => Err(damaged("its sound comes before its format")),
        }
    }

    /// The samples begin at `at`; without a promise they go on to the end of the file.
    fn found(
        &self,
        format: WavFormat,
        at: u64,
        promised: Option<u64>,
    ) -> Result<WavHeader, WavProblem> {
        let there = self.length.saturating_sub(at);
        let frame_bytes = format.frame_bytes() as u64;
        // What is left over at the end is no whole frame.
        let frames = promised.map_or(there, |length| length.min(there)) / frame_bytes;
        if frames == 0 {
            return Err(WavProblem::NoSamples);
        }
        let promised = promised.map(|length| length / frame_bytes);
        Ok(WavHeader {
            format,
            data_at: at,
            frames,
            promised: promised.filter(|promised| *promised > frames),
        })
    }
}

fn damaged(reason: &str) -> WavProblem {
    WavProblem::BadHeader(reason.to_owned())
}

fn ends_early() -> WavProblem {
    damaged("it ends early")
}
