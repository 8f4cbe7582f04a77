//! Animations whose code is not in their first frame.

use securecall_contact_qr::{PictureError, QrCode, read_texts};

use crate::{allocations::peak_of, pictures::dark_pixels};

const LINK: &str = "securecall://contact/dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

/// A frame: where it is, how large, and its pixels in grey and alpha.
pub(crate) struct Frame {
    place: (u32, u32),
    size: (u32, u32),
    pixels: Vec<u8>,
    blend: png::BlendOp,
    dispose: png::DisposeOp,
}

pub(crate) fn apng(side: u32, frames: &[Frame]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::GrayscaleAlpha);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_animated(frames.len() as u32, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for (number, frame) in frames.iter().enumerate() {
        if number > 0 {
            writer
                .set_frame_dimension(frame.size.0, frame.size.1)
                .unwrap();
            writer
                .set_frame_position(frame.place.0, frame.place.1)
                .unwrap();
        }
        writer.set_blend_op(frame.blend).unwrap();
        writer.set_dispose_op(frame.dispose).unwrap();
        writer.write_image_data(&frame.pixels).unwrap();
    }
    writer.finish().unwrap();
    file
}

pub(crate) fn plain(side: u32, grey: u8, alpha: u8) -> Frame {
    Frame {
        place: (0, 0),
        size: (side, side),
        pixels: [grey, alpha].repeat((side * side) as usize),
        blend: png::BlendOp::Source,
        dispose: png::DisposeOp::None,
    }
}

/// The rows of a code from `from` on, so many, as a frame.
fn part_of_code(side: usize, dark: &[bool], from: usize, rows: usize) -> Frame {
    let pixels = dark[from * side..(from + rows) * side]
        .iter()
        .flat_map(|dark| if *dark { [0, 255] } else { [255, 0] })
        .collect();
    Frame {
        place: (0, from as u32),
        size: (side as u32, rows as u32),
        pixels,
        blend: png::BlendOp::Over,
        dispose: png::DisposeOp::None,
    }
}

#[test]
fn a_code_in_a_later_frame_is_read() {
    let (side, dark) = dark_pixels(&QrCode::of_text(LINK).unwrap(), 4);
    let size = side as u32;
    let whole = part_of_code(side, &dark, 0, side);
    let file = apng(size, &[plain(size, 200, 255), plain(size, 255, 255), whole]);
    assert_eq!(read_texts(&file).unwrap(), [LINK]);
}

#[test]
fn a_code_that_two_frames_make_together_is_read() {
    let (side, dark) = dark_pixels(&QrCode::of_text(LINK).unwrap(), 4);
    let size = side as u32;
    let half = side / 2;
    let upper = part_of_code(side, &dark, 0, half);
    let lower = part_of_code(side, &dark, half, side - half);
    let file = apng(size, &[plain(size, 255, 255), upper, lower]);
    assert_eq!(read_texts(&file).unwrap(), [LINK]);
    // Not if the first half was taken away again.
    let upper = Frame {
        dispose: png::DisposeOp::Background,
        ..part_of_code(side, &dark, 0, half)
    };
    let lower = part_of_code(side, &dark, half, side - half);
    let file = apng(size, &[plain(size, 255, 255), upper, lower]);
    assert_eq!(read_texts(&file), Err(PictureError::NoCode));
}

#[test]
fn an_animation_whose_end_is_cut_is_searched_first() {
    let (side, dark) = dark_pixels(&QrCode::of_text(LINK).unwrap(), 4);
    let size = side as u32;
    let whole = || part_of_code(side, &dark, 0, side);
    let file = apng(size, &[plain(size, 255, 255), whole(), whole()]);
    assert_eq!(read_texts(&file[..file.len() - 60]).unwrap(), [LINK]);
    let file = apng(
        size,
        &[plain(size, 255, 255), plain(size, 250, 255), whole()],
    );
    let cut = read_texts(&file[..file.len() - 200]);
    assert!(matches!(cut, Err(PictureError::Damaged(_))), "{cut:?}");
}

/// An animated WebP of lossless frames: written by hand, for no encoder of the workspace writes one.
pub(crate) fn animated_webp(side: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let chunk = |name: &[u8; 4], content: &[u8]| {
        let mut chunk = name.to_vec();
        chunk.extend((content.len() as u32).to_le_bytes());
        chunk.extend(content);
        chunk.resize(chunk.len().next_multiple_of(2), 0);
        chunk
    };
    let three = |number: u32| number.to_le_bytes()[..3].to_vec();
    let mut body = b"WEBP".to_vec();
    let header = [vec![0b10, 0, 0, 0], three(side - 1), three(side - 1)].concat();
    body.extend(chunk(b"VP8X", &header));
    body.extend(chunk(b"ANIM", &[255, 255, 255, 255, 0, 0]));
    for pixels in frames {
        let mut whole = Vec::new();
        image_webp::WebPEncoder::new(&mut whole)
            .encode(pixels, side, side, image_webp::ColorType::L8)
            .unwrap();
        let place = [
            three(0),
            three(0),
            three(side - 1),
            three(side - 1),
            three(100),
        ]
        .concat();
        // Behind the name and the size of the file there is the one chunk.
        body.extend(chunk(
            b"ANMF",
            &[place, vec![0b10], whole[12..].to_vec()].concat(),
        ));
    }
    chunk(b"RIFF", &body)
}

#[test]
fn a_code_in_a_later_frame_of_a_webp_is_read() {
    let (side, dark) = dark_pixels(&QrCode::of_text(LINK).unwrap(), 4);
    let code: Vec<u8> = dark
        .iter()
        .map(|dark| if *dark { 0 } else { 255 })
        .collect();
    let blank = vec![255; code.len()];
    let file = animated_webp(side as u32, &[blank.clone(), blank, code]);
    assert_eq!(read_texts(&file).unwrap(), [LINK]);
}

#[test]
fn an_animation_without_end_is_bounded() {
    // Each frame of 9 megapixels differs from the one before by a pixel: no more than five of them are looked at.
    let side = 3_000;
    let mut frames = vec![plain(side, 200, 255)];
    for number in 0..60 {
        frames.push(Frame {
            place: (number, number),
            size: (1, 1),
            pixels: vec![number as u8, 255],
            blend: png::BlendOp::Source,
            dispose: png::DisposeOp::None,
        });
    }
    let (side_of_code, dark) = dark_pixels(&QrCode::of_text(LINK).unwrap(), 4);
    frames.push(part_of_code(side_of_code, &dark, 0, side_of_code));
    let file = apng(side, &frames);
    let (result, peak) = peak_of(|| read_texts(&file));
    assert_eq!(result, Err(PictureError::NoCode));
    assert!(peak < 200_000_000, "{peak}");
}

#[test]
fn a_code_behind_more_frames_than_are_looked_at_is_not_found() {
    let (side, dark) = dark_pixels(&QrCode::of_text(LINK).unwrap(), 2);
    let size = side as u32;
    let code = || -> Vec<u8> {
        dark.iter()
            .map(|dark| if *dark { 0 } else { 255 })
            .collect()
    };
    for (blanks, is_found) in [(150, true), (210, false)] {
        let mut frames: Vec<Frame> = (0..blanks).map(|_| plain(size, 255, 255)).collect();
        frames.push(part_of_code(side, &dark, 0, side));
        assert_eq!(
            read_texts(&apng(size, &frames)).is_ok(),
            is_found,
            "{blanks}"
        );
        let mut frames = vec![vec![255; side * side]; blanks];
        frames.push(code());
        let file = animated_webp(size, &frames);
        assert_eq!(read_texts(&file).is_ok(), is_found, "{blanks}");
    }
}

#[test]
fn a_webp_whose_later_frame_is_damaged_is_said_to_be() {
    let (side, dark) = dark_pixels(&QrCode::of_text(LINK).unwrap(), 4);
    let code: Vec<u8> = dark
        .iter()
        .map(|dark| if *dark { 0 } else { 255 })
        .collect();
    let mut file = animated_webp(side as u32, &[vec![255; code.len()], code]);
    let middle = file.len() - 200;
    file[middle..].fill(0xff);
    let result = read_texts(&file);
    assert!(
        matches!(result, Err(PictureError::Damaged(_))),
        "{result:?}"
    );
}
