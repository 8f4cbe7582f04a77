//! ERROR-CODE (RFC 8489 section 14.8).

use std::fmt;

/// The longest reason phrase that is kept, in characters. RFC 8489 allows 127.
pub const MAX_REASON_LEN: usize = 127;

/// Why a server refused a request.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorCode {
    /// 300 to 699.
    pub code: u16,
    /// What the server says of it: text from outside, bounded, not otherwise checked.
    pub reason: String,
}

impl ErrorCode {
    /// Reads the value of the attribute. `None` for what is no code from 300 to 699.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let [_, _, class, number, reason @ ..] = value else {
            return None;
        };
        let (class, number) = (u16::from(class & 0x07), u16::from(*number));
        if !(3..=6).contains(&class) || number > 99 {
            return None;
        }
        Some(Self {
            code: class * 100 + number,
            reason: String::from_utf8_lossy(reason)
                .chars()
                .take(MAX_REASON_LEN)
                .collect(),
        })
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, reason } = self;
        write!(f, "{code} {reason:?}")
    }
}
