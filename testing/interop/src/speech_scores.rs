//! PESQ and PLCMOS, two models of what listeners think of speech, as their Python packages come.

use std::path::PathBuf;

use serde::Deserialize;

use crate::venv::{self, ScriptError};

const SCRIPT: &str = include_str!("speech_scores.py");

/// What was said and what was heard of it: paths of WAV files, 16 kHz, mono, 16 bit, each of some 5 to 20 s.
#[derive(Clone, Debug)]
pub struct SpeechPair {
    /// What was said.
    pub reference: PathBuf,
    /// What was heard. It may be later by some tenths of a second.
    pub degraded: PathBuf,
}

/// What listeners would think of a recording.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
pub struct SpeechScores {
    /// PESQ, wideband (ITU-T P.862.2): how like what was said it is, 1 to 4.64. Nothing where there is no speech.
    pub pesq: Option<f64>,
    /// PLCMOS, version 2: how much the concealment of lost packets disturbs, 1 to 5 (best). It hears nothing of what was said.
    pub plcmos: f64,
}

/// Scores each pair.
///
/// The first time on a machine, installs the packages; PESQ is compiled then, which takes a C compiler and Python's headers.
///
/// # Errors
///
/// When Python is missing, a package cannot be installed, or a file is not as it should be.
pub fn speech_scores(pairs: &[SpeechPair]) -> Result<Vec<SpeechScores>, ScriptError> {
    let paths = pairs
        .iter()
        .flat_map(|pair| [&pair.reference, &pair.degraded]);
    scores_of(&venv::SPEECH_SCORES.run(SCRIPT, paths)?)
}

fn scores_of(printed: &[u8]) -> Result<Vec<SpeechScores>, ScriptError> {
    serde_json::from_slice(printed).map_err(|error| venv::SPEECH_SCORES.failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_has_no_pesq() {
        let printed = br#"[{"pesq": 4.25, "plcmos": 4.0}, {"pesq": null, "plcmos": 1.5}]"#;
        let scores = scores_of(printed).unwrap();
        assert_eq!(scores[0].pesq, Some(4.25));
        assert_eq!((scores[1].pesq, scores[1].plcmos), (None, 1.5));
        assert!(scores_of(b"Traceback").is_err());
    }
}
