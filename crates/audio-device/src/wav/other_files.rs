//! Files that are often taken for WAV files, by their first bytes, and codings inside WAV that are not played: both are named,
//! so that nobody takes a whole file for a damaged one.

/// How many bytes [`name_of`] would like.
pub(super) const SIGNATURE_BYTES: usize = 16;

/// What each kind of file has, and where.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (
        0,
        b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00",
        "a Sony Wave64 (W64) file",
    ),
    (8, b"AIFF", "an AIFF file"),
    (8, b"AIFC", "an AIFF-C file"),
    (8, b"AVI ", "an AVI video"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"fLaC", "a FLAC file"),
    (0, b"OggS", "an Ogg file"),
    (0, b"ID3", "an MP3 file"),
    (0, b"caff", "a Core Audio (CAF) file"),
    (0, b".snd", "a Sun audio (AU) file"),
    (0, b"dns.", "a Sun audio (AU) file"),
    (4, b"ftyp", "an MP4 or M4A file"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (
        0,
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        "a Windows Media (WMA) file",
    ),
    (0, b"#!AMR", "an AMR file"),
    (0, b"Creative Voice", "a Creative Voice (VOC) file"),
    (0, b"wvpk", "a WavPack file"),
    (0, b"MAC ", "a Monkey's Audio file"),
    (0, b"MThd", "a MIDI file"),
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"PK\x03\x04", "a ZIP file"),
];

/// What a file is that starts with `head`, if it is known.
pub(super) fn name_of(head: &[u8]) -> Option<&'static str> {
    let known = SIGNATURES.iter().find(|(at, signature, _)| {
        head.get(*at..)
            .is_some_and(|rest| rest.starts_with(signature))
    });
    match (known, head) {
        (Some((_, _, name)), _) => Some(name),
        // Two frames' sync word: eleven set bits; ADTS has the layer bits at zero.
        (None, [0xff, second, ..]) if second & 0xf6 == 0xf0 => Some("an AAC file"),
        (None, [0xff, second, ..]) if second & 0xe0 == 0xe0 => Some("an MP3 file"),
        (None, _) => None,
    }
}

/// The name of the coding with this format tag
/// ([registry](https://www.rfc-editor.org/rfc/rfc2361), and what came later).
pub(super) fn name_of_coding(tag: u16) -> String {
    let name = match tag {
        0x0002 => "Microsoft ADPCM",
        0x0005 => "IBM CVSD",
        0x0010 => "OKI ADPCM",
        0x0011 => "IMA ADPCM",
        0x0014 | 0x0040 | 0x0045 | 0x0064 => "G.726 ADPCM",
        0x0016 | 0x0042 => "G.723.1",
        0x0020 => "Yamaha ADPCM",
        0x0022 => "DSP Group TrueSpeech",
        0x0028 | 0x0065 | 0x028f => "G.722",
        0x0031 | 0x1500 => "GSM 6.10",
        0x0050 => "MPEG audio",
        0x0055 => "MP3",
        0x0057 | 0x0058 => "AMR",
        0x0083 => "G.729",
        0x0092 | 0x2000 => "AC-3",
        0x00ff | 0x1600 | 0x1602 | 0x1610 | 0xa106 => "AAC",
        0x0160..=0x0163 => "Windows Media Audio",
        0x0200 => "Creative ADPCM",
        0x0270 => "ATRAC3",
        0x2001 => "DTS",
        0x566f | 0x674f..=0x6751 | 0x676f..=0x6771 => "Ogg Vorbis",
        0x704f => "Opus",
        0xa109 => "Speex",
        0xf1ac => "FLAC",
        _ => return format!("a coding that is not known here (format {tag:#06x})"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        for (head, name) in [
            (&b"FORM\0\0\0\x2eAIFFCOMM"[..], "an AIFF file"),
            (b"fLaC\0\0\0\x22", "a FLAC file"),
            (b"OggS\0\x02", "an Ogg file"),
            (b"ID3\x04\0\0\0\0\0\x23", "an MP3 file"),
            (b"\xff\xfb\x50\xc4", "an MP3 file"),
            (b"\xff\xf1\x50\x80", "an AAC file"),
            (b"\0\0\0\x1cftypM4A \0\0", "an MP4 or M4A file"),
            (b"RIFF\x24\0\0\0AVI LIST", "an AVI video"),
        ] {
            assert_eq!(name_of(head), Some(name));
        }
        for head in [&b""[..], b"RIFF", b"hello, world", b"\xff"] {
            assert_eq!(name_of(head), None);
        }
    }

    #[test]
    fn a_coding_without_a_name_is_told_by_its_number() {
        assert_eq!(name_of_coding(0x11), "IMA ADPCM");
        assert!(name_of_coding(0x1234).contains("0x1234"));
    }
}
