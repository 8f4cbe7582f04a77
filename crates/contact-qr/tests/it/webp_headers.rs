//! WebP files that say more in their headers than there is, or more than is read.

use securecall_contact_qr::{PictureError, read_texts};

use crate::allocations::peak_of;

/// A file with these chunks that says that it has `missing` bytes more.
fn webp(chunks: &[(&[u8; 4], Vec<u8>)], missing: u32) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, content) in chunks {
        body.extend(*name);
        body.extend((content.len() as u32).to_le_bytes());
        body.extend(content);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    let size = (body.len() as u32).saturating_add(missing);
    [b"RIFF", &size.to_le_bytes()[..], &body].concat()
}

/// The start of a key frame, and then nothing but zeros.
fn vp8(width: u16, height: u16, length: usize) -> (&'static [u8; 4], Vec<u8>) {
    let start = [0x10, 0, 0, 0x9d, 0x01, 0x2a];
    let mut content = [&start[..], &width.to_le_bytes(), &height.to_le_bytes()].concat();
    content.resize(length.max(content.len()), 0);
    (b"VP8 ", content)
}

/// The start of a lossless picture.
fn vp8l(side: u32, has_alpha: bool) -> (&'static [u8; 4], Vec<u8>) {
    let bits = (side - 1) | (side - 1) << 14 | u32::from(has_alpha) << 28;
    let mut content = vec![0x2f];
    content.extend(bits.to_le_bytes());
    (b"VP8L", content)
}

/// The header of a file with more than one part.
fn vp8x(flags: u8, width: u32, height: u32) -> (&'static [u8; 4], Vec<u8>) {
    let three = |number: u32| number.to_le_bytes()[..3].to_vec();
    let content = [vec![flags, 0, 0, 0], three(width - 1), three(height - 1)].concat();
    (b"VP8X", content)
}

fn error_of(file: &[u8]) -> PictureError {
    read_texts(file).unwrap_err()
}

fn is_too_much(error: &PictureError) -> bool {
    matches!(error, PictureError::TooMuchMemory { .. })
}

#[test]
fn a_file_that_says_it_is_very_long_is_filled_up_within_bounds() {
    let file = webp(&[vp8(16, 16, 40)], u32::MAX);
    let (result, peak) = peak_of(|| read_texts(&file));
    assert!(result.is_err(), "{result:?}");
    assert!(peak < 20_000_000, "{peak}");
}

#[test]
fn a_file_that_is_cut_is_too_large_all_the_same() {
    let error = error_of(&webp(&[vp8(16_383, 16_383, 40)], 1_000));
    assert!(matches!(error, PictureError::TooLarge { .. }), "{error:?}");
}

#[test]
fn what_a_cut_file_is_filled_up_to_is_counted() {
    let large = |missing| error_of(&webp(&[vp8(6_700, 6_700, 35_000_000)], missing));
    assert!(matches!(large(0), PictureError::Damaged(_)));
    assert!(is_too_much(&large(1_000_000)));
}

#[test]
fn a_lossy_picture_without_a_key_frame_is_told_from_a_damaged_one() {
    let (name, mut content) = vp8(16, 16, 40);
    content[3] = 0;
    let error = error_of(&webp(&[(name, content)], 0));
    assert_eq!(
        error,
        PictureError::Damaged("it has no key frame".to_owned())
    );
}

#[test]
fn what_a_lossless_picture_takes_is_counted_before_it_is_decoded() {
    let lossless = |side, has_alpha| error_of(&webp(&[vp8l(side, has_alpha)], 0));
    assert!(is_too_much(&lossless(5_100, false)));
    assert!(matches!(lossless(4_920, false), PictureError::Damaged(_)));
    assert!(is_too_much(&lossless(4_920, true)));
}

#[test]
fn what_an_animation_takes_is_counted_before_it_is_decoded() {
    let animation = |width, height| {
        let frame = [vec![0; 16], webp(&[vp8l(16, false)], 0)[12..].to_vec()].concat();
        error_of(&webp(
            &[
                vp8x(0b10, width, height),
                (b"ANIM", vec![0; 6]),
                (b"ANMF", frame),
            ],
            0,
        ))
    };
    assert!(is_too_much(&animation(4_000, 3_000)));
    assert!(matches!(
        animation(10_000, 5_001),
        PictureError::TooLarge { .. }
    ));
    assert!(matches!(animation(16, 16), PictureError::Damaged(_)));
}
