//! The IDs of group calls in rooms: texts that somebody else chose.

use std::fmt;
use std::sync::Arc;

use crate::random_id::RandomId;

/// Why a text is none of these IDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ID of {what} is 1 to 255 printable characters of ASCII")]
pub struct GroupIdError {
    what: &'static str,
}

/// Matrix allows no longer state key, and nothing here needs more.
const MAX_LEN: usize = 255;

fn read(text: &str, what: &'static str) -> Result<Arc<str>, GroupIdError> {
    if (1..=MAX_LEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.into())
    } else {
        Err(GroupIdError { what })
    }
}

/// The ID of a group call: the state key of its event, and the `conf_id` of what its 1:1 calls say.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupCallId(Arc<str>);

/// The ID of one run of a client: a device that has another one has forgotten all its calls.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Arc<str>);

/// The `org.matrix.msgid` of an event from device to device, by which servers follow it in their logs. Nothing reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MessageId(RandomId);

impl GroupCallId {
    /// Reads an ID that somebody else has chosen.
    ///
    /// # Errors
    /// [`GroupIdError`] if it is not 1 to 255 printable characters of ASCII.
    pub fn parse(text: &str) -> Result<Self, GroupIdError> {
        read(text, "a group call").map(Self)
    }

    /// A group call of ours.
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(RandomId(random).to_string().into())
    }

    /// The ID as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SessionId {
    /// Reads an ID that somebody else has chosen.
    ///
    /// # Errors
    /// [`GroupIdError`] if it is not 1 to 255 printable characters of ASCII.
    pub fn parse(text: &str) -> Result<Self, GroupIdError> {
        read(text, "a session").map(Self)
    }

    /// A session of ours.
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(RandomId(random).to_string().into())
    }

    /// The ID as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl MessageId {
    /// An ID for one event of ours.
    pub const fn from_random(random: [u8; 16]) -> Self {
        Self(RandomId(random))
    }
}

impl fmt::Display for GroupCallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GroupCallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupCallId({self})")
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_harm_a_display_or_has_no_bound_is_no_id() {
        let longest = "a".repeat(MAX_LEN);
        for text in ["1700000000000AbCd", "@/+=\"", &longest] {
            assert_eq!(GroupCallId::parse(text).unwrap().as_str(), text);
            assert_eq!(SessionId::parse(text).unwrap().as_str(), text);
        }
        let too_long = "a".repeat(MAX_LEN + 1);
        for text in ["", " ", "a b", "a\n", "a\u{1b}[2J", "\u{202e}a", &too_long] {
            assert!(GroupCallId::parse(text).is_err(), "{text:?}");
            assert!(SessionId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn ids_of_ours_keep_their_length() {
        assert_eq!(SessionId::from_random([0; 16]).as_str(), "0".repeat(32));
        assert_eq!(
            MessageId::from_random([0xff; 16]).to_string(),
            "f".repeat(32)
        );
    }
}
