//! What names a room, and an event in it.

use std::{fmt, str::FromStr};

use ruma::{OwnedEventId, OwnedRoomId};

/// The longest ID, in bytes, sigil and all.
/// <https://spec.matrix.org/v1.16/appendices/#common-identifier-format>
const MAX_LENGTH: usize = 255;

/// What is wrong with a text that should name a room or an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not the ID of a room or an event: '{sigil}' and 1 to 254 visible ASCII characters")]
pub struct RoomIdError {
    /// What such an ID begins with.
    sigil: char,
}

/// The ID of a room: `!` and what its maker's homeserver chose. Nothing is read from it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(OwnedRoomId);

/// The ID of an event in a room: `$` and a hash, or what an old homeserver chose.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(OwnedEventId);

/// Homeservers make IDs of visible ASCII only; what has anything else wants to harm a display or a log.
fn check(text: &str, sigil: char) -> Result<(), RoomIdError> {
    let rest = text.strip_prefix(sigil).unwrap_or_default();
    let is_visible = rest.bytes().all(|byte| byte.is_ascii_graphic());
    match !rest.is_empty() && text.len() <= MAX_LENGTH && is_visible {
        true => Ok(()),
        false => Err(RoomIdError { sigil }),
    }
}

impl RoomId {
    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn as_ruma(&self) -> &ruma::RoomId {
        &self.0
    }
}

impl EventId {
    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn as_ruma(&self) -> &ruma::EventId {
        &self.0
    }
}

impl FromStr for RoomId {
    type Err = RoomIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check(text, '!')?;
        let id = ruma::RoomId::parse(text);
        Ok(Self(id.map_err(|_| RoomIdError { sigil: '!' })?))
    }
}

impl FromStr for EventId {
    type Err = RoomIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check(text, '$')?;
        let id = ruma::EventId::parse(text);
        Ok(Self(id.map_err(|_| RoomIdError { sigil: '$' })?))
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
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
    fn rooms_old_and_new_have_ids() {
        for id in [
            "!abc:example.org",
            "!a",
            "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM",
        ] {
            assert_eq!(id.parse::<RoomId>().unwrap().as_str(), id);
        }
        for id in [
            "$abc:example.org",
            "$31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM",
        ] {
            assert_eq!(id.parse::<EventId>().unwrap().as_str(), id);
        }
    }

    #[test]
    fn what_harms_a_display_or_has_no_end_is_no_id() {
        let long = "x".repeat(MAX_LENGTH);
        for rest in [
            "",
            " ",
            "a b",
            "a\u{1b}[2J",
            "a\0",
            "é",
            "\u{202e}a",
            long.as_str(),
        ] {
            assert!(format!("!{rest}").parse::<RoomId>().is_err(), "{rest:?}");
            assert!(format!("${rest}").parse::<EventId>().is_err(), "{rest:?}");
        }
        assert!(format!("!{}", &long[1..]).parse::<RoomId>().is_ok());
        assert!("$abc".parse::<RoomId>().is_err());
        assert!("!abc".parse::<EventId>().is_err());
        assert!("abc".parse::<RoomId>().is_err());
    }

    #[test]
    fn logs_hold_no_whole_id() {
        let room: RoomId = "!abcdefghijk:example.org".parse().unwrap();
        assert_eq!(format!("{room:?}"), "RoomId(!abcdef…)");
    }
}
