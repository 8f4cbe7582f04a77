//! From colours and transparency to grey.

use crate::grey::Grey;

/// What lies behind transparent pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backdrop {
    White,
    Black,
}

impl Backdrop {
    /// A grey value seen over the backdrop.
    pub(super) fn blend(self, grey: u8, alpha: u8) -> u8 {
        let behind = match self {
            Self::White => 255 - u16::from(alpha),
            Self::Black => 0,
        };
        // At most 255 · 255 / 255 + 255 - alpha, which is 255 at alpha 255 or less than 256 otherwise.
        ((u16::from(grey) * u16::from(alpha) + 127) / 255 + behind).min(255) as u8
    }
}

/// A picture without its colours, over one backdrop.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) grey: Grey,
    /// Whether the backdrop shows anywhere.
    pub(super) transparent: bool,
}

/// Rec. 601 luma, as JPEG and WebP have it.
pub(super) fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    ((sum + 500) / 1000) as u8
}

/// Turns RGB or RGBA pixels into grey ones, in the same memory.
pub(super) fn grey_in_place<const CHANNELS: usize>(
    width: usize,
    height: usize,
    mut pixels: Vec<u8>,
    backdrop: Backdrop,
) -> Option<Decoded> {
    let mut transparent = false;
    for index in 0..pixels.len() / CHANNELS {
        let from = index * CHANNELS;
        let grey = luma(pixels[from], pixels[from + 1], pixels[from + 2]);
        // No colour is overwritten before it is read: `index` is never beyond `from`.
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
}
