//! What a picture may cost: bytes, pixels, frames, memory.

use std::hash::{DefaultHasher, Hasher as _};

use crate::PictureError;

/// Largest file that is read, in bytes. A PNG of a 24-megapixel photo has about that.
pub const MAX_FILE_BYTES: usize = 64_000_000;
/// Most pixels that a picture may have.
const MAX_PIXELS: usize = 50_000_000;
/// Most pixels on a side; what the other two formats cannot exceed either.
pub(super) const MAX_SIDE: usize = 65_535;
/// Frames of an animation that are looked at, behind the first one. Each is decoded at least.
const MAX_FRAMES: usize = 200;
/// Memory for the file and for decoding it, in bytes; below the 200 MB that nothing may exceed.
const MEMORY: usize = 180_000_000;

/// Refuses a picture from its header: `held` are the bytes of the file, and of a copy of it; `tenths_per_pixel` is what decoding takes at its peak, in tenths of a byte.
pub(super) fn check_size(
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

/// The frames of one animation that are looked at: as many as have together no more pixels than one picture may, and each only if
/// it differs from the one before.
#[derive(Debug)]
pub(super) struct FrameBudget {
    frames: usize,
    pixels: usize,
    last: Option<u64>,
}

impl FrameBudget {
    /// For the frames behind the first one.
    pub(super) fn new() -> Self {
        Self {
            frames: MAX_FRAMES,
            pixels: MAX_PIXELS,
            last: None,
        }
    }

    /// Takes a frame out of the budget; false if it is used up.
    pub(super) fn spend(&mut self, pixels: usize) -> bool {
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
    pub(super) fn is_news(&mut self, pixels: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        hasher.write(pixels);
        let hash = hasher.finish();
        self.last.replace(hash) != Some(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(check_size(0, 1, 65_536, 10).is_err());
        assert!(check_size(0, usize::MAX, usize::MAX, 10).is_err());
        assert!(matches!(
            check_size(0, 10_000, 5_000, 40),
            Err(PictureError::TooMuchMemory { .. })
        ));
    }

    #[test]
    fn what_the_file_takes_is_not_there_for_the_picture() {
        assert!(check_size(0, 10_000, 5_000, 20).is_ok());
        assert!(check_size(90_000_000, 10_000, 5_000, 20).is_err());
        assert!(check_size(usize::MAX, 1, 1, 10).is_err());
    }

    #[test]
    fn an_animation_has_so_many_frames_and_so_many_pixels() {
        let mut budget = FrameBudget::new();
        assert!((0..MAX_FRAMES).all(|_| budget.spend(1)));
        assert!(!budget.spend(1));
        let mut budget = FrameBudget::new();
        assert!(budget.spend(MAX_PIXELS - 1) && budget.spend(1));
        assert!(!budget.spend(1));
    }

    #[test]
    fn a_frame_like_the_one_before_is_no_news() {
        let mut budget = FrameBudget::new();
        assert!(budget.is_news(&[1, 2]));
        assert!(!budget.is_news(&[1, 2]));
        assert!(budget.is_news(&[2, 1]));
        assert!(budget.is_news(&[1, 2]));
    }
}
