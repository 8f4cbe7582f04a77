//! A QR code as a PNG file.

use crate::QrCode;

/// Pixels on a side that a picture has at least: enough to be read from another screen, small enough for any chat.
const SIDE: usize = 440;
/// Pixels of a module at least, however many modules there are.
const MODULE: usize = 4;

impl QrCode {
    /// The code as a grey PNG picture: black on white, every module the same whole number of pixels (10 for an ordinary contact
    /// link, never below 4), quiet zone included.
    #[must_use]
    pub fn to_png(&self) -> Vec<u8> {
        let modules = self.width_with_zone();
        let module = SIDE.div_ceil(modules).max(MODULE);
        let side = modules * module;
        // One bit a pixel, eight to a byte, each row from a byte of its own; a set bit is white.
        let row_bytes = side.div_ceil(8);
        let mut bits = Vec::with_capacity(row_bytes * side);
        for row in 0..modules {
            let mut line = vec![0_u8; row_bytes];
            for x in 0..side {
                if !self.is_dark_with_zone(x / module, row) {
                    line[x / 8] |= 0x80 >> (x % 8);
                }
            }
            for _ in 0..module {
                bits.extend_from_slice(&line);
            }
        }
        encode(side, &bits)
    }
}

#[expect(
    clippy::expect_used,
    reason = "writing a picture of known size into memory cannot fail"
)]
fn encode(side: usize, bits: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let side = u32::try_from(side).expect("a QR code is small");
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().expect("the header is valid");
    writer
        .write_image_data(bits)
        .expect("there are as many bits as pixels");
    writer.finish().expect("memory takes everything");
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_is_a_square_of_whole_pixels() {
        let code = QrCode::of_text("x").unwrap();
        let file = code.to_png();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (29 * 16, 29 * 16));
        for (index, pixel) in pixels.iter().enumerate() {
            let (x, y) = (index % (29 * 16), index / (29 * 16));
            let dark = code.is_dark_with_zone(x / 16, y / 16);
            assert_eq!(*pixel, if dark { 0 } else { 255 });
        }
    }

    #[test]
    fn an_ordinary_link_has_ten_pixels_a_module_and_the_largest_code_four() {
        let side = |text: &str| {
            let file = QrCode::of_text(text).unwrap().to_png();
            u32::from_be_bytes(file[16..20].try_into().unwrap())
        };
        assert_eq!(side(&"x".repeat(77)), 450);
        assert_eq!(side(&"x".repeat(2_331)), 185 * 4);
    }
}
