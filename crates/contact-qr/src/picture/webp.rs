//! WebP: the luma plane of a lossy picture, the colours of a lossless or transparent one.

use std::io::Cursor;

use image_webp::{WebPDecoder, vp8::Vp8Decoder};

use super::colour::{Backdrop, grey_in_place, luma};
use super::limits::{FrameBudget, check_size};
use super::seen::{ENDS_EARLY, Look, NOT_AS_THE_FORMAT_SAYS, Seen, damaged};
use crate::{PictureError, grey::Grey};

/// Bytes that stand for what is missing of a file, at most.
const MAX_MISSING: usize = 8_000_000;
/// What is tried for them: some mean pixels to a decoder, others are nonsense to it.
const STAND_INS: [u8; 4] = [0, 0xff, 0x55, 0xaa];

/// Looks at the frames. What is missing of the file is filled up: the decoders want it whole.
pub(super) fn look_at_frames(
    file: &[u8],
    backdrop: Backdrop,
    look: Look<'_>,
) -> Result<Seen, PictureError> {
    let missing = missing(file).min(MAX_MISSING);
    if missing == 0 {
        return look_at_whole(file, file.len(), backdrop, look);
    }
    let mut padded = file.to_vec();
    for stand_in in STAND_INS {
        padded.truncate(file.len());
        padded.resize(file.len() + missing, stand_in);
        match look_at_whole(&padded, file.len() + padded.len(), backdrop, &mut *look) {
            Ok(seen) => {
                return Ok(Seen {
                    damage: Some(damaged(ENDS_EARLY)),
                    ..seen
                });
            }
            // Too large is too large, whatever stands in; nonsense to the decoder may be pixels next time.
            Err(PictureError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(damaged(ENDS_EARLY))
}

/// How many bytes the file lacks, by what its first chunk says.
pub(super) fn missing(file: &[u8]) -> usize {
    let size = file.get(4..8).and_then(|size| size.try_into().ok());
    let size = size.map_or(0, |size| u32::from_le_bytes(size) as usize);
    size.saturating_add(8).saturating_sub(file.len())
}

/// `held` are the bytes of the file and of what was made of it.
fn look_at_whole(
    file: &[u8],
    held: usize,
    backdrop: Backdrop,
    look: Look<'_>,
) -> Result<Seen, PictureError> {
    match lossy(file) {
        Some(frame) => {
            look(decode_lossy(held, frame)?);
            Ok(Seen::default())
        }
        None => look_at_any(file, held, backdrop, look),
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

fn decode_lossy(held: usize, frame: &[u8]) -> Result<Grey, PictureError> {
    // Frame tag (3 bytes), start code (3), width and height (14 bits each, little-endian).
    let Some([0x9d, 0x01, 0x2a, w0, w1, h0, h1]) = frame.get(3..10) else {
        return Err(damaged("it has no key frame"));
    };
    let side = |low: u8, high: u8| usize::from(u16::from_le_bytes([low, high]) & 0x3fff);
    let (width, height) = (side(*w0, *w1), side(*h0, *h1));
    // Luma, and two colour planes of a quarter each; then luma again without padding.
    check_size(held, width, height, 26)?;
    let frame = Vp8Decoder::decode_frame(Cursor::new(frame)).map_err(in_words)?;
    let stride = usize::from(frame.width).next_multiple_of(16);
    let mut pixels = Vec::with_capacity(width * height);
    for row in frame.ybuf.chunks_exact(stride).take(height) {
        pixels.extend_from_slice(&row[..width.min(stride)]);
    }
    Grey::new(width, height, pixels).ok_or_else(|| damaged(ENDS_EARLY))
}

fn look_at_any(
    file: &[u8],
    held: usize,
    backdrop: Backdrop,
    look: Look<'_>,
) -> Result<Seen, PictureError> {
    let mut decoder = WebPDecoder::new(Cursor::new(file)).map_err(in_words)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(held, width, height, tenths(&decoder))?;
    let size = decoder
        .output_buffer_size()
        .ok_or(PictureError::TooLarge { width, height })?;
    let mut pixels = vec![0; size];
    if decoder.is_animated() {
        return look_at_animation(&mut decoder, (width, height), pixels, backdrop, look);
    }
    decoder.read_image(&mut pixels).map_err(in_words)?;
    let decoded = match decoder.has_alpha() {
        true => grey_in_place::<4>(width, height, pixels, backdrop),
        false => grey_in_place::<3>(width, height, pixels, backdrop),
    };
    let decoded = decoded.ok_or_else(|| damaged(ENDS_EARLY))?;
    look(decoded.grey);
    Ok(Seen {
        transparent: decoded.transparent,
        damage: None,
    })
}

/// What the decoder holds at its peak, in tenths of a byte a pixel: for an animation the canvas and a frame, and what is searched beside
/// them; for lossless pictures without transparency four bytes a pixel beside the three it hands over.
pub(super) fn tenths(decoder: &WebPDecoder<Cursor<&[u8]>>) -> usize {
    match (decoder.is_animated(), decoder.has_alpha()) {
        (true, _) => 160,
        (false, true) => 75,
        (false, false) => 70,
    }
}

/// Frame by frame, within a budget. What is wrong with a later frame ends it.
fn look_at_animation(
    decoder: &mut WebPDecoder<Cursor<&[u8]>>,
    (width, height): (usize, usize),
    mut pixels: Vec<u8>,
    backdrop: Backdrop,
    look: Look<'_>,
) -> Result<Seen, PictureError> {
    let mut budget = FrameBudget::new();
    let mut seen = Seen::default();
    for number in 0..decoder.num_frames() {
        match decoder.read_frame(&mut pixels) {
            Ok(_) => {}
            Err(error) if number == 0 => return Err(in_words(error)),
            Err(error) => {
                seen.damage = Some(in_words(error));
                break;
            }
        }
        if budget.is_news(&pixels) {
            let shown = match decoder.has_alpha() {
                true => grey_of::<4>(&pixels, backdrop, &mut seen.transparent),
                false => grey_of::<3>(&pixels, backdrop, &mut seen.transparent),
            };
            let shown = Grey::new(width, height, shown).ok_or_else(|| damaged(ENDS_EARLY))?;
            if !look(shown) {
                break;
            }
        }
        // Behind the look, for the budget is that of the frames behind the first.
        if !budget.spend(width * height) {
            break;
        }
    }
    Ok(seen)
}

/// The grey pixels of a frame that the decoder goes on with.
fn grey_of<const CHANNELS: usize>(
    pixels: &[u8],
    backdrop: Backdrop,
    transparent: &mut bool,
) -> Vec<u8> {
    let pixels = pixels.chunks_exact(CHANNELS);
    pixels
        .map(|pixel| {
            let grey = luma(pixel[0], pixel[1], pixel[2]);
            let alpha = pixel.get(3).copied().unwrap_or(255);
            *transparent |= alpha < 255;
            backdrop.blend(grey, alpha)
        })
        .collect()
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn in_words(error: image_webp::DecodingError) -> PictureError {
    match error {
        image_webp::DecodingError::IoError(_) => damaged(ENDS_EARLY),
        _ => damaged(NOT_AS_THE_FORMAT_SAYS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u32).to_le_bytes();
        let mut chunk = [&name[..], &length, content].concat();
        chunk.resize(chunk.len().next_multiple_of(2), 0);
        chunk
    }

    /// An animation of 16 × 16 pixels, each frame of one grey.
    fn animation(greys: &[u8]) -> Vec<u8> {
        let mut body = b"WEBP".to_vec();
        body.extend(chunk(b"VP8X", &[0b10, 0, 0, 0, 15, 0, 0, 15, 0, 0]));
        body.extend(chunk(b"ANIM", &[0; 6]));
        for grey in greys {
            let mut whole = Vec::new();
            image_webp::WebPEncoder::new(&mut whole)
                .encode(&[*grey; 256], 16, 16, image_webp::ColorType::L8)
                .unwrap();
            let place = [0, 0, 0, 0, 0, 0, 15, 0, 0, 15, 0, 0, 100, 0, 0, 0b10];
            body.extend(chunk(b"ANMF", &[&place, &whole[12..]].concat()));
        }
        chunk(b"RIFF", &body)
    }

    #[test]
    fn a_frame_that_shows_nothing_new_is_not_looked_at() {
        for (greys, expected) in [(&[7, 7, 7][..], 1), (&[7, 9, 9, 7], 3)] {
            let mut looks = 0;
            let mut look = |_: Grey| {
                looks += 1;
                true
            };
            look_at_frames(&animation(greys), Backdrop::White, &mut look).unwrap();
            assert_eq!(looks, expected, "{greys:?}");
        }
    }
}
