//! A picture in colour, for those that somebody shows of themselves. Stricter than what looks for codes: a file that ends early is no
//! picture to show.

use std::io::Cursor;

use image_webp::WebPDecoder;
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace},
};

use super::format::Format;
use super::jpeg::{self, MAX_SCANS, Survey, TOO_MANY_SCANS};
use super::limits::check_size;
use super::png_rows;
use super::seen::{ENDS_EARLY, NOT_AS_THE_FORMAT_SAYS, damaged};
use super::webp;
use crate::PictureError;

/// Pixels of eight bits a channel, row by row.
pub(crate) struct InColour {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Grey (1), grey and alpha (2), RGB (3), RGBA (4).
    pub(crate) channels: usize,
    pub(crate) pixels: Vec<u8>,
    /// What the camera says of it, if it says anything (Exif, as TIFF): a JPEG's.
    pub(crate) exif: Option<Vec<u8>>,
}

/// Decodes the whole picture; of an animation the first frame.
pub(crate) fn decode(file: &[u8]) -> Result<InColour, PictureError> {
    let picture = match super::format_of(file)? {
        Format::Png => of_png(file),
        Format::Jpeg => of_jpeg(file),
        Format::WebP => of_webp(file),
    }?;
    let InColour {
        width,
        height,
        channels,
        pixels,
        ..
    } = &picture;
    let is_whole = (1..=4).contains(channels)
        && *width > 0
        && *height > 0
        && pixels.len() == width * height * channels;
    is_whole
        .then_some(picture)
        .ok_or_else(|| damaged(ENDS_EARLY))
}

fn of_png(file: &[u8]) -> Result<InColour, PictureError> {
    let mut decoder = png_rows::decoder(file);
    let header = decoder.read_header_info().map_err(png_rows::in_words)?;
    let (width, height) = (header.width as usize, header.height as usize);
    check_size(file.len(), width, height, 40)?;
    let mut reader = decoder.read_info().map_err(png_rows::in_words)?;
    let size = reader.output_buffer_size();
    let mut pixels = vec![0; size.ok_or(PictureError::TooLarge { width, height })?];
    reader.next_frame(&mut pixels).map_err(png_rows::in_words)?;
    Ok(InColour {
        width,
        height,
        channels: reader.output_color_type().0.samples(),
        pixels,
        exif: None,
    })
}

fn of_jpeg(file: &[u8]) -> Result<InColour, PictureError> {
    let survey = Survey::of(file);
    if !survey.complete {
        return Err(damaged(ENDS_EARLY));
    }
    let options = jpeg::options().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    let wrong = || damaged(NOT_AS_THE_FORMAT_SAYS);
    decoder.decode_headers().map_err(|_| wrong())?;
    let info = decoder.info().ok_or_else(wrong)?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    // Only headers are read so far: what is refused here has taken no memory.
    check_size(file.len(), width, height, 30 + survey.tenths_kept())?;
    if survey.scans > MAX_SCANS {
        return Err(damaged(TOO_MANY_SCANS));
    }
    let exif = decoder.exif().cloned();
    let pixels = decoder.decode().map_err(|_| wrong())?;
    Ok(InColour {
        width,
        height,
        // One of greys may stay one.
        channels: pixels.len() / (width * height).max(1),
        pixels,
        exif,
    })
}

fn of_webp(file: &[u8]) -> Result<InColour, PictureError> {
    if webp::missing(file) > 0 {
        return Err(damaged(ENDS_EARLY));
    }
    let mut decoder = WebPDecoder::new(Cursor::new(file)).map_err(webp::in_words)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(file.len(), width, height, webp::tenths(&decoder))?;
    let size = decoder.output_buffer_size();
    let mut pixels = vec![0; size.ok_or(PictureError::TooLarge { width, height })?];
    let read = match decoder.is_animated() {
        true => decoder.read_frame(&mut pixels).map(drop),
        false => decoder.read_image(&mut pixels),
    };
    read.map_err(webp::in_words)?;
    Ok(InColour {
        width,
        height,
        channels: if decoder.has_alpha() { 4 } else { 3 },
        pixels,
        exif: None,
    })
}
