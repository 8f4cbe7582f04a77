//! Tells what is pasted from what is typed, where a terminal does not say which it is (no bracketed paste): letters of a
//! message must not be orders.

use std::io;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::input::Input;

/// Nobody types so many letters at once; a key that is held down gives one letter again and again.
const PASTED: usize = 4;
/// What comes within this time comes at once. Whoever types fast, or holds a key down, leaves three times as much.
const AT_ONCE: Duration = Duration::from_millis(8);
/// Pieces of a pasted text may lie further apart.
const BETWEEN_PIECES: Duration = Duration::from_millis(60);
/// The longest text that is taken as one, in bytes: more than any that is searched for contacts.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// Keys that came at once.
#[derive(Debug, Default)]
pub(super) struct Burst {
    /// The first ones: what they are is open while they are few.
    keys: Vec<KeyEvent>,
    /// The letters among all.
    text: String,
    letters: usize,
    /// They are not all the same.
    is_mixed: bool,
}

impl Burst {
    /// A key, and what comes together with it. `next` gives the next key if it comes within a time.
    ///
    /// # Errors
    ///
    /// As `next`.
    pub(super) fn gather(
        first: KeyEvent,
        mut next: impl FnMut(Duration) -> io::Result<Option<KeyEvent>>,
    ) -> io::Result<Self> {
        let mut burst = Self::default();
        burst.add(first);
        while burst.text.len() < MAX_BYTES
            && let Some(key) = next(burst.patience())?
        {
            burst.add(key);
        }
        Ok(burst)
    }

    /// What it means: a text, or the keys one by one. In a text there are no other keys.
    pub(super) fn into_inputs(self) -> Vec<Input> {
        if self.is_pasted() {
            return vec![Input::Paste(self.text)];
        }
        self.keys.into_iter().map(Input::Key).collect()
    }

    fn patience(&self) -> Duration {
        if self.is_pasted() {
            BETWEEN_PIECES
        } else {
            AT_ONCE
        }
    }

    fn is_pasted(&self) -> bool {
        self.letters >= PASTED && self.is_mixed
    }

    fn add(&mut self, key: KeyEvent) {
        if let Some(letter) = letter(key) {
            self.is_mixed |= !self.text.is_empty() && !self.text.ends_with(letter);
            self.text.push(letter);
            self.letters += 1;
        }
        if self.is_pasted() {
            self.keys = Vec::new();
        } else {
            self.keys.push(key);
        }
    }
}

/// What a key adds to a text.
fn letter(key: KeyEvent) -> Option<char> {
    let modified = KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::META;
    match key.code {
        // A line break in a pasted text comes as Ctrl-J.
        KeyCode::Char('j') if key.modifiers == KeyModifiers::CONTROL => Some('\n'),
        _ if key.modifiers.intersects(modified) => None,
        KeyCode::Char(letter) => Some(letter),
        KeyCode::Enter => Some('\n'),
        KeyCode::Tab => Some('\t'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn key(letter: char) -> KeyEvent {
        match letter {
            '\n' => KeyCode::Enter.into(),
            '\u{1b}' => KeyCode::Esc.into(),
            '↓' => KeyCode::Down.into(),
            other => KeyCode::Char(other).into(),
        }
    }

    /// What keys mean that come so many milliseconds after the one before.
    fn mean(arrivals: &[(u64, &str)]) -> Vec<Input> {
        let mut coming: VecDeque<(Duration, KeyEvent)> = arrivals
            .iter()
            .flat_map(|(gap, keys)| {
                let gaps = std::iter::once(*gap).chain(std::iter::repeat(0));
                gaps.zip(keys.chars())
            })
            .map(|(gap, letter)| (Duration::from_millis(gap), key(letter)))
            .collect();
        let mut inputs = Vec::new();
        while let Some((_, first)) = coming.pop_front() {
            let burst = Burst::gather(first, |patience| {
                let comes = coming.front().is_some_and(|(gap, _)| *gap <= patience);
                let next = if comes { coming.pop_front() } else { None };
                Ok(next.map(|(_, key)| key))
            });
            inputs.extend(burst.unwrap().into_inputs());
        }
        inputs
    }

    fn keys(text: &str) -> Vec<Input> {
        text.chars().map(|letter| Input::Key(key(letter))).collect()
    }

    fn shown(inputs: &[Input]) -> String {
        format!("{inputs:?}")
    }

    #[test]
    fn many_letters_at_once_are_a_text() {
        for arrivals in [
            &[(0, "quit\nx\ny\n")][..],
            // One by one, but faster than anybody types.
            &[
                (0, "q"),
                (2, "u"),
                (2, "i"),
                (2, "t"),
                (2, "\n"),
                (2, "x"),
                (2, "\n"),
                (2, "y"),
                (2, "\n"),
            ],
            // In pieces.
            &[(0, "quit\n"), (50, "x\n"), (50, "y\n")],
            // With keys in between that no text has.
            &[(0, "\u{1b}quit↓\nx\ny\u{1b}\n")],
        ] {
            let inputs = mean(arrivals);
            let [Input::Paste(text)] = &inputs[..] else {
                panic!("{arrivals:?}: {inputs:?}");
            };
            assert_eq!(text, "quit\nx\ny\n", "{arrivals:?}");
        }
    }

    #[test]
    fn what_a_person_types_are_keys() {
        for arrivals in [
            // The fastest typists: 16 letters a second.
            &[(0, "r"), (60, "o"), (60, "b"), (60, "\n"), (60, "x")][..],
            // A key that is held down, when the machine was busy.
            &[(0, "jjjjjjjjjjjj")],
            &[(0, "\u{1b}↓↓↓↓↓↓")],
            // A short word that a slow line has joined.
            &[(0, "xy\n")],
        ] {
            let all: String = arrivals.iter().map(|(_, keys)| *keys).collect();
            assert_eq!(shown(&mean(arrivals)), shown(&keys(&all)));
        }
    }

    #[test]
    fn a_text_without_an_end_is_taken_in_pieces() {
        let mut letters = "ab".chars().cycle();
        let burst = Burst::gather(key('x'), |_| Ok(letters.next().map(key))).unwrap();
        let inputs = burst.into_inputs();
        assert!(matches!(&inputs[..], [Input::Paste(text)] if text.len() == MAX_BYTES));
    }
}
