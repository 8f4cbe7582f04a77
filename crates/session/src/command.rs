//! What a user orders, and why it may be refused at once.

use securecall_contact::MatrixId;
use securecall_crypto::IdentityKey;

/// Whom to call: the identity that must prove itself, and the account to find it at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callee {
    /// The identity key of the peer's SecureCall ID.
    pub identity: IdentityKey,
    /// The peer's Matrix ID.
    pub matrix_id: MatrixId,
}

/// Why a call is not placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// This device is in a call, or one is ringing.
    #[error("this device is in another call")]
    InAnotherCall,
    /// One cannot call oneself.
    #[error("this is our own address")]
    OwnIdentity,
    /// The Matrix ID stands for another identity than the one given.
    #[error("the Matrix ID stands for another identity")]
    IdentityMismatch,
    /// Strangers are called through a relay only, and there is none.
    #[error(
        "calls with people who are not contacts go through a relay, and there is none; add the contact or choose the direct route"
    )]
    NoRelay,
    /// The relay route was asked for and there is no relay.
    #[error("there is no relay for the relay route")]
    RelayUnavailable,
}

/// Why a command about a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no such call, or it is over.
    #[error("there is no such call")]
    NoSuchCall,
    /// The call does not ring here.
    #[error("the call does not wait for an answer")]
    NotRinging,
}
