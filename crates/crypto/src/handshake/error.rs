//! Why a handshake message was refused.

use crate::dh::AllZero;
use crate::identity::IdentityKeyError;

/// Why a handshake message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Shorter than the pattern's fixed parts.
    #[error("the handshake message is too short")]
    Truncated,
    /// Longer than [`MAX_HANDSHAKE_MESSAGE`](super::MAX_HANDSHAKE_MESSAGE).
    #[error("the handshake message is longer than 65535 bytes")]
    TooLong,
    /// A part does not authenticate: not made for this key, this prologue and this handshake.
    #[error("decryption failed")]
    OpenFailed,
    /// An X25519 result was all zero.
    #[error("a key of the peer is of low order")]
    LowOrder,
    /// The KEM key fails the modulus check of FIPS 203, section 7.2.
    #[error("the peer's KEM key is not valid")]
    InvalidKemKey,
    /// The peer's identity key is not one an address can name.
    #[error("the peer's identity key is not valid: {0}")]
    InvalidIdentity(#[from] IdentityKeyError),
}

impl From<AllZero> for HandshakeError {
    fn from(AllZero: AllZero) -> Self {
        Self::LowOrder
    }
}
