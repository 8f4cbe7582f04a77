//! What may be written to a terminal: the one place where foreign text becomes output.

use std::fmt;

use securecall_contact::{MAX_MARKS, display_text, is_harmful, is_mark};
use serde_json::Value;
use zeroize::Zeroizing;

/// Text with nothing in it but characters that are drawn, line breaks, tabs, and escape sequences of our own.
///
/// The standard streams take nothing else, and nothing else makes one: whatever a homeserver, a peer, a link or a file
/// name put into a text has lost here what could move the cursor, set a title or turn a line around.
#[derive(Clone, Default)]
pub(crate) struct Printable(Zeroizing<String>);

impl Printable {
    /// A text of one or more lines.
    pub(crate) fn text(text: &str) -> Self {
        Self(Zeroizing::new(display_text(text)))
    }

    /// An event on one line. Harmful characters, and marks that pile up, are escaped as JSON has it, so the value is the same for whoever reads it.
    pub(crate) fn json(value: &Value) -> Self {
        let line = Zeroizing::new(value.to_string());
        let mut escaped = Zeroizing::new(String::with_capacity(line.len()));
        let mut marks = 0;
        for character in line.chars() {
            marks = if is_mark(character) { marks + 1 } else { 0 };
            if is_harmful(character) || marks > MAX_MARKS {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            } else {
                escaped.push(character);
            }
        }
        Self(escaped)
    }

    /// A text that a library of ours has painted: sequences that choose one of the eight colours or a weight stay,
    /// everything else is as in [`text`](Self::text).
    pub(crate) fn painted(text: &str) -> Self {
        let mut printable = Self::default();
        // A sequence draws nothing, so it ends no pile of marks.
        let mut marks = 0;
        let mut rest = text;
        while let Some(start) = rest.find(ESCAPE) {
            let (before, sequence) = rest.split_at(start);
            printable.push_after_marks(before, &mut marks);
            let length = paint(sequence);
            let (escape, after) = sequence.split_at(length.unwrap_or(ESCAPE.len_utf8()));
            match length {
                Some(_) => printable.0.push_str(escape),
                None => printable.push_after_marks(escape, &mut marks),
            }
            rest = after;
        }
        printable.push_after_marks(rest, &mut marks);
        printable
    }

    /// Adds a text to one that ends with so many marks.
    fn push_after_marks(&mut self, text: &str, marks: &mut usize) {
        for character in display_text(text).chars() {
            *marks = if is_mark(character) { *marks + 1 } else { 0 };
            if *marks <= MAX_MARKS {
                self.0.push(character);
            }
        }
    }

    /// Adds a text.
    pub(crate) fn push(&mut self, text: &str) {
        self.0.push_str(&Zeroizing::new(display_text(text)));
    }

    /// Adds a sequence of ours. That it lives for ever is what keeps foreign text out.
    pub(crate) fn push_sequence(&mut self, sequence: &'static str) {
        self.0.push_str(sequence);
    }

    /// What is to be written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// It may be a phrase.
impl fmt::Debug for Printable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Printable(..)")
    }
}

const ESCAPE: char = '\u{1b}';

/// The length of the SGR sequence (ECMA-48, 8.3.117) that the text begins with, if it only chooses a colour or a weight:
/// what hides or blinks is none.
fn paint(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|character: char| !character.is_ascii_digit() && character != ';')?;
    if !parameters[end..].starts_with('m') {
        return None;
    }
    let is_paint = |parameter: &str| {
        matches!(
            parameter.parse(),
            Ok(0..=4_u8 | 22..=24 | 31..=37 | 39 | 91..=97)
        )
    };
    parameters[..end]
        .split(';')
        .all(is_paint)
        .then_some(ESCAPE.len_utf8() + 1 + end + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_of_json_holds_what_it_held_and_harms_no_terminal() {
        let text = "a\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{2028}\u{200b}\u{e0041}\u{fffd}é山🦊\n\"";
        let value = json!({"event": "x", "message": text});
        let line = Printable::json(&value);
        assert!(!line.as_str().chars().any(is_harmful), "{}", line.as_str());
        assert!(line.as_str().contains("é山🦊"), "{}", line.as_str());
        assert_eq!(serde_json::from_str::<Value>(line.as_str()).unwrap(), value);
    }

    #[test]
    fn paint_stays_and_every_other_sequence_goes() {
        let painted = |text: &str| Printable::painted(text).as_str().to_owned();
        let kept = "\u{1b}[1m\u{1b}[31mred\u{1b}[0m \u{1b}[1;4mstrong\u{1b}[0m";
        assert_eq!(painted(kept), kept);
        for (text, shown) in [
            ("\u{1b}[8mhidden", " [8mhidden"),
            ("\u{1b}[30mblack", " [30mblack"),
            ("\u{1b}[2J", " [2J"),
            ("\u{1b}[1;8m", " [1;8m"),
            ("\u{1b}[m\u{1b}[;m\u{1b}[999m", " [m [;m [999m"),
            ("\u{1b}]0;title\u{7}", " ]0;title "),
            ("\u{1b}", " "),
            ("\u{1b}[31", " [31"),
            ("\u{9b}31m\u{202e}", " 31m"),
        ] {
            assert_eq!(painted(text), shown, "{text:?}");
        }
    }

    #[test]
    fn nothing_of_it_is_in_a_log() {
        assert_eq!(
            format!("{:?}", Printable::text("abandon abandon")),
            "Printable(..)"
        );
    }
}
