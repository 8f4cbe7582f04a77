//! Samples as s16le bytes: what pipes and recordings hold.

use crate::device::TICK_SAMPLES;

/// Bytes of a sample.
pub(crate) const SAMPLE_BYTES: usize = 2;

/// Bytes of a tick.
pub(crate) const TICK_BYTES: usize = TICK_SAMPLES * SAMPLE_BYTES;

const FULL_SCALE: f32 = 32_768.0;

/// The nearest 16-bit value. What is too loud is clipped, what is not a number is silence.
pub(crate) fn to_i16(sample: f32) -> i16 {
    let scaled = sample * FULL_SCALE;
    // The cast cuts off what is behind the point, and saturates.
    (scaled + 0.5_f32.copysign(scaled)) as i16
}

pub(crate) fn from_i16(sample: i16) -> f32 {
    f32::from(sample) / FULL_SCALE
}

pub(crate) fn to_bytes(samples: &[f32]) -> Vec<u8> {
    in_bytes(samples, |it| to_i16(*it))
}

pub(crate) fn bytes_of(samples: &[i16]) -> Vec<u8> {
    in_bytes(samples, |it| *it)
}

fn in_bytes<T>(samples: &[T], to_i16: impl Fn(&T) -> i16) -> Vec<u8> {
    let mut bytes = vec![0; samples.len() * SAMPLE_BYTES];
    for (place, sample) in bytes.as_chunks_mut().0.iter_mut().zip(samples) {
        *place = to_i16(sample).to_le_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_16_bit_value_comes_back_as_it_was() {
        for value in i16::MIN..=i16::MAX {
            assert_eq!(to_i16(from_i16(value)), value);
        }
    }

    #[test]
    fn what_is_too_loud_is_clipped_and_what_is_no_number_is_silence() {
        assert_eq!(to_i16(1.0), i16::MAX);
        assert_eq!(to_i16(7.0), i16::MAX);
        assert_eq!(to_i16(f32::NEG_INFINITY), i16::MIN);
        assert_eq!(to_i16(f32::NAN), 0);
        assert_eq!(
            [0.6, 0.4, -0.4, -0.6].map(|parts| to_i16(parts / FULL_SCALE)),
            [1, 0, 0, -1]
        );
    }
}
