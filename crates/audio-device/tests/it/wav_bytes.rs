//! WAV files made byte by byte, as other programs write them, and what is heard of them.

use std::f64::consts::TAU;

/// Of the tone that every file here holds.
pub(crate) const HERTZ: f64 = 440.0;

/// Peak of that tone, of full scale.
pub(crate) const AMPLITUDE: f64 = 0.25;

/// How a sample is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sample {
    /// So many valid bits, on top of a container of so many bytes.
    Pcm {
        bits: u16,
        bytes: u16,
    },
    Float32,
    Float64,
    ALaw,
    MuLaw,
}

impl Sample {
    pub(crate) fn bytes(self) -> u16 {
        match self {
            Self::Pcm { bytes, .. } => bytes,
            Self::Float32 => 4,
            Self::Float64 => 8,
            Self::ALaw | Self::MuLaw => 1,
        }
    }

    fn bits(self) -> u16 {
        match self {
            Self::Pcm { bits, .. } => bits,
            other => 8 * other.bytes(),
        }
    }

    fn tag(self) -> u16 {
        match self {
            Self::Pcm { .. } => 1,
            Self::Float32 | Self::Float64 => 3,
            Self::ALaw => 6,
            Self::MuLaw => 7,
        }
    }

    /// Little-endian.
    fn encode(self, value: f64) -> Vec<u8> {
        match self {
            Self::Pcm { bits, bytes: 1 } => {
                let steps = f64::from(1_u16 << (bits - 1));
                vec![(((value * steps).round() + steps) as u8) << (8 - bits)]
            }
            Self::Pcm { bits, bytes } => {
                let valid = (value * (1_u64 << (bits - 1)) as f64).round() as i64;
                let placed = valid << (8 * bytes - bits);
                placed.to_le_bytes()[..usize::from(bytes)].to_vec()
            }
            Self::Float32 => (value as f32).to_le_bytes().to_vec(),
            Self::Float64 => value.to_le_bytes().to_vec(),
            Self::ALaw => {
                let (sign, magnitude) = sign_and_magnitude(value);
                let exponent = exponent(magnitude);
                let mantissa = magnitude >> (exponent.max(1) + 3) & 15;
                let sign = if sign { 0x80 } else { 0 };
                vec![(sign | (exponent << 4 | mantissa) as u8) ^ 0x55]
            }
            Self::MuLaw => {
                let (sign, magnitude) = sign_and_magnitude(value);
                let magnitude = magnitude.min(32_635) + 132;
                let exponent = exponent(magnitude);
                let mantissa = magnitude >> (exponent + 3) & 15;
                let sign = if sign { 0 } else { 0x80 };
                vec![!(sign | (exponent << 4 | mantissa) as u8)]
            }
        }
    }
}

/// On the scale of 16 bit; `true` for positive.
fn sign_and_magnitude(value: f64) -> (bool, u32) {
    let scaled = value * 32_768.0;
    (scaled >= 0.0, scaled.abs() as u32)
}

/// The segment of G.711: how far the highest bit is above the eighth.
fn exponent(magnitude: u32) -> u32 {
    (32 - magnitude.leading_zeros()).saturating_sub(8).min(7)
}

/// What a file is to be; the parts that writers get wrong can be set.
#[derive(Debug, Clone)]
pub(crate) struct Wav {
    pub(crate) sample: Sample,
    pub(crate) channels: u16,
    pub(crate) rate: u32,
    /// `WAVE_FORMAT_EXTENSIBLE` with this channel mask.
    pub(crate) extensible: Option<u32>,
    /// `nBlockAlign`, where it is not as it should be.
    pub(crate) frame_bytes: Option<u16>,
    pub(crate) byte_rate: Option<u32>,
    /// Of the `data` chunk, where it is not as it should be.
    pub(crate) data_length: Option<u32>,
    /// Bytes of the `fmt ` chunk.
    pub(crate) format_bytes: usize,
}

impl Wav {
    /// A second and a half of 48 kHz mono.
    pub(crate) fn of(sample: Sample) -> Self {
        Self {
            sample,
            channels: 1,
            rate: 48_000,
            extensible: None,
            frame_bytes: None,
            byte_rate: None,
            data_length: None,
            format_bytes: 16,
        }
    }

    pub(crate) fn usual() -> Self {
        Self::of(Sample::Pcm { bits: 16, bytes: 2 })
    }

    /// The body of the `fmt ` chunk.
    pub(crate) fn format(&self) -> Vec<u8> {
        let bytes = self.sample.bytes();
        let frame_bytes = self.frame_bytes.unwrap_or(bytes * self.channels);
        let byte_rate = self.byte_rate.unwrap_or(self.rate * u32::from(frame_bytes));
        let tag = self.extensible.map_or(self.sample.tag(), |_| 0xfffe);
        // The container's, where the valid bits have a field of their own.
        let bits = self.extensible.map_or(self.sample.bits(), |_| 8 * bytes);
        let mut body = [tag, self.channels].map(u16::to_le_bytes).concat();
        body.extend(self.rate.to_le_bytes());
        body.extend(byte_rate.to_le_bytes());
        body.extend([frame_bytes, bits].map(u16::to_le_bytes).concat());
        match self.extensible {
            None => body.resize(self.format_bytes, 0),
            Some(mask) => {
                body.extend([22, self.sample.bits()].map(u16::to_le_bytes).concat());
                body.extend(mask.to_le_bytes());
                body.extend(self.sample.tag().to_le_bytes());
                body.extend(*b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
            }
        }
        body
    }

    /// A second and a half of the tone in every channel.
    pub(crate) fn samples(&self) -> Vec<u8> {
        (0..self.rate * 3 / 2)
            .flat_map(|n| {
                let time = f64::from(n) / f64::from(self.rate);
                let value = AMPLITUDE * (TAU * HERTZ * time).sin();
                self.sample.encode(value).repeat(usize::from(self.channels))
            })
            .collect()
    }

    /// The `data` chunk.
    pub(crate) fn data(&self) -> Vec<u8> {
        let samples = self.samples();
        let length = self.data_length.unwrap_or(samples.len() as u32);
        [b"data", &length.to_le_bytes()[..], &samples].concat()
    }

    /// The file with `between` before its samples and `behind` after them.
    pub(crate) fn with(&self, between: &[u8], behind: &[u8]) -> Vec<u8> {
        let chunks = [
            &chunk(b"fmt ", &self.format()),
            between,
            &self.data(),
            behind,
        ]
        .concat();
        riff(b"RIFF", chunks.len() as u32 + 4, &chunks)
    }

    pub(crate) fn file(&self) -> Vec<u8> {
        self.with(&[], &[])
    }
}

/// A chunk, evened as RIFF asks.
pub(crate) fn chunk(identifier: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32;
    let mut bytes = [identifier, &length.to_le_bytes()[..], body].concat();
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

pub(crate) fn riff(kind: &[u8; 4], length: u32, chunks: &[u8]) -> Vec<u8> {
    [kind, &length.to_le_bytes()[..], b"WAVE", chunks].concat()
}

/// Says how loud the tone is and how high, in the middle of what is heard.
pub(crate) fn tone_in(heard: &[f32]) -> (f64, f64) {
    let middle = &heard[4_800..52_800];
    let power: f64 = middle.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let amplitude = (2.0 * power / middle.len() as f64).sqrt();
    let rises = middle
        .windows(2)
        .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0)
        .count();
    (amplitude, rises as f64)
}
