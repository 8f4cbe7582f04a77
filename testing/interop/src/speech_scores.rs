//! PESQ and PLCMOS, two models of what listeners think of speech, as their Python packages come.

use std::{
    io,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::venv::{self, VenvError};

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

/// Why speech was not scored.
#[derive(Debug, thiserror::Error)]
pub enum SpeechScoresError {
    /// There is no environment for the packages.
    #[error(transparent)]
    Venv(#[from] VenvError),
    /// The interpreter does not start.
    #[error("Python does not start: {0}")]
    Start(#[from] io::Error),
    /// The interpreter ended with an error: what it wrote.
    #[error("scoring speech failed: {0}")]
    Failed(String),
}

/// Scores each pair.
///
/// The first time on a machine, installs the packages; PESQ is compiled then, which takes a C compiler and Python's headers.
///
/// # Errors
///
/// When Python is missing, a package cannot be installed, or a file is not as it should be.
pub fn speech_scores(pairs: &[SpeechPair]) -> Result<Vec<SpeechScores>, SpeechScoresError> {
    let python = venv::SPEECH_SCORES.python()?;
    let output = Command::new(python)
        .args(["-c", SCRIPT])
        .args(
            pairs
                .iter()
                .flat_map(|pair| [&pair.reference, &pair.degraded]),
        )
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(SpeechScoresError::Failed(said));
    }
    scores_of(&output.stdout)
}

fn scores_of(printed: &[u8]) -> Result<Vec<SpeechScores>, SpeechScoresError> {
    serde_json::from_slice(printed).map_err(|error| SpeechScoresError::Failed(error.to_string()))
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
