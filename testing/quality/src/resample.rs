//! Resampling by a rational factor, the way Octave's and hence pystoi's `resample` does it: one windowed sinc, 60 dB of rejection.

use std::f64::consts::PI;

/// Resamples from one rate to another, in samples per second. The ends of the signal stay where they are.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let wide: Vec<f64> = samples.iter().map(|sample| f64::from(*sample)).collect();
    resample_f64(&wide, from, to)
        .into_iter()
        .map(|sample| sample as f32)
        .collect()
}

pub(crate) fn resample_f64(samples: &[f64], from: u32, to: u32) -> Vec<f64> {
    let divisor = gcd(from, to);
    if from == to || divisor == 0 {
        return samples.to_vec();
    }
    let (up, down) = ((to / divisor) as usize, (from / divisor) as usize);
    let filter = filter(up, down);
    let half = filter.len() / 2;
    (0..(samples.len() * up).div_ceil(down))
        .map(|output| {
            // The input k contributes through filter[half + output·down − k·up].
            let centre = output * down + half;
            let first = (output * down).saturating_sub(half).div_ceil(up);
            let last = (centre / up).min(samples.len() - 1);
            (first..=last)
                .filter_map(|input| {
                    filter
                        .get(centre - input * up)
                        .map(|tap| tap * samples[input])
                })
                .sum::<f64>()
        })
        .collect()
}

fn filter(up: usize, down: usize) -> Vec<f64> {
    const REJECTION_DB: f64 = 60.0;
    let cutoff = 1.0 / (2.0 * up.max(down) as f64);
    let roll_off = cutoff / 10.0;
    let half = ((REJECTION_DB - 8.0) / (28.714 * roll_off)).ceil();
    let beta = 0.1102 * (REJECTION_DB - 8.7);
    let length = 2 * half as usize + 1;
    let taps: Vec<f64> = (0..length)
        .map(|i| {
            let t = i as f64 - half;
            let window =
                bessel_i0(beta * (1.0 - (t / half).powi(2)).max(0.0).sqrt()) / bessel_i0(beta);
            window * sinc(2.0 * cutoff * t)
        })
        .collect();
    let gain = up as f64 / taps.iter().sum::<f64>();
    taps.into_iter().map(|tap| tap * gain).collect()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// The modified Bessel function of the first kind of order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
