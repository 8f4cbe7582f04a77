//! Who sends to whom.

/// The way a message or a frame travels. Bound into every ratchet message and every frame, so that neither opens when it
/// is sent back to where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the initiator of the handshake to its responder.
    CallerToCallee,
    /// From the responder of the handshake to its initiator.
    CalleeToCaller,
}

impl Direction {
    /// The byte that stands for this direction on the wire and in associated data: 1 from the caller, 2 from the callee.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::CallerToCallee => 1,
            Self::CalleeToCaller => 2,
        }
    }

    /// The other way.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::CallerToCallee => Self::CalleeToCaller,
            Self::CalleeToCaller => Self::CallerToCallee,
        }
    }
}
