//! What homeservers call rooms, and events in them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The ID of a Matrix room: `!` and 1 to 254 visible ASCII characters. Nothing is to be read from it.
///
/// Grammar: <https://spec.matrix.org/v1.16/appendices/#room-ids>. Room IDs of version 12 have no server name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(Arc<str>);

/// The ID of an event in a room: `$` and 1 to 254 visible ASCII characters.
///
/// Grammar: <https://spec.matrix.org/v1.16/appendices/#event-ids>.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Arc<str>);

/// Why a text is no ID of a room, or of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ID of {what} is '{sigil}' and 1 to 254 visible characters of ASCII")]
pub struct RoomIdError {
    what: &'static str,
    sigil: char,
}

/// Longest ID of a room or an event, in bytes (Matrix).
const MAX_LENGTH: usize = 255;

fn read(text: &str, sigil: char, what: &'static str) -> Result<Arc<str>, RoomIdError> {
    let rest = text.strip_prefix(sigil).unwrap_or_default();
    let is_id = !rest.is_empty()
        && text.len() <= MAX_LENGTH
        && rest.bytes().all(|byte| byte.is_ascii_graphic());
    is_id
        .then(|| text.into())
        .ok_or(RoomIdError { what, sigil })
}

impl RoomId {
    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EventId {
    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoomId {
    type Err = RoomIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text, '!', "a room").map(Self)
    }
}

impl FromStr for EventId {
    type Err = RoomIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text, '$', "an event").map(Self)
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Shortened: whoever has the ID of a room knows who talks to whom.
fn write_short(name: &str, id: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let start: String = id.chars().take(7).collect();
    write!(f, "{name}({start}…)")
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_short("RoomId", self.as_str(), f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_short("EventId", self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_and_events_of_every_room_version_are_read_as_they_are() {
        let longest = format!("!{}", "a".repeat(254));
        for text in [
            "!abc:example.org",
            "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM",
            &longest,
        ] {
            let read: Result<RoomId, _> = text.parse();
            assert_eq!(read.map(|id| id.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "$143:example.org",
            "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk",
        ] {
            let read: Result<EventId, _> = text.parse();
            assert_eq!(read.map(|id| id.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn logs_hold_no_whole_id() {
        let room: RoomId = "!abcdefghijk:example.org".parse().unwrap();
        assert_eq!(format!("{room:?}"), "RoomId(!abcdef…)");
    }

    #[test]
    fn nothing_else_is_one() {
        let too_long = format!("!{}", "a".repeat(255));
        for text in [
            "",
            "!",
            "abc:example.org",
            "$abc",
            "!a b",
            "!a\n",
            "!\u{202e}a",
            "!ä",
            &too_long,
        ] {
            assert!(text.parse::<RoomId>().is_err(), "{text:?}");
        }
        for text in ["", "$", "!abc", "$a\0"] {
            assert!(text.parse::<EventId>().is_err(), "{text:?}");
        }
    }
}
