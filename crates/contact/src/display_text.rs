//! Text from outside, made fit to be shown to a person.
//!
//! A server, a peer, a link or a file name may hold characters that do more than show themselves: they move a terminal's
//! cursor, turn the line around, draw nothing, or pile up over the lines above. [`is_harmful`] is the one list of them;
//! [`NameLabel`](crate::NameLabel) goes by it, too.

use unicode_width::UnicodeWidthChar as _;

use crate::invisible;

/// Marks above and below one character that are shown. No script needs more (UTS #39, section 5.4), and a pile of them
/// covers the neighbouring lines.
pub const MAX_MARKS: usize = 4;
/// Spaces in a row that are shown in one line: more would push what follows out of sight.
const MAX_SPACES: usize = 2;
/// What stands for what was cut off.
const ELLIPSIS: char = '…';

/// Whether a character does something else than being drawn: controls of every kind, direction marks, joiners, fillers,
/// tags, variation selectors, separators of lines and paragraphs, and what is not a character at all.
///
/// U+FFFD is none of them: it stands for bytes that are no text, and is drawn.
#[must_use]
pub fn is_harmful(character: char) -> bool {
    character.is_control() || is_invisible(character)
}

/// Whether a character is drawn on the one before it, and takes no column of its own.
#[must_use]
pub fn is_mark(character: char) -> bool {
    character.width() == Some(0)
}

/// Several lines: line breaks and tabs stay, every other control character becomes a space, what else is harmful is left
/// out, and so are more than [`MAX_MARKS`] marks on one character.
#[must_use]
pub fn display_text(text: &str) -> String {
    let mut shown = Shown::with_capacity(text.len());
    for character in text.chars() {
        let breaks = matches!(character, '\n' | '\t');
        shown.push(match character {
            _ if breaks => character,
            _ if character.is_control() => ' ',
            _ => character,
        });
    }
    shown.text
}

/// One line of at most `max_length` characters: as [`display_text`], but line breaks and tabs are spaces as well, of
/// which no more than two follow each other, and what is longer ends with `…`.
#[must_use]
pub fn display_line(text: &str, max_length: usize) -> String {
    let mut shown = Shown::with_capacity(text.len().min(max_length.saturating_mul(4)));
    let mut length = 0;
    let mut spaces = 0;
    for character in text.chars() {
        let is_space = character.is_whitespace() || character.is_control();
        if is_space && spaces == MAX_SPACES {
            continue;
        }
        // What is left out ends no run of spaces: else each could bring two more.
        if !shown.push(if is_space { ' ' } else { character }) {
            continue;
        }
        spaces = if is_space { spaces + 1 } else { 0 };
        length += 1;
        if length > max_length {
            shown.text.pop();
            shown.text.pop();
            shown.text.push(ELLIPSIS);
            break;
        }
    }
    shown.text
}

/// What draws nothing anywhere, separates lines, or is not a character at all, or one of nobody's.
pub(crate) fn is_invisible(character: char) -> bool {
    invisible::is_invisible(character)
        || matches!(character,
            '\u{2028}'..='\u{2029}' | '\u{2800}' | '\u{d7fc}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}'
            | '\u{fffe}'..='\u{ffff}' | '\u{e1000}'..='\u{10ffff}')
}

/// A text as it grows, and the marks at its end.
struct Shown {
    text: String,
    marks: usize,
}

impl Shown {
    fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            marks: 0,
        }
    }

    /// Whether the character is shown.
    fn push(&mut self, character: char) -> bool {
        // A character that is left out ends no pile: else it could hide in there.
        if is_invisible(character) {
            return false;
        }
        self.marks = if is_mark(character) {
            self.marks + 1
        } else {
            0
        };
        if self.marks > MAX_MARKS {
            return false;
        }
        self.text.push(character);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in [
            "Zażółć gęślą jaźń",
            "山田 太郎",
            "Nguyễn e\u{302}\u{301}",
            "🦊 and 👍🏽",
            "ก\u{e34}\u{e48}",
            "\u{1112}\u{1161}\u{11ab}",
            "bytes that are no text: \u{fffd}",
        ] {
            assert_eq!(display_line(text, 100), text);
            assert_eq!(display_text(text), text);
        }
        assert_eq!(display_text("a\tb\nc"), "a\tb\nc");
    }

    #[test]
    fn escape_sequences_lose_what_makes_them_sequences() {
        for (text, line) in [
            ("a\u{1b}[2Jb", "a [2Jb"),
            ("a\u{1b}]0;title\u{7}b", "a ]0;title b"),
            ("a\u{9b}31mb", "a 31mb"),
            ("a\u{9d}52;c;x\u{9c}", "a 52;c;x "),
            ("a\u{7f}\u{0}b\r", "a  b "),
        ] {
            assert_eq!(display_line(text, 100), line);
            assert_eq!(display_text(text), line);
        }
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(
            display_line("no\r\nerror: yes\u{2028}\u{85}\u{2029}!", 100),
            "no  error: yes  !"
        );
        assert_eq!(display_line("a\t\t\t \u{3000}   b", 100), "a  b");
        let hidden = format!("a{}b", "  \u{200b}".repeat(500));
        assert_eq!(display_line(&hidden, 100), "a  b");
    }

    #[test]
    fn nothing_turns_hides_or_piles_up() {
        assert_eq!(
            display_text("a\u{202e}b\u{2066}c\u{200b}d\u{200d}e\u{fe0f}f\u{e0041}g"),
            "abcdefg"
        );
        let pile = format!("a{}b", "\u{301}".repeat(500));
        assert_eq!(
            display_text(&pile),
            format!("a{}b", "\u{301}".repeat(MAX_MARKS))
        );
        let hidden = format!("a{}b", "\u{301}\u{200b}".repeat(500));
        assert_eq!(
            display_text(&hidden),
            format!("a{}b", "\u{301}".repeat(MAX_MARKS))
        );
    }

    #[test]
    fn a_long_line_is_cut() {
        assert_eq!(display_line("abcd", 4), "abcd");
        assert_eq!(display_line("abcde", 4), "abc…");
        assert_eq!(display_line(&"é\u{200b}".repeat(1_000_000), 3), "éé…");
        assert_eq!(display_line("abc", 0), "…");
    }
}
