//! Texts that fit: measured in columns of a terminal, cut, wrapped, and made harmless.

use ratatui::style::Style;
use ratatui::text::Span;
use securecall_contact::display_text;

/// What stands for what was left out.
const ELLIPSIS: &str = "…";

/// How many columns of a terminal a text takes.
pub(super) fn columns(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text without anything that draws nothing, turns a line around or breaks it.
pub(super) fn harmless(text: &str) -> String {
    display_text(&text.replace(char::is_whitespace, " "))
}

/// The beginning of the text, if all of it does not fit.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut kept = beginning(text, width.saturating_sub(1));
    if width > 0 {
        kept.push_str(ELLIPSIS);
    }
    kept
}

/// A Matrix ID of which the server stays readable, if there is room for that.
pub(super) fn fit_matrix_id(matrix_id: &str, width: usize) -> String {
    match matrix_id.split_once(':') {
        Some((name, server)) if columns(matrix_id) > width && columns(server) + 8 <= width => {
            let name = fit(name, width - columns(server) - 1);
            format!("{name}:{server}")
        }
        _ => fit(matrix_id, width),
    }
}

/// The text, cut or filled up with spaces.
pub(super) fn padded(text: &str, width: usize) -> String {
    let text = fit(text, width);
    let missing = width.saturating_sub(columns(&text));
    format!("{text}{}", " ".repeat(missing))
}

/// The text in lines; words that are too long are broken.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        while columns(&line) > width {
            let piece = beginning(&line, width);
            line.drain(..piece.len());
            lines.push(piece);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// As much of the beginning as fits.
fn beginning(text: &str, width: usize) -> String {
    let mut kept = String::new();
    let mut taken = 0;
    for grapheme in Span::raw(text).styled_graphemes(Style::new()) {
        taken += columns(grapheme.symbol);
        if taken > width {
            break;
        }
        kept.push_str(grapheme.symbol);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_columns_not_by_characters() {
        assert_eq!(fit("Ada", 3), "Ada");
        assert_eq!(fit("Ada L", 4), "Ada…");
        assert_eq!(fit("山田太郎", 6), "山田…");
        assert_eq!(columns(&padded("山田太郎", 6)), 6);
        assert_eq!(fit("Ada", 0), "");
    }

    #[test]
    fn the_server_of_a_matrix_id_stays_readable() {
        assert_eq!(
            fit_matrix_id("@sc_abcdefghijkl:example.org", 22),
            "@sc_abcde…:example.org"
        );
        assert_eq!(fit_matrix_id("@ada:example.org", 22), "@ada:example.org");
        assert_eq!(fit_matrix_id("@ada:example.org", 8), "@ada:ex…");
    }

    #[test]
    fn lines_break_between_words_and_within_words_that_are_too_long() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("山田太郎", 4), ["山田", "太郎"]);
        assert!(wrap("", 4).is_empty());
    }

    #[test]
    fn nothing_moves_the_cursor_or_turns_the_line() {
        assert_eq!(harmless("a\u{1b}[31mb\nc\u{202e}d"), "a [31mb cd");
    }
}
