//! Microphones and speakers with real files and real pipes, without a sound card.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod named_pipe;
mod processing_choice;
mod recording;
#[cfg(feature = "cpal")]
mod sound_card;
mod wav_bytes;
mod wav_file;

use std::path::Path;

use securecall_audio_device::{Microphone, OpenError, TICK_SAMPLES, Tick};

/// The next `ticks` ticks as one.
fn read(microphone: &mut dyn Microphone, ticks: usize) -> Vec<f32> {
    let mut samples = Vec::with_capacity(ticks * TICK_SAMPLES);
    for _ in 0..ticks {
        let mut tick: Tick = [9.0; TICK_SAMPLES];
        microphone.read(&mut tick);
        samples.extend_from_slice(&tick);
    }
    samples
}

fn mkfifo(path: &Path) {
    let status = std::process::Command::new("mkfifo")
        .arg(path)
        .status()
        .unwrap();
    assert!(status.success());
}

/// The error of something that must not open.
fn refusal<T>(result: Result<T, OpenError>) -> OpenError {
    match result {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}
