//! Opus as the calls use it: 48 kHz mono, 20 ms, 32 kbit/s constant bit rate.
//!
//! Every frame is [`PAYLOAD_BYTES`] long, whatever is said, so that sizes tell a listener on the wire nothing. In-band FEC
//! (RFC 6716 section 2.1.7) lives inside that budget; the expected loss is fixed, for a changing one would be seen in the bits.

use opus::{Application, Bitrate, Channels};
use thiserror::Error;

use crate::audio::{FRAME_SAMPLES, SAMPLE_RATE, TICK_SAMPLES};

/// Bytes in every encoded frame: 32 kbit/s for 20 ms.
pub const PAYLOAD_BYTES: usize = 80;
/// Samples by which decoded audio lags behind the encoder's input (libopus' look-ahead in VOIP mode: 6.5 ms).
pub const LOOKAHEAD_SAMPLES: usize = 312;

const BIT_RATE: i32 = 32_000;
/// How much loss the encoder prepares for. It decides how many of the 80 bytes go to the copy of the frame before.
const EXPECTED_LOSS_PERCENT: i32 = 10;
/// A fifth less work than at 6, where the noise shaping of SILK looks further ahead; no difference is heard or measured.
const COMPLEXITY: i32 = 5;

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
pub struct Encoder(opus::Encoder);

impl Encoder {
    /// An encoder with the settings of a call.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn new() -> Result<Self, CodecError> {
        let configured = || -> opus::Result<opus::Encoder> {
            let mut encoder = opus::Encoder::new(SAMPLE_RATE, Channels::Mono, Application::Voip)?;
            encoder.set_bitrate(Bitrate::Bits(BIT_RATE))?;
            encoder.set_vbr(false)?;
            encoder.set_inband_fec(true)?;
            encoder.set_packet_loss_perc(EXPECTED_LOSS_PERCENT)?;
            encoder.set_dtx(false)?;
            encoder.set_complexity(COMPLEXITY)?;
            Ok(encoder)
        };
        configured()
            .map(Self)
            .map_err(|error| CodecError::Setup(error.description()))
    }

    /// Encodes one frame; `payload` holds it afterwards, always [`PAYLOAD_BYTES`] long.
    ///
    /// # Errors
    ///
    /// [`CodecError::Encode`].
    pub fn encode(
        &mut self,
        samples: &[f32; FRAME_SAMPLES],
        payload: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        payload.clear();
        payload.resize(PAYLOAD_BYTES, 0);
        match self.0.encode_float(samples, payload) {
            Ok(PAYLOAD_BYTES) => Ok(()),
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
        let reset = self.0.reset_state();
        reset.map_err(|error| CodecError::Setup(error.description()))
    }
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

    /// Decodes the low-rate copy of the *preceding* frame that `next` carries if its encoder put one there.
    ///
    /// # Errors
    ///
    /// [`CodecError::Malformed`].
    pub fn recover(
        &mut self,
        next: &[u8],
        out: &mut [f32; FRAME_SAMPLES],
    ) -> Result<(), CodecError> {
        self.run(next, out, true)
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

/// Whether `payload` carries a copy of the frame before it (SILK's LBRR flag, RFC 6716 section 4.2.4).
pub(crate) fn carries_previous(payload: &[u8]) -> bool {
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
                decoder.recover(&payload, &mut out).unwrap();
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
