//! A WAV file as a microphone.

mod headers;
mod playback;
mod refusals;

use std::fs;
use std::path::{Path, PathBuf};

use securecall_audio_device::{
    Blame, Microphone, MicrophoneSpec, OpenError, WavProblem, open_microphone,
};
use tempfile::TempDir;

use crate::wav_bytes::{AMPLITUDE, HERTZ, tone_in};
use crate::{read, refusal};

fn write(directory: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join("speech.wav");
    fs::write(&path, bytes).unwrap();
    path
}

fn opened(directory: &TempDir, bytes: &[u8]) -> Box<dyn Microphone> {
    open_microphone(&MicrophoneSpec::Wav(write(directory, bytes))).unwrap()
}

fn problem(path: &Path) -> WavProblem {
    match refusal(open_microphone(&MicrophoneSpec::Wav(path.to_owned()))) {
        error @ OpenError::Wav { .. } => {
            assert_eq!(error.blame(), Blame::Input);
            assert!(!error.help().is_empty());
            let OpenError::Wav { problem, .. } = error else {
                unreachable!()
            };
            problem
        }
        other => panic!("{other}"),
    }
}

fn problem_of(bytes: &[u8]) -> WavProblem {
    let directory = TempDir::new().unwrap();
    problem(&write(&directory, bytes))
}

/// The file is heard as it was meant: the tone at its level and its pitch for a second and a half, then silence.
fn assert_heard(what: &str, bytes: &[u8]) {
    let directory = TempDir::new().unwrap();
    let mut microphone = opened(&directory, bytes);
    let heard = read(&mut *microphone, 170);
    assert!(microphone.take_fault().is_none(), "{what}");
    let (amplitude, hertz) = tone_in(&heard);
    assert!(
        (amplitude / AMPLITUDE - 1.0).abs() < 0.03,
        "{what}: {amplitude}"
    );
    assert!((hertz - HERTZ).abs() <= 1.0, "{what}: {hertz} Hz");
    let loudest = heard
        .iter()
        .fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
    assert!(loudest < 0.28, "{what}: something in it is at {loudest}");
    // Trailing bytes that were taken for samples are at most a click of two samples.
    assert!(
        heard[72_010..].iter().all(|sample| sample.abs() < 1e-3),
        "{what}: it goes on"
    );
}
