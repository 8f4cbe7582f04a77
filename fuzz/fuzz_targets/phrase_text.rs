//! A phrase as somebody has kept it: what is read are words with single spaces between them, and a phrase of ours is found however
//! it was written down.
//!
//! The file is taken by itself: the crate around it does I/O.

#![no_main]

#[path = "../../crates/profile/src/phrase_text.rs"]
mod phrase_text;

use libfuzzer_sys::fuzz_target;
use phrase_text::{PHRASE_WORDS, words_in};
use securecall_crypto::IdentitySeed;

/// What may stand between a number and its word, and between words.
const GAPS: [&str; 8] = [" ", ". ", ") ", ",\t", "\r\n", "\u{a0}", " \u{200b}", " — "];

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let words = words_in(&text);
    let count = words.split(' ').count();
    assert!(
        words.is_empty() || words.split(' ').all(|word| !word.is_empty()),
        "{words:?}"
    );
    assert!(
        words
            .split(' ')
            .all(|word| !word.contains(char::is_whitespace)),
        "{words:?}"
    );
    assert!(
        !words.contains(['\u{200b}', '\u{202e}', '\u{feff}', '\u{ad}']),
        "{words:?}"
    );
    // It did not grow, and so has left no copy behind.
    assert!(
        words.capacity() <= text.len() + count,
        "{} of {}",
        words.capacity(),
        text.len()
    );
    // Numbers change the order, and so do not stay what they were.
    if !text.contains(|c: char| c.is_ascii_digit()) {
        assert_eq!(words_in(&words), words);
    }

    let Some((seed, style)) = bytes.split_first_chunk::<32>() else {
        return;
    };
    let phrase = IdentitySeed::from_bytes(*seed).phrase();
    let mut words: Vec<(usize, &str)> = phrase.split(' ').enumerate().collect();
    assert_eq!(words.len(), PHRASE_WORDS);
    let style = |place: usize| usize::from(style.get(place).copied().unwrap_or_default());
    let gap = |place| GAPS[style(place) % GAPS.len()];
    let is_numbered = style(0) % 2 == 1;
    if is_numbered {
        // In columns, or in any order.
        words.rotate_left(style(1) % PHRASE_WORDS);
    }
    let written: String = words
        .iter()
        .map(|(index, word)| match is_numbered {
            true => format!("{}{}{word}{}", index + 1, gap(2), gap(3)),
            false => format!("{word}{}", gap(4 + index)),
        })
        .collect();
    assert_eq!(*words_in(&written), *phrase, "{written:?}");
});
