//! Opus as the calls use it: 48 kHz mono, 20 ms, constant bit rate.
//!
//! Every frame is as long as the settings say, whatever is said, so that sizes tell a listener on the wire nothing. Inside that
//! length, what the voice does not get goes to copies of earlier frames: one frame back by in-band FEC (LBRR, RFC 6716 section
//! 2.1.7), further back by deep redundancy (DRED, an Opus extension: some numbers a second, from which a network of neurons
//! speaks the frames again).

mod band;
mod decoder;
mod effort;
mod encoder;
#[cfg(test)]
mod tests;

use securecall_opus::{OpusError, packet};
use thiserror::Error;

pub(crate) use self::encoder::DRED_BESIDE_FEC;
pub use self::{
    decoder::Decoder,
    effort::Effort,
    encoder::{Encoder, EncoderSettings},
};
use crate::audio::FRAME_SAMPLES;

/// Bytes in every encoded frame, unless a narrow path calls for fewer: 32 kbit/s for 20 ms, less the two bytes of a
/// [report](crate::VoiceReport) beside it.
pub const PAYLOAD_BYTES: usize = 78;
/// Samples by which decoded audio lags behind the encoder's input (libopus' look-ahead in its mode AUDIO: 6.5 ms).
pub const LOOKAHEAD_SAMPLES: usize = 312;
/// How many frames before it a packet can restore at most: one second.
pub const MAX_FRAMES_BACK: usize = 50;

/// An Opus packet is never longer (RFC 6716 section 3.4, R2), and one packet holds one frame.
pub(crate) const MAX_PACKET_BYTES: usize = 1_276;

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

impl CodecError {
    pub(crate) fn setup(error: OpusError) -> Self {
        Self::Setup(error.description())
    }
}

/// Whether `payload` is 20 ms of Opus by its table of contents (the contents may still be junk).
pub(crate) fn is_frame(payload: &[u8]) -> bool {
    payload.len() <= MAX_PACKET_BYTES && packet::samples(payload) == Ok(FRAME_SAMPLES)
}
