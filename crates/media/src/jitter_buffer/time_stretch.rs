//! WSOLA: cutting out or repeating one period of a signal, so that time passes faster or slower at the same pitch.
//!
//! Both work on audio that is decoded and not yet played, so they need no look-ahead of their own. With `lag` a period, cutting
//! fades from `x[0..]` to `x[lag..]`; repeating plays `x[..lag]` and fades back from `x[lag..]` to `x[0..]`.

/// Length of the fade: 5 ms.
const OVERLAP: usize = 240;
/// The shortest period worth the work: 2.5 ms.
pub(super) const MIN_LAG: usize = 120;
/// The longest: 12.5 ms, the period of a voice at 80 Hz.
pub(super) const MAX_LAG: usize = 600;
/// Below this RMS (−54 dB) a cut anywhere goes unheard.
const SILENCE_RMS: f32 = 0.002;
const COARSE_STEP: usize = 4;

/// The lag at which `samples` resemble themselves, between [`MIN_LAG`] and `longest`, if it is good enough. In silence, the
/// longest possible.
pub(super) fn find_lag(samples: &[f32], longest: usize, least_correlation: f32) -> Option<usize> {
    let longest = longest
        .min(MAX_LAG)
        .min(samples.len().saturating_sub(OVERLAP));
    if longest < MIN_LAG {
        return None;
    }
    let head = &samples[..OVERLAP];
    let rms = |x: &[f32]| (x.iter().map(|s| s * s).sum::<f32>() / x.len() as f32).sqrt();
    if rms(&samples[..longest + OVERLAP]) < SILENCE_RMS {
        return Some(longest);
    }

    let better = |a: (f32, usize), b: (f32, usize)| if b.0 > a.0 { b } else { a };
    let coarse = (MIN_LAG..=longest)
        .step_by(COARSE_STEP)
        .map(|lag| (correlation(head, &samples[lag..], 2), lag))
        .fold((f32::MIN, MIN_LAG), better);
    let (best, lag) = (coarse.1.saturating_sub(COARSE_STEP).max(MIN_LAG)
        ..=(coarse.1 + COARSE_STEP).min(longest))
        .map(|lag| (correlation(head, &samples[lag..], 1), lag))
        .fold((f32::MIN, coarse.1), better);
    (best >= least_correlation).then_some(lag)
}

/// Cuts `lag` samples out at the front of `samples`.
pub(super) fn accelerate(samples: &mut Vec<f32>, lag: usize) {
    for i in (0..OVERLAP).rev() {
        let fade = (i + 1) as f32 / (OVERLAP + 1) as f32;
        samples[i + lag] = samples[i] * (1.0 - fade) + samples[i + lag] * fade;
    }
    samples.drain(..lag);
}

/// Repeats the first `lag` samples at the front of `samples`.
pub(super) fn expand(samples: &mut Vec<f32>, lag: usize) {
    let length = samples.len();
    samples.resize(length + lag, 0.0);
    samples.copy_within(..length, lag);
    // From `lag` on there is now the whole original again; what followed its first period must lead into it.
    for i in 0..OVERLAP {
        let fade = (i + 1) as f32 / (OVERLAP + 1) as f32;
        samples[lag + i] = samples[2 * lag + i] * (1.0 - fade) + samples[lag + i] * fade;
    }
}

/// How alike the signals are, −1 to 1, by every `stride`-th sample.
pub(super) fn correlation(head: &[f32], other: &[f32], stride: usize) -> f32 {
    let (mut dot, mut head_energy, mut other_energy) = (1e-9_f32, 1e-9_f32, 1e-9_f32);
    for (a, b) in head.iter().zip(other).step_by(stride) {
        dot += a * b;
        head_energy += a * a;
        other_energy += b * b;
    }
    dot / (head_energy * other_energy).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(period: f32, length: usize) -> Vec<f32> {
        (0..length)
            .map(|i| (i as f32 / period * std::f32::consts::TAU).sin() * 0.3)
            .collect()
    }

    fn largest_step(samples: &[f32]) -> f32 {
        samples
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn a_tone_is_cut_and_repeated_without_a_seam() {
        for period in [130.0, 240.0, 333.0, 480.0] {
            let original = tone(period, 960);
            let lag = find_lag(&original, MAX_LAG, 0.9).unwrap();
            let whole_periods = lag as f32 / period;
            assert!(
                (whole_periods - whole_periods.round()).abs() < 0.02,
                "{lag} of {period}"
            );
            let step = largest_step(&original) * 1.05;

            let mut shorter = original.clone();
            accelerate(&mut shorter, lag);
            assert_eq!(shorter.len(), 960 - lag);
            assert!(largest_step(&shorter) < step);
            assert!((shorter[0] - original[0]).abs() < step && shorter.last() == original.last());

            let mut longer = original.clone();
            expand(&mut longer, lag);
            assert_eq!(longer.len(), 960 + lag);
            assert!(
                largest_step(&longer) < step,
                "{} {step}",
                largest_step(&longer)
            );
            assert_eq!((longer[0], longer.last()), (original[0], original.last()));
        }
    }

    #[test]
    fn noise_is_left_alone_and_silence_is_not() {
        let mut state = 1_u32;
        let noise: Vec<f32> = (0..960)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 24) as f32 - 0.5
            })
            .collect();
        assert_eq!(find_lag(&noise, MAX_LAG, 0.9), None);
        assert_eq!(find_lag(&[0.0; 960], 333, 0.9), Some(333));
        assert_eq!(find_lag(&noise, MIN_LAG - 1, -1.0), None);
        assert_eq!(find_lag(&noise[..100], MAX_LAG, -1.0), None);
    }
}
