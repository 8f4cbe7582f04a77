//! The English word list of [BIP-39](https://github.com/bitcoin/bips/blob/master/bip-0039/bip-0039-wordlists.md).

/// The 2,048 words, sorted, lower case.
pub(crate) static WORDS: [&str; 2048] = parse(include_str!("../english.txt"));

/// The place of `word` in the list.
pub(crate) fn index_of(word: &str) -> Option<u16> {
    let index = WORDS.binary_search(&word).ok()?;
    u16::try_from(index).ok()
}

#[expect(clippy::panic, reason = "runs at compile time")]
const fn parse(file: &'static str) -> [&'static str; 2048] {
    let mut words = [""; 2048];
    let mut rest = file.as_bytes();
    let mut word = 0;
    while word < words.len() {
        let mut end = 0;
        while rest[end] != b'\n' {
            end += 1;
        }
        let (head, tail) = rest.split_at(end);
        words[word] = match str::from_utf8(head) {
            Ok(text) => text,
            Err(_) => panic!("the word list is ASCII"),
        };
        rest = tail.split_at(1).1;
        word += 1;
    }
    assert!(rest.is_empty(), "the word list has 2,048 words");
    words
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_list_is_the_published_one() {
        let digest = Sha256::digest(include_str!("../english.txt"));
        assert_eq!(
            data_encoding::HEXLOWER.encode(&digest),
            "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
        );
    }

    #[test]
    fn every_word_is_found_at_its_place() {
        assert!(WORDS.is_sorted());
        for (index, word) in WORDS.iter().enumerate() {
            assert_eq!(index_of(word), Some(index as u16));
        }
        assert_eq!(index_of("securecall"), None);
        assert_eq!((WORDS[0], WORDS[2047]), ("abandon", "zoo"));
    }
}
