//! The encryption tier of a call, and which the user puts up with.

use securecall_crypto::IdentityKey;

/// The encryption tier of a call. It is never negotiated, so that nothing can be stripped: a known key means `SecureCall`, or no
/// call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    /// No key of the peer is known, so there is none to call: what every Matrix client does, in the timeline of a room.
    Matrix,
    /// Hybrid handshake, sealed frames.
    SecureCall,
}

impl Tier {
    /// The tier of a call with somebody of whom this key is known.
    pub const fn with(identity: Option<&IdentityKey>) -> Self {
        match identity {
            Some(_) => Self::SecureCall,
            None => Self::Matrix,
        }
    }

    /// The word for it in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Matrix => "matrix",
            Self::SecureCall => "securecall",
        }
    }
}

/// The lowest tier that is good enough, from the least to the strictest: of several the strictest, the greatest, wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Require {
    /// Any tier that the peer's address stands for.
    #[default]
    Any,
    /// Only `securecall`.
    SecureCall,
}

impl Require {
    /// Whether a call of this tier is good enough.
    pub(crate) const fn is_met_by(self, tier: Tier) -> bool {
        match (self, tier) {
            (Self::Any, Tier::Matrix | Tier::SecureCall) | (Self::SecureCall, Tier::SecureCall) => {
                true
            }
            (Self::SecureCall, Tier::Matrix) => false,
        }
    }
}
