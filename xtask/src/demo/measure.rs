//! Turns events and recordings into figures.

use std::path::Path;

use anyhow::{Context, Result};
use securecall_quality::{Comparison, SAMPLE_RATE, level_dbfs, read_wav};

use crate::call::conversation::{heard_by, said_by};
use crate::call::record::{Record, Side};
use crate::demo::findings::{Direction, Sound};

/// Longer than any delay of a call that is worth a demo, in seconds.
const ON_ITS_WAY: f64 = 0.5;

/// Seconds from the caller's `connected` to its `ended`.
pub(crate) fn seconds_connected(records: &[Record]) -> f64 {
    let at = |name| first(records, Side::Caller, name).map(Record::at_ms);
    match (at("connected"), at("ended")) {
        (Some(connected), Some(ended)) => (ended - connected) / 1000.0,
        _ => 0.0,
    }
}

/// Both directions, from caller to callee first. What was not recorded is silence, which the checks refuse.
pub(crate) fn directions(records: &[Record], directory: &Path) -> Result<[Direction; 2]> {
    Ok([
        direction(records, directory, Side::Caller)?,
        direction(records, directory, Side::Callee)?,
    ])
}

fn direction(records: &[Record], directory: &Path, from: Side) -> Result<Direction> {
    let to = from.peer();
    let zero = first(records, Side::Caller, "connected").map_or(0.0, Record::at_ms);
    let started = |side: Side, field: &str| {
        let record = first(records, side, "audio_started")?;
        Some((record.number(field)? / 1000.0 - zero) / 1000.0)
    };
    let sound = |path: &Path, starts_at: Option<f64>| -> Result<Sound> {
        let Some(starts_at) = starts_at.filter(|_| path.is_file()) else {
            return Ok(Sound::default());
        };
        let samples = read_wav(path).context("a recording of the call cannot be read")?;
        Ok(Sound { starts_at, samples })
    };
    let sent = sound(
        &said_by(directory, from),
        started(from, "microphone_at_unix_us"),
    )?;
    let received = sound(&heard_by(directory, to), started(to, "speaker_at_unix_us"))?;
    let end = seconds_connected(records).max(0.0);
    let sent = Sound {
        samples: sent.between(sent.starts_at, end).to_vec(),
        ..sent
    };

    // What was said last was still on its way when the call ended.
    let arrived = sent.between(sent.starts_at, end - ON_ITS_WAY);
    let comparison = Comparison::of(arrived, &received.samples);
    let clocks_ms = (received.starts_at - sent.starts_at) * 1000.0;
    let delay = comparison
        .iter()
        .flat_map(|comparison| &comparison.delays)
        .map(|segment| {
            let middle = sent.starts_at + seconds(segment.start + segment.length / 2);
            (middle, clocks_ms + milliseconds(segment.delay))
        });
    let delay = delay.collect();
    let curve = |field: &'static str, factor: f64| -> Vec<(f64, f64)> {
        stats(records, to)
            .filter_map(|record| {
                Some((
                    (record.at_ms() - zero) / 1000.0,
                    record.number(field)? * factor,
                ))
            })
            .collect()
    };
    let last = |field: &str| {
        stats(records, to)
            .filter_map(|record| record.number(field))
            .last()
    };
    Ok(Direction {
        from,
        mouth_to_ear_ms: comparison
            .as_ref()
            .map(|comparison| clocks_ms + comparison.median_delay_ms),
        delay,
        playout_delay: curve("playout_delay_ms", 1.0),
        jitter: curve("jitter_ms", 1.0),
        loss: curve("loss", 100.0),
        loss_total: last("loss"),
        concealed_ms: last("concealed_ms").unwrap_or(0.0),
        stoi: comparison.as_ref().map(|comparison| comparison.stoi),
        level: f64::from(level_dbfs(received.between(0.0, end))),
        sent,
        received,
    })
}

fn first<'a>(records: &'a [Record], side: Side, name: &str) -> Option<&'a Record> {
    records
        .iter()
        .find(|record| record.side == side && record.name() == name)
}

fn stats(records: &[Record], side: Side) -> impl Iterator<Item = &Record> {
    records
        .iter()
        .filter(move |record| record.side == side && record.name() == "stats")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a call has fewer samples than 2^52"
)]
fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a call has fewer samples than 2^52"
)]
fn milliseconds(samples: i64) -> f64 {
    samples as f64 * 1000.0 / f64::from(SAMPLE_RATE)
}

#[cfg(test)]
mod tests {
    use securecall_quality::write_wav;

    use super::*;
    use crate::demo::findings::tests::sample_records;

    /// Bursts of noise of differing length, different for each seed.
    fn speech(seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from(u16::try_from(state >> 16).unwrap()) / 32_768.0 - 1.0
        };
        let mut low = 0.0;
        (0..14 * 48_000_u32)
            .map(|n| {
                let syllable = (f64::from(n) / 48_000.0 * 19.0 + f64::from(seed))
                    .sin()
                    .max(0.0);
                low += 0.2 * (noise() - low);
                low * 0.6 * syllable as f32
            })
            .collect()
    }

    /// Recordings in which the callee hears the caller's first sample `delay_ms` after it was spoken.
    fn recorded(delay_ms: u32) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        // In the sample events the callee's speaker starts 10 ms before the caller's microphone, and the other way round.
        for (from, head_start_ms) in [(Side::Caller, 10), (Side::Callee, -10_i64)] {
            let said = speech(from.index() as u32 + 1);
            let silence = (i64::from(delay_ms) + head_start_ms) * 48;
            let mut heard = vec![0.0; usize::try_from(silence).unwrap()];
            heard.extend(&said);
            write_wav(said_by(directory.path(), from), &said).unwrap();
            write_wav(heard_by(directory.path(), from.peer()), &heard).unwrap();
        }
        directory
    }

    #[test]
    fn mouth_to_ear_counts_both_processes_clocks() {
        let directory = recorded(47);
        let directions = directions(&sample_records(), directory.path()).unwrap();
        for direction in directions {
            let measured = direction.mouth_to_ear_ms.unwrap();
            assert!(
                (measured - 47.0).abs() < 0.5,
                "{:?}: {measured}",
                direction.from
            );
            assert!(direction.stoi.unwrap() > 0.99);
            assert!(direction.delay.len() > 10);
            assert_eq!(direction.loss_total, Some(0.002));
        }
    }

    #[test]
    fn what_was_not_recorded_has_no_delay() {
        let directory = tempfile::tempdir().unwrap();
        let [out, _] = directions(&sample_records(), directory.path()).unwrap();
        assert_eq!(out.mouth_to_ear_ms, None);
        assert_eq!(out.stoi, None);
        assert!(out.level < -90.0);
    }

    #[test]
    fn the_call_lasts_from_connected_to_ended() {
        assert!((seconds_connected(&sample_records()) - 15.008).abs() < 0.001);
    }
}
