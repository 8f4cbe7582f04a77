//! The key by which Matrix encrypts to a device.

use std::fmt;

/// The Olm identity key of a [`Device`](crate::Device): a public Curve25519 key. Messages are encrypted to it, and recognized by
/// it. Any 32 bytes are one; who has it is the homeserver's word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OlmKey([u8; 32]);

impl OlmKey {
    /// The key with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for OlmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([first, second, ..]) = self;
        write!(f, "OlmKey({first:02x}{second:02x}..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_no_more_of_a_key_than_tells_it_from_others() {
        let key = OlmKey::from_bytes([0xa1; 32]);
        assert_eq!(format!("{key:?}"), "OlmKey(a1a1..)");
    }
}
