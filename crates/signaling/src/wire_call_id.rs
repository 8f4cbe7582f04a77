//! The ID of a call as text, whatever carries the call.

use std::fmt;
use std::sync::Arc;

use crate::CallId;

/// The ID by which both ends of a call know it, whatever carries the call: text in the [grammar of VoIP IDs]. Whoever places a
/// call chooses it, so it is for people, scripts and logs to read, and nothing of ours is found by it alone.
///
/// [grammar of VoIP IDs]: https://spec.matrix.org/v1.11/client-server-api/#grammar-for-voip-ids
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WireCallId(Arc<str>);

/// Why a text is no call ID of any carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a call ID is 1 to {} letters, digits, dots, underscores, tildes and hyphens of ASCII",
    WireCallId::MAX_LEN
)]
pub struct WireCallIdError;

impl WireCallId {
    /// The longest ID that is taken, in bytes.
    pub const MAX_LEN: usize = 255;

    /// Reads an ID that somebody else has chosen.
    ///
    /// # Errors
    /// [`WireCallIdError`] if it does not have the grammar.
    pub fn parse(text: &str) -> Result<Self, WireCallIdError> {
        let in_grammar =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-');
        if (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(in_grammar) {
            Ok(Self(text.into()))
        } else {
            Err(WireCallIdError)
        }
    }

    /// The ID as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<CallId> for WireCallId {
    fn from(id: CallId) -> Self {
        Self(id.to_string().into())
    }
}

impl fmt::Display for WireCallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WireCallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WireCallId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_sealed_call_keeps_its_text() {
        let id = CallId::from_random(*b"\x00\x01\x7f\x80\xfe\xffabcdefghij");
        let text = WireCallId::from(id);
        assert_eq!(text.as_str(), id.to_string());
        assert_eq!(WireCallId::parse(text.as_str()), Ok(text));
    }

    #[test]
    fn ids_of_other_clients_are_read_as_they_are() {
        let longest = "a".repeat(WireCallId::MAX_LEN);
        for text in ["0", "1700000000000AbCdEf", "a.b_c~d-e", &longest] {
            let read = WireCallId::parse(text);
            assert_eq!(read.map(|id| id.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_could_harm_a_display_or_has_no_bound_is_no_id() {
        let too_long = "a".repeat(WireCallId::MAX_LEN + 1);
        for text in [
            "",
            " ",
            "a b",
            "a\n",
            "a\u{1b}[2J",
            "a\0",
            "\u{202e}a",
            "ä",
            "a/b",
            &too_long,
        ] {
            assert_eq!(WireCallId::parse(text), Err(WireCallIdError), "{text:?}");
        }
    }
}
