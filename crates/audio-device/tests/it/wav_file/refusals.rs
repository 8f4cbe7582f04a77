//! What is not played, and why.

use std::path::Path;

use securecall_audio_device::{MicrophoneSpec, WavProblem, open_microphone};
use tempfile::TempDir;

use super::{problem_of, write};
use crate::wav_bytes::{Wav, chunk, riff};
use crate::{mkfifo, read, refusal};

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
