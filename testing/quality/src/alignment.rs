//! Where in one signal another is found again: cross-correlation by FFT.

use realfft::{RealFftPlanner, num_complex::Complex};

use crate::{SAMPLE_RATE, level::level_dbfs};

/// Segments by which a delay is followed: half a second.
const SEGMENT: usize = SAMPLE_RATE as usize / 2;
/// How far a segment's delay may be from the whole's: 200 ms.
const SEGMENT_SEARCH: usize = SAMPLE_RATE as usize / 5;
/// Quieter segments say nothing about delay.
const QUIET_DBFS: f32 = -45.0;
/// A segment less alike than this was not found again.
const LEAST_CORRELATION: f64 = 0.4;

/// Where `received` holds what was `sent`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alignment {
    /// By how many samples `received` is later; negative if it is earlier.
    pub delay: i64,
    /// How alike the signals are at that delay, −1 to 1.
    pub correlation: f64,
}

/// The delay of one stretch of speech.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SegmentDelay {
    /// Where the stretch begins in the sent signal, in samples.
    pub start: usize,
    /// How long the stretch is, in samples.
    pub length: usize,
    /// By how many samples it is later in the received signal.
    pub delay: i64,
    /// How alike the two are, −1 to 1.
    pub correlation: f64,
}

/// Finds the delay, between −`max_lag` and `max_lag` samples, at which the signals are most alike.
///
/// Gives nothing if either is silent or empty.
pub fn align(sent: &[f32], received: &[f32], max_lag: usize) -> Option<Alignment> {
    let lags = -(max_lag as i64)..=max_lag as i64;
    best_lag(&brighten(sent), &brighten(received), lags)
}

/// The delay of each half second of `sent` that is loud enough and was found again near `whole`.
pub fn segment_delays(sent: &[f32], received: &[f32], whole: Alignment) -> Vec<SegmentDelay> {
    let (sent_bright, received_bright) = (brighten(sent), brighten(received));
    (0..sent.len() / SEGMENT)
        .filter_map(|segment| {
            let start = segment * SEGMENT;
            if level_dbfs(&sent[start..start + SEGMENT]) < QUIET_DBFS {
                return None;
            }
            let earliest = (start as i64 + whole.delay - SEGMENT_SEARCH as i64).max(0);
            let latest = (start as i64 + whole.delay + (SEGMENT + SEGMENT_SEARCH) as i64)
                .min(received.len() as i64);
            if latest - earliest < SEGMENT as i64 {
                return None;
            }
            let piece = &received_bright[earliest as usize..latest as usize];
            let found = best_lag(
                &sent_bright[start..start + SEGMENT],
                piece,
                0..=(piece.len() - SEGMENT) as i64,
            )?;
            (found.correlation >= LEAST_CORRELATION).then_some(SegmentDelay {
                start,
                length: SEGMENT,
                delay: earliest + found.delay - start as i64,
                correlation: found.correlation,
            })
        })
        .collect()
}

/// The difference of neighbouring samples: speech with its low frequencies held down correlates with a sharper peak.
fn brighten(samples: &[f32]) -> Vec<f32> {
    samples
        .iter()
        .scan(0.0, |previous, sample| {
            Some(sample - 0.97 * std::mem::replace(previous, *sample))
        })
        .collect()
}

fn best_lag(
    sent: &[f32],
    received: &[f32],
    lags: std::ops::RangeInclusive<i64>,
) -> Option<Alignment> {
    let correlation = cross_correlate(sent, received)?;
    let size = correlation.len() as i64;
    let first = (*lags.start()).max(1 - sent.len() as i64);
    let last = (*lags.end()).min(received.len() as i64 - 1);
    let delay = (first..=last).max_by(|a, b| {
        let at = |lag: i64| correlation[lag.rem_euclid(size) as usize];
        at(*a).total_cmp(&at(*b))
    })?;

    let from = (-delay).max(0) as usize;
    let to = (sent.len() as i64).min(received.len() as i64 - delay) as usize;
    let (mut dot, mut sent_energy, mut received_energy) = (0.0, 0.0, 0.0);
    for (i, a) in sent.iter().enumerate().take(to).skip(from) {
        let (a, b) = (
            f64::from(*a),
            f64::from(received[(i as i64 + delay) as usize]),
        );
        dot += a * b;
        sent_energy += a * a;
        received_energy += b * b;
    }
    let norm = (sent_energy * received_energy).sqrt();
    (norm > 1e-9).then(|| Alignment {
        delay,
        correlation: dot / norm,
    })
}

/// `result[lag mod size]` is the sum over i of `sent[i] · received[i + lag]`.
fn cross_correlate(sent: &[f32], received: &[f32]) -> Option<Vec<f64>> {
    if sent.is_empty() || received.is_empty() {
        return None;
    }
    let size = (sent.len() + received.len()).next_power_of_two();
    let mut planner = RealFftPlanner::<f64>::new();
    let forward = planner.plan_fft_forward(size);
    let spectrum = |samples: &[f32]| -> Option<Vec<Complex<f64>>> {
        let mut input: Vec<f64> = samples.iter().copied().map(f64::from).collect();
        input.resize(size, 0.0);
        let mut output = forward.make_output_vec();
        forward.process(&mut input, &mut output).ok()?;
        Some(output)
    };
    let (sent, received) = (spectrum(sent)?, spectrum(received)?);
    let mut product: Vec<Complex<f64>> = sent
        .iter()
        .zip(&received)
        .map(|(a, b)| a.conj() * b)
        .collect();
    // A real signal has real ends of its spectrum; rounding may say otherwise.
    for end in [0, size / 2] {
        product[end].im = 0.0;
    }
    let mut correlation = vec![0.0; size];
    planner
        .plan_fft_inverse(size)
        .process(&mut product, &mut correlation)
        .ok()?;
    Some(correlation)
}
