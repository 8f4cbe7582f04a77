//! Looks for QR codes in a picture.

use rxing::{
    common::{BitMatrix, DetectorRXingResult as _},
    qrcode::cpp_port::{
        decoder::Decode,
        detector::{FindFinderPatterns, GenerateFinderPatternSets, SampleQR},
    },
};

use crate::{
    PictureError,
    grey::Grey,
    picture::{self, Backdrop, Decoded},
};

/// Reads the texts of all QR codes in a PNG, JPEG or WebP picture, given the bytes of its file. Each text comes once.
///
/// # Errors
///
/// [`PictureError`] for a file that is no such picture, is damaged or too large, and [`PictureError::NoCode`] if no code is found.
pub fn read_texts(file: &[u8]) -> Result<Vec<String>, PictureError> {
    let Decoded { grey, transparent } = picture::decode(file, Backdrop::White)?;
    let mut texts = search(&grey);
    drop(grey);
    if texts.is_empty() && transparent {
        // A code drawn in white on nothing, as it looks right on a dark background.
        texts = search(&picture::decode(file, Backdrop::Black)?.grey);
    }
    if texts.is_empty() {
        return Err(PictureError::NoCode);
    }
    Ok(texts)
}

fn search(grey: &Grey) -> Vec<String> {
    let Some(matrix) = threshold(grey) else {
        return Vec::new();
    };
    let mut texts = Vec::new();
    let mut patterns = FindFinderPatterns(&matrix, true, 0);
    for set in GenerateFinderPatternSets(&mut patterns) {
        if let Ok(sample) = SampleQR(&matrix, &set)
            && let Ok(result) = Decode(sample.getBits())
            && result.isValid()
        {
            let text = result.text();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    texts
}

fn threshold(grey: &Grey) -> Option<BitMatrix> {
    let mut matrix = BitMatrix::new(
        u32::try_from(grey.width()).ok()?,
        u32::try_from(grey.height()).ok()?,
    )
    .ok()?;
    for (y, row) in grey.rows().enumerate() {
        for (x, pixel) in row.iter().enumerate() {
            if *pixel < 128 {
                matrix.set(x as u32, y as u32);
            }
        }
    }
    Some(matrix)
}
