//! A WAV file as a microphone.

use std::fs;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};
use securecall_audio_device::{Blame, MicrophoneSpec, OpenError, WavProblem, open_microphone};
use tempfile::TempDir;

use crate::{mkfifo, read, refusal};

const MONO: WavSpec = WavSpec {
    channels: 1,
    sample_rate: 48_000,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};

/// A WAV file of constant half scale on each channel.
fn half_scale(directory: &TempDir, spec: WavSpec, frames: usize) -> PathBuf {
    let path = directory.path().join("speech.wav");
    let mut writer = WavWriter::create(&path, spec).unwrap();
    for _ in 0..frames * usize::from(spec.channels) {
        match spec.sample_format {
            SampleFormat::Float => writer.write_sample(0.5_f32).unwrap(),
            SampleFormat::Int => writer
                .write_sample(1_i32 << (spec.bits_per_sample - 2))
                .unwrap(),
        }
    }
    writer.finalize().unwrap();
    path
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

#[test]
fn it_plays_once_from_the_first_read_then_silence() {
    let directory = TempDir::new().unwrap();
    let path = half_scale(&directory, MONO, 700);
    let mut microphone = open_microphone(&MicrophoneSpec::Wav(path)).unwrap();
    for _ in 0..100 {
        microphone.discard();
    }
    let samples = read(&mut *microphone, 4);
    assert!(samples[..700].iter().all(|sample| *sample == 0.5));
    assert!(samples[700..].iter().all(|sample| *sample == 0.0));
    assert!(microphone.notice().is_none());
    assert!(microphone.take_fault().is_none());
}

#[test]
fn every_pcm_width_and_float_have_the_same_loudness() {
    let directory = TempDir::new().unwrap();
    let formats = [8, 16, 24, 32].map(|bits| (bits, SampleFormat::Int));
    for (bits_per_sample, sample_format) in formats.into_iter().chain([(32, SampleFormat::Float)]) {
        let spec = WavSpec {
            bits_per_sample,
            sample_format,
            ..MONO
        };
        let path = half_scale(&directory, spec, 480);
        let mut microphone = open_microphone(&MicrophoneSpec::Wav(path)).unwrap();
        let samples = read(&mut *microphone, 1);
        assert!(
            samples.iter().all(|sample| *sample == 0.5),
            "{bits_per_sample} {sample_format:?}"
        );
    }
}

#[test]
fn stereo_8_bit_and_other_rates_are_converted_with_a_notice() {
    let directory = TempDir::new().unwrap();
    let spec = WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 8,
        ..MONO
    };
    let path = half_scale(&directory, spec, 44_100);
    let mut microphone = open_microphone(&MicrophoneSpec::Wav(path.clone())).unwrap();
    assert_eq!(
        microphone.notice().unwrap(),
        format!(
            "{} is 44100 Hz, stereo, 8 bit: converted to 48 kHz mono while it plays",
            path.display()
        )
    );
    let samples = read(&mut *microphone, 102);
    assert!(
        samples[1_000..47_000]
            .iter()
            .all(|sample| (sample - 0.5).abs() < 0.01)
    );
    assert!(
        samples[48_000..].iter().all(|sample| *sample == 0.0),
        "a second is a second"
    );
}

#[test]
fn an_empty_file_and_a_wav_without_samples_are_named_as_such() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("empty.wav");
    fs::write(&path, []).unwrap();
    assert_eq!(problem(&path), WavProblem::EmptyFile);
    assert_eq!(
        problem(&half_scale(&directory, MONO, 0)),
        WavProblem::NoSamples
    );
}

#[test]
fn a_file_that_is_cut_off_is_refused_with_what_is_missing() {
    let directory = TempDir::new().unwrap();
    let path = half_scale(&directory, MONO, 96_000);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 96_000]).unwrap();
    let error = refusal(open_microphone(&MicrophoneSpec::Wav(path.clone())));
    assert_eq!(
        error.to_string(),
        format!(
            "{} is cut off: its header promises 2.0 s, 1.0 s are there",
            path.display()
        )
    );
    assert!(error.help().contains("ignore_length"));
    // In the middle of the header.
    fs::write(&path, &whole[..30]).unwrap();
    assert_eq!(
        problem(&path),
        WavProblem::BadHeader("it ends early".to_owned())
    );
    fs::write(&path, &whole[..6]).unwrap();
    assert!(matches!(problem(&path), WavProblem::BadHeader(_)));
}

#[test]
fn what_is_not_a_wav_or_not_in_a_known_coding_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = half_scale(&directory, MONO, 480);
    let whole = fs::read(&path).unwrap();

    fs::write(&path, b"OggS and some more bytes, but no RIFF header").unwrap();
    assert_eq!(problem(&path), WavProblem::NotWav);
    fs::write(&path, b"RIFF\x24\x00\x00\x00AVI LIST").unwrap();
    assert_eq!(problem(&path), WavProblem::NotWav);

    // The format tag is at byte 20: 6 is A-law.
    let mut other = whole;
    other[20] = 6;
    fs::write(&path, &other).unwrap();
    assert_eq!(problem(&path), WavProblem::Coding);

    let surround = half_scale(
        &directory,
        WavSpec {
            channels: 6,
            ..MONO
        },
        480,
    );
    assert_eq!(problem(&surround), WavProblem::Channels(6));
    let slow = half_scale(
        &directory,
        WavSpec {
            sample_rate: 100,
            ..MONO
        },
        480,
    );
    assert_eq!(problem(&slow), WavProblem::SampleRate(100));
}

#[test]
fn no_damage_to_a_header_makes_it_panic() {
    let directory = TempDir::new().unwrap();
    let path = half_scale(&directory, MONO, 480);
    let whole = fs::read(&path).unwrap();
    for position in 0..44 {
        for value in [0, 1, 0x7f, 0xff] {
            let mut damaged = whole.clone();
            damaged[position] = value;
            fs::write(&path, &damaged).unwrap();
            if let Ok(mut microphone) = open_microphone(&MicrophoneSpec::Wav(path.clone())) {
                let samples = read(&mut *microphone, 3);
                assert!(samples.iter().all(|sample| sample.abs() <= 1.0));
            }
        }
    }
}

#[test]
fn a_missing_file_a_directory_and_a_pipe_are_not_waited_for() {
    let directory = TempDir::new().unwrap();
    let open = |path: &Path| refusal(open_microphone(&MicrophoneSpec::Wav(path.to_owned())));
    let missing = directory.path().join("missing.wav");
    assert_eq!(
        open(&missing).to_string(),
        format!("{} does not exist", missing.display())
    );
    assert!(
        open(directory.path())
            .to_string()
            .contains("is a directory, but a WAV file")
    );
    let pipe = directory.path().join("pipe.wav");
    mkfifo(&pipe);
    assert!(
        open(&pipe)
            .to_string()
            .contains("is a pipe, but a WAV file (a pipe is given as raw:PATH)")
    );
}
