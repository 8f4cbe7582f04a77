//! The picture that somebody shows of themselves: small, upright, and without what the file said beside its pixels.
//!
//! Pictures of phones say where and when they were taken, and with what; editors add names and earlier versions. Nothing of a file is
//! handed on but what its pixels show: it is decoded, made smaller, and written anew as PNG.

mod orientation;

use self::orientation::Orientation;
use crate::PictureError;
use crate::picture::in_colour::{self, InColour};

/// Pixels on a side that an avatar has at most. Clients show it smaller, and homeservers scale it down for them.
pub const MAX_AVATAR_SIDE: usize = 512;

/// Makes an avatar of a PNG, JPEG or WebP picture, given the bytes of its file: a PNG of at most [`MAX_AVATAR_SIDE`] pixels on a side and
/// about 1 MB. Of an animation it takes the first frame; what is transparent stays so.
///
/// # Errors
///
/// It is no such picture, takes more than is given to any, or is damaged.
pub fn avatar(file: &[u8]) -> Result<Vec<u8>, PictureError> {
    let picture = in_colour::decode(file)?;
    let exif = picture.exif.as_deref();
    let orientation = exif.map_or(Orientation::UPRIGHT, Orientation::of);
    Ok(encode(&turned(&shrunk(&picture), orientation)))
}

/// A picture as it goes out.
struct Small {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 4]>,
}

/// Each pixel is the mean of those that it stands for.
fn shrunk(picture: &InColour) -> Small {
    let longest = picture.width.max(picture.height);
    let scaled = |side: usize| match longest {
        ..=MAX_AVATAR_SIDE => side,
        // Neither product overflows: a side has at most 16 bits here and ten there.
        _ => (side * MAX_AVATAR_SIDE / longest).max(1),
    };
    let (width, height) = (scaled(picture.width), scaled(picture.height));
    let from = |at: usize, all: usize, of: usize| at * all / of..((at + 1) * all).div_ceil(of);
    let mut pixels = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let mut mean = Mean::default();
            for row in from(y, picture.height, height) {
                let columns = from(x, picture.width, width);
                let start = (row * picture.width + columns.start) * picture.channels;
                let end = (row * picture.width + columns.end) * picture.channels;
                let run = picture.pixels.get(start..end).unwrap_or_default();
                run.chunks_exact(picture.channels)
                    .for_each(|pixel| mean.add(rgba(pixel)));
            }
            pixels.push(mean.pixel());
        }
    }
    Small {
        width,
        height,
        pixels,
    }
}

fn rgba(pixel: &[u8]) -> [u8; 4] {
    match *pixel {
        [grey] => [grey, grey, grey, 255],
        [grey, alpha] => [grey, grey, grey, alpha],
        [red, green, blue] => [red, green, blue, 255],
        [red, green, blue, alpha] => [red, green, blue, alpha],
        _ => [0; 4],
    }
}

/// Of colours, each weighed by how much it covers: a hidden colour shows nowhere.
#[derive(Default)]
struct Mean {
    colours: [u64; 3],
    alpha: u64,
    count: u64,
}

impl Mean {
    fn add(&mut self, [red, green, blue, alpha]: [u8; 4]) {
        for (sum, colour) in self.colours.iter_mut().zip([red, green, blue]) {
            *sum += u64::from(colour) * u64::from(alpha);
        }
        self.alpha += u64::from(alpha);
        self.count += 1;
    }

    fn pixel(&self) -> [u8; 4] {
        // Means of bytes are bytes.
        let mean = |sum: u64, weight: u64| match weight {
            0 => 0,
            _ => ((sum + weight / 2) / weight) as u8,
        };
        let [red, green, blue] = self.colours.map(|sum| mean(sum, self.alpha));
        [red, green, blue, mean(self.alpha, self.count)]
    }
}

fn turned(file: &Small, orientation: Orientation) -> Small {
    let size = (file.width, file.height);
    let (width, height) = orientation.size(size);
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels = places.map(|place| {
        let (x, y) = orientation.source(size, place);
        file.pixels[y * file.width + x]
    });
    Small {
        width,
        height,
        pixels: pixels.collect(),
    }
}

#[expect(
    clippy::expect_used,
    reason = "writing a picture of known size into memory cannot fail"
)]
fn encode(picture: &Small) -> Vec<u8> {
    let is_opaque = picture.pixels.iter().all(|pixel| pixel[3] == 255);
    let (kind, channels) = match is_opaque {
        true => (png::ColorType::Rgb, 3),
        false => (png::ColorType::Rgba, 4),
    };
    let bytes: Vec<u8> = picture
        .pixels
        .iter()
        .flat_map(|pixel| pixel.iter().take(channels))
        .copied()
        .collect();
    let side = |side: usize| u32::try_from(side).expect("an avatar is small");
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side(picture.width), side(picture.height));
    encoder.set_color(kind);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().expect("the header is valid");
    writer
        .write_image_data(&bytes)
        .expect("there are as many bytes as pixels have");
    writer.finish().expect("memory takes everything");
    file
}
