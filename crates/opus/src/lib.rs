//! libopus as the calls need it: one channel, 48 kHz, floating point, with deep redundancy (DRED).
//!
//! ```text
//! samples ─▶ Encoder ─▶ packet ─┬─▶ Decoder::decode ─────────────────────────▶ the packet's own samples
//!                               ├─▶ Decoder::decode_fec ─────────────────────▶ the frame before (LBRR)
//!                               └─▶ Redundancy::parse, process ─▶ Decoder::decode_redundancy ─▶ up to a second before
//! ```
//!
//! The crate holds all `unsafe` that Opus takes, and nothing else: no policy, no format of ours. Each type owns one state of
//! libopus, made and freed by libopus, and lends it to C for the length of a call. Lengths and pointers always come from one
//! slice. libopus takes any bytes as a packet; it is built with its own hardening (`opusic-sys`' default), so that a broken
//! invariant of it ends the process rather than memory.
//!
//! ```
//! use securecall_opus::{Application, Decoder, Encoder, SAMPLE_RATE};
//!
//! let (mut encoder, mut decoder) = (Encoder::new(Application::Voip)?, Decoder::new()?);
//! encoder.set_bit_rate(32_000)?;
//! encoder.set_variable_bit_rate(false)?;
//! let (samples, mut packet) = ([0.0; SAMPLE_RATE as usize / 50], [0; 80]);
//! assert_eq!(encoder.encode(&samples, &mut packet)?, 80);
//! decoder.decode(&packet, &mut [0.0; 960])?;
//! # Ok::<(), securecall_opus::OpusError>(())
//! ```

#![deny(clippy::undocumented_unsafe_blocks)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod decoder;
mod encoder;
mod error;
pub mod packet;
mod redundancy;
#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use encoder::{Application, Bandwidth, Encoder, Signal};
pub use error::OpusError;
pub use redundancy::{Redundancy, Span};

/// Samples per second, everywhere: 48 kHz.
pub const SAMPLE_RATE: u32 = 48_000;
const SAMPLE_RATE_C: i32 = SAMPLE_RATE as i32;
const MONO: i32 = 1;

/// The length of a slice as libopus takes it. No slice of a call comes near the bound; one beyond it is used in part.
fn length<T>(slice: &[T]) -> i32 {
    i32::try_from(slice.len()).unwrap_or(i32::MAX)
}
