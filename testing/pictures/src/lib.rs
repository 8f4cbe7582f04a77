//! Pictures with QR codes of contacts in them, as people send them: made by seed, with what they hold.
//!
//! A code is drawn as a surface in the plane and looked at through a projective map, so that scaling, rotation and perspective are
//! one step with proper anti-aliasing. Then comes what a camera and a chat do to it: light, blur, noise, compression. All of it is
//! arithmetic on pixels from a seeded generator: the same seed gives the same files on every machine.
//!
//! ```
//! use securecall_pictures::{Kind, Picture};
//!
//! let picture = Picture::new(Kind::Rotated, 7, 0);
//! assert_eq!(picture.texts.len(), 1);
//! assert!(picture.texts[0].starts_with("securecall://contact/"));
//! ```

#![forbid(unsafe_code)]

mod canvas;
mod chat;
mod code;
mod dice;
mod file;
mod kind;
mod optics;
mod picture;
mod place;
mod recipe;
mod resize;
mod scene;

pub use kind::Kind;
pub use picture::Picture;

/// Pictures of each kind that belong to one seed.
pub const PER_KIND: usize = 4;

impl Picture {
    /// The picture of that kind, seed and number.
    #[must_use]
    pub fn new(kind: Kind, seed: u64, number: usize) -> Self {
        recipe::make(kind, seed, number)
    }

    /// All pictures of a seed, [`PER_KIND`] of each kind, made one by one as they are asked for.
    pub fn of_seed(seed: u64) -> impl Iterator<Item = Self> {
        Kind::ALL
            .into_iter()
            .flat_map(move |kind| (0..PER_KIND).map(move |number| Self::new(kind, seed, number)))
    }

    /// A screenshot of a chat in which nobody has sent a code: nothing may be found in it.
    #[must_use]
    pub fn screenshot_without_code(seed: u64, number: usize) -> Self {
        recipe::screenshot_without_code(seed, number)
    }

    /// A photo of 12 megapixels without a code.
    #[must_use]
    pub fn photo_without_code(seed: u64, number: usize) -> Self {
        recipe::photo_without_code(seed, number)
    }
}
