//! PNG, row by row: only one row is ever held in colour.

use std::io::Cursor;

use png::{
    BitDepth, ColorType, DecodeOptions, Decoder, InterlaceInfo, Limits, Transformations,
    expand_interlaced_row,
};

use super::{Backdrop, Decoded, check_size, luma};
use crate::{PictureError, grey::Grey};

/// Memory for the decoder itself, in bytes: a few rows and its tables.
const DECODER_MEMORY: usize = 8_000_000;

pub(super) fn decode(file: &[u8], backdrop: Backdrop) -> Result<Decoded, PictureError> {
    let mut options = DecodeOptions::default();
    // Texts and colour profiles are compressed too, and no business of ours.
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(file), options);
    decoder.set_limits(Limits {
        bytes: DECODER_MEMORY,
    });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let header = decoder.read_header_info().map_err(damaged)?;
    let (width, height) = (header.width as usize, header.height as usize);
    check_size(file, width, height, 10)?;

    let mut reader = decoder.read_info().map_err(damaged)?;
    let (color, depth) = reader.output_color_type();
    if depth != BitDepth::Eight {
        return Err(PictureError::Damaged("the depth is not known".to_owned()));
    }
    let mut pixels = vec![0; width * height];
    let mut grey_row = vec![0; width];
    let mut transparent = false;
    let mut y = 0;
    while let Some(row) = reader.next_interlaced_row().map_err(damaged)? {
        transparent |= write(&mut grey_row, row.data(), color, backdrop);
        match row.interlace() {
            InterlaceInfo::Null(_) => {
                if let Some(line) = pixels.chunks_exact_mut(width).nth(y) {
                    line.copy_from_slice(&grey_row);
                }
                y += 1;
            }
            InterlaceInfo::Adam7(pass) => {
                expand_interlaced_row(&mut pixels, width, &grey_row, pass, 8);
            }
        }
    }
    Ok(Decoded {
        grey: Grey::new(width, height, pixels)
            .ok_or_else(|| PictureError::Damaged("it has no pixels".to_owned()))?,
        transparent,
    })
}

/// Turns a row, or a shorter one of an interlaced picture, into grey pixels; says whether the backdrop shows anywhere.
fn write(grey: &mut [u8], row: &[u8], color: ColorType, backdrop: Backdrop) -> bool {
    let mut transparent = false;
    let places = grey.iter_mut();
    match color {
        ColorType::Rgb => {
            for (grey, p) in places.zip(row.chunks_exact(3)) {
                *grey = luma(p[0], p[1], p[2]);
            }
        }
        ColorType::Rgba => {
            for (grey, p) in places.zip(row.chunks_exact(4)) {
                transparent |= p[3] < 255;
                *grey = backdrop.blend(luma(p[0], p[1], p[2]), p[3]);
            }
        }
        ColorType::GrayscaleAlpha => {
            for (grey, p) in places.zip(row.chunks_exact(2)) {
                transparent |= p[1] < 255;
                *grey = backdrop.blend(p[0], p[1]);
            }
        }
        // Palettes are expanded by the decoder.
        ColorType::Grayscale | ColorType::Indexed => {
            for (grey, p) in places.zip(row) {
                *grey = *p;
            }
        }
    }
    transparent
}

fn damaged(error: png::DecodingError) -> PictureError {
    match error {
        png::DecodingError::IoError(_) => PictureError::Damaged("the file ends early".to_owned()),
        other => PictureError::Damaged(other.to_string()),
    }
}
