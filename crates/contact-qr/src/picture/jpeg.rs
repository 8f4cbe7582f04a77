//! JPEG: the luma plane alone, where the file has one.

use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::{Backdrop, Decoded, MAX_SIDE, check_size, grey_in_place};
use crate::{PictureError, grey::Grey};

/// Scans of a progressive picture. Encoders write about ten; each costs a pass over the whole picture.
const MAX_SCANS: usize = 24;

pub(super) fn decode(file: &[u8]) -> Result<Decoded, PictureError> {
    let options = DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .set_strict_mode(false)
        .jpeg_set_max_scans(MAX_SCANS);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(damaged)?;
    let info = decoder
        .info()
        .ok_or_else(|| PictureError::Damaged("it has no header".to_owned()))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    let luma = matches!(
        decoder.input_colorspace(),
        Some(ColorSpace::YCbCr | ColorSpace::Luma)
    );
    // A progressive picture is held as coefficients of two bytes, of all components: three if colours are not subsampled.
    let coefficients = if is_progressive(file) {
        20 * usize::from(info.components)
    } else {
        0
    };
    check_size(
        file,
        width,
        height,
        coefficients + if luma { 10 } else { 30 },
    )?;
    // The decoder forgives a file that ends early and fills up with grey, which would be found to hold no code.
    if !is_complete(file) {
        return Err(PictureError::Damaged("the file ends early".to_owned()));
    }

    let target = if luma {
        ColorSpace::Luma
    } else {
        ColorSpace::RGB
    };
    decoder.set_options(options.jpeg_set_out_colorspace(target));
    let pixels = decoder.decode().map_err(damaged)?;
    let decoded = if luma {
        Grey::new(width, height, pixels).map(|grey| Decoded {
            grey,
            transparent: false,
        })
    } else {
        grey_in_place::<3>(width, height, pixels, Backdrop::White)
    };
    decoded.ok_or_else(|| PictureError::Damaged("pixels are missing".to_owned()))
}

/// Whether the last scan is followed by the end-of-image marker. Behind it phones add videos and depth maps.
fn is_complete(file: &[u8]) -> bool {
    let last = |code: u8| file.windows(2).rposition(|window| window == [0xff, code]);
    match (last(0xda), last(0xd9)) {
        (Some(scan), Some(end)) => end > scan,
        _ => false,
    }
}

/// Whether the first frame header is one of the progressive ones.
fn is_progressive(file: &[u8]) -> bool {
    let mut rest = file.get(2..).unwrap_or_default();
    while let [0xff, code, high, low, ..] = rest {
        match code {
            0xc2 | 0xc6 | 0xca | 0xce => return true,
            0xc0 | 0xc1 | 0xda => return false,
            // Fill bytes before a marker.
            0xff => rest = &rest[1..],
            _ => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                rest = rest.get(2 + length..).unwrap_or_default();
            }
        }
    }
    // No frame header where one should be: count it as the dearer kind.
    true
}

fn damaged(error: impl std::fmt::Display) -> PictureError {
    PictureError::Damaged(error.to_string())
}
