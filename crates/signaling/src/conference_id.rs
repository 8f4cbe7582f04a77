//! The ID of a conference.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::random_id::RandomId;

/// The ID of a conference: 16 random bytes, written as 32 lower-case hex characters. The lesser one survives when two people invite
/// each other to two conferences.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConferenceId(RandomId);

/// Why a text is not a conference ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a conference ID is 32 lower-case hex characters")]
pub struct ConferenceIdError;

impl ConferenceId {
    /// A conference ID from 16 random bytes.
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(RandomId(bytes))
    }

    /// Parses the text form. Nothing but 32 lower-case hex characters is one.
    ///
    /// # Errors
    /// [`ConferenceIdError`] for everything else.
    pub fn parse(text: &str) -> Result<Self, ConferenceIdError> {
        RandomId::parse(text).map(Self).ok_or(ConferenceIdError)
    }

    /// The 16 bytes, which go into the words of the group.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0.0
    }
}

impl TryFrom<String> for ConferenceId {
    type Error = ConferenceIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ConferenceId> for String {
    fn from(id: ConferenceId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for ConferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ConferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConferenceId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree_and_nothing_else_is_one() {
        let id = ConferenceId::from_random(*b"\x00\x01\x7f\x80\xfe\xffabcdefghij");
        assert_eq!(ConferenceId::parse(&id.to_string()), Ok(id));
        assert_eq!(id.as_bytes(), b"\x00\x01\x7f\x80\xfe\xffabcdefghij");
        for text in ["", "0", "0123456789ABCDEF0123456789ABCDEF"] {
            assert_eq!(ConferenceId::parse(text), Err(ConferenceIdError), "{text}");
        }
    }
}
