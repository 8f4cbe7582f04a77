//! The verdict over one direction of a call.

use crate::{Alignment, SAMPLE_RATE, SegmentDelay, align, longest_gap_ms, segment_delays, stoi};

/// A call's delay changes by less than this from begin to end: 5 s.
const MAX_LAG: usize = 5 * SAMPLE_RATE as usize;

/// How a received signal relates to the sent one.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The delay of the whole.
    pub alignment: Alignment,
    /// The delay of each half second of speech.
    pub delays: Vec<SegmentDelay>,
    /// The median of those, in milliseconds.
    pub median_delay_ms: f64,
    /// The 95th percentile, in milliseconds.
    pub p95_delay_ms: f64,
    /// Intelligibility after alignment, 0 to 1. Each stretch is aligned by its own delay, as playback may stretch time.
    pub stoi: f64,
    /// Intelligibility with one delay for the whole.
    pub stoi_rigid: f64,
    /// The longest stretch in which speech was sent and nearly silence came, in milliseconds, each stretch aligned by its own
    /// delay: see [`longest_gap_ms`].
    pub longest_gap_ms: f64,
}

impl Comparison {
    /// Compares, or gives nothing where no speech of `sent` is found in `received`.
    pub fn of(sent: &[f32], received: &[f32]) -> Option<Self> {
        let alignment = align(sent, received, MAX_LAG)?;
        let delays = segment_delays(sent, received, alignment);
        let mut sorted: Vec<i64> = delays.iter().map(|segment| segment.delay).collect();
        sorted.sort_unstable();
        let quantile = |share: f64| {
            let rank = ((sorted.len() as f64 * share) as usize).min(sorted.len().checked_sub(1)?);
            Some(sorted[rank] as f64 * 1_000.0 / f64::from(SAMPLE_RATE))
        };
        let (median_delay_ms, p95_delay_ms) = (quantile(0.5)?, quantile(0.95)?);

        let (clean, rigid) = overlap(sent, received, |_| alignment.delay);
        let stoi_rigid = stoi(&clean, &rigid, SAMPLE_RATE);
        let (clean, followed) = overlap(sent, received, |at| {
            delays
                .iter()
                .min_by_key(|segment| (segment.start + segment.length / 2).abs_diff(at))
                .map_or(alignment.delay, |segment| segment.delay)
        });
        let longest_gap_ms = longest_gap_ms(&clean, &followed);
        let stoi = stoi(&clean, &followed, SAMPLE_RATE);
        Some(Self {
            alignment,
            delays,
            median_delay_ms,
            p95_delay_ms,
            stoi,
            stoi_rigid,
            longest_gap_ms,
        })
    }
}

/// What was sent and the same as received, sample by sample, from the first received to the last.
fn overlap(
    sent: &[f32],
    received: &[f32],
    delay_at: impl Fn(usize) -> i64,
) -> (Vec<f32>, Vec<f32>) {
    const PIECE: usize = 2_400;
    let (mut clean, mut found) = (
        Vec::with_capacity(sent.len()),
        Vec::with_capacity(sent.len()),
    );
    for (piece, samples) in sent.chunks(PIECE).enumerate() {
        let delay = delay_at(piece * PIECE + PIECE / 2);
        for (i, sample) in samples.iter().enumerate() {
            let at = (piece * PIECE + i) as i64 + delay;
            if let Some(other) = usize::try_from(at).ok().and_then(|at| received.get(at)) {
                clean.push(*sample);
                found.push(*other);
            }
        }
    }
    (clean, found)
}
