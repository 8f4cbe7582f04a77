//! A WAV file as a microphone.

use std::fs;
use std::path::{Path, PathBuf};

use securecall_audio_device::{
    Blame, DeviceFault, Microphone, MicrophoneSpec, OpenError, WavProblem, open_microphone,
};
use tempfile::TempDir;

use crate::wav_bytes::{AMPLITUDE, HERTZ, Sample, Wav, chunk, riff, tone_in};
use crate::{mkfifo, read, refusal};

const PCM_16: Sample = Sample::Pcm { bits: 16, bytes: 2 };

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
fn headers_as_programs_and_recorders_write_them_are_read() {
    let usual = Wav::usual();
    let list = chunk(b"LIST", b"INFOISFT\x0e\0\0\0Lavf59.27.100\0");
    let odd = chunk(b"bext", &[7; 603]);
    let mut unpadded = odd.clone();
    unpadded.pop();
    let mut oddly_padded = odd.clone();
    *oddly_padded.last_mut().unwrap() = b'd';
    for (what, between) in [
        ("a list", list.clone()),
        ("an odd chunk", odd.clone()),
        ("an odd chunk that is not evened", unpadded),
        (
            "an odd chunk that is evened with something else than zero",
            oddly_padded,
        ),
        ("room for a header of 64 bits", chunk(b"JUNK", &[0; 28])),
        (
            "the number of samples",
            chunk(b"fact", &72_000_u32.to_le_bytes()),
        ),
        ("an empty chunk", chunk(b"PAD ", &[])),
        ("a chunk that nobody knows", chunk(b"zyx9", &[0xff; 5])),
        ("a second format", chunk(b"fmt ", &[0xff; 16])),
        ("many chunks", chunk(b"cue ", &[1; 3]).repeat(1_000)),
        (
            "all together",
            [odd, list.clone(), chunk(b"JUNK", &[1; 4_001])].concat(),
        ),
    ] {
        assert_heard(what, &usual.with(&between, &list));
    }
    for (what, wav) in [
        (
            "a byte rate of zero",
            Wav {
                byte_rate: Some(0),
                ..usual.clone()
            },
        ),
        (
            "a frame size of zero",
            Wav {
                frame_bytes: Some(0),
                ..usual.clone()
            },
        ),
        (
            "the frame size of one channel",
            Wav {
                frame_bytes: Some(2),
                channels: 2,
                ..usual.clone()
            },
        ),
        (
            "an empty extension",
            Wav {
                format_bytes: 18,
                ..usual.clone()
            },
        ),
        (
            "an odd format chunk",
            Wav {
                format_bytes: 17,
                ..usual.clone()
            },
        ),
        (
            "a long format chunk",
            Wav {
                format_bytes: 64,
                ..usual.clone()
            },
        ),
        (
            "the oldest format chunk",
            Wav {
                format_bytes: 14,
                ..usual
            },
        ),
        (
            "8 bit in a frame for 16",
            Wav {
                frame_bytes: Some(2),
                ..Wav::of(Sample::Pcm { bits: 8, bytes: 1 })
            },
        ),
    ] {
        assert_heard(what, &wav.file());
    }
}

#[test]
fn a_length_that_the_writer_could_not_know_means_to_the_end() {
    // ffmpeg, SoX, arecord and others into a pipe.
    for length in [
        0,
        0xffff_ffff,
        0x7fff_f000,
        0x7fff_ffff,
        0x8000_0024,
        0xffff_ffdb,
    ] {
        let wav = Wav {
            data_length: Some(length),
            ..Wav::usual()
        };
        let directory = TempDir::new().unwrap();
        assert!(
            opened(&directory, &wav.file()).notice().is_none(),
            "{length:#x}"
        );
        assert_heard(&format!("{length:#x}"), &wav.file());
        assert_heard(
            "the length of the whole, too",
            &riff(b"RIFF", length, &wav.file()[12..]),
        );
    }
}

#[test]
fn stray_bytes_at_the_end_are_not_heard() {
    for stray in [&b"\0"[..], b"\x7f", b"\x7f\x7f\x7f"] {
        assert_heard("behind the samples", &Wav::usual().with(&[], stray));
        let wav = Wav::of(Sample::Pcm { bits: 24, bytes: 3 });
        assert_heard("behind the samples", &wav.with(&[], stray));
    }
    // Counted with the samples, so that the last frame is not whole.
    let wav = Wav {
        channels: 2,
        ..Wav::usual()
    };
    let samples = [wav.samples(), vec![0x7f; 3]].concat();
    let chunks = [chunk(b"fmt ", &wav.format()), chunk(b"data", &samples)].concat();
    assert_heard("among the samples", &riff(b"RIFF", 0, &chunks));
}

#[test]
fn lengths_of_64_bits_are_read() {
    let wav = Wav {
        data_length: Some(u32::MAX),
        ..Wav::usual()
    };
    let sizes = |data: u64| {
        let fields = [0, data, data / 2].map(u64::to_le_bytes).concat();
        chunk(b"ds64", &[fields, vec![0; 4]].concat())
    };
    let length = wav.samples().len() as u64;
    for kind in [b"RF64", b"BW64"] {
        for (what, length) in [("known", length), ("not known", 0)] {
            let format = chunk(b"fmt ", &wav.format());
            let chunks = [sizes(length), format, wav.data()].concat();
            assert_heard(what, &riff(kind, u32::MAX, &chunks));
        }
        // What comes after the samples is no sound: only the 64 bits say where they end.
        let chunks = [
            sizes(length),
            chunk(b"fmt ", &wav.format()),
            wav.data(),
            vec![0x7f; 2_000],
        ];
        assert_heard("a chunk behind", &riff(kind, u32::MAX, &chunks.concat()));
    }
}

#[test]
fn the_other_byte_order_is_read() {
    let big = |field: &[u8]| field.iter().rev().copied().collect::<Vec<u8>>();
    let fields = |bytes: &[u8], lengths: &[usize]| {
        let mut rest = bytes;
        let mut turned = Vec::new();
        for length in lengths {
            let (field, more) = rest.split_at(*length);
            turned.extend(big(field));
            rest = more;
        }
        turned.extend(rest);
        turned
    };
    let plain: &[usize] = &[2, 2, 4, 4, 2, 2];
    // As SoX writes it, and with the whole GUID turned.
    let with_tag: &[usize] = &[2, 2, 4, 4, 2, 2, 2, 2, 4, 2];
    let with_guid: &[usize] = &[2, 2, 4, 4, 2, 2, 2, 2, 4, 4, 2, 2];
    for (sample, bytes) in [
        (PCM_16, 2),
        (Sample::Pcm { bits: 24, bytes: 3 }, 3),
        (Sample::Pcm { bits: 24, bytes: 4 }, 4),
        (Sample::Float32, 4),
        (Sample::Float64, 8),
    ] {
        for (extensible, lengths) in [(None, plain), (Some(4), with_tag), (Some(4), with_guid)] {
            let wav = Wav {
                extensible,
                ..Wav::of(sample)
            };
            let format = fields(&wav.format(), lengths);
            let samples: Vec<u8> = wav.samples().chunks_exact(bytes).flat_map(big).collect();
            let length = |bytes: &[u8]| (bytes.len() as u32).to_be_bytes();
            let chunks = [
                b"fmt ",
                &length(&format)[..],
                &format,
                b"data",
                &length(&samples),
                &samples,
            ];
            assert_heard("RIFX", &riff(b"RIFX", 0, &chunks.concat()));
        }
    }
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
fn an_empty_file_and_a_wav_without_samples_are_named_as_such() {
    assert_eq!(problem_of(&[]), WavProblem::EmptyFile);
    let format = chunk(b"fmt ", &Wav::usual().format());
    for data in [
        chunk(b"data", &[]),
        [
            chunk(b"data", &[]),
            chunk(b"LIST", b"INFOISFT\x04\0\0\0abc\0"),
            chunk(b"id3 ", &[1; 7]),
        ]
        .concat(),
        // Half a sample.
        chunk(b"data", &[1]),
    ] {
        let chunks = [format.clone(), data].concat();
        assert_eq!(
            problem_of(&riff(b"RIFF", 0, &chunks)),
            WavProblem::NoSamples
        );
    }
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
fn what_is_not_a_wav_is_refused_by_its_name() {
    for (bytes, name) in [
        (&b"OggS\0\x02 and more bytes"[..], "an Ogg file"),
        (b"fLaC\0\0\0\x22 and more bytes", "a FLAC file"),
        (b"ID3\x04\0\0\0\0\0\x23 and more", "an MP3 file"),
        (b"FORM\0\0\0\x2eAIFFCOMM", "an AIFF file"),
        (b"RIFF\x24\0\0\0AVI LIST", "an AVI video"),
        (
            b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0 more",
            "a Sony Wave64 (W64) file",
        ),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "an MP4 or M4A file"),
    ] {
        assert_eq!(problem_of(bytes), WavProblem::OtherFile(name));
    }
    for bytes in [&b"hello, this is text"[..], b"RIFF\x24\0\0\0ACONanih", b"R"] {
        assert_eq!(problem_of(bytes), WavProblem::NotWav);
    }
}

#[test]
fn a_coding_that_is_not_played_is_refused_by_its_name() {
    let with_tag = |tag: u16| {
        let mut format = Wav::usual().format();
        format[..2].copy_from_slice(&tag.to_le_bytes());
        let chunks = [chunk(b"fmt ", &format), chunk(b"data", &[0; 960])].concat();
        problem_of(&riff(b"RIFF", 0, &chunks))
    };
    for (tag, name) in [
        (0x0002, "Microsoft ADPCM"),
        (0x0011, "IMA ADPCM"),
        (0x0031, "GSM 6.10"),
        (0x0055, "MP3"),
        (0x0161, "Windows Media Audio"),
        (0x704f, "Opus"),
    ] {
        assert_eq!(with_tag(tag), WavProblem::Coding(name.to_owned()));
    }
    assert!(with_tag(0x4242).to_string().contains("0x4242"));

    let mut float_16 = Wav::usual().format();
    float_16[0] = 3;
    let mut wide = Wav::usual().format();
    wide[14] = 96;
    let extensible = Wav {
        extensible: Some(0),
        ..Wav::usual()
    }
    .format();
    let mut ambisonic = extensible.clone();
    ambisonic[26..].copy_from_slice(b"\0\0\x21\x07\xd3\x11\x86\x44\xc8\xc1\xca\0\0\0");
    let mut unknown = extensible;
    unknown[39] ^= 1;
    for (format, name) in [
        (float_16, "floating point of 16 bits"),
        (wide, "PCM of 96 bits"),
        (ambisonic, "Ambisonic B-format"),
        (
            unknown,
            "a coding that is not known here (sub-format 0100000000001000800000aa00389b70)",
        ),
    ] {
        let chunks = [chunk(b"fmt ", &format), chunk(b"data", &[0; 960])].concat();
        assert_eq!(
            problem_of(&riff(b"RIFF", 0, &chunks)),
            WavProblem::Coding(name.to_owned())
        );
    }
}

#[test]
fn headers_that_make_no_sense_are_refused_with_the_reason() {
    let of = |format: &[u8]| {
        let chunks = [chunk(b"fmt ", format), chunk(b"data", &[0; 960])].concat();
        problem_of(&riff(b"RIFF", 0, &chunks))
    };
    let bad = |reason: &str| WavProblem::BadHeader(reason.to_owned());
    assert_eq!(
        of(&Wav {
            channels: 0,
            ..Wav::usual()
        }
        .format()),
        bad("it has no channel")
    );
    assert_eq!(
        of(&Wav {
            channels: 257,
            ..Wav::usual()
        }
        .format()),
        WavProblem::Channels(257)
    );
    assert_eq!(
        of(&Wav {
            rate: 0,
            ..Wav::usual()
        }
        .format()),
        WavProblem::SampleRate(0)
    );
    assert_eq!(
        of(&Wav {
            rate: 100,
            ..Wav::usual()
        }
        .format()),
        WavProblem::SampleRate(100)
    );
    assert_eq!(
        of(&Wav::usual().format()[..12]),
        bad("its format is too short")
    );
    let mut extensible = Wav {
        extensible: Some(0),
        ..Wav::usual()
    }
    .format();
    extensible.truncate(18);
    assert_eq!(of(&extensible), bad("its format is too short"));
    let chunks = [Wav::usual().data(), chunk(b"fmt ", &Wav::usual().format())].concat();
    assert_eq!(
        problem_of(&riff(b"RIFF", 0, &chunks)),
        bad("its sound comes before its format")
    );
    let endless = chunk(b"cue ", &[]).repeat(5_000);
    assert_eq!(
        problem_of(&riff(b"RIFF", 0, &endless)),
        bad("no sound in its first 4096 chunks")
    );
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

#[test]
fn no_damage_to_a_header_makes_it_panic() {
    let directory = TempDir::new().unwrap();
    let wav = Wav {
        extensible: Some(4),
        ..Wav::usual()
    };
    let whole = [&wav.file()[..100], &[1; 960]].concat();
    for position in 0..80 {
        for value in [0, 1, 0x7f, 0xff] {
            let mut damaged = whole.clone();
            damaged[position] = value;
            let path = write(&directory, &damaged);
            if let Ok(mut microphone) = open_microphone(&MicrophoneSpec::Wav(path)) {
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
