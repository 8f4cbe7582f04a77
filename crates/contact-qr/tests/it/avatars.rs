//! Pictures that people show of themselves: what comes out is small, upright, and nothing but pixels.

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use securecall_contact_qr::{MAX_AVATAR_SIDE, PictureError, avatar};

use crate::allocations::peak_of;
use crate::animations::{animated_webp, apng, plain};
use crate::bombs::{MOST, crc, flat_png};

const SECRET: &[u8] = b"Somewhere 7, first floor";

/// Left half red, right half blue, a white corner top left.
fn painted(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        if x < width / 4 && y < height / 4 {
            Rgb([255; 3])
        } else if x < width / 2 {
            Rgb([200, 20, 20])
        } else {
            Rgb([20, 20, 200])
        }
    })
}

fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn shown(file: &[u8]) -> RgbaImage {
    let made = avatar(file).unwrap();
    image::load_from_memory_with_format(&made, ImageFormat::Png)
        .unwrap()
        .to_rgba8()
}

#[track_caller]
fn is_near(found: Rgba<u8>, expected: [u8; 3]) {
    let far = found.0.iter().zip(expected);
    let far = far.map(|(a, b)| a.abs_diff(b)).max();
    assert!(far.unwrap() < 24, "{found:?} {expected:?}");
}

/// With a segment, or a chunk, that says where the picture was taken, and what follows it.
fn with_metadata(mut file: Vec<u8>, format: ImageFormat) -> Vec<u8> {
    match format {
        ImageFormat::Jpeg => {
            for (marker, start) in [(0xe1, &b"Exif\0\0II*\0"[..]), (0xfe, &b""[..])] {
                let length = u16::try_from(2 + start.len() + SECRET.len()).unwrap();
                let segment = [&[0xff, marker], &length.to_be_bytes()[..], start, SECRET];
                file.splice(2..2, segment.concat());
            }
        }
        ImageFormat::Png => {
            let body = [b"tEXtComment\0", SECRET].concat();
            let length = u32::try_from(body.len() - 4).unwrap().to_be_bytes();
            let sum = crc(&body).to_be_bytes();
            // Behind the header: 8 bytes, and a chunk of 13.
            file.splice(33..33, [&length[..], &body, &sum].concat());
        }
        _ => {
            let length = u32::try_from(SECRET.len()).unwrap().to_le_bytes();
            file.extend([&b"XMP "[..], &length, SECRET].concat());
            let size = u32::try_from(file.len() - 8).unwrap();
            file[4..8].copy_from_slice(&size.to_le_bytes());
        }
    }
    file.extend(SECRET);
    assert!(holds_secret(&file));
    file
}

fn holds_secret(file: &[u8]) -> bool {
    file.windows(SECRET.len()).any(|bytes| bytes == SECRET)
}

#[test]
fn every_format_comes_out_as_its_pixels_alone() {
    let picture = DynamicImage::ImageRgb8(painted(64, 32));
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let file = with_metadata(file(&picture, format), format);
        let made = avatar(&file).unwrap();
        assert!(made.starts_with(b"\x89PNG\r\n\x1a\n"));
        assert!(!holds_secret(&made), "{format:?}");
        // Header, pixels, end: there is no other chunk to hold anything.
        let mut kinds = Vec::new();
        let mut rest = &made[8..];
        while let Some((head, body)) = rest.split_first_chunk::<8>() {
            let length = u32::from_be_bytes(*head[..4].first_chunk().unwrap()) as usize;
            kinds.push(head[4..].to_vec());
            rest = &body[length + 4..];
        }
        kinds.dedup();
        assert_eq!(kinds, [b"IHDR", b"IDAT", b"IEND"]);
        let shown = shown(&file);
        assert_eq!(shown.dimensions(), (64, 32));
        is_near(*shown.get_pixel(2, 2), [255; 3]);
        is_near(*shown.get_pixel(20, 20), [200, 20, 20]);
        is_near(*shown.get_pixel(60, 4), [20, 20, 200]);
    }
}

#[test]
fn a_large_picture_is_made_smaller_and_keeps_its_shape_and_its_colours() {
    let side = u32::try_from(MAX_AVATAR_SIDE).unwrap();
    for (size, expected) in [
        ((2048, 1024), (side, side / 2)),
        ((1000, 3000), (170, side)),
        ((side + 1, side), (side, side - 1)),
        ((side, side), (side, side)),
        ((4000, 1), (side, 1)),
    ] {
        let picture = DynamicImage::ImageRgb8(painted(size.0, size.1));
        let shown = shown(&file(&picture, ImageFormat::Png));
        assert_eq!(shown.dimensions(), expected, "{size:?}");
        let (width, height) = expected;
        is_near(*shown.get_pixel(width - 1, height - 1), [20, 20, 200]);
        is_near(*shown.get_pixel(width / 4 + 4, height - 1), [200, 20, 20]);
    }
}

#[test]
fn grey_deep_and_transparent_pictures_come_out_as_they_look() {
    let grey = image::GrayImage::from_pixel(9, 5, image::Luma([77]));
    let deep = image::ImageBuffer::from_pixel(9, 5, image::Luma([77_u16 << 8]));
    for picture in [
        DynamicImage::from(grey.clone()),
        DynamicImage::ImageLuma16(deep),
    ] {
        let shown = shown(&file(&picture, ImageFormat::Png));
        assert_eq!(*shown.get_pixel(8, 4), Rgba([77, 77, 77, 255]));
    }
    let shown_grey = shown(&file(&DynamicImage::from(grey), ImageFormat::Jpeg));
    is_near(*shown_grey.get_pixel(4, 2), [77; 3]);
    // What is hidden colours nothing: green under a mask, next to red.
    let mask = RgbaImage::from_fn(1024, 1024, |x, _| match x % 2 {
        0 => Rgba([200, 20, 20, 255]),
        _ => Rgba([0, 255, 0, 0]),
    });
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let shown = shown(&file(&DynamicImage::from(mask.clone()), format));
        assert_eq!(*shown.get_pixel(100, 100), Rgba([200, 20, 20, 128]));
    }
}

#[test]
fn a_photo_that_was_taken_with_the_phone_on_its_side_stands_upright() {
    let photo = file(&DynamicImage::from(painted(64, 32)), ImageFormat::Jpeg);
    let tag = [0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0];
    let exif = [&b"Exif\0\0II*\0\x08\0\0\0\x01\0"[..], &tag, &[0; 4]].concat();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let mut turned = photo;
    turned.splice(2..2, [&[0xff, 0xe1], &length[..], &exif].concat());
    let shown = shown(&turned);
    assert_eq!(shown.dimensions(), (32, 64));
    // A quarter clockwise: what was top left is top right.
    is_near(*shown.get_pixel(30, 2), [255; 3]);
    is_near(*shown.get_pixel(2, 2), [200, 20, 20]);
    is_near(*shown.get_pixel(2, 60), [20, 20, 200]);
}

#[test]
fn of_an_animation_the_first_frame_is_shown() {
    let png = apng(16, &[plain(16, 40, 255), plain(16, 200, 255)]);
    let webp = animated_webp(16, &[vec![40; 256], vec![200; 256]]);
    for file in [png, webp] {
        let shown = shown(&file);
        assert_eq!(shown.dimensions(), (16, 16));
        let is_first = |pixel: &Rgba<u8>| *pixel == Rgba([40, 40, 40, 255]);
        assert!(shown.pixels().all(is_first));
    }
}

fn ends_early() -> Result<Vec<u8>, PictureError> {
    Err(PictureError::Damaged("the file ends early".to_owned()))
}

#[test]
fn what_is_missing_in_a_picture_is_not_made_up() {
    let lossy = include_bytes!("lossy.webp");
    assert!(avatar(lossy).is_ok());
    for length in (lossy.len() / 8..lossy.len()).step_by(7) {
        assert_eq!(avatar(&lossy[..length]), ends_early(), "{length}");
    }
}

#[test]
fn what_is_no_picture_or_a_broken_one_is_refused_with_its_reason() {
    assert_eq!(avatar(b""), Err(PictureError::Empty));
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>";
    assert!(matches!(
        avatar(svg),
        Err(PictureError::Format {
            found: Some("an SVG picture")
        })
    ));
    let picture = DynamicImage::ImageRgb8(painted(64, 64));
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let whole = file(&picture, format);
        assert!(avatar(&whole).is_ok());
        // The end of a PNG says nothing more.
        for length in 20..whole.len() - 20 {
            let refused = avatar(&whole[..length]);
            assert_eq!(refused, ends_early(), "{format:?} {length}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            // Whatever comes of it is no panic, and a picture or a reason.
            let _ = avatar(&changed);
        }
    }
}

#[test]
fn a_photo_with_more_scans_than_any_has_is_refused() {
    let mut photo = file(&DynamicImage::from(painted(64, 32)), ImageFormat::Jpeg);
    let scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0];
    let end = photo.len() - 2;
    photo.splice(end..end, scan.repeat(24));
    let refused = avatar(&photo);
    let reason = "it has too many scans".to_owned();
    assert_eq!(refused, Err(PictureError::Damaged(reason)));
}

#[test]
fn more_than_50_megapixels_are_refused_from_the_header_in_every_format() {
    let picture = DynamicImage::ImageRgb8(painted(64, 32));
    let (width, height) = (10_000_u16, 5_001_u16);
    let mut png = file(&picture, ImageFormat::Png);
    png[16..24]
        .copy_from_slice(&[[0, 0], width.to_be_bytes(), [0, 0], height.to_be_bytes()].concat());
    let sum = crc(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    let mut jpeg = file(&picture, ImageFormat::Jpeg);
    // Marker, length, depth; then height and width.
    let frame = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    let sides = [height.to_be_bytes(), width.to_be_bytes()].concat();
    jpeg[frame + 5..frame + 9].copy_from_slice(&sides);
    let mut webp = file(&picture, ImageFormat::WebP);
    assert_eq!((&webp[12..16], webp[20]), (&b"VP8L"[..], 0x2f));
    let sides = u32::from(width - 1) | u32::from(height - 1) << 14;
    webp[21..25].copy_from_slice(&sides.to_le_bytes());
    for file in [png, jpeg, webp] {
        let (refused, peak) = peak_of(|| avatar(&file));
        let (width, height) = (width.into(), height.into());
        assert_eq!(refused, Err(PictureError::TooLarge { width, height }));
        assert!(peak < 1_000_000, "{peak}");
    }
}

#[test]
fn what_a_picture_takes_is_known_before_it_is_decoded() {
    // RGBA of 50 megapixels would take 200 MB by itself.
    let file = flat_png(10_000, 5_000, png::ColorType::Rgba, png::BitDepth::Eight);
    let (refused, peak) = peak_of(|| avatar(&file));
    assert!(
        matches!(refused, Err(PictureError::TooMuchMemory { .. })),
        "{refused:?}"
    );
    assert!(peak < 10_000_000, "{peak}");
    let file = flat_png(8_000, 5_000, png::ColorType::Rgb, png::BitDepth::Eight);
    let (made, peak) = peak_of(|| avatar(&file));
    assert!(made.is_ok(), "{made:?}");
    assert!(peak < MOST, "{peak}");
}
