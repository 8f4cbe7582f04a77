//! A line that somebody types or pastes.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::screen::fitting::{columns, harmless};

/// More than any text that is searched for contacts: what is longer is told to be too long.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// The text, and where the next character goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::screen) struct TypedLine {
    text: String,
    /// In bytes, between two characters.
    cursor: usize,
}

impl TypedLine {
    /// A line that holds a text already.
    pub(in crate::screen) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            cursor: text.len(),
            text,
        }
    }

    /// What was typed.
    pub(in crate::screen) fn text(&self) -> &str {
        &self.text
    }

    /// Puts a text in at the cursor.
    pub(in crate::screen) fn insert(&mut self, text: &str) {
        let room = MAX_BYTES.saturating_sub(self.text.len());
        let text = &text[..text.floor_char_boundary(room)];
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    /// Types or edits; whether the key meant anything.
    pub(in crate::screen) fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => *self = Self::default(),
            KeyCode::Char('w') if control => self.remove_word(),
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.text.len(),
            // A shortcut is not something to be typed.
            KeyCode::Char(_)
                if control
                    || key
                        .modifiers
                        .intersects(KeyModifiers::ALT | KeyModifiers::META) =>
            {
                return false;
            }
            KeyCode::Char(character) => self.insert(character.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace => {
                if let Some(before) = self.before() {
                    self.text.remove(before);
                    self.cursor = before;
                }
            }
            KeyCode::Delete => {
                if self.cursor < self.text.len() {
                    self.text.remove(self.cursor);
                }
            }
            KeyCode::Left => self.cursor = self.before().unwrap_or(0),
            KeyCode::Right => {
                let next = self.text[self.cursor..].chars().next();
                self.cursor += next.map_or(0, char::len_utf8);
            }
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => return false,
        }
        true
    }

    /// What is to be seen in so many columns: before the cursor, and from it on.
    pub(in crate::screen) fn shown(&self, width: usize) -> (String, String) {
        let (before, after) = self.text.split_at(self.cursor);
        let nearest: Vec<char> = before.chars().rev().take(width).collect();
        let mut before = harmless(&nearest.into_iter().rev().collect::<String>());
        while columns(&before) >= width.max(1) {
            before.remove(0);
        }
        let mut after = harmless(&after.chars().take(width).collect::<String>());
        while columns(&before) + columns(&after) > width.max(1) {
            after.pop();
        }
        (before, after)
    }

    fn before(&self) -> Option<usize> {
        let (index, _) = self.text[..self.cursor].char_indices().next_back()?;
        Some(index)
    }

    fn remove_word(&mut self) {
        let before = self.text[..self.cursor].trim_end();
        let start = before
            .char_indices()
            .rev()
            .find(|(_, character)| character.is_whitespace())
            .map_or(0, |(index, character)| index + character.len_utf8());
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(line: &mut TypedLine, code: KeyCode) {
        line.key(KeyEvent::new(code, KeyModifiers::NONE));
    }

    fn control(line: &mut TypedLine, character: char) {
        line.key(KeyEvent::new(
            KeyCode::Char(character),
            KeyModifiers::CONTROL,
        ));
    }

    #[test]
    fn a_line_is_edited_where_the_cursor_is() {
        let mut line = TypedLine::new("Ada é");
        press(&mut line, KeyCode::Backspace);
        press(&mut line, KeyCode::Home);
        press(&mut line, KeyCode::Char('山'));
        press(&mut line, KeyCode::Right);
        press(&mut line, KeyCode::Delete);
        assert_eq!(line.text(), "山Aa ");
        press(&mut line, KeyCode::Left);
        press(&mut line, KeyCode::Backspace);
        assert_eq!(line.text(), "Aa ");
        control(&mut line, 'e');
        line.insert("b c");
        control(&mut line, 'w');
        assert_eq!(line.text(), "Aa b ");
        control(&mut line, 'u');
        assert_eq!(line.text(), "");
        press(&mut line, KeyCode::Backspace);
        press(&mut line, KeyCode::Delete);
        press(&mut line, KeyCode::Right);
        assert_eq!(line, TypedLine::default());
    }

    #[test]
    fn what_is_shown_is_what_is_around_the_cursor_and_harmless() {
        let mut line = TypedLine::new("first\nsecond\u{1b}[2J");
        assert_eq!(line.shown(9), ("cond [2J".to_owned(), String::new()));
        press(&mut line, KeyCode::Home);
        assert_eq!(line.shown(9), (String::new(), "first sec".to_owned()));
        assert_eq!(TypedLine::new("山田太郎").shown(5).0, "太郎");
        assert_eq!(
            TypedLine::new("abc").shown(0),
            (String::new(), String::new())
        );
    }

    #[test]
    fn a_library_does_not_fit() {
        let mut line = TypedLine::default();
        line.insert(&"é".repeat(MAX_BYTES));
        line.insert("x");
        assert_eq!(line.text().len(), MAX_BYTES);
    }
}
