//! Picture files.

use image::{
    ExtendedColorType, ImageEncoder as _,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
};

use crate::canvas::Canvas;

/// The format of a file, with what has to be known to write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Png,
    /// With its quality, 1 to 100.
    Jpeg(u8),
    /// Lossless: what pure Rust can write.
    WebP,
}

impl Format {
    pub(crate) const fn ending(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg(_) => "jpg",
            Self::WebP => "webp",
        }
    }
}

/// The canvas as a file.
pub(crate) fn encode(canvas: &Canvas, format: Format) -> Vec<u8> {
    let pixels = canvas.pixels.as_flattened();
    let (width, height) = (canvas.width as u32, canvas.height as u32);
    let color = ExtendedColorType::Rgb8;
    let mut file = Vec::new();
    let done = match format {
        Format::Png => PngEncoder::new(&mut file).write_image(pixels, width, height, color),
        Format::Jpeg(quality) => JpegEncoder::new_with_quality(&mut file, quality)
            .write_image(pixels, width, height, color),
        Format::WebP => {
            WebPEncoder::new_lossless(&mut file).write_image(pixels, width, height, color)
        }
    };
    debug_assert!(done.is_ok(), "{done:?}");
    file
}

/// What is left of the canvas after it went through a JPEG file.
pub(crate) fn through_jpeg(canvas: &mut Canvas, quality: u8) {
    let file = encode(canvas, Format::Jpeg(quality));
    if let Ok(decoded) = image::load_from_memory(&file) {
        let pixels = decoded.into_rgb8().into_raw();
        canvas.pixels = pixels.as_chunks::<3>().0.to_vec();
    }
}
