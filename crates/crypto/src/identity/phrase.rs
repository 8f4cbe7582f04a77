//! The seed as 24 words with the checksum of [BIP-39](https://github.com/bitcoin/bips/blob/master/bip-0039.mediawiki).
//!
//! The words encode the seed itself: 256 bits of seed, then the first 8 bits of its SHA-256, in 24 groups of 11 bits.
//! BIP-39's PBKDF2 step is not used.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::word_list::{WORDS, index_of};

/// Words in a phrase: 256 bits and a checksum of 8, 11 bits a word (BIP-39).
pub const PHRASE_WORDS: usize = 24;

/// Length of the longest word in the list.
const LONGEST_WORD: usize = 8;

/// Why a phrase is not one of ours. Says where, never what: the words are secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// Not 24 words.
    #[error("expected 24 words, got {got}")]
    WordCount {
        /// How many words there were.
        got: usize,
    },
    /// A word that is not in the BIP-39 list.
    #[error("word {position} is not in the word list")]
    UnknownWord {
        /// Which word, counted from 1.
        position: usize,
    },
    /// Every word is in the list, but together they fail the checksum.
    #[error("the words do not fit together: one is wrong or two are swapped")]
    Checksum,
}

/// The phrase of a seed: 24 words, single spaces between them.
pub(super) fn encode(seed: &[u8; 32]) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 33]);
    bytes[..32].copy_from_slice(seed);
    bytes[32] = checksum(seed);
    let mut phrase = Zeroizing::new(String::with_capacity(PHRASE_WORDS * (LONGEST_WORD + 1)));
    for position in 0..PHRASE_WORDS {
        if position > 0 {
            phrase.push(' ');
        }
        let bits =
            (11 * position..11 * (position + 1)).map(|bit| bytes[bit / 8] >> (7 - bit % 8) & 1);
        let index = bits.fold(0_usize, |index, bit| index << 1 | usize::from(bit));
        phrase.push_str(WORDS[index]);
    }
    phrase
}

/// The seed of a phrase. Upper case and any white space between the words are accepted.
pub(super) fn decode(phrase: &str) -> Result<Zeroizing<[u8; 32]>, PhraseError> {
    let got = phrase.split_whitespace().count();
    if got != PHRASE_WORDS {
        return Err(PhraseError::WordCount { got });
    }
    let mut bytes = Zeroizing::new([0_u8; 33]);
    for (place, word) in phrase.split_whitespace().enumerate() {
        let word = Zeroizing::new(word.to_ascii_lowercase());
        let index = index_of(&word).ok_or(PhraseError::UnknownWord {
            position: place + 1,
        })?;
        for bit in 0..11 {
            let target = 11 * place + bit;
            let value = (index >> (10 - bit) & 1) as u8;
            bytes[target / 8] |= value << (7 - target % 8);
        }
    }
    let mut seed = Zeroizing::new([0; 32]);
    seed.copy_from_slice(&bytes[..32]);
    if bytes[32] == checksum(&seed) {
        Ok(seed)
    } else {
        Err(PhraseError::Checksum)
    }
}

fn checksum(seed: &[u8; 32]) -> u8 {
    Sha256::digest(seed)[0]
}
