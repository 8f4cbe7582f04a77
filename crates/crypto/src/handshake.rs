//! The handshake: `Noise_IKhfs_25519+MLKEM768_ChaChaPoly_SHA256`, one per pair of devices.
//!
//! ```text
//! <- s
//! ...
//! -> e, es, e1, s, ss
//! <- e, ee, ekem1, se
//! ```
//!
//! Each state consumes itself and gives the next, except where a forged message must leave it usable.

mod cipher_state;
mod error;
mod established;
mod initiator;
mod kem;
mod pattern;
mod responder;
#[cfg(test)]
mod snow_agreement;
mod symmetric_state;
#[cfg(test)]
mod vectors;

pub use error::HandshakeError;
pub use established::Established;
pub use initiator::{Initiator, InitiatorAwaiting};
pub use pattern::PROTOCOL_NAME;
pub use responder::{ReceivedMessage1, Responder};

use crate::aead::TAG_LEN;

/// The longest handshake message, as in the Noise specification.
pub const MAX_HANDSHAKE_MESSAGE: usize = 65_535;

/// How much longer message 1 is than its payload: e, sealed KEM key, sealed identity key, tag.
pub const MESSAGE_1_OVERHEAD: usize = 32 + (kem::KEY_LEN + TAG_LEN) + (32 + TAG_LEN) + TAG_LEN;

/// How much longer message 2 is than its payload: e, sealed KEM ciphertext, tag.
pub const MESSAGE_2_OVERHEAD: usize = 32 + (kem::CIPHERTEXT_LEN + TAG_LEN) + TAG_LEN;

/// Splits `len` bytes off the front of `rest`.
fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], HandshakeError> {
    let (head, tail) = rest
        .split_at_checked(len)
        .ok_or(HandshakeError::Truncated)?;
    *rest = tail;
    Ok(head)
}

/// Splits a 32-byte key off the front of `rest`.
fn take_key(rest: &mut &[u8]) -> Result<[u8; 32], HandshakeError> {
    let (key, tail) = rest.split_first_chunk().ok_or(HandshakeError::Truncated)?;
    *rest = tail;
    Ok(*key)
}
