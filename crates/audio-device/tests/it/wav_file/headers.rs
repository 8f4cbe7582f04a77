//! Headers as programs and recorders write them, right and wrong.

use tempfile::TempDir;

use super::{assert_heard, opened};
use crate::wav_bytes::{Sample, Wav, chunk, riff};

const PCM_16: Sample = Sample::Pcm { bits: 16, bytes: 2 };

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
