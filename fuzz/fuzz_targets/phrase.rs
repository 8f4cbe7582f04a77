//! Phrases as people type them; what is read must be written again in the same words.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_crypto::IdentitySeed;

fuzz_target!(|text: &str| {
    if let Ok(seed) = IdentitySeed::from_phrase(text) {
        let words: Vec<_> = text
            .split_whitespace()
            .map(str::to_ascii_lowercase)
            .collect();
        assert_eq!(*seed.phrase(), words.join(" "));
    }
});
