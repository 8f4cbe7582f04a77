//! Opus as the calls use it: 48 kHz mono, 20 ms, 32 kbit/s constant bit rate.
//!
//! Every frame is as long as the settings say, whatever is said, so that sizes tell a listener on the wire nothing. In-band FEC
//! (RFC 6716 section 2.1.7) lives inside that budget.

use opus::{Application, Bitrate, Channels};
use thiserror::Error;

use crate::audio::{FRAME_SAMPLES, SAMPLE_RATE, TICK_SAMPLES};

/// Bytes in every encoded frame: 32 kbit/s for 20 ms.
pub const PAYLOAD_BYTES: usize = 80;
/// Samples by which decoded audio lags behind the encoder's input (libopus' look-ahead in VOIP mode: 6.5 ms).
pub const LOOKAHEAD_SAMPLES: usize = 312;

/// Frames a second.
const FRAME_RATE: usize = SAMPLE_RATE as usize / FRAME_SAMPLES;

/// How an encoder spends the bytes of a frame. Only their number shows on the network; the rest may change at any frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderSettings {
    /// Bytes of every encoded frame.
    pub frame_bytes: usize,
    /// The share of frames that is expected to get lost, 0 to 100 percent. It decides how many of the bytes go to copies of
    /// earlier frames; at 0 there are none.
    pub expected_loss_percent: u8,
    /// How many earlier frames each frame shall be able to restore by deep redundancy (DRED); 0 for none.
    pub dred_frames: u8,
    /// How hard the encoder works, 0 to 10.
    pub complexity: u8,
}

impl Default for EncoderSettings {
    fn default() -> Self {
        Self {
            frame_bytes: PAYLOAD_BYTES,
            expected_loss_percent: 10,
            dred_frames: 0,
            // A fifth less work than at 6, where the noise shaping of SILK looks further ahead.
            complexity: 5,
        }
    }
}

/// libopus refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The codec could not be set up: our own fault or no memory.
    #[error("opus cannot be set up: {0}")]
    Setup(&'static str),
    /// The frame could not be encoded: our own fault.
    #[error("opus cannot encode: {0}")]
    Encode(&'static str),
    /// The payload is not 20 ms of Opus.
    #[error("not 20 ms of opus")]
    Malformed,
}

/// Encodes 20 ms at a time.
#[derive(Debug)]
pub struct Encoder {
    encoder: opus::Encoder,
    settings: EncoderSettings,
}

impl Encoder {
    /// An encoder with the default settings.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn new() -> Result<Self, CodecError> {
        let settings = EncoderSettings::default();
        let made = || -> opus::Result<opus::Encoder> {
            let mut encoder = opus::Encoder::new(SAMPLE_RATE, Channels::Mono, Application::Voip)?;
            encoder.set_vbr(false)?;
            encoder.set_dtx(false)?;
            apply(&mut encoder, &settings)?;
            Ok(encoder)
        };
        let encoder = made().map_err(|error| CodecError::Setup(error.description()))?;
        Ok(Self { encoder, settings })
    }

    /// Changes how the bytes of the frames to come are spent.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`] for settings that libopus refuses.
    pub fn configure(&mut self, settings: EncoderSettings) -> Result<(), CodecError> {
        if settings != self.settings {
            apply(&mut self.encoder, &settings)
                .map_err(|error| CodecError::Setup(error.description()))?;
            self.settings = settings;
        }
        Ok(())
    }

    /// Encodes one frame; `payload` holds it afterwards, always [`EncoderSettings::frame_bytes`] long.
    ///
    /// # Errors
    ///
    /// [`CodecError::Encode`].
    pub fn encode(
        &mut self,
        samples: &[f32; FRAME_SAMPLES],
        payload: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let expected = self.settings.frame_bytes;
        payload.clear();
        payload.resize(expected, 0);
        match self.encoder.encode_float(samples, payload) {
            Ok(bytes) if bytes == expected => Ok(()),
            Ok(_) => Err(CodecError::Encode("a frame of another size")),
            Err(error) => Err(CodecError::Encode(error.description())),
        }
    }

    /// Forgets everything it has encoded, as if newly made.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn reset(&mut self) -> Result<(), CodecError> {
        let reset = self.encoder.reset_state();
        reset.map_err(|error| CodecError::Setup(error.description()))
    }
}

fn apply(encoder: &mut opus::Encoder, settings: &EncoderSettings) -> opus::Result<()> {
    let bit_rate = settings.frame_bytes * 8 * FRAME_RATE;
    encoder.set_bitrate(Bitrate::Bits(i32::try_from(bit_rate).unwrap_or(i32::MAX)))?;
    encoder.set_inband_fec(settings.expected_loss_percent > 0)?;
    encoder.set_packet_loss_perc(settings.expected_loss_percent.into())?;
    encoder.set_complexity(settings.complexity.into())
}

/// Decodes, conceals, and recovers a lost frame from the one after it.
#[derive(Debug)]
pub struct Decoder(opus::Decoder);

impl Decoder {
    /// A decoder for 48 kHz mono.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn new() -> Result<Self, CodecError> {
        opus::Decoder::new(SAMPLE_RATE, Channels::Mono)
            .map(Self)
            .map_err(|error| CodecError::Setup(error.description()))
    }

    /// Decodes a frame.
    ///
    /// # Errors
    ///
    /// [`CodecError::Malformed`].
    pub fn decode(
        &mut self,
        payload: &[u8],
        out: &mut [f32; FRAME_SAMPLES],
    ) -> Result<(), CodecError> {
        self.run(payload, out, false)
    }

    /// Decodes the copy of the frame `frames_back` before `later` that `later` carries, as far as [`reaches_back`] says. What
    /// lies between the two must be recovered after it, in order.
    ///
    /// # Errors
    ///
    /// [`CodecError::Malformed`].
    pub fn recover(
        &mut self,
        later: &[u8],
        frames_back: usize,
        out: &mut [f32; FRAME_SAMPLES],
    ) -> Result<(), CodecError> {
        match frames_back {
            1 => self.run(later, out, true),
            _ => Err(CodecError::Malformed),
        }
    }

    /// Makes up 10 ms in place of audio that is not there.
    ///
    /// # Errors
    ///
    /// [`CodecError::Malformed`] when libopus cannot conceal.
    pub fn conceal(&mut self, out: &mut [f32; TICK_SAMPLES]) -> Result<(), CodecError> {
        self.run(&[], out, false)
    }

    /// Forgets everything it has decoded, as if newly made.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn reset(&mut self) -> Result<(), CodecError> {
        let reset = self.0.reset_state();
        reset.map_err(|error| CodecError::Setup(error.description()))
    }

    fn run(&mut self, payload: &[u8], out: &mut [f32], fec: bool) -> Result<(), CodecError> {
        let expected = out.len();
        match self.0.decode_float(payload, out, fec) {
            Ok(samples) if samples == expected => Ok(()),
            _ => {
                out.fill(0.0);
                Err(CodecError::Malformed)
            }
        }
    }
}

/// Whether `payload` is 20 ms of Opus by its table of contents (the contents may still be junk).
pub(crate) fn is_frame(payload: &[u8]) -> bool {
    matches!(
        opus::packet::get_nb_samples(payload, SAMPLE_RATE),
        Ok(FRAME_SAMPLES)
    )
}

/// How many of the frames before it `payload` carries copies of.
pub(crate) fn reaches_back(payload: &[u8]) -> usize {
    usize::from(carries_previous(payload))
}

/// Whether `payload` carries a copy of the frame before it (SILK's LBRR flag, RFC 6716 section 4.2.4).
fn carries_previous(payload: &[u8]) -> bool {
    const FIRST_CELT_ONLY: u8 = 16;
    let Some(config) = payload.first().map(|toc| toc >> 3) else {
        return false;
    };
    // One SILK frame in 20 ms: its voice-activity flag is the first bit, the LBRR flag the second.
    config < FIRST_CELT_ONLY
        && opus::packet::parse(payload).is_ok_and(|packet| {
            packet
                .frames
                .first()
                .and_then(|frame| frame.first())
                .is_some_and(|byte| byte & 0x40 != 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(index: usize) -> [f32; FRAME_SAMPLES] {
        std::array::from_fn(|i| {
            let t = (index * FRAME_SAMPLES + i) as f32 / SAMPLE_RATE as f32;
            let envelope = 0.5 + 0.5 * (t * 3.0 * std::f32::consts::TAU).sin();
            (1..12)
                .map(|h| (t * 130.0 * h as f32 * std::f32::consts::TAU).sin() / h as f32)
                .sum::<f32>()
                * 0.2
                * envelope
        })
    }

    #[test]
    fn every_frame_has_the_same_size_whatever_is_said() {
        let mut encoder = Encoder::new().unwrap();
        let mut payload = Vec::new();
        for index in 0..500 {
            let samples = match index / 100 {
                0 | 3 => voice(index),
                1 => [0.0; FRAME_SAMPLES],
                2 => std::array::from_fn(|i| if (i / 7 + index) % 2 == 0 { 1.0 } else { -1.0 }),
                _ => [1.0; FRAME_SAMPLES],
            };
            encoder.encode(&samples, &mut payload).unwrap();
            assert_eq!(payload.len(), PAYLOAD_BYTES);
            assert!(is_frame(&payload));
        }
    }

    #[test]
    fn a_lost_frame_comes_back_from_the_next() {
        let (mut encoder, mut decoder) = (Encoder::new().unwrap(), Decoder::new().unwrap());
        let mut reference = Decoder::new().unwrap();
        let (mut payload, mut out, mut expected) =
            (Vec::new(), [0.0; FRAME_SAMPLES], [0.0; FRAME_SAMPLES]);
        let mut recovered = 0;
        for index in 0..200 {
            encoder.encode(&voice(index), &mut payload).unwrap();
            if index % 10 == 9 {
                reference.decode(&payload, &mut expected).unwrap();
                continue;
            }
            if index % 10 == 0 && index > 0 && carries_previous(&payload) {
                decoder.recover(&payload, 1, &mut out).unwrap();
                let dot: f32 = out.iter().zip(&expected).map(|(a, b)| a * b).sum();
                let norm = |x: &[f32]| x.iter().map(|s| s * s).sum::<f32>().sqrt();
                assert!(dot / (norm(&out) * norm(&expected)) > 0.7, "frame {index}");
                recovered += 1;
            }
            decoder.decode(&payload, &mut out).unwrap();
            reference.decode(&payload, &mut expected).unwrap();
        }
        assert!(recovered >= 15, "{recovered}");
    }

    #[test]
    fn junk_is_refused() {
        assert!(!is_frame(&[]));
        assert!(!is_frame(&[0; 3]), "10 ms");
        assert!(!carries_previous(&[]));
        let mut decoder = Decoder::new().unwrap();
        let mut out = [1.0; FRAME_SAMPLES];
        assert_eq!(
            decoder.decode(&[0xff; 3], &mut out),
            Err(CodecError::Malformed)
        );
        assert!(out.iter().all(|sample| *sample == 0.0));
    }
}
