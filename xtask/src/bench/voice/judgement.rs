//! What listeners would say of a recording, as far as formulas can.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use securecall_interop::{SpeechPair, SpeechScores, speech_scores};
use securecall_quality::{Comparison, SAMPLE_RATE, align, resample, write_wav_at};

use super::row::{Outcome, mean};
use super::speech::Speech;
use super::{Call, Direction};
use crate::bench::figure::median;
use crate::call::record::Side;

/// PESQ and PLCMOS listen at this rate.
const SCORED_RATE: u32 = 16_000;
/// What of the silence around a voice is scored with it.
const MARGIN: usize = SAMPLE_RATE as usize / 5;
/// A microphone that began this much before the speech is found.
const LONGEST_LEAD: usize = 5 * SAMPLE_RATE as usize;

/// Judges calls of all programs in one condition. Pairs of files that were scored stay in their directories.
pub(super) fn judge<const N: usize>(
    calls: &[Call; N],
    speech: &Speech,
    directories: &[PathBuf; N],
) -> Result<[Outcome; N]> {
    let mut judged = Vec::new();
    for (call, directory) in calls.iter().zip(directories) {
        for (direction, side) in call.directions.iter().zip(Side::BOTH) {
            let name = format!("from-{}", side.name());
            judged.push(Judged::of(direction, speech, directory, &name)?);
        }
    }
    let pairs: Vec<SpeechPair> = judged
        .iter()
        .flat_map(|judged| judged.pairs.iter().cloned())
        .collect();
    let scores = speech_scores(&pairs)?;
    ensure!(scores.len() == pairs.len(), "not all speech was scored");
    let directions = judged.chunks(2);
    let scores = scores.chunks(2 * speech.voices.len());
    let outcomes: Vec<Outcome> = calls
        .iter()
        .zip(directions.zip(scores))
        .map(|(call, (judged, scores))| outcome(call, judged, scores))
        .collect::<Result<_>>()?;
    outcomes
        .try_into()
        .ok()
        .context("not all calls were judged")
}

/// One direction of a call.
struct Judged {
    comparison: Comparison,
    delay_ms: f64,
    /// A pair of files for each voice.
    pairs: Vec<SpeechPair>,
}

impl Judged {
    fn of(direction: &Direction, speech: &Speech, directory: &Path, name: &str) -> Result<Self> {
        let Direction { said, heard } = direction;
        let lead = align(&speech.samples, &said.samples, LONGEST_LEAD)
            .context("nobody said what should have been said")?;
        let comparison = Comparison::of(&said.samples, &heard.samples)
            .with_context(|| format!("{name}: nothing was heard of what was said"))?;
        let mut pairs = Vec::new();
        for (number, voice) in speech.voices.iter().enumerate() {
            let said_at = moved(voice, lead.delay);
            let heard_at = moved(&said_at, delay_of(&comparison, &said_at));
            let write = |what: &str, samples: &[f32], at: &Range<usize>| -> Result<PathBuf> {
                let path = directory.join(format!("{name}-voice-{number}-{what}.wav"));
                let samples = resample(&cut(samples, at), SAMPLE_RATE, SCORED_RATE);
                write_wav_at(&path, &samples, SCORED_RATE)?;
                Ok(path)
            };
            pairs.push(SpeechPair {
                reference: write("said", &said.samples, &said_at)?,
                degraded: write("heard", &heard.samples, &heard_at)?,
            });
        }
        Ok(Self {
            delay_ms: heard.at_ms - said.at_ms + comparison.median_delay_ms,
            comparison,
            pairs,
        })
    }
}

/// Of both directions: the mean of the voices' scores, the longest gap, the median of the rest, and the dearer client.
fn outcome(call: &Call, judged: &[Judged], scores: &[SpeechScores]) -> Result<Outcome> {
    let middle = |value: fn(&Judged) -> f64| {
        let values: Vec<f64> = judged.iter().map(value).collect();
        median(&values).context("no direction was judged")
    };
    let pesq: Option<Vec<f64>> = scores.iter().map(|scores| scores.pesq).collect();
    let pesq = pesq.context("PESQ found no speech in a voice")?;
    let plcmos: Vec<f64> = scores.iter().map(|scores| scores.plcmos).collect();
    let [caller, callee] = call.processor;
    Ok(Outcome {
        stoi: middle(|judged| judged.comparison.stoi)?,
        pesq: mean(&pesq),
        plcmos: mean(&plcmos),
        delay_ms: middle(|judged| judged.delay_ms)?,
        gap_ms: judged.iter().fold(0.0, |longest, judged| {
            judged.comparison.longest_gap_ms.max(longest)
        }),
        processor: caller.max(callee),
    })
}

/// The delay of this stretch of what was said, in samples: the median of those found in it.
fn delay_of(comparison: &Comparison, said_at: &Range<usize>) -> i64 {
    let mut delays: Vec<i64> = comparison
        .delays
        .iter()
        .filter(|segment| said_at.contains(&segment.start))
        .map(|segment| segment.delay)
        .collect();
    delays.sort_unstable();
    delays
        .get(delays.len() / 2)
        .copied()
        .unwrap_or(comparison.alignment.delay)
}

/// A stretch of samples so much later.
fn moved(range: &Range<usize>, by: i64) -> Range<usize> {
    let by = isize::try_from(by).unwrap_or_default();
    range.start.saturating_add_signed(by)..range.end.saturating_add_signed(by)
}

/// The stretch with some of what is around it; silence where there is nothing.
fn cut(samples: &[f32], range: &Range<usize>) -> Vec<f32> {
    let from = range.start.saturating_sub(MARGIN);
    let to = range.end + MARGIN;
    let mut piece: Vec<f32> = samples
        .get(from.min(samples.len())..to.min(samples.len()))
        .unwrap_or_default()
        .to_vec();
    piece.resize(to - from, 0.0);
    piece
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_beyond_the_end_is_filled_with_silence() {
        let samples = vec![0.5; 48_000];
        let piece = cut(&samples, &(24_000..60_000));
        assert_eq!(piece.len(), 36_000 + 2 * MARGIN);
        assert_eq!((piece[0], piece.last().copied()), (0.5, Some(0.0)));
        assert!(cut(&samples, &(90_000..90_001)).iter().all(|s| *s == 0.0));
    }
}
