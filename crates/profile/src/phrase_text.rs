//! The phrase as people keep it: numbered, with commas, below its ID, as the program has printed it, from any editor.

use securecall_contact::SecureCallId;
use zeroize::Zeroizing;

/// Words in a phrase.
pub const PHRASE_WORDS: usize = 24;

/// What a text is made of, for a phrase.
enum Piece<'a> {
    Number(usize),
    Word(&'a str),
}

/// The words of the phrase in a text, with single spaces between them. What else there is stays in, so that it is found to be
/// wrong.
pub fn words_in(text: &str) -> Zeroizing<String> {
    let text = phrase_field(text).unwrap_or(text);
    let words = numbered_words(text).unwrap_or_else(|| {
        let lines = text.lines().filter(|line| !is_id(line));
        let pieces = lines.flat_map(|line| pieces_of(without_label(line)));
        pieces
            .filter_map(|piece| match piece {
                Piece::Word(word) => Some(word),
                Piece::Number(_) => None,
            })
            .collect()
    });
    // Never longer, so that nothing moves and leaves a copy behind.
    let mut phrase = Zeroizing::new(String::with_capacity(text.len() + words.len()));
    for word in words {
        if !phrase.is_empty() {
            phrase.push(' ');
        }
        phrase.extend(word.chars().filter(|character| !draws_nothing(*character)));
    }
    phrase
}

/// The phrase in an event of `id new --json`.
fn phrase_field(text: &str) -> Option<&str> {
    let (_, behind) = text.split_once("\"phrase\"")?;
    let value = behind.trim_start().strip_prefix(':')?.trim_start();
    value.strip_prefix('"')?.split('"').next()
}

/// The words in the order of the numbers before them, if there is one for each number.
fn numbered_words(text: &str) -> Option<Vec<&str>> {
    let mut words = [None; PHRASE_WORDS];
    let mut number = None;
    for piece in pieces_of(text) {
        match piece {
            Piece::Number(next) => number = Some(next),
            Piece::Word(word) => {
                let place = number
                    .take()
                    .and_then(|number: usize| number.checked_sub(1));
                if let Some(place) = place.and_then(|place| words.get_mut(place)) {
                    place.get_or_insert(word);
                }
            }
        }
    }
    words.into_iter().collect()
}

fn pieces_of(text: &str) -> impl Iterator<Item = Piece<'_>> {
    text.split(|c: char| c.is_whitespace() || is_punctuation(c))
        .flat_map(|token| {
            // A number may stand right before its word.
            let digits = token.trim_start_matches(draws_nothing);
            let word = digits.trim_start_matches(|c: char| c.is_ascii_digit());
            let number = digits[..digits.len() - word.len()].parse().ok();
            let word = Some(word).filter(|word| word.contains(|c: char| !draws_nothing(c)));
            [number.map(Piece::Number), word.map(Piece::Word)]
        })
        .flatten()
}

/// A line without "Phrase:" before it.
fn without_label(line: &str) -> &str {
    line.rsplit_once(':').map_or(line, |(_, behind)| behind)
}

/// Whether a line is an ID, as the program prints one above the phrase.
fn is_id(line: &str) -> bool {
    let id = without_label(line).trim_matches(|c: char| c.is_whitespace() || draws_nothing(c));
    id.len() == SecureCallId::LENGTH && id.parse::<SecureCallId>().is_ok()
}

fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation()
        || matches!(character, '•' | '·' | '–' | '—' | '…' | '、' | '，' | '│')
}

/// Zero width, direction marks, byte order mark, soft hyphen.
fn draws_nothing(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use securecall_crypto::IdentitySeed;
    use securecall_freed_memory::copies_left_by;

    use super::*;

    const ID: &str = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

    fn phrase() -> Zeroizing<String> {
        IdentitySeed::from_bytes(std::array::from_fn(|index| index as u8 * 7)).phrase()
    }

    fn numbered(behind: &str) -> String {
        let words = phrase();
        let words = words.split(' ').enumerate();
        words
            .map(|(index, word)| format!("{}{behind}{word}\n", index + 1))
            .collect()
    }

    #[test]
    fn a_phrase_is_found_however_it_is_kept() {
        let phrase = phrase();
        let words: Vec<&str> = phrase.split(' ').collect();
        let columns: String = (0..12)
            .map(|row| {
                format!(
                    "{}. {}   {}. {}\n",
                    row + 1,
                    words[row],
                    row + 13,
                    words[row + 12]
                )
            })
            .collect();
        for text in [
            phrase.to_string(),
            format!("\u{feff}{}\r\n", *phrase),
            phrase.replace(' ', ", "),
            phrase.replace(' ', ",\n"),
            phrase.replace(' ', " - "),
            numbered(". "),
            numbered(") "),
            numbered(": "),
            numbered(""),
            numbered(".\u{a0}"),
            columns,
            format!("{ID}\n{}", *phrase),
            format!("My ID: {ID}\nPhrase: {}\n", *phrase),
            format!(
                "Your SecureCall ID:\n\n  {ID}\n\nYour phrase:\n\n{}\nWrite the 24 words down.",
                numbered(" ")
            ),
            format!(
                "{{\"at_ms\":1,\"event\":\"identity\",\"id\":\"{ID}\",\"phrase\":\"{}\"}}\n",
                *phrase
            ),
            phrase.replacen('a', "a\u{200b}", 1),
        ] {
            assert_eq!(*words_in(&text), *phrase, "{text:?}");
        }
    }

    #[test]
    fn a_phrase_leaves_nothing_behind() {
        let phrase = phrase();
        let beginning: [u8; 32] = phrase.as_bytes()[..32].try_into().unwrap();
        for text in [phrase.to_string(), numbered(". ")] {
            let left = copies_left_by(&[beginning], || drop(words_in(&text)));
            assert_eq!(left, 0, "{text:?}");
        }
    }

    #[test]
    fn what_does_not_belong_there_stays_in() {
        let phrase = phrase();
        for text in [
            format!("hello {}", *phrase),
            numbered(". ")
                .replacen("7. ", "", 1)
                .replacen("8. ", "7 7 ", 1)
                + " extra",
        ] {
            assert_ne!(*words_in(&text), *phrase, "{text:?}");
        }
        assert_eq!(*words_in(""), "");
        assert_eq!(*words_in("1 2 3"), "");
    }
}
