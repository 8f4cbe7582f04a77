//! G.711 (ITU-T, 1988): 8 bits for each sample at 8 kHz, by two laws. The tables are made here from the rules of tables 1 and 2 there.
//!
//! Both laws are a sign, three bits of exponent (the segment) and four of mantissa. µ-law takes 14 bits of a sample, A-law 13;
//! here both are scaled to 16.

/// What µ-law adds before it looks for the segment, so that the first one begins at zero.
const BIAS: i32 = 33 << 2;
/// The largest magnitude that has a segment.
const MU_LAW_CLIP: i32 = 32_767 - BIAS;

const MU_LAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < table.len() {
        table[code] = mu_law(code as u8);
        code += 1;
    }
    table
};
const A_LAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < table.len() {
        table[code] = a_law(code as u8);
        code += 1;
    }
    table
};

/// A sample out of µ-law, −1 to 1.
pub(crate) fn expand_mu_law(code: u8) -> f32 {
    f32::from(MU_LAW[usize::from(code)]) / 32_768.0
}

/// A sample out of A-law, −1 to 1.
pub(crate) fn expand_a_law(code: u8) -> f32 {
    f32::from(A_LAW[usize::from(code)]) / 32_768.0
}

/// A sample, −1 to 1, in µ-law.
pub(super) fn compress_mu_law(sample: f32) -> u8 {
    let sample = integer(sample);
    let magnitude = sample.abs().min(MU_LAW_CLIP) + BIAS;
    // The bias sees to it that bit 7 or one above it is set.
    let exponent = magnitude.ilog2() - 7;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign(sample < 0) | (exponent as u8) << 4 | mantissa as u8)
}

/// A sample, −1 to 1, in A-law.
pub(super) fn compress_a_law(sample: f32) -> u8 {
    let sample = integer(sample);
    // Of two's complement: −1 is the first step below zero.
    let magnitude = if sample < 0 { !sample } else { sample };
    // The first two segments have steps of 16, and each further one twice as large.
    let code = if magnitude < 256 {
        (magnitude >> 4) as u8
    } else {
        let exponent = magnitude.ilog2() - 7;
        (exponent as u8) << 4 | (magnitude >> (exponent + 3)) as u8 & 0x0f
    };
    // Positive ones have the sign bit set, and every other bit is inverted.
    (code | sign(sample >= 0)) ^ 0x55
}

const fn sign(is_set: bool) -> u8 {
    if is_set { 0x80 } else { 0 }
}

fn integer(sample: f32) -> i32 {
    (sample.clamp(-1.0, 1.0) * 32_767.0).round() as i32
}

const fn mu_law(code: u8) -> i16 {
    let code = !code;
    let exponent = (code >> 4) & 7;
    let magnitude = (((((code & 0x0f) as i32) << 3) + BIAS) << exponent) - BIAS;
    if code & 0x80 == 0 {
        magnitude as i16
    } else {
        -(magnitude as i16)
    }
}

const fn a_law(code: u8) -> i16 {
    let code = code ^ 0x55;
    let exponent = (code >> 4) & 7;
    // The middle of the step.
    let mantissa = (((code & 0x0f) as i32) << 4) + 8;
    let magnitude = if exponent == 0 {
        mantissa
    } else {
        (mantissa + 0x100) << (exponent - 1)
    };
    if code & 0x80 == 0 {
        -(magnitude as i16)
    } else {
        magnitude as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_for_the_values_of_the_recommendation() {
        for (code, value) in [
            (0xff, 0),
            (0x7f, 0),
            (0xfe, 8),
            (0x80, 32_124),
            (0x00, -32_124),
            (0xf0, 120),
            (0xef, 132),
            (0x8f, 16_764),
        ] {
            assert_eq!(MU_LAW[code], value, "mu {code:#x}");
        }
        for (code, value) in [
            (0xd5, 8),
            (0x55, -8),
            (0xaa, 32_256),
            (0x2a, -32_256),
            (0xc5, 264),
            (0xf5, 528),
            (0xa5, 16_896),
        ] {
            assert_eq!(A_LAW[code], value, "a {code:#x}");
        }
    }

    #[test]
    fn each_code_is_that_of_its_own_value() {
        for code in 0..=255_u8 {
            // Zero has two.
            if code != 0x7f {
                assert_eq!(compress_mu_law(expand_mu_law(code)), code);
            }
            assert_eq!(compress_a_law(expand_a_law(code)), code);
        }
    }

    #[test]
    fn no_sample_is_further_from_its_code_than_half_a_step_of_its_segment() {
        for sample in -32_768..=32_767_i32 {
            let exact = sample as f32 / 32_768.0;
            // Steps are at least 8 of 32768, and a sixteenth of where their segment begins, which the bias of µ-law moves a little.
            let half = |least: f32| (exact.abs() / 32.0).max(least / 32_768.0) + 5.0 / 32_768.0;
            let clipped = exact.clamp(-32_124.0 / 32_768.0, 32_124.0 / 32_768.0);
            let mu = expand_mu_law(compress_mu_law(exact));
            assert!((mu - clipped).abs() <= half(8.0), "{sample}: {mu}");
            let a = expand_a_law(compress_a_law(exact));
            assert!((a - exact).abs() <= half(8.0), "{sample}: {a}");
        }
        assert_eq!(compress_mu_law(f32::INFINITY), 0x80);
        assert_eq!(compress_a_law(-7.0), 0x2a);
    }
}
