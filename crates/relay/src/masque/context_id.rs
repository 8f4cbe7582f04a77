//! What a datagram of a flow begins with.

use super::varint;

/// A context ID: what the rest of a datagram is (RFC 9298 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextId(u64);

impl ContextId {
    /// The context of a flow with one target: the rest is the payload (RFC 9298 section 5). In a bound flow
    /// without a target nobody may use it.
    pub const UDP_PAYLOAD: Self = Self(0);

    /// `None` if no integer on the wire is so large.
    pub fn new(value: u64) -> Option<Self> {
        (value <= varint::MAX).then_some(Self(value))
    }

    /// Its number.
    pub fn value(self) -> u64 {
        self.0
    }

    /// Whether a client may have chosen it: those of a proxy are odd.
    pub fn is_of_client(self) -> bool {
        self.0.is_multiple_of(2)
    }

    /// The one that the same end chooses next, if there is one.
    pub(super) fn next(self) -> Option<Self> {
        Self::new(self.0 + 2)
    }
}
