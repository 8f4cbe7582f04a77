//! PNG, row by row: only one row is ever held in colour.

use std::io::Cursor;

use png::{
    BitDepth, ColorType, DecodeOptions, Decoder, DecodingError, InterlaceInfo, Limits, Reader,
    Transformations, expand_interlaced_row,
};

use super::colour::{Backdrop, luma};
use super::limits::{FrameBudget, check_size};
use super::png_frame::{Canvas, Frame};
use super::seen::{ENDS_EARLY, Look, NOT_AS_THE_FORMAT_SAYS, Seen, damaged};
use crate::{PictureError, grey::Grey};

/// Memory for the decoder itself, in bytes: a few rows and its tables.
const DECODER_MEMORY: usize = 8_000_000;
/// What an animation takes, in tenths of a byte a pixel: canvas, copy, frame and its transparency, and what is searched.
const ANIMATION: usize = 50;

type PngReader<'a> = Reader<Cursor<&'a [u8]>>;

/// Looks at the frames. What is missing or wrong ends it, after what there is was looked at.
pub(super) fn look_at_frames(
    file: &[u8],
    backdrop: Backdrop,
    look: Look<'_>,
) -> Result<Seen, PictureError> {
    let mut decoder = decoder(file);
    let header = decoder.read_header_info().map_err(in_words)?;
    let (width, height) = (header.width as usize, header.height as usize);
    check_size(file.len(), width, height, 10)?;

    let mut reader = decoder.read_info().map_err(in_words)?;
    if reader.output_color_type().1 != BitDepth::Eight {
        return Err(damaged("the depth is not known"));
    }
    // What is missing is white.
    let mut pixels = vec![255; width * height];
    let mut seen = Seen::default();
    seen.damage = decode_first(
        &mut reader,
        width,
        &mut pixels,
        backdrop,
        &mut seen.transparent,
    )
    .err()
    .map(in_words);
    // An animation may take too much where its first frame alone does not: then that one is searched.
    let later_frames = match reader.info().animation_control() {
        Some(control)
            if seen.damage.is_none()
                && check_size(file.len(), width, height, ANIMATION).is_ok() =>
        {
            control.num_frames
        }
        _ => 0,
    };
    let canvas = (later_frames > 0).then(|| Canvas::new(width, pixels.clone(), backdrop));
    let first = Grey::new(width, height, pixels).ok_or_else(|| damaged("it has no pixels"))?;
    if let (true, Some(canvas)) = (look(first), canvas) {
        look_at_later(&mut reader, canvas, &mut seen, look);
    }
    Ok(seen)
}

/// A decoder to eight bits a channel, which unpacks nothing but pixels.
pub(super) fn decoder(file: &[u8]) -> Decoder<Cursor<&[u8]>> {
    let mut options = DecodeOptions::default();
    // Texts and colour profiles are compressed too, and no business of ours.
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(file), options);
    decoder.set_limits(Limits {
        bytes: DECODER_MEMORY,
    });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    decoder
}

/// Decodes the first frame, row by row, as far as it goes.
fn decode_first(
    reader: &mut PngReader<'_>,
    width: usize,
    pixels: &mut [u8],
    backdrop: Backdrop,
    transparent: &mut bool,
) -> Result<(), DecodingError> {
    let (color, _) = reader.output_color_type();
    let mut grey_row = vec![0; width];
    let mut y = 0;
    while let Some(row) = reader.next_interlaced_row()? {
        *transparent |= write(&mut grey_row, row.data(), color, backdrop);
        match row.interlace() {
            InterlaceInfo::Null(_) => {
                if let Some(line) = pixels.chunks_exact_mut(width).nth(y) {
                    line.copy_from_slice(&grey_row);
                }
                y += 1;
            }
            InterlaceInfo::Adam7(pass) => {
                expand_interlaced_row(pixels, width, &grey_row, pass, 8);
            }
        }
    }
    Ok(())
}

/// Looks at the frames of an animation behind the first one, within a budget.
fn look_at_later(reader: &mut PngReader<'_>, mut canvas: Canvas, seen: &mut Seen, look: Look<'_>) {
    let mut budget = FrameBudget::new();
    budget.is_news(canvas.pixels());
    let size = reader.info().size();
    let (width, height) = (size.0 as usize, size.1 as usize);
    while budget.spend(width * height) {
        let frame = match decode_later(reader, (width, height)) {
            Ok(Some(frame)) => frame,
            Ok(None) => return,
            Err(error) => {
                seen.damage = Some(in_words(error));
                return;
            }
        };
        seen.transparent |= frame.alpha.iter().any(|alpha| *alpha < 255);
        let before = canvas.lay(&frame);
        if budget.is_news(canvas.pixels()) {
            let shown = Grey::new(width, height, canvas.pixels().to_vec());
            if !shown.is_some_and(&mut *look) {
                return;
            }
        }
        canvas.dispose(&frame, before);
    }
}

/// The next frame of an animation; `None` behind the last one.
fn decode_later(
    reader: &mut PngReader<'_>,
    (most_width, most_height): (usize, usize),
) -> Result<Option<Frame>, DecodingError> {
    let mut frame = match reader.next_frame_info() {
        Ok(control) => Frame::new(control),
        // Asked for more than there are.
        Err(DecodingError::Parameter(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    // The decoder has refused frames that leave the canvas; nothing here rests on it.
    if frame.width > most_width || frame.height > most_height {
        return Ok(None);
    }
    let (color, _) = reader.output_color_type();
    let width = frame.width;
    let (mut greys, mut alphas) = (vec![0; width], vec![255; width]);
    let mut y = 0;
    while let Some(row) = reader.next_interlaced_row()? {
        split(&mut greys, &mut alphas, row.data(), color);
        for (pixels, values) in [(&mut frame.grey, &greys), (&mut frame.alpha, &alphas)] {
            match row.interlace() {
                InterlaceInfo::Null(_) => {
                    if let Some(line) = pixels.chunks_exact_mut(width.max(1)).nth(y) {
                        line.copy_from_slice(values);
                    }
                }
                InterlaceInfo::Adam7(pass) => {
                    expand_interlaced_row(pixels, width, values, pass, 8);
                }
            }
        }
        y += 1;
    }
    Ok(Some(frame))
}

/// Turns a row into grey values and how much they cover.
fn split(greys: &mut [u8], alphas: &mut [u8], row: &[u8], color: ColorType) {
    let places = greys.iter_mut().zip(alphas);
    match color {
        ColorType::Rgba => {
            for ((grey, alpha), p) in places.zip(row.chunks_exact(4)) {
                (*grey, *alpha) = (luma(p[0], p[1], p[2]), p[3]);
            }
        }
        ColorType::GrayscaleAlpha => {
            for ((grey, alpha), p) in places.zip(row.chunks_exact(2)) {
                (*grey, *alpha) = (p[0], p[1]);
            }
        }
        ColorType::Rgb | ColorType::Grayscale | ColorType::Indexed => {
            write(greys, row, color, Backdrop::White);
        }
    }
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

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn in_words(error: DecodingError) -> PictureError {
    match error {
        DecodingError::IoError(_) => damaged(ENDS_EARLY),
        DecodingError::LimitsExceeded => damaged("a part of it is larger than any picture needs"),
        DecodingError::Format(_) | DecodingError::Parameter(_) => damaged(NOT_AS_THE_FORMAT_SAYS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A white animation; of each later frame one pixel is given, that of the corner.
    fn animation(side: u32, later: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side, side);
        encoder.set_color(ColorType::Grayscale);
        encoder.set_depth(BitDepth::One);
        encoder.set_animated(later.len() as u32 + 1, 0).unwrap();
        let mut writer = encoder.write_header().unwrap();
        let row_bytes = (side as usize).div_ceil(8);
        writer
            .write_image_data(&vec![0xff; row_bytes * side as usize])
            .unwrap();
        for corner in later {
            writer.set_frame_dimension(1, 1).unwrap();
            writer.write_image_data(&[*corner]).unwrap();
        }
        writer.finish().unwrap();
        file
    }

    fn looks(file: &[u8]) -> usize {
        let mut looks = 0;
        let mut look = |_: Grey| {
            looks += 1;
            true
        };
        let seen = look_at_frames(file, Backdrop::White, &mut look).unwrap();
        assert_eq!(seen.damage, None);
        looks
    }

    #[test]
    fn a_frame_that_shows_nothing_new_is_not_looked_at() {
        assert_eq!(looks(&animation(16, &[0xff, 0xff])), 1);
        assert_eq!(looks(&animation(16, &[0xff, 0, 0, 0xff])), 3);
    }

    #[test]
    fn of_an_animation_that_takes_too_much_only_the_first_frame_is_looked_at() {
        assert_eq!(looks(&animation(6_500, &[0])), 1);
        assert_eq!(looks(&animation(2_000, &[0])), 2);
    }
}
