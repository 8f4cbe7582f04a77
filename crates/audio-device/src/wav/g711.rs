//! The two codings of telephony, [ITU-T G.711](https://www.itu.int/rec/T-REC-G.711): 8 bits with a logarithmic scale.

/// A-law (Europe) to a sample from −1 to 1.
pub(super) fn from_a_law(byte: u8) -> f32 {
    // Every other bit is sent inverted.
    let code = byte ^ 0x55;
    let (exponent, mantissa) = (code >> 4 & 7, i32::from(code & 15));
    let magnitude = match exponent {
        0 => 16 * mantissa + 8,
        _ => (16 * mantissa + 264) << (exponent - 1),
    };
    signed(code & 0x80 != 0, magnitude)
}

/// µ-law (North America, Japan) to a sample from −1 to 1.
pub(super) fn from_mu_law(byte: u8) -> f32 {
    // All bits are sent inverted.
    let code = !byte;
    let (exponent, mantissa) = (code >> 4 & 7, i32::from(code & 15));
    let magnitude = ((8 * mantissa + 132) << exponent) - 132;
    signed(code & 0x80 == 0, magnitude)
}

/// `magnitude` is on the scale of 16 bit.
fn signed(positive: bool, magnitude: i32) -> f32 {
    let value = if positive { magnitude } else { -magnitude };
    value as f32 / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_16_bit(sample: f32) -> i32 {
        (sample * 32_768.0) as i32
    }

    #[test]
    fn the_values_are_those_of_the_tables_in_g_711() {
        // Table 1a and 2a, first and last values of segments, on the scale of 16 bit.
        for (byte, value) in [
            (0xd5, 8),
            (0x55, -8),
            (0xda, 248),
            (0xc5, 264),
            (0xaa, 32_256),
            (0x2a, -32_256),
            (0x80, 5_504),
        ] {
            assert_eq!(to_16_bit(from_a_law(byte)), value, "A-law {byte:#x}");
        }
        for (byte, value) in [
            (0xff, 0),
            (0x7f, 0),
            (0xfe, 8),
            (0xef, 132),
            (0x80, 32_124),
            (0x00, -32_124),
            (0x8f, 16_764),
        ] {
            assert_eq!(to_16_bit(from_mu_law(byte)), value, "µ-law {byte:#x}");
        }
    }

    #[test]
    fn both_rise_without_a_step_back() {
        let a_law: Vec<f32> = (0x80..=0xff_u8)
            .map(|code| from_a_law(code ^ 0x55))
            .collect();
        let mu_law: Vec<f32> = (0x00..=0x7f_u8).map(|code| from_mu_law(!code)).collect();
        for positive in [a_law, mu_law] {
            assert!(positive.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(positive.iter().all(|sample| (0.0..1.0).contains(sample)));
        }
    }
}
