//! From the bytes of a file to grey pixels, within bounds that hold for any file.
//!
//! Pictures come from strangers. So a file says what it is and how large before anything is decoded, each format says how much
//! memory that takes, and what takes too much is refused. The three decoders are used directly, not through the crate `image`,
//! because each can hand over less than a full picture in colour: PNG row by row, JPEG and WebP their luma plane.

mod format;
mod jpeg;
mod png_frame;
mod png_rows;
mod webp;

use std::hash::{DefaultHasher, Hasher as _};

use crate::{PictureError, grey::Grey};
pub(crate) use format::Format;

/// Largest file that is read, in bytes. A PNG of a 24-megapixel photo has about that.
pub const MAX_FILE_BYTES: usize = 64_000_000;
/// Most pixels that a picture may have.
const MAX_PIXELS: usize = 50_000_000;
/// Most pixels on a side; what the other two formats cannot exceed either.
const MAX_SIDE: usize = 65_535;
/// Frames of an animation that are looked at, behind the first one. Each is decoded at least.
const MAX_FRAMES: usize = 200;
/// Memory for the file and for decoding it, in bytes; below the 200 MB that nothing may exceed.
const MEMORY: usize = 180_000_000;

/// What lies behind transparent pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backdrop {
    White,
    Black,
}

impl Backdrop {
    /// A grey value seen over the backdrop.
    fn blend(self, grey: u8, alpha: u8) -> u8 {
        let behind = match self {
            Self::White => 255 - u16::from(alpha),
            Self::Black => 0,
        };
        // At most 255 · 255 / 255 + 255 - alpha, which is 255 at alpha 255 or less than 256 otherwise.
        ((u16::from(grey) * u16::from(alpha) + 127) / 255 + behind).min(255) as u8
    }
}

/// A decoded picture.
#[derive(Debug)]
struct Decoded {
    grey: Grey,
    /// Whether the backdrop shows anywhere.
    transparent: bool,
}

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

/// Decodes a file and shows its frames, one after the other; most pictures are one.
pub(crate) fn look_at_frames(
    file: &[u8],
    backdrop: Backdrop,
    look: Look<'_>,
) -> Result<Seen, PictureError> {
    if file.is_empty() {
        return Err(PictureError::Empty);
    }
    if file.len() > MAX_FILE_BYTES {
        return Err(PictureError::FileTooLarge { bytes: file.len() });
    }
    match Format::of(file)? {
        Format::Png => png_rows::look_at_frames(file, backdrop, look),
        Format::Jpeg => jpeg::look_at(file, look),
        Format::WebP => webp::look_at_frames(file, backdrop, look),
    }
}

/// The frames of one animation that are looked at: as many as have together no more pixels than one picture may, and each only if
/// it differs from the one before.
#[derive(Debug)]
struct FrameBudget {
    frames: usize,
    pixels: usize,
    last: Option<u64>,
}

impl FrameBudget {
    /// For the frames behind the first one.
    fn new() -> Self {
        Self {
            frames: MAX_FRAMES,
            pixels: MAX_PIXELS,
            last: None,
        }
    }

    /// Takes a frame out of the budget; false if it is used up.
    fn spend(&mut self, pixels: usize) -> bool {
        let left = self
            .frames
            .checked_sub(1)
            .zip(self.pixels.checked_sub(pixels));
        if let Some((frames, pixels)) = left {
            (self.frames, self.pixels) = (frames, pixels);
        }
        left.is_some()
    }

    /// Whether a frame shows something else than the one before.
    fn is_news(&mut self, pixels: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        hasher.write(pixels);
        let hash = hasher.finish();
        self.last.replace(hash) != Some(hash)
    }
}

/// Why a file could not be decoded to its end, in words: what decoders say is for those who write them.
fn damaged(reason: &str) -> PictureError {
    PictureError::Damaged(reason.to_owned())
}

/// The file ends before the picture does.
const ENDS_EARLY: &str = "the file ends early";
/// Anything else that a decoder finds.
const NOT_AS_THE_FORMAT_SAYS: &str = "a part of it is not as its format demands";

/// Refuses a picture from its header: `held` are the bytes of the file, and of a copy of it; `tenths_per_pixel` is what decoding takes at its peak, in tenths of a byte.
fn check_size(
    held: usize,
    width: usize,
    height: usize,
    tenths_per_pixel: usize,
) -> Result<(), PictureError> {
    // Neither product overflows: sides have at most 32 bits, usize may have no more.
    let pixels = width.saturating_mul(height);
    if pixels > MAX_PIXELS || width > MAX_SIDE || height > MAX_SIDE {
        return Err(PictureError::TooLarge { width, height });
    }
    let room = MEMORY.saturating_sub(held);
    if pixels.saturating_mul(tenths_per_pixel) / 10 > room {
        return Err(PictureError::TooMuchMemory { width, height });
    }
    Ok(())
}

/// Rec. 601 luma, as JPEG and WebP have it.
fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    ((sum + 500) / 1000) as u8
}

/// Turns RGB or RGBA pixels into grey ones, in the same memory.
fn grey_in_place<const CHANNELS: usize>(
    width: usize,
    height: usize,
    mut pixels: Vec<u8>,
    backdrop: Backdrop,
) -> Option<Decoded> {
    let mut transparent = false;
    for index in 0..pixels.len() / CHANNELS {
        let from = index * CHANNELS;
        let grey = luma(pixels[from], pixels[from + 1], pixels[from + 2]);
        pixels[index] = match CHANNELS {
            4 => {
                let alpha = pixels[from + 3];
                transparent |= alpha < 255;
                backdrop.blend(grey, alpha)
            }
            _ => grey,
        };
    }
    pixels.truncate(width * height);
    pixels.shrink_to_fit();
    Some(Decoded {
        grey: Grey::new(width, height, pixels)?,
        transparent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparent_pixels_show_the_backdrop() {
        assert_eq!(Backdrop::White.blend(0, 0), 255);
        assert_eq!(Backdrop::Black.blend(200, 0), 0);
        for backdrop in [Backdrop::White, Backdrop::Black] {
            for grey in 0..=255 {
                assert_eq!(backdrop.blend(grey, 255), grey);
            }
        }
        for alpha in 0..=255 {
            assert_eq!(Backdrop::White.blend(255, alpha), 255);
            assert_eq!(Backdrop::Black.blend(0, alpha), 0);
        }
    }

    #[test]
    fn white_is_white_and_black_is_black() {
        assert_eq!(luma(255, 255, 255), 255);
        assert_eq!(luma(0, 0, 0), 0);
        assert_eq!(luma(0, 255, 0), 150);
    }

    #[test]
    fn size_is_judged_by_pixels_sides_and_memory() {
        assert!(check_size(0, 10_000, 5_000, 10).is_ok());
        assert!(matches!(
            check_size(0, 10_000, 5_001, 10),
            Err(PictureError::TooLarge {
                width: 10_000,
                height: 5_001
            })
        ));
        assert!(check_size(0, 65_536, 1, 10).is_err());
        assert!(check_size(0, usize::MAX, usize::MAX, 10).is_err());
        assert!(matches!(
            check_size(0, 10_000, 5_000, 40),
            Err(PictureError::TooMuchMemory { .. })
        ));
    }
}
