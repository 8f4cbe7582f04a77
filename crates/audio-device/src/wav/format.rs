//! The `fmt ` chunk: what the samples are.
//!
//! Layouts: [RFC 2361](https://www.rfc-editor.org/rfc/rfc2361), Microsoft's `WAVEFORMATEX` and `WAVEFORMATEXTENSIBLE`.

use super::g711::{from_a_law, from_mu_law};
use super::other_files::name_of_coding;
use crate::fault::WavProblem;
use crate::pcm::from_i16;

/// What plausible recordings have; the resampler's tables grow with the rate.
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// Far more than any recorder has; bounds the bytes of a frame.
const MAX_CHANNELS: u16 = 256;

/// The bytes of a `fmt ` chunk that count: all of `WAVEFORMATEXTENSIBLE`.
pub(super) const FORMAT_BYTES: usize = 40;

/// The oldest form, without bits a sample.
const LEAST_FORMAT_BYTES: usize = 14;

const TAG_PCM: u16 = 1;
const TAG_FLOAT: u16 = 3;
const TAG_A_LAW: u16 = 6;
const TAG_MU_LAW: u16 = 7;
const TAG_EXTENSIBLE: u16 = 0xfffe;

/// The end of a sub-format's GUID whose first two bytes are a format tag.
const GUID_TAIL: [u8; 14] = *b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71";
/// In RIFX the fields before the last eight bytes may be turned, so that two zeros come before the tag.
const GUID_TAIL_BIG: [u8; 12] = *b"\x00\x00\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71";
const GUID_TAIL_AMBISONIC: [u8; 14] = *b"\x00\x00\x21\x07\xd3\x11\x86\x44\xc8\xc1\xca\x00\x00\x00";

/// The bit of a channel mask that stands for the low-frequency channel.
const LOW_FREQUENCY_BIT: u32 = 3;

/// How the numbers of a file are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// `RIFF`, `RF64`, `BW64`.
    Little,
    /// `RIFX`, as some programs for other processors write it.
    Big,
}

impl ByteOrder {
    /// The two bytes at `at`.
    pub(super) fn u16_at(self, bytes: &[u8], at: usize) -> Option<u16> {
        let field = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(field),
            Self::Big => u16::from_be_bytes(field),
        })
    }

    /// The four bytes at `at`.
    pub(super) fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        let field = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(field),
            Self::Big => u32::from_be_bytes(field),
        })
    }

    /// The eight bytes at `at`.
    pub(super) fn u64_at(self, bytes: &[u8], at: usize) -> Option<u64> {
        let field = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u64::from_le_bytes(field),
            Self::Big => u64::from_be_bytes(field),
        })
    }
}

/// How one sample of one channel is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Linear PCM in so many bytes, 1 to 8. One byte counts from 0 to 255, more are signed. Whatever number of bits is valid, they
    /// are the high ones, so that the level depends on the container alone.
    Integer(u8),
    /// IEEE 754, 32 bit.
    Float32,
    /// IEEE 754, 64 bit.
    Float64,
    /// ITU-T G.711, A-law.
    ALaw,
    /// ITU-T G.711, µ-law.
    MuLaw,
}

impl Coding {
    /// Bytes of a sample.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Integer(bytes) => usize::from(bytes),
            Self::Float32 => 4,
            Self::Float64 => 8,
            Self::ALaw | Self::MuLaw => 1,
        }
    }
}

/// What a WAV file's samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WavFormat {
    /// Of each sample.
    pub coding: Coding,
    /// Samples of a frame, at least one.
    pub channels: u16,
    /// Frames a second.
    pub sample_rate: u32,
    order: ByteOrder,
    /// The channel for a subwoofer, which holds no speech.
    low_frequency: Option<u16>,
}

impl WavFormat {
    /// Reads the body of a `fmt ` chunk.
    pub(super) fn parse(body: &[u8], order: ByteOrder) -> Result<Self, WavProblem> {
        let too_short = || WavProblem::BadHeader("its format is too short".to_owned());
        if body.len() < LEAST_FORMAT_BYTES {
            return Err(too_short());
        }
        let field = |at| order.u16_at(body, at).ok_or_else(too_short);
        let tag = field(0)?;
        let channels = field(2)?;
        let sample_rate = order.u32_at(body, 4).ok_or_else(too_short)?;
        // Bytes a second, at 8, follow from the rest and are often wrong.
        let frame_bytes = field(12)?;
        let bits = order.u16_at(body, 14).unwrap_or(0);
        let (tag, mask) = if tag == TAG_EXTENSIBLE {
            // How many bits are valid, at 18, makes no difference: they are the high ones.
            let mask = order.u32_at(body, 20).ok_or_else(too_short)?;
            (
                sub_format(body.get(24..40).ok_or_else(too_short)?, order)?,
                mask,
            )
        } else {
            (tag, 0)
        };
        if channels == 0 {
            return Err(WavProblem::BadHeader("it has no channel".to_owned()));
        }
        let coding = coding(
            tag,
            bits,
            frame_bytes / channels,
            frame_bytes % channels == 0,
        )?;
        if channels > MAX_CHANNELS {
            return Err(WavProblem::Channels(channels));
        }
        if !SAMPLE_RATES.contains(&sample_rate) {
            return Err(WavProblem::SampleRate(sample_rate));
        }
        Ok(Self {
            coding,
            channels,
            sample_rate,
            order,
            low_frequency: low_frequency(mask, channels),
        })
    }

    /// Bytes of one sample of each channel: 1 to 2,048.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.coding.bytes() * usize::from(self.channels)
    }

    /// Mixes frames to one channel, from −1 to 1, as far as there is room. What is not a number is silence.
    pub fn mix(&self, frames: &[u8], out: &mut [f32]) {
        if self.is_plain() {
            // By far the most files, and each tick of a call reads from one.
            for (sample, place) in frames.as_chunks().0.iter().zip(out) {
                *place = from_i16(i16::from_le_bytes(*sample));
            }
            return;
        }
        for (frame, place) in frames.chunks_exact(self.frame_bytes()).zip(out) {
            *place = self.mix_frame(frame);
        }
    }

    /// 16 bit, one channel, little-endian.
    fn is_plain(&self) -> bool {
        let heard = self.low_frequency.is_none();
        heard
            && (self.coding, self.channels, self.order)
                == (Coding::Integer(2), 1, ByteOrder::Little)
    }

    /// One sample of each channel, mixed to one from −1 to 1.
    fn mix_frame(&self, frame: &[u8]) -> f32 {
        let (mut sum, mut count) = (0.0, 0_u16);
        for (channel, sample) in (0_u16..).zip(frame.chunks_exact(self.coding.bytes())) {
            if self.low_frequency == Some(channel) {
                continue;
            }
            let sample = self.sample(sample);
            if sample.is_finite() {
                sum += sample.clamp(-1.0, 1.0);
            }
            count += 1;
        }
        sum / f32::from(count.max(1))
    }

    fn sample(&self, bytes: &[u8]) -> f32 {
        match self.coding {
            Coding::Integer(1) => bytes
                .first()
                .map_or(0.0, |byte| (f32::from(*byte) - 128.0) / 128.0),
            Coding::Integer(_) => self.integer(bytes),
            Coding::Float32 => self.order.u32_at(bytes, 0).map_or(0.0, f32::from_bits),
            Coding::Float64 => self
                .order
                .u64_at(bytes, 0)
                .map_or(0.0, |bits| f64::from_bits(bits) as f32),
            Coding::ALaw => bytes.first().copied().map_or(0.0, from_a_law),
            Coding::MuLaw => bytes.first().copied().map_or(0.0, from_mu_law),
        }
    }

    /// Puts the bytes on top of 64 bits: full scale is the same for every width then.
    fn integer(&self, bytes: &[u8]) -> f32 {
        let mut wide = [0; 8];
        match self.order {
            ByteOrder::Little => {
                for (place, byte) in wide.iter_mut().rev().zip(bytes.iter().rev()) {
                    *place = *byte;
                }
                i64::from_le_bytes(wide) as f32 / FULL_SCALE
            }
            ByteOrder::Big => {
                for (place, byte) in wide.iter_mut().zip(bytes) {
                    *place = *byte;
                }
                i64::from_be_bytes(wide) as f32 / FULL_SCALE
            }
        }
    }
}

/// 2⁶³: samples of every width are shifted to the top of an `i64`.
const FULL_SCALE: f32 = 9_223_372_036_854_775_808.0;

/// The format tag inside a sub-format's GUID.
fn sub_format(guid: &[u8], order: ByteOrder) -> Result<u16, WavProblem> {
    if guid[2..] == GUID_TAIL {
        // In this order the GUID is as in any file; where only the tag is turned, SoX wrote it.
        return Ok(order.u16_at(guid, 0).unwrap_or(0));
    }
    match guid {
        [0, 0, high, low, tail @ ..] if order == ByteOrder::Big && *tail == GUID_TAIL_BIG => {
            Ok(u16::from_be_bytes([*high, *low]))
        }
        [_, _, tail @ ..] if *tail == GUID_TAIL_AMBISONIC => {
            Err(WavProblem::Coding("Ambisonic B-format".to_owned()))
        }
        _ => {
            let hex: String = guid.iter().map(|byte| format!("{byte:02x}")).collect();
            Err(WavProblem::Coding(format!(
                "a coding that is not known here (sub-format {hex})"
            )))
        }
    }
}

/// The coding of a format tag. `container` is how many bytes a sample takes by the size of a frame, if that is `exact`.
fn coding(tag: u16, bits: u16, container: u16, exact: bool) -> Result<Coding, WavProblem> {
    let other = |name: &str| Err(WavProblem::Coding(name.to_owned()));
    match (tag, bits) {
        (TAG_PCM, _) => match integer_bytes(bits, container, exact) {
            Some(bytes) => Ok(Coding::Integer(bytes)),
            None => other(&format!("PCM of {bits} bits")),
        },
        (TAG_FLOAT, 32) => Ok(Coding::Float32),
        (TAG_FLOAT, 64) => Ok(Coding::Float64),
        (TAG_FLOAT, 0) if exact && container == 4 => Ok(Coding::Float32),
        (TAG_FLOAT, 0) if exact && container == 8 => Ok(Coding::Float64),
        (TAG_FLOAT, _) => other(&format!("floating point of {bits} bits")),
        // Always 8 bit, whatever the header says.
        (TAG_A_LAW, _) => Ok(Coding::ALaw),
        (TAG_MU_LAW, _) => Ok(Coding::MuLaw),
        _ => other(&name_of_coding(tag)),
    }
}

/// How many bytes a PCM sample takes: what the frame says where it can be, else the fewest that hold the bits.
fn integer_bytes(bits: u16, container: u16, exact: bool) -> Option<u8> {
    let least = bits.div_ceil(8).max(1);
    let plausible = exact && (least..=8).contains(&container);
    let bytes = match bits {
        // The oldest headers do not say the bits.
        0 if plausible => container,
        0 => return None,
        // Up to 8 bits are unsigned; a frame size that says two bytes for them is a mistake of some writers.
        1..=8 => 1,
        _ if plausible => container,
        _ => least,
    };
    u8::try_from(bytes).ok().filter(|bytes| *bytes <= 8)
}

/// Which channel is the low-frequency one by a channel mask.
fn low_frequency(mask: u32, channels: u16) -> Option<u16> {
    let bit = 1 << LOW_FREQUENCY_BIT;
    let channel = (mask & (bit - 1)).count_ones() as u16;
    (mask & bit != 0 && channels > 1 && channel < channels).then_some(channel)
}
