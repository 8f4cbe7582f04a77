//! Levels.

/// The level of a signal in decibels below full scale, at least −100.
pub fn level_dbfs(samples: &[f32]) -> f32 {
    let energy: f64 = samples
        .iter()
        .map(|sample| f64::from(*sample).powi(2))
        .sum();
    let mean = energy / samples.len().max(1) as f64;
    (10.0 * mean.max(1e-10).log10()) as f32
}

/// The level of each stretch of `window` samples, in decibels below full scale; the last stretch may be shorter.
pub fn level_curve(samples: &[f32], window: usize) -> Vec<f32> {
    samples.chunks(window.max(1)).map(level_dbfs).collect()
}

/// Signal to distortion ratio in decibels, with the best gain taken out (SI-SDR). The signals must be aligned.
pub fn sdr_db(reference: &[f32], distorted: &[f32]) -> f64 {
    let pairs = || {
        reference
            .iter()
            .zip(distorted)
            .map(|(a, b)| (f64::from(*a), f64::from(*b)))
    };
    let energy: f64 = pairs().map(|(a, _)| a * a).sum();
    let gain = pairs().map(|(a, b)| a * b).sum::<f64>() / energy.max(f64::MIN_POSITIVE);
    let distortion: f64 = pairs().map(|(a, b)| (b - gain * a).powi(2)).sum();
    10.0 * ((gain * gain * energy).max(1e-30) / distortion.max(1e-30)).log10()
}
