//! Looks for QR codes in a picture.
//!
//! Finder patterns are looked for by rxing (a port of zxing-cpp's search) in black-and-white copies of the picture. What stands between
//! them is not read from black and white but from grey: a projective grid is fitted to the patterns that every code of that size has,
//! each module is measured, blur between neighbours is undone, and only then it is decided what is dark. So noise, blur and uneven
//! light cost much less than they cost a reader that decides pixel by pixel.
//!
//! ```text
//!   Grey ──► Pyramid ──► threshold ──► finder patterns ──► Candidate ──► Grid, fitted ──► Modules ──► text
//!            1, ½, ¼, …   several,      rxing               three         grey             decoded
//!                         cheap first                       patterns                       by rxing
//! ```

mod candidate;
mod decode;
mod finder;
mod function_patterns;
mod grid;
mod modules;
mod passes;
mod pyramid;
mod threshold;
mod triples;
mod work;

use crate::{
    PictureError,
    picture::{self, Backdrop, Decoded},
};

/// Reads the texts of all QR codes in a PNG, JPEG or WebP picture, given the bytes of its file. Each text comes once.
///
/// # Errors
///
/// [`PictureError`] for a file that is no such picture, is damaged or too large, and [`PictureError::NoCode`] if no code is found.
pub fn read_texts(file: &[u8]) -> Result<Vec<String>, PictureError> {
    let Decoded { grey, transparent } = picture::decode(file, Backdrop::White)?;
    let mut texts = passes::search(grey);
    if texts.is_empty() && transparent {
        // A code drawn in white on nothing, as it looks right on a dark background.
        texts = passes::search(picture::decode(file, Backdrop::Black)?.grey);
    }
    if texts.is_empty() {
        return Err(PictureError::NoCode);
    }
    Ok(texts)
}
