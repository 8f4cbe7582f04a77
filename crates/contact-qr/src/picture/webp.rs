//! WebP: the luma plane of a lossy picture, the colours of a lossless or transparent one.

use std::io::Cursor;

use image_webp::{WebPDecoder, vp8::Vp8Decoder};

use super::{Backdrop, Decoded, check_size, grey_in_place};
use crate::{PictureError, grey::Grey};

pub(super) fn decode(file: &[u8], backdrop: Backdrop) -> Result<Decoded, PictureError> {
    match lossy(file) {
        Some(frame) => decode_lossy(file, frame),
        None => decode_any(file, backdrop),
    }
}

/// The VP8 frame of a file that holds one and nothing else that matters: no transparency, no animation.
fn lossy(file: &[u8]) -> Option<&[u8]> {
    let mut rest = file.get(12..)?;
    loop {
        let kind = rest.get(..4)?;
        let length = u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?) as usize;
        match kind {
            // A shorter chunk than announced is for the decoder to complain about.
            b"VP8 " => return rest.get(8..8 + length).or_else(|| rest.get(8..)),
            b"VP8L" | b"ALPH" | b"ANIM" | b"ANMF" => return None,
            _ => rest = rest.get((8 + length).next_multiple_of(2)..)?,
        }
    }
}

fn decode_lossy(file: &[u8], frame: &[u8]) -> Result<Decoded, PictureError> {
    // Frame tag (3 bytes), start code (3), width and height (14 bits each, little-endian).
    let Some([0x9d, 0x01, 0x2a, w0, w1, h0, h1]) = frame.get(3..10) else {
        return Err(PictureError::Damaged("it has no key frame".to_owned()));
    };
    let side = |low: u8, high: u8| usize::from(u16::from_le_bytes([low, high]) & 0x3fff);
    let (width, height) = (side(*w0, *w1), side(*h0, *h1));
    // Luma, and two colour planes of a quarter each; then luma again without padding.
    check_size(file, width, height, 26)?;
    let frame = Vp8Decoder::decode_frame(Cursor::new(frame)).map_err(damaged)?;
    let stride = usize::from(frame.width).next_multiple_of(16);
    let mut pixels = Vec::with_capacity(width * height);
    for row in frame.ybuf.chunks_exact(stride).take(height) {
        pixels.extend_from_slice(&row[..width.min(stride)]);
    }
    Ok(Decoded {
        grey: Grey::new(width, height, pixels)
            .ok_or_else(|| PictureError::Damaged("pixels are missing".to_owned()))?,
        transparent: false,
    })
}

fn decode_any(file: &[u8], backdrop: Backdrop) -> Result<Decoded, PictureError> {
    let mut decoder = WebPDecoder::new(Cursor::new(file)).map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    // What the decoder holds at its peak: for an animation the canvas and a frame; for lossless pictures without
    // transparency four bytes a pixel beside the three it hands over.
    let tenths = match (decoder.is_animated(), decoder.has_alpha()) {
        (true, _) => 140,
        (false, true) => 75,
        (false, false) => 70,
    };
    check_size(file, width, height, tenths)?;
    let size = decoder
        .output_buffer_size()
        .ok_or(PictureError::TooLarge { width, height })?;
    let mut pixels = vec![0; size];
    decoder.read_image(&mut pixels).map_err(damaged)?;
    let decoded = if decoder.has_alpha() {
        grey_in_place::<4>(width, height, pixels, backdrop)
    } else {
        grey_in_place::<3>(width, height, pixels, backdrop)
    };
    decoded.ok_or_else(|| PictureError::Damaged("pixels are missing".to_owned()))
}

fn damaged(error: image_webp::DecodingError) -> PictureError {
    match error {
        image_webp::DecodingError::IoError(_) => {
            PictureError::Damaged("the file ends early".to_owned())
        }
        other => PictureError::Damaged(other.to_string()),
    }
}
