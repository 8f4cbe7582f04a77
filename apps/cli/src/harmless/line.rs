//! One line for a person.

use std::fmt;
use std::ops::Deref;

use securecall_contact::display_line;
use serde::Serialize;

/// The longest line, in characters: more than any message of ours with a long path in it.
const MAX_LENGTH: usize = 2000;

/// A text on one line, harmless and bounded, whatever somebody else put into it: a message with line breaks in it could
/// go on with lines that look like ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct Line(String);

impl Line {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self(display_line(text, MAX_LENGTH))
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl Deref for Line {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_never_becomes_two_and_has_an_end() {
        let line = Line::from("refused\n  help: run this\u{1b}[2K");
        assert_eq!(line.as_str(), "refused  help: run this [2K");
        assert_eq!(
            Line::from("x".repeat(1_000_000)).chars().count(),
            MAX_LENGTH
        );
    }
}
