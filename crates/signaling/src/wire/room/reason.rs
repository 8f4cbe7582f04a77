//! Why a call in a room was hung up or rejected.

use std::fmt;
use std::sync::Arc;

use crate::HangupReason;

/// The reasons of the specification.
const KNOWN: [HangupReason; 7] = [
    HangupReason::UserHangup,
    HangupReason::InviteTimeout,
    HangupReason::IceFailed,
    HangupReason::IceTimeout,
    HangupReason::UserMediaFailed,
    HangupReason::UserBusy,
    HangupReason::UnknownError,
];

/// Why a call in a room was hung up or rejected: the list is open, clients have reasons of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomReason {
    /// A reason of the specification.
    Known(HangupReason),
    /// A word that the specification does not have, such as matrix-js-sdk's `answered_elsewhere`.
    Other(OtherReason),
}

/// A reason that the specification does not have: 1 to 64 letters, digits, dots, underscores, tildes and hyphens of ASCII.
#[derive(Clone, PartialEq, Eq)]
pub struct OtherReason(Arc<str>);

impl OtherReason {
    /// The longest that is kept, in bytes.
    pub const MAX_LEN: usize = 64;

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RoomReason {
    /// Reads a reason. What could harm a display, or has no bound, is an unknown error: the call is over all the same.
    pub fn parse(text: &str) -> Self {
        if let Some(known) = KNOWN.into_iter().find(|it| name(*it) == text) {
            return Self::Known(known);
        }
        let in_grammar =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-');
        if (1..=OtherReason::MAX_LEN).contains(&text.len()) && text.bytes().all(in_grammar) {
            Self::Other(OtherReason(text.into()))
        } else {
            Self::Known(HangupReason::UnknownError)
        }
    }

    /// The reason as it stands on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(reason) => name(*reason),
            Self::Other(reason) => reason.as_str(),
        }
    }

    /// The reason in the words of the specification, whatever else it was called.
    pub const fn known(&self) -> HangupReason {
        match self {
            Self::Known(reason) => *reason,
            Self::Other(_) => HangupReason::UnknownError,
        }
    }
}

impl From<HangupReason> for RoomReason {
    fn from(reason: HangupReason) -> Self {
        Self::Known(reason)
    }
}

impl fmt::Debug for OtherReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OtherReason({})", self.as_str())
    }
}

const fn name(reason: HangupReason) -> &'static str {
    match reason {
        HangupReason::UserHangup => "user_hangup",
        HangupReason::InviteTimeout => "invite_timeout",
        HangupReason::IceFailed => "ice_failed",
        HangupReason::IceTimeout => "ice_timeout",
        HangupReason::UserMediaFailed => "user_media_failed",
        HangupReason::UserBusy => "user_busy",
        HangupReason::AnsweredElsewhere => "answered_elsewhere",
        HangupReason::UnknownError => "unknown_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_the_specification_have_the_names_that_sealed_calls_give_them() {
        for reason in KNOWN {
            let read = RoomReason::parse(name(reason));
            assert_eq!(read, RoomReason::Known(reason));
            assert_eq!((read.as_str(), read.known()), (name(reason), reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), name(reason));
        }
    }

    #[test]
    fn reasons_of_other_clients_are_kept_as_they_are() {
        let longest = "a".repeat(OtherReason::MAX_LEN);
        for text in ["answered_elsewhere", "a", "org.example.Reason-2~", &longest] {
            let read = RoomReason::parse(text);
            assert!(matches!(read, RoomReason::Other(_)), "{text}");
            assert_eq!(read.as_str(), text);
            assert_eq!(read.known(), HangupReason::UnknownError);
        }
    }

    #[test]
    fn what_could_harm_a_display_or_has_no_bound_is_an_unknown_error() {
        let too_long = "a".repeat(OtherReason::MAX_LEN + 1);
        for text in [
            "",
            " ",
            "a b",
            "a\n",
            "a\u{1b}[2J",
            "\u{202e}a",
            "ä",
            &too_long,
        ] {
            let unknown = RoomReason::Known(HangupReason::UnknownError);
            assert_eq!(RoomReason::parse(text), unknown, "{text:?}");
        }
    }
}
