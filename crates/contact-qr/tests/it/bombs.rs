//! Pictures that promise or hold too much: refused from their header, or read within bounds.

use std::io::Write as _;

use securecall_contact_qr::{PictureError, read_texts};

use crate::{allocations::peak_of, pictures::png_of};

/// What nothing may exceed, in bytes.
pub(crate) const MOST: usize = 200_000_000;

/// A PNG of one colour, row by row, so that making it takes no memory.
pub(crate) fn flat_png(
    width: u32,
    height: u32,
    color: png::ColorType,
    depth: png::BitDepth,
) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder.set_compression(png::Compression::High);
    let bits = color.samples() * depth as usize;
    let mut writer = encoder.write_header().unwrap();
    let mut stream = writer.stream_writer().unwrap();
    let row = vec![0x77; (width as usize * bits).div_ceil(8)];
    for _ in 0..height {
        stream.write_all(&row).unwrap();
    }
    stream.finish().unwrap();
    writer.finish().unwrap();
    file
}

/// Noise that holds thousands of places which look like finder patterns.
fn noisy_png(width: usize, height: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let pixels: Vec<u8> = (0..width * height)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect();
    png_of(width, height, png::ColorType::Grayscale, &pixels)
}

#[test]
fn more_than_50_megapixels_are_refused_from_the_header() {
    // A header alone: were anything decoded, it would be found damaged.
    let mut file = flat_png(1, 1, png::ColorType::Grayscale, png::BitDepth::Eight);
    file[16..20].copy_from_slice(&10_000_u32.to_be_bytes());
    file[20..24].copy_from_slice(&5_001_u32.to_be_bytes());
    let sum = crc(&file[12..29]);
    file[29..33].copy_from_slice(&sum.to_be_bytes());
    let (result, peak) = peak_of(|| read_texts(&file));
    assert_eq!(
        result,
        Err(PictureError::TooLarge {
            width: 10_000,
            height: 5_001
        })
    );
    assert!(peak < 1_000_000, "{peak}");

    // Start of image, a frame header of 65,500 × 65,500 pixels, nothing else.
    let jpeg = [
        0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0xff, 0xdc, 0xff, 0xdc, 1, 1, 0x11, 0, 0xff, 0xda, 0, 8,
        1, 1, 0, 0, 63, 0,
    ];
    let (result, peak) = peak_of(|| read_texts(&jpeg));
    assert!(
        matches!(result, Err(PictureError::TooLarge { width: 65_500, .. })),
        "{result:?}"
    );
    assert!(peak < 1_000_000, "{peak}");

    // A key frame of 16,383 × 16,383.
    let webp = b"RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0\x10\0\0\x9d\x01\x2a\xff\x3f\xff\x3f";
    let (result, peak) = peak_of(|| read_texts(webp));
    assert!(
        matches!(result, Err(PictureError::TooLarge { width: 16_383, .. })),
        "{result:?}"
    );
    assert!(peak < 1_000_000, "{peak}");
}

#[test]
fn a_picture_of_50_megapixels_stays_within_its_memory() {
    for (color, depth) in [
        (png::ColorType::Grayscale, png::BitDepth::One),
        (png::ColorType::Rgba, png::BitDepth::Sixteen),
    ] {
        let file = flat_png(10_000, 5_000, color, depth);
        let (result, peak) = peak_of(|| read_texts(&file));
        assert_eq!(result, Err(PictureError::NoCode));
        assert!(peak + file.len() < MOST, "{color:?}: {peak}");
    }
}

#[test]
fn noise_that_looks_like_finder_patterns_everywhere_is_bounded() {
    let file = noisy_png(2_500, 2_000);
    let (result, peak) = peak_of(|| read_texts(&file));
    assert_eq!(result, Err(PictureError::NoCode));
    assert!(peak < MOST, "{peak}");
}

#[test]
fn a_picture_full_of_finder_patterns_is_bounded() {
    let (width, height) = (3_000, 2_000);
    // Nine modules with the light ring around, two pixels a module.
    let ring = |x: usize, y: usize| (x / 2 % 9).abs_diff(4).max((y / 2 % 9).abs_diff(4));
    let pixels: Vec<u8> = (0..width * height)
        .map(|index| match ring(index % width, index / width) {
            2 | 4 => 255,
            _ => 0,
        })
        .collect();
    let file = png_of(width, height, png::ColorType::Grayscale, &pixels);
    let (result, peak) = peak_of(|| read_texts(&file));
    assert_eq!(result, Err(PictureError::NoCode));
    assert!(peak < MOST, "{peak}");
}

#[test]
fn compressed_text_in_a_png_is_not_unpacked() {
    // 300 MB of nothing in a compressed text chunk, behind the header.
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1_000_000];
    for _ in 0..300 {
        packed.write_all(&zeros).unwrap();
    }
    let mut data = b"zTXtComment\0\0".to_vec();
    data.extend(packed.finish().unwrap());
    let mut file = flat_png(40, 40, png::ColorType::Grayscale, png::BitDepth::Eight);
    let mut chunk = ((data.len() - 4) as u32).to_be_bytes().to_vec();
    chunk.extend(&data);
    chunk.extend(crc(&data).to_be_bytes());
    file.splice(33..33, chunk);
    let (result, peak) = peak_of(|| read_texts(&file));
    assert_eq!(result, Err(PictureError::NoCode));
    assert!(peak < 10_000_000, "{peak}");
}

/// A small PNG with a chunk behind its header.
fn png_with(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let data = [name, content].concat();
    let mut chunk = (content.len() as u32).to_be_bytes().to_vec();
    chunk.extend(&data);
    chunk.extend(crc(&data).to_be_bytes());
    let mut file = flat_png(40, 40, png::ColorType::Grayscale, png::BitDepth::Eight);
    file.splice(33..33, chunk);
    file
}

#[test]
fn what_else_a_png_holds_is_not_kept() {
    let zeros = vec![0; 6_000_000];
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&zeros).unwrap();
    let profile = [b"profile\0\0".to_vec(), packed.finish().unwrap()].concat();
    let text = [b"Comment\0".to_vec(), vec![b'x'; 6_000_000]].concat();
    for (name, content) in [(b"iCCP", profile), (b"tEXt", text)] {
        let file = png_with(name, &content);
        let (result, peak) = peak_of(|| read_texts(&file));
        assert_eq!(result, Err(PictureError::NoCode));
        assert!(peak < 3_000_000, "{peak}");
    }
}

#[test]
fn a_chunk_that_is_larger_than_any_picture_needs_is_not_read() {
    let file = png_with(b"eXIf", &vec![0; 9_000_000]);
    let (result, peak) = peak_of(|| read_texts(&file));
    assert!(
        matches!(&result, Err(PictureError::Damaged(said)) if said.contains("larger")),
        "{result:?}"
    );
    // What is allowed, while a buffer that grows is moved.
    assert!(peak < 16_000_000, "{peak}");
}

/// The checksum of a PNG chunk: its name and its data.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
