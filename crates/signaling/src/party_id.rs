//! The ID of a party: what a device is called in a call.

use std::fmt;
use std::sync::Arc;

use securecall_contact::DeviceId;
use serde::{Deserialize, Serialize};

/// The `party_id` of a device in a call ([MSC2746]). A SecureCall device goes by its [`DeviceId`], so all that such an ID may hold
/// is taken; MSC2746 allows fewer characters.
///
/// [MSC2746]: https://github.com/matrix-org/matrix-spec-proposals/pull/2746
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartyId(Arc<str>);

/// Why a text is no party ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartyIdError {
    /// More characters than MSC2746 allows.
    #[error("a party ID has at most {} bytes, not {found}", PartyId::MAX_LEN)]
    TooLong {
        /// How many bytes there were.
        found: usize,
    },
    /// Nothing, or a character that no party ID has.
    #[error(
        "a party ID is 1 to {} printable characters of ASCII",
        PartyId::MAX_LEN
    )]
    NotPrintable,
}

impl PartyId {
    /// The longest ID that is taken, in bytes (MSC2746).
    pub const MAX_LEN: usize = 255;

    /// Reads an ID that somebody else has chosen.
    ///
    /// # Errors
    /// [`PartyIdError`] if it is not 1 to 255 printable characters of ASCII.
    pub fn parse(text: &str) -> Result<Self, PartyIdError> {
        if text.len() > Self::MAX_LEN {
            return Err(PartyIdError::TooLong { found: text.len() });
        }
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(PartyIdError::NotPrintable);
        }
        Ok(Self(text.into()))
    }

    /// The ID as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&DeviceId> for PartyId {
    /// What a device calls itself, which is what its homeserver calls it. Every device ID is a party ID.
    fn from(id: &DeviceId) -> Self {
        Self(id.as_str().into())
    }
}

impl TryFrom<String> for PartyId {
    type Error = PartyIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<PartyId> for String {
    fn from(id: PartyId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for PartyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PartyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartyId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are() {
        let longest = "a".repeat(PartyId::MAX_LEN);
        for text in ["D", "JLAFKJWSCS", "a.b_c~d-e", "/+=!\"", &longest] {
            let read = PartyId::parse(text);
            assert_eq!(read.map(|id| id.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_could_harm_a_display_or_has_no_bound_is_no_id() {
        for text in ["", " ", "a b", "a\n", "a\u{1b}[2J", "a\0", "\u{202e}a", "ä"] {
            let read = PartyId::parse(text);
            assert_eq!(read, Err(PartyIdError::NotPrintable), "{text:?}");
        }
        let too_long = PartyIdError::TooLong { found: 256 };
        assert_eq!(PartyId::parse(&"a".repeat(256)), Err(too_long));
    }

    #[test]
    fn a_text_is_a_party_id_if_and_only_if_it_is_a_device_id() {
        let characters = (0..0x250).filter_map(char::from_u32);
        let lengths = [0, 1, PartyId::MAX_LEN, PartyId::MAX_LEN + 1];
        let texts = characters
            .map(String::from)
            .chain(lengths.map(|length| "a".repeat(length)));
        for text in texts {
            let device: Option<DeviceId> = text.parse().ok();
            let party = PartyId::parse(&text).ok();
            assert_eq!(device.as_ref().map(PartyId::from), party, "{text:?}");
        }
    }

    #[test]
    fn the_wire_has_its_text_and_nothing_else_is_read_from_it() {
        let id = PartyId::parse("DEVICE").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""DEVICE""#);
        assert_eq!(serde_json::from_str::<PartyId>(r#""DEVICE""#).unwrap(), id);
        for json in [r#""""#, r#""a b""#, "1", "null"] {
            assert!(serde_json::from_str::<PartyId>(json).is_err(), "{json}");
        }
    }
}
