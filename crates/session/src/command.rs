//! What a user orders, and why it may be refused at once.

use securecall_contact::{MatrixId, SecureCallId};
use securecall_crypto::IdentityKey;

use crate::{Require, Tier};

/// Whom to call: the identity that must prove itself, and the account to find it at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callee {
    /// The key of the peer's SecureCall ID; `None` if only an account is known.
    pub identity: Option<IdentityKey>,
    /// Where its devices are asked for; the call goes nowhere else.
    pub matrix_id: MatrixId,
}

impl Callee {
    /// The identity that must prove itself, for a call that may not be of a lower tier than this; `None` if nobody must, in tier
    /// `matrix`.
    ///
    /// # Errors
    /// [`CallError::TierTooLow`] if the call would not have the tier required.
    pub fn identity(&self, require: Require) -> Result<Option<IdentityKey>, CallError> {
        let of_address = self
            .matrix_id
            .securecall_id()
            .map(SecureCallId::identity_key);
        let known = self.identity.or(of_address);
        if require.is_met_by(Tier::with(known.as_ref())) {
            Ok(known)
        } else {
            Err(CallError::TierTooLow)
        }
    }
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
    /// The user has blocked this person.
    #[error("this person is blocked")]
    Blocked,
    /// No key of the peer is known, and the user requires one.
    #[error(
        "no key of this person is known, so the call would not be end-to-end encrypted to a known key"
    )]
    TierTooLow,
    /// Strangers are called through a relay only, and there is none.
    #[error(
        "calls with people who are not contacts go through a relay, and there is none; add the contact or choose the direct route"
    )]
    NoRelay,
    /// The relay route was asked for and there is no relay.
    #[error("there is no relay for the relay route")]
    RelayUnavailable,
    /// GhostNet was asked for, and there are no two relays that may carry one call.
    #[error("there are no two relays for GhostNet")]
    GhostNetUnavailable,
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
    /// The call is not connected.
    #[error("the call is not connected")]
    NotConnected,
    /// This device is in no such conference.
    #[error("there is no such conference")]
    NoSuchConference,
}
