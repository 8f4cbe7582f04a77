//! Texts in the encodings that people's programs write: UTF-8 and UTF-16, with or without a byte order mark, and Latin-1.

use std::borrow::Cow;

/// As many characters of ASCII tell UTF-16 that says nothing of itself: any address has more.
const FEWEST_ASCII: usize = 20;

/// Why bytes are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is a text in this encoding.
    Encoding(&'static str),
    /// It is something else.
    NoText,
}

/// Bytes as a text, without its byte order mark.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Err(Unreadable::Encoding("UTF-32")),
        [0xff, 0xfe, rest @ ..] => Ok(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Ok(utf16(rest, u16::from_be_bytes)),
        [0xef, 0xbb, 0xbf, rest @ ..] => Ok(String::from_utf8_lossy(rest)),
        _ => without_mark(bytes),
    }
}

fn without_mark(bytes: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    if bytes.contains(&0) {
        return utf16_without_mark(bytes).ok_or(Unreadable::NoText);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let is_text = |byte: &u8| *byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    if !bytes.iter().all(is_text) {
        return Err(Unreadable::NoText);
    }
    // Latin-1 is Unicode's first 256 characters. What Windows puts into its gap is punctuation: no part of an address.
    Ok(Cow::Owned(
        bytes.iter().map(|byte| char::from(*byte)).collect(),
    ))
}

/// ASCII in UTF-16 has a zero in every other place.
fn utf16_without_mark(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let ascii = |zero: usize| {
        let units = bytes.chunks_exact(2);
        units
            .filter(|unit| unit[zero] == 0 && unit[1 - zero].is_ascii_graphic())
            .count()
    };
    let (little, big) = (ascii(1), ascii(0));
    let decoded = match little >= big {
        true => utf16(bytes, u16::from_le_bytes),
        false => utf16(bytes, u16::from_be_bytes),
    };
    (little.max(big) >= FEWEST_ASCII && !decoded.contains('\0')).then_some(decoded)
}

/// What is no character becomes U+FFFD; half a character at the end is left out.
fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'static, str> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let characters = char::decode_utf16(units);
    Cow::Owned(
        characters
            .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Grüße: securecall://contact/abc 山";

    fn units(text: &str, write: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(write).collect()
    }

    #[test]
    fn a_text_is_the_same_in_every_encoding() {
        let marked = format!("\u{feff}{TEXT}");
        for bytes in [
            TEXT.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            units(TEXT, u16::to_le_bytes),
            units(TEXT, u16::to_be_bytes),
            units(&marked, u16::to_le_bytes),
            units(&marked, u16::to_be_bytes),
        ] {
            assert_eq!(decode(&bytes).unwrap(), TEXT, "{bytes:?}");
        }
        let latin: Vec<u8> = "Grüße: a".chars().map(|c| c as u8).collect();
        assert_eq!(decode(&latin).unwrap(), "Grüße: a");
    }

    #[test]
    fn what_is_no_text_is_said_to_be_none() {
        let utf32: Vec<u8> = "\u{feff}abc"
            .chars()
            .flat_map(|c| (c as u32).to_le_bytes())
            .collect();
        assert_eq!(decode(&utf32), Err(Unreadable::Encoding("UTF-32")));
        for bytes in [
            &b"GIF89a\x01\0\x02\0"[..],
            b"\x89PNG\r\n\x1a\n\0",
            b"\xff\xd8\xff\x01",
        ] {
            assert_eq!(decode(bytes), Err(Unreadable::NoText), "{bytes:?}");
        }
        for cut in 0..8 {
            let _ = decode(&b"\xff\xfe\0\xd8a\0b"[..cut]);
        }
    }
}
