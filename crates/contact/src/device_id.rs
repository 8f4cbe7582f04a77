//! What a homeserver calls a device.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The ID of a [`Device`](crate::Device), unique within its account. A homeserver chooses it, or the client that logs in, so
/// there is nothing to be read from it; what is taken of it here is 1 to 255 visible ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(Arc<str>);

impl DeviceId {
    /// Longest device ID, in bytes. Other clients of ours take no longer one.
    pub const MAX_LENGTH: usize = 255;

    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceId {
    type Err = DeviceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(DeviceIdError::Empty);
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(DeviceIdError::TooLong { found: text.len() });
        }
        match text.chars().find(|c| !c.is_ascii_graphic()) {
            Some(character) => Err(DeviceIdError::Character { character }),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({self})")
    }
}

/// What is wrong with a text that should be a device ID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceIdError {
    /// There is nothing.
    #[error("a device ID has at least one character")]
    Empty,
    /// More bytes than any homeserver needs.
    #[error(
        "a device ID has at most {} bytes, this has {found}",
        DeviceId::MAX_LENGTH
    )]
    TooLong {
        /// Bytes counted.
        found: usize,
    },
    /// A character that no device ID has.
    #[error("'{}' cannot be in a device ID", .character.escape_debug())]
    Character {
        /// The first that is not visible ASCII.
        character: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_homeservers_call_devices_is_read_as_it_is() {
        let longest = "a".repeat(DeviceId::MAX_LENGTH);
        for text in ["D", "JLAFKJWSCS", "a.b_c~d-e", "/+=!\"", &longest] {
            let read: Result<DeviceId, _> = text.parse();
            assert_eq!(read.map(|id| id.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_could_harm_a_display_or_has_no_bound_is_no_id() {
        let parse = str::parse::<DeviceId>;
        assert_eq!(parse(""), Err(DeviceIdError::Empty));
        for length in [256, 100_000] {
            let too_long = DeviceIdError::TooLong { found: length };
            assert_eq!(parse(&"a".repeat(length)), Err(too_long));
        }
        for (text, character) in [
            ("DEV ICE", ' '),
            ("D\n", '\n'),
            ("D\u{1b}[2J", '\u{1b}'),
            ("D\u{7f}", '\u{7f}'),
            ("DÉVICE", 'É'),
            ("\u{202e}D", '\u{202e}'),
        ] {
            assert_eq!(parse(text), Err(DeviceIdError::Character { character }));
        }
    }

    #[test]
    fn why_a_text_is_none_can_be_shown() {
        let error = "\u{1b}[2J".parse::<DeviceId>().unwrap_err();
        assert_eq!(error.to_string(), r"'\u{1b}' cannot be in a device ID");
    }
}
