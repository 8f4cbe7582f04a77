//! From the bytes of a file to grey pixels, within bounds that hold for any file.
//!
//! Pictures come from strangers. So a file says what it is and how large before anything is decoded, each format says how much
//! memory that takes, and what takes too much is refused. The three decoders are used directly, not through the crate `image`,
//! because each can hand over less than a full picture in colour: PNG row by row, JPEG and WebP their luma plane.

mod colour;
mod format;
pub(crate) mod in_colour;
mod jpeg;
mod limits;
mod png_frame;
mod png_rows;
mod seen;
mod webp;

use crate::PictureError;
pub(crate) use colour::Backdrop;
pub(crate) use format::Format;
pub use limits::MAX_FILE_BYTES;
pub(crate) use seen::{Look, Seen};

/// Decodes a file and shows its frames, one after the other; most pictures are one.
pub(crate) fn look_at_frames(
    file: &[u8],
    backdrop: Backdrop,
    look: Look<'_>,
) -> Result<Seen, PictureError> {
    match format_of(file)? {
        Format::Png => png_rows::look_at_frames(file, backdrop, look),
        Format::Jpeg => jpeg::look_at(file, look),
        Format::WebP => webp::look_at_frames(file, backdrop, look),
    }
}

/// The format of a file that may be read.
fn format_of(file: &[u8]) -> Result<Format, PictureError> {
    if file.is_empty() {
        return Err(PictureError::Empty);
    }
    if file.len() > MAX_FILE_BYTES {
        return Err(PictureError::FileTooLarge);
    }
    Format::of(file)
}
