//! A picture from a chat, as anybody might send it.
//!
//! The first byte says what the rest is: a file; the pixels of a picture, because no fuzzer gets past the checksums of PNG; or the
//! segments of a QR code, because no fuzzer finds the error correction of one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use qrcode::{EcLevel, QrCode, bits::Bits, types::Version};
use securecall_contact_qr::{avatar, read_contacts, read_texts};

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind {
        b'p' => {
            if let Some((width, pixels)) = rest.split_first() {
                let width = usize::from(*width).max(1);
                let _ = read_texts(&png_of(width, pixels));
            }
        }
        b'c' => {
            if let Some(code) = code_of(rest) {
                let _ = read_texts(&code);
            }
        }
        _ => {
            let _ = read_contacts(data);
            let _ = avatar(data);
        }
    }
});

/// A grey picture of these pixels.
fn png_of(width: usize, pixels: &[u8]) -> Vec<u8> {
    let height = pixels.len() / width;
    let mut file = Vec::new();
    if height > 0 {
        let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::NoCompression);
        let mut writer = encoder.write_header().expect("a header");
        writer
            .write_image_data(&pixels[..width * height])
            .expect("all pixels");
        writer.finish().expect("an end");
    }
    file
}

/// The encoder panics on what its mode does not know: here are symbols it does.
fn mapped(data: &[u8], symbols: &[u8]) -> Vec<u8> {
    let symbol = |byte: &u8| symbols[usize::from(*byte) % symbols.len()];
    data.iter().map(symbol).collect()
}

/// The picture of a code: version, level, then segments of a kind, a length and data.
fn code_of(data: &[u8]) -> Option<Vec<u8>> {
    let (&[version, level], mut rest) = data.split_first_chunk::<2>()?;
    let mut bits = Bits::new(Version::Normal(i16::from(version % 12) + 1));
    while let Some((&[kind, length], more)) = rest.split_first_chunk::<2>() {
        let (segment, more) = more.split_at(usize::from(length).min(more.len()));
        rest = more;
        match kind % 6 {
            0 => bits.push_eci_designator(u32::from(length) << (kind / 6 % 12)),
            1 => bits.push_numeric_data(&mapped(segment, b"0123456789")),
            2 => bits.push_alphanumeric_data(&mapped(segment, b"0AZ $%*+-./:")),
            3 => bits.push_kanji_data(&mapped(segment, b"\x81\x88\x90\x95\x9f")),
            4 => bits.push_fnc1_first_position(),
            _ => bits.push_byte_data(segment),
        }
        .ok()?;
    }
    let level = [EcLevel::L, EcLevel::M, EcLevel::Q, EcLevel::H][usize::from(level % 4)];
    bits.push_terminator(level).ok()?;
    let code = QrCode::with_bits(bits, level).ok()?;
    let (modules, width) = (code.to_colors(), code.width());
    let side = (width + 8) * 3;
    let mut pixels = vec![255; side * side];
    for (index, pixel) in pixels.iter_mut().enumerate() {
        let place = |v: usize| (v / 3).checked_sub(4).filter(|v| *v < width);
        if let (Some(column), Some(row)) = (place(index % side), place(index / side))
            && modules[row * width + column] == qrcode::Color::Dark
        {
            *pixel = 0;
        }
    }
    Some(png_of(side, &pixels))
}
