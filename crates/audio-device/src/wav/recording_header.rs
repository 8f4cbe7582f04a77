//! What our own recordings begin with: 16 bit, 48 kHz, mono, in the form that every program reads.

use crate::device::SAMPLE_RATE;
use crate::pcm::SAMPLE_BYTES;

/// RIFF header, `fmt ` chunk of 16 bytes, header of the `data` chunk.
const BYTES: usize = 44;

/// The header of a recording with so many bytes of samples.
pub(crate) fn recording_header(data_bytes: u32) -> [u8; BYTES] {
    let frame_bytes = SAMPLE_BYTES as u16;
    let mut header = [0; BYTES];
    let fields: [&[u8]; 13] = [
        b"RIFF",
        &data_bytes.saturating_add(BYTES as u32 - 8).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16_u32.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &SAMPLE_RATE.to_le_bytes(),
        &(SAMPLE_RATE * u32::from(frame_bytes)).to_le_bytes(),
        &frame_bytes.to_le_bytes(),
        &(8 * frame_bytes).to_le_bytes(),
        b"data",
        &data_bytes.to_le_bytes(),
    ];
    for (place, byte) in header.iter_mut().zip(fields.into_iter().flatten()) {
        *place = *byte;
    }
    header
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn another_reader_takes_it() {
        let mut file = recording_header(6).to_vec();
        file.extend([0x00, 0x40, 0x00, 0xc0, 0x01, 0x00]);
        let mut reader = hound::WavReader::new(Cursor::new(file)).unwrap();
        let spec = reader.spec();
        assert_eq!(
            (spec.channels, spec.sample_rate, spec.bits_per_sample),
            (1, 48_000, 16)
        );
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(samples, [0x4000, -0x4000, 1]);
    }
}
