//! What is seen of a picture, and why it is not all.

use crate::{PictureError, grey::Grey};

/// What is to be known of a picture besides its frames.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Whether the backdrop shows anywhere.
    pub(crate) transparent: bool,
    /// Why not all of it was seen.
    pub(crate) damage: Option<PictureError>,
}

/// Looks at a frame; false if no other needs to be shown.
pub(crate) type Look<'a> = &'a mut dyn FnMut(Grey) -> bool;

/// Why a file could not be decoded to its end, in words: what decoders say is for those who write them.
pub(super) fn damaged(reason: &str) -> PictureError {
    PictureError::Damaged(reason.to_owned())
}

/// The file ends before the picture does.
pub(super) const ENDS_EARLY: &str = "the file ends early";
/// Anything else that a decoder finds.
pub(super) const NOT_AS_THE_FORMAT_SAYS: &str = "a part of it is not as its format demands";
