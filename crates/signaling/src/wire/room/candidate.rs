//! Candidates as rooms have them.

use std::fmt;
use std::sync::Arc;

/// An address at which the sender may be reached, or the end of them, and the m-line that it belongs to.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomCandidate {
    /// As in an `a=` line, without the `a=` (RFC 8839); empty: there will be no more.
    pub candidate: String,
    /// The m-line by its identification tag. Nheko knows none, and says so with an empty one.
    pub sdp_mid: Option<Mid>,
    /// The m-line by its number, from 0.
    pub sdp_m_line_index: Option<u16>,
}

/// The identification tag of an m-line (RFC 5888), 1 to 64 printable characters of ASCII.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mid(Arc<str>);

/// Why a text is no identification tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a mid is 1 to {} printable characters of ASCII", Mid::MAX_LEN)]
pub struct MidError;

impl RoomCandidate {
    /// A candidate of the m-line that has everything, which is the first.
    pub fn bundled(candidate: impl Into<String>, mid: Mid) -> Self {
        Self {
            candidate: candidate.into(),
            sdp_mid: Some(mid),
            sdp_m_line_index: Some(0),
        }
    }

    /// Whether it says that there will be no more.
    pub const fn is_end(&self) -> bool {
        self.candidate.is_empty()
    }
}

impl fmt::Debug for RoomCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No address gets into a log.
        f.write_str(if self.is_end() {
            "RoomCandidate(end)"
        } else {
            "RoomCandidate"
        })
    }
}

impl Mid {
    /// The longest that is taken, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Reads a tag.
    ///
    /// # Errors
    /// [`MidError`] if it is not 1 to 64 printable characters of ASCII.
    pub fn parse(text: &str) -> Result<Self, MidError> {
        if (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(MidError)
        }
    }

    /// The tag as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mid({})", self.as_str())
    }
}
