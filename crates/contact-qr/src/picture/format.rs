//! What a file is, by its first bytes. Names of files say nothing.

use crate::PictureError;

/// The formats in which chats and phones hand pictures on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Png,
    Jpeg,
    WebP,
}

/// First bytes of files that people try instead.
const OTHERS: &[(&[u8], &str)] = &[
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"%PDF", "a PDF document"),
    (b"<svg", "an SVG picture"),
    (b"<?xml", "an XML file, maybe an SVG picture"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"RIFF", "a sound or a video"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"OggS", "a sound or a video"),
];

/// Brands of the ISO container behind `ftyp`.
const BRANDS: &[(&[u8], &str)] = &[
    (b"heic", "a HEIC picture"),
    (b"heix", "a HEIC picture"),
    (b"mif1", "a HEIC picture"),
    (b"avif", "an AVIF picture"),
];

impl Format {
    /// The format of a file that is not empty.
    pub(crate) fn of(file: &[u8]) -> Result<Self, PictureError> {
        if file.starts_with(b"\x89PNG\r\n\x1a\n") {
            if file.get(12..16) == Some(b"CgBI") {
                let found =
                    Some("a PNG picture in Apple's own form, as apps for iPhones hold them");
                return Err(PictureError::Format { found });
            }
            return Ok(Self::Png);
        }
        if file.starts_with(b"\xff\xd8\xff") {
            return Ok(Self::Jpeg);
        }
        if file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP") {
            return Ok(Self::WebP);
        }
        Err(PictureError::Format { found: other(file) })
    }
}

/// What else the file seems to be.
fn other(file: &[u8]) -> Option<&'static str> {
    // The start of one of ours: shorter than its mark.
    if [b"\x89PNG\r\n\x1a\n".as_slice(), b"\xff\xd8\xff"]
        .iter()
        .any(|mark| mark.starts_with(file))
    {
        return Some("the first bytes of a picture");
    }
    if file.get(4..8) == Some(b"ftyp") {
        let brand = BRANDS
            .iter()
            .find(|(brand, _)| file.get(8..12) == Some(brand));
        return Some(brand.map_or("a video", |(_, name)| *name));
    }
    OTHERS
        .iter()
        .find(|(mark, _)| file.starts_with(mark))
        .map(|(_, name)| *name)
        .or_else(|| {
            let start = &file[..file.len().min(512)];
            let printable = |b: &u8| b.is_ascii_graphic() || b.is_ascii_whitespace() || *b >= 0x80;
            start.iter().all(printable).then_some("a text")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &[u8]) -> Option<&'static str> {
        match Format::of(file) {
            Err(PictureError::Format { found }) => found,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_three_formats_are_known_by_their_first_bytes() {
        assert_eq!(Format::of(b"\x89PNG\r\n\x1a\nrest").unwrap(), Format::Png);
        assert_eq!(Format::of(b"\xff\xd8\xff\xe0rest").unwrap(), Format::Jpeg);
        assert_eq!(Format::of(b"RIFF\0\0\0\0WEBPVP8 ").unwrap(), Format::WebP);
    }

    #[test]
    fn what_people_try_instead_is_named() {
        assert_eq!(found(b"GIF89a"), Some("a GIF picture"));
        assert_eq!(found(b"\0\0\0\x18ftypheic\0\0"), Some("a HEIC picture"));
        assert_eq!(found(b"\0\0\0\x18ftypisom\0\0"), Some("a video"));
        assert_eq!(found(b"RIFF\0\0\0\0WAVEfmt "), Some("a sound or a video"));
        assert_eq!(found(b"securecall://contact/abc"), Some("a text"));
        assert_eq!(found("schöner Text".as_bytes()), Some("a text"));
        assert_eq!(found(b"\x89PN"), Some("the first bytes of a picture"));
        let apple = b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI\x30\0\x20\x06";
        assert!(found(apple).is_some_and(|found| found.contains("Apple")));
        assert_eq!(found(b"\x01\x02\x03"), None);
    }
}
