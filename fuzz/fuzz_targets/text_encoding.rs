//! A file or a paste in whatever encoding: the text in it is the same in each, and nothing that is none is taken for one.
//!
//! The file is taken by itself: the crate around it does I/O.

#![no_main]

#[path = "../../crates/profile/src/text_encoding.rs"]
mod text_encoding;

use libfuzzer_sys::fuzz_target;
use text_encoding::{Unreadable, decode};

const MARK: char = '\u{feff}';

fuzz_target!(|bytes: &[u8]| {
    match decode(bytes) {
        Ok(text) => {
            assert!(text.chars().count() <= bytes.len());
            assert!(is_marked(bytes) || !text.contains('\0'), "{text:?}");
            if !text.contains('\0') && !text.starts_with(MARK) {
                assert_eq!(decode(text.as_bytes()).as_deref(), Ok(&*text));
            }
        }
        Err(Unreadable::Encoding(name)) => assert_eq!(name, "UTF-32"),
        // A text without zeros is one in some encoding.
        Err(Unreadable::NoText) => {
            assert!(std::str::from_utf8(bytes).is_err() || bytes.contains(&0))
        }
    }

    let text = String::from_utf8_lossy(bytes).replace('\0', "");
    let marked = format!("{MARK}{text}");
    let utf16 = |text: &str, write: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(write).collect()
    };
    let mut encoded = vec![
        marked.as_bytes().to_vec(),
        utf16(&marked, u16::to_le_bytes),
        utf16(&marked, u16::to_be_bytes),
    ];
    if !text.starts_with(MARK) {
        encoded.push(text.as_bytes().to_vec());
        // Enough of ASCII, and UTF-16 needs no mark.
        if text.chars().filter(char::is_ascii_graphic).count() >= 20 {
            let unmarked = [u16::to_le_bytes, u16::to_be_bytes].map(|write| utf16(&text, write));
            // A first character such as U+FFFE has the bytes of a mark of the other order.
            encoded.extend(unmarked.into_iter().filter(|bytes| !is_marked(bytes)));
        }
    }
    for bytes in encoded {
        assert_eq!(decode(&bytes).as_deref(), Ok(text.as_str()), "{bytes:?}");
    }
});

/// Whether bytes begin with a byte order mark.
fn is_marked(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0xef, 0xbb, 0xbf, ..]
    )
}
