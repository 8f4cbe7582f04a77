//! The voice frame cipher: XChaCha20-Poly1305 under one-time keys, with the header of
//! [RFC 9605 (SFrame)](https://www.rfc-editor.org/rfc/rfc9605).

mod epoch;
mod header;
mod open;
mod receive_epoch;
mod seal;

pub use epoch::{Epoch, MediaSeed};
pub use header::{FrameHeader, MalformedHeader};
pub use open::{
    AddEpochError, FrameError, FrameOpener, MAX_RECEIVE_EPOCHS, OLD_EPOCH_LIFETIME, Opened,
};
pub use receive_epoch::{BACKWARD_WINDOW, FORWARD_WINDOW};
pub use seal::{FrameSealer, InstallEpochError, SealError};

/// Bytes of the authentication tag at a frame's end.
pub const TAG_LEN: usize = crate::aead::TAG_LEN;

/// Bytes of a frame's header: config byte, KID (2), CTR (2).
pub const HEADER_LEN: usize = 5;

/// How much longer a sealed frame is than its payload.
pub const OVERHEAD: usize = HEADER_LEN + TAG_LEN;

/// Added to epoch and index, so that KID and CTR always take two bytes each.
const OFFSET: u16 = 256;

/// The nonce: 8 zero bytes ‖ KID (u64 BE) ‖ CTR (u64 BE).
fn nonce(header: FrameHeader) -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce[8..16].copy_from_slice(&header.key_id.to_be_bytes());
    nonce[16..].copy_from_slice(&header.counter.to_be_bytes());
    nonce
}

/// The associated data: direction byte ‖ header.
fn aad(direction: crate::Direction, header: &[u8; HEADER_LEN]) -> [u8; 1 + HEADER_LEN] {
    let mut aad = [direction.byte(); 1 + HEADER_LEN];
    aad[1..].copy_from_slice(header);
    aad
}
