//! Why a flow ends.

use super::CapsuleError;

/// What the other end must not do. The request's stream is aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// A capsule that is none.
    #[error("{0}")]
    Capsule(#[from] CapsuleError),
    /// It registers an ID that the other end chooses, or 0.
    #[error("a context ID that is not its own to register")]
    ForeignId,
    /// It registers an ID again.
    #[error("a context ID that was registered before")]
    RepeatedId,
    /// A second context that names the address in each packet; or one of a proxy.
    #[error("an uncompressed context too many")]
    Uncompressed,
    /// A second context for one peer.
    #[error("a second context for one peer")]
    RepeatedPeer,
    /// It accepts what was not registered.
    #[error("an answer to nothing")]
    UnaskedAck,
    /// It closes context 0.
    #[error("context 0 closed")]
    ClosedZero,
    /// It asks faster than it reads the answers.
    #[error("too many answers that wait")]
    TooManyAnswers,
}
