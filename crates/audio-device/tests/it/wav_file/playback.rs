//! How a file sounds, and what is said of it.

use securecall_audio_device::{DeviceFault, WavProblem};
use tempfile::TempDir;

use super::{assert_heard, opened, problem_of, write};
use crate::read;
use crate::wav_bytes::{Sample, Wav, chunk, riff};

#[test]
fn it_plays_once_from_the_first_read_then_silence() {
    let directory = TempDir::new().unwrap();
    let wav = Wav::usual();
    let mut microphone = opened(&directory, &wav.file());
    for _ in 0..100 {
        microphone.discard();
    }
    let heard = read(&mut *microphone, 152);
    for (heard, written) in heard.iter().zip(wav.samples().chunks_exact(2)) {
        let written = i16::from_le_bytes([written[0], written[1]]);
        assert_eq!(*heard, f32::from(written) / 32_768.0);
    }
    assert!(heard[72_000..].iter().all(|sample| *sample == 0.0));
    assert!(microphone.notice().is_none());
    assert!(microphone.take_fault().is_none());
}

#[test]
fn every_coding_is_heard_at_its_level_and_pitch() {
    let pcm = |bits, bytes| Sample::Pcm { bits, bytes };
    for sample in [
        pcm(8, 1),
        pcm(12, 2),
        pcm(16, 2),
        pcm(20, 3),
        pcm(24, 3),
        pcm(32, 4),
        pcm(64, 8),
        // Fewer valid bits than the container holds.
        pcm(14, 2),
        pcm(16, 4),
        pcm(20, 4),
        pcm(24, 4),
        Sample::Float32,
        Sample::Float64,
        Sample::ALaw,
        Sample::MuLaw,
    ] {
        for extensible in [None, Some(4), Some(0)] {
            let wav = Wav {
                extensible,
                ..Wav::of(sample)
            };
            assert_heard(&format!("{wav:?}"), &wav.file());
        }
    }
}

#[test]
fn rates_from_8_to_192_khz_and_any_number_of_channels_are_heard_alike() {
    for rate in [
        8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000,
    ] {
        let wav = Wav {
            rate,
            ..Wav::usual()
        };
        assert_heard(&format!("{rate} Hz"), &wav.file());
    }
    for channels in [2, 3, 4, 6, 8, 24] {
        for extensible in [None, Some(0x3f)] {
            let wav = Wav {
                channels,
                extensible,
                ..Wav::usual()
            };
            assert_heard(&format!("{channels} channels"), &wav.file());
        }
    }
}

#[test]
fn a_subwoofer_is_not_mixed_in() {
    let directory = TempDir::new().unwrap();
    // 5.1: the fourth channel is the subwoofer's, at full scale; the others hold a quarter.
    let wav = Wav {
        channels: 6,
        extensible: Some(0x3f),
        ..Wav::usual()
    };
    let quarter = 0x2000_i16.to_le_bytes();
    let frame = [
        [quarter; 3].concat(),
        vec![0xff, 0x7f],
        [quarter; 2].concat(),
    ]
    .concat();
    let chunks = [
        chunk(b"fmt ", &wav.format()),
        chunk(b"data", &frame.repeat(480)),
    ]
    .concat();
    let mut microphone = opened(&directory, &riff(b"RIFF", 0, &chunks));
    assert!(
        read(&mut *microphone, 1)
            .iter()
            .all(|sample| *sample == 0.25)
    );
}

#[test]
fn what_is_converted_is_said() {
    let directory = TempDir::new().unwrap();
    for (wav, said) in [
        (
            Wav {
                channels: 2,
                rate: 44_100,
                ..Wav::of(Sample::Pcm { bits: 8, bytes: 1 })
            },
            "44100 Hz, stereo, 8 bit",
        ),
        (
            Wav {
                channels: 6,
                ..Wav::of(Sample::MuLaw)
            },
            "6 channels, µ-law",
        ),
        (
            Wav {
                rate: 8_000,
                ..Wav::of(Sample::ALaw)
            },
            "8000 Hz, A-law",
        ),
    ] {
        let microphone = opened(&directory, &wav.file());
        let path = directory.path().join("speech.wav");
        assert_eq!(
            microphone.notice().unwrap(),
            format!(
                "{} is {said}: converted to 48 kHz mono while it plays",
                path.display()
            )
        );
    }
}

#[test]
fn a_second_is_a_second_at_any_rate() {
    let directory = TempDir::new().unwrap();
    let wav = Wav {
        rate: 44_100,
        ..Wav::usual()
    };
    let heard = read(&mut *opened(&directory, &wav.file()), 152);
    assert!(heard[72_000..].iter().all(|sample| *sample == 0.0));
    assert!(
        heard[71_000..72_000]
            .iter()
            .any(|sample| sample.abs() > 0.2)
    );
}

#[test]
fn a_file_that_is_cut_off_is_played_with_a_notice_of_what_is_missing() {
    let directory = TempDir::new().unwrap();
    let whole = Wav::usual().file();
    let mut microphone = opened(&directory, &whole[..whole.len() - 96_000]);
    let path = directory.path().join("speech.wav");
    assert_eq!(
        microphone.notice().unwrap(),
        format!(
            "{} is cut off: its header promises 1.5 s, 0.5 s are there and are played",
            path.display()
        )
    );
    let heard = read(&mut *microphone, 60);
    assert!(
        heard[23_000..24_000]
            .iter()
            .any(|sample| sample.abs() > 0.2)
    );
    assert!(heard[24_000..].iter().all(|sample| *sample == 0.0));
    assert!(microphone.take_fault().is_none());
    // In the middle of the header.
    for length in [6, 10, 12, 17, 30, 38, 43] {
        assert_eq!(
            problem_of(&whole[..length]),
            WavProblem::BadHeader(
                if length == 30 {
                    "its format is too short"
                } else {
                    "it ends early"
                }
                .to_owned()
            ),
            "{length}"
        );
    }
}

#[test]
fn a_file_that_is_cut_while_it_plays_ends_with_a_fault() {
    let directory = TempDir::new().unwrap();
    let whole = Wav {
        rate: 96_000,
        ..Wav::usual()
    }
    .file();
    let mut microphone = opened(&directory, &whole);
    read(&mut *microphone, 1);
    write(&directory, &whole[..whole.len() / 2]);
    read(&mut *microphone, 150);
    let fault = microphone.take_fault();
    assert!(
        matches!(fault, Some(DeviceFault::ReadFailed { .. })),
        "{fault:?}"
    );
    assert!(microphone.take_fault().is_none(), "once");
}

#[test]
fn samples_that_are_no_numbers_or_too_loud_stay_within_full_scale() {
    let directory = TempDir::new().unwrap();
    let samples = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 7.0, -1e30, 0.5];
    let body = samples.map(f32::to_le_bytes).concat();
    let chunks = [
        chunk(b"fmt ", &Wav::of(Sample::Float32).format()),
        chunk(b"data", &body),
    ]
    .concat();
    let heard = read(&mut *opened(&directory, &riff(b"RIFF", 0, &chunks)), 1);
    assert_eq!(heard[..7], [0.0, 0.0, 0.0, 1.0, -1.0, 0.5, 0.0]);
}
