//! What both sides say: four voices one after the other, two of them recorded of people, two synthetic.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use securecall_quality::{SAMPLE_RATE, level_curve, read_wav, resample, write_wav};

use crate::workspace::Workspace;

/// Recordings of people: Debian's `pocketsphinx-testdata`, under the two-clause BSD licence. The first voice reads a book for
/// LibriVox, whose recordings are in the public domain; the second one says commands and numbers.
pub(crate) const RECORDINGS: &str = "/usr/share/pocketsphinx/test/data";
const READER: [&str; 2] = [
    "librivox/sense_and_sensibility_01_austen_64kb-0870.wav",
    "librivox/sense_and_sensibility_01_austen_64kb-0890.wav",
];
const SPEAKER: [&str; 3] = ["goforward.raw", "numbers.raw", "something.raw"];
/// Files without a header are at this rate, 16 bit, little-endian.
const RAW_RATE: u32 = 16_000;
/// Of the repository: flite's voice slt, and espeak-ng.
const SYNTHETIC: [&str; 2] = ["a.wav", "b.wav"];
/// The length of all four voices in samples. Other recordings would give other figures.
const SPOKEN: usize = 1_943_385;

/// Before the first voice: what a call begins with is over by then, and the link is as it is to be.
const LEAD: usize = 2 * SAMPLE_RATE as usize;
/// Between voices.
const PAUSE: usize = SAMPLE_RATE as usize / 2;
/// After the last one, so that all of it arrives before the call ends.
const TAIL: usize = SAMPLE_RATE as usize;
/// How loud each voice is while it speaks, in dB of full scale.
const LEVEL: f32 = -23.0;
/// Windows that are so much quieter than the loudest are pauses, and have no part in the level.
const PAUSE_DB: f32 = 30.0;
/// 20 ms.
const WINDOW: usize = SAMPLE_RATE as usize / 50;

/// What is said, and where in it each voice is.
pub(super) struct Speech {
    pub(super) path: PathBuf,
    pub(super) samples: Vec<f32>,
    pub(super) voices: Vec<Range<usize>>,
}

impl Speech {
    /// Puts it together, and writes it to a file for microphones.
    pub(super) fn write(workspace: &Workspace, path: &Path) -> Result<Self> {
        let recordings = Path::new(RECORDINGS);
        let synthetic = workspace.root().join("testing/speech");
        let voices = [
            joined(recordings, &READER)?,
            joined(recordings, &SPEAKER)?,
            joined(&synthetic, &SYNTHETIC[..1])?,
            joined(&synthetic, &SYNTHETIC[1..])?,
        ];
        let spoken: usize = voices.iter().map(Vec::len).sum();
        ensure!(
            spoken == SPOKEN,
            "the recordings are others than those of the figures: {spoken} samples"
        );
        let mut samples = vec![0.0; LEAD];
        let voices = voices.map(|voice| {
            let start = samples.len();
            samples.extend(levelled(&voice));
            let end = samples.len();
            samples.resize(end + PAUSE, 0.0);
            start..end
        });
        samples.resize(samples.len() + TAIL, 0.0);
        write_wav(path, &samples)?;
        Ok(Self {
            path: path.to_path_buf(),
            samples,
            voices: voices.to_vec(),
        })
    }
}

impl Speech {
    /// How long a call lasts in which all of it is said, in whole seconds.
    pub(super) fn seconds(&self) -> u32 {
        let seconds = self.samples.len().div_ceil(SAMPLE_RATE as usize);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }
}

fn joined(directory: &Path, names: &[&str]) -> Result<Vec<f32>> {
    let mut samples = Vec::new();
    for name in names {
        let path = directory.join(name);
        samples.extend(if name.ends_with(".raw") {
            read_raw(&path)?
        } else {
            read_wav(&path)?
        });
    }
    Ok(samples)
}

fn read_raw(path: &Path) -> Result<Vec<f32>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let samples: Vec<f32> = bytes
        .chunks_exact(2)
        .map(|sample| f32::from(i16::from_le_bytes([sample[0], sample[1]])) / 32_768.0)
        .collect();
    Ok(resample(&samples, RAW_RATE, SAMPLE_RATE))
}

/// The same voice, at the level of all of them.
#[expect(clippy::cast_precision_loss, reason = "a few thousand windows")]
fn levelled(voice: &[f32]) -> Vec<f32> {
    let levels = level_curve(voice, WINDOW);
    let loudest = levels.iter().copied().fold(f32::MIN, f32::max);
    let powers: Vec<f32> = levels
        .into_iter()
        .filter(|level| *level > loudest - PAUSE_DB)
        .map(|level| 10_f32.powf(level / 10.0))
        .collect();
    let level = 10.0 * (powers.iter().sum::<f32>() / powers.len().max(1) as f32).log10();
    let gain = 10_f32.powf((LEVEL - level) / 20.0);
    voice
        .iter()
        .map(|sample| (sample * gain).clamp(-1.0, 1.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_have_no_part_in_the_level_of_a_voice() {
        let tone = |gain: f32| (0..48_000_u16).map(move |n| gain * (f32::from(n) * 0.1).sin());
        let voice: Vec<f32> = tone(0.5).chain([0.0; 48_000]).collect();
        let level = level_curve(&levelled(&voice)[..48_000], 48_000)[0];
        assert!((level - LEVEL).abs() < 0.1, "{level}");
    }
}
