//! The name that a contact link suggests for its owner.

use std::fmt;

use crate::display_text::is_invisible;

/// A name made fit for display. Nobody vouches for it: whoever writes the link writes the name.
///
/// Characters that draw nothing or change how their neighbours are drawn (controls, direction marks, joiners, fillers,
/// tags, variation selectors) are left out, white space is folded to single spaces, and what is longer than
/// [`MAX_LENGTH`](Self::MAX_LENGTH) is cut. So a label cannot turn a line around, hide a part of itself, spread over
/// several lines or move a terminal's cursor.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameLabel(String);

impl NameLabel {
    /// Longest label, in characters.
    pub const MAX_LENGTH: usize = 64;

    /// Makes `text` harmless; `None` if nothing is left of it.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut label = String::new();
        let mut length = 0;
        for word in text
            .split(breaks)
            .map(visible)
            .filter(|word| !word.is_empty())
        {
            let space = usize::from(length > 0);
            if length + space >= Self::MAX_LENGTH {
                break;
            }
            if space > 0 {
                label.push(' ');
            }
            length += space;
            let kept: String = word.chars().take(Self::MAX_LENGTH - length).collect();
            length += kept.chars().count();
            label.push_str(&kept);
        }
        (!label.is_empty()).then_some(Self(label))
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NameLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for NameLabel {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Where one word ends: white space, and control characters, so that words around a line break stay apart.
fn breaks(character: char) -> bool {
    character.is_whitespace() || character.is_control()
}

fn visible(word: &str) -> String {
    // What stands for bytes that are no text is no part of a name either.
    word.chars()
        .filter(|c| !is_invisible(*c) && *c != char::REPLACEMENT_CHARACTER)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Option<String> {
        NameLabel::new(text).map(|label| label.to_string())
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "Ada",
            "Ada Lovelace",
            "Łukasz Żółw",
            "山田 太郎",
            "O'Brien-Smith",
            "🦊",
        ] {
            assert_eq!(label(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn what_moves_the_cursor_or_turns_the_line_is_left_out() {
        assert_eq!(label("\u{1b}[2Jboss").as_deref(), Some("[2Jboss"));
        assert_eq!(label("a\u{202e}gpj.exe").as_deref(), Some("agpj.exe"));
        assert_eq!(label("a\r\nb\u{2028}c").as_deref(), Some("a b c"));
        assert_eq!(label("A\u{200b}d\u{2066}a\u{2069}").as_deref(), Some("Ada"));
    }

    #[test]
    fn an_invisible_label_is_none() {
        for text in ["", "  ", "\u{200b}\u{feff}", "\u{0}\n\t", "\u{3164}"] {
            assert_eq!(label(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_long_label_is_cut() {
        assert_eq!(label(&"ab ".repeat(100)).unwrap().chars().count(), 62 + 2);
        assert_eq!(
            label(&"x".repeat(1000)).unwrap().chars().count(),
            NameLabel::MAX_LENGTH
        );
    }
}
