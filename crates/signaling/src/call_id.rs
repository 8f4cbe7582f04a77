//! The ID of a sealed call.

use std::fmt;

use crate::random_id::RandomId;

/// The ID of a sealed call: 16 random bytes, written as 32 lower-case hex characters. The order is the order of glare.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(RandomId);

/// Why a text is not a call ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a call ID is 32 lower-case hex characters")]
pub struct CallIdError;

impl CallId {
    /// A call ID from 16 random bytes.
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(RandomId(bytes))
    }

    /// Parses the text form. Nothing but 32 lower-case hex characters is one.
    ///
    /// # Errors
    /// [`CallIdError`] for everything else.
    pub fn parse(text: &str) -> Result<Self, CallIdError> {
        RandomId::parse(text).map(Self).ok_or(CallIdError)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let id = CallId::from_random(*b"\x00\x01\x7f\x80\xfe\xffabcdefghij");
        let text = id.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(CallId::parse(&text), Ok(id));
    }

    #[test]
    fn the_order_of_calls_is_the_order_of_their_texts() {
        let mut lesser = [0x0f; 16];
        let greater = CallId::from_random([0xa0; 16]);
        lesser[0] = 0x9f;
        let lesser = CallId::from_random(lesser);
        assert!(lesser < greater && lesser.to_string() < greater.to_string());
    }

    #[test]
    fn nothing_else_is_a_call_id() {
        let long = "0".repeat(33);
        for text in [
            "",
            "0",
            "0123456789ABCDEF0123456789ABCDEF",
            "0123456789abcdef0123456789abcdeg",
            &long,
        ] {
            assert_eq!(CallId::parse(text), Err(CallIdError), "{text}");
        }
    }
}
