//! What happens to pictures with QR codes on their way.

use std::fmt;

/// What was done to a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Screenshot of a chat on a phone, light design.
    ScreenshotLight,
    /// Screenshot of a chat on a phone, dark design.
    ScreenshotDark,
    /// Scaled down to few pixels a module, by whole and broken factors.
    ScaledDown,
    /// Scaled up, blocky or smooth.
    ScaledUp,
    /// Turned by any angle.
    Rotated,
    /// Seen at an angle.
    Perspective,
    /// Out of focus or shaken.
    Blurred,
    /// JPEG of low quality, several times over.
    Recompressed,
    /// Sent through a WebP sticker or thumbnail after a JPEG.
    WebP,
    /// Light modules on a dark ground.
    Inverted,
    /// Grey on grey.
    LowContrast,
    /// Uneven light: gradients, shadows, glare.
    Shaded,
    /// A logo in the middle.
    Logo,
    /// Photo of 12 megapixels, the code a large part of it.
    PhotoLarge,
    /// Photo of 12 megapixels, the code a small part of it.
    PhotoSmall,
    /// Noise of a sensor in the dark, single wrong pixels.
    Noisy,
    /// Several codes in one picture.
    Several,
    /// A photo of a screen or of paper with a bit of everything.
    Everything,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::ScreenshotLight,
        Self::ScreenshotDark,
        Self::ScaledDown,
        Self::ScaledUp,
        Self::Rotated,
        Self::Perspective,
        Self::Blurred,
        Self::Recompressed,
        Self::WebP,
        Self::Inverted,
        Self::LowContrast,
        Self::Shaded,
        Self::Logo,
        Self::PhotoLarge,
        Self::PhotoSmall,
        Self::Noisy,
        Self::Several,
        Self::Everything,
    ];

    /// A name of it that can stand in a file's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScreenshotLight => "screenshot-light",
            Self::ScreenshotDark => "screenshot-dark",
            Self::ScaledDown => "scaled-down",
            Self::ScaledUp => "scaled-up",
            Self::Rotated => "rotated",
            Self::Perspective => "perspective",
            Self::Blurred => "blurred",
            Self::Recompressed => "recompressed",
            Self::WebP => "webp",
            Self::Inverted => "inverted",
            Self::LowContrast => "low-contrast",
            Self::Shaded => "shaded",
            Self::Logo => "logo",
            Self::PhotoLarge => "photo-large",
            Self::PhotoSmall => "photo-small",
            Self::Noisy => "noisy",
            Self::Several => "several",
            Self::Everything => "everything",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
