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
    grey::Grey,
    picture::{self, Backdrop, Seen},
};
use work::Work;

/// Reads the texts of all QR codes in a PNG, JPEG or WebP picture, given the bytes of its file. Each text comes once. Of an
/// animation, the first frame that holds a code counts. What there is of a picture whose end is missing is looked at, too.
///
/// # Errors
///
/// [`PictureError`] for a file that is no such picture or too large; if no code is found, [`PictureError::Damaged`] where a part of
/// the picture is missing, else [`PictureError::NoCode`].
pub fn read_texts(file: &[u8]) -> Result<Vec<String>, PictureError> {
    let (mut texts, seen) = read_over(file, Backdrop::White)?;
    if texts.is_empty() && seen.transparent {
        // A code drawn in white on nothing, as it looks right on a dark background.
        texts = read_over(file, Backdrop::Black)?.0;
    }
    match seen.damage {
        _ if !texts.is_empty() => Ok(texts),
        Some(damage) => Err(damage),
        None => Err(PictureError::NoCode),
    }
}

/// The frames of an animation share the work of one picture.
fn read_over(file: &[u8], backdrop: Backdrop) -> Result<(Vec<String>, Seen), PictureError> {
    let work = Work::new();
    let mut texts = Vec::new();
    let seen = picture::look_at_frames(file, backdrop, &mut |frame: Grey| {
        texts = passes::search(frame, &work);
        texts.is_empty() && !work.is_over()
    })?;
    Ok((texts, seen))
}
