//! Why a ratchet message was refused.

use super::message_id::MessageId;
use crate::dh::AllZero;

/// Why a ratchet message was refused. The state is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RatchetError {
    /// Shorter than header and tag.
    #[error("the ratchet message is too short")]
    Truncated,
    /// Longer than [`MAX_MESSAGE`](super::MAX_MESSAGE).
    #[error("the ratchet message is longer than 65535 bytes")]
    TooLong,
    /// The header contradicts itself or what came before.
    #[error("the ratchet message is malformed")]
    Malformed,
    /// A version this crate does not know.
    #[error("ratchet message version {got}, expected 1")]
    UnknownVersion {
        /// The version in the header.
        got: u8,
    },
    /// One of our own messages come back.
    #[error("the ratchet message has the wrong direction")]
    WrongDirection,
    /// This message was opened before. The header is not authenticated again: a forger can cause this error, but only for what was opened.
    #[error("message {id} was opened before")]
    Duplicate {
        /// Which message.
        id: MessageId,
    },
    /// The key is gone: the peer has made too many steps since. Not authenticated.
    #[error("message {id} comes too late")]
    Expired {
        /// Which message.
        id: MessageId,
    },
    /// A step that is not the peer's to make now. Not authenticated.
    #[error("message {id} is of a step out of turn")]
    UnexpectedStep {
        /// Which message.
        id: MessageId,
    },
    /// More than [`MAX_SKIP`](super::MAX_SKIP) messages of a chain would be missing.
    #[error("too many messages are missing")]
    TooManySkipped,
    /// The peer's ratchet key is of low order.
    #[error("a key of the peer is of low order")]
    LowOrder,
    /// The tag is wrong: not made by the peer, or changed on the way.
    #[error("decryption failed")]
    OpenFailed,
}

impl From<AllZero> for RatchetError {
    fn from(AllZero: AllZero) -> Self {
        Self::LowOrder
    }
}
