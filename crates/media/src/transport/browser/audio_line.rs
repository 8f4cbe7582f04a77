//! The audio line: which codecs by which payload types, and who sends.

use super::{
    super::TransportError,
    sections::{Section, malformed},
};
use crate::rtp_voice::{Codec, OpusWishes};

/// Payload types that stand for one codec without being told (RFC 3551 section 6).
const STATIC_PCMU: u8 = 0;
const STATIC_PCMA: u8 = 8;

/// Who sends, as a description says it of its own side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Direction {
    pub(super) sends: bool,
    pub(super) receives: bool,
}

impl Direction {
    pub(super) const fn as_str(self) -> &'static str {
        match (self.sends, self.receives) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        }
    }

    /// Of an m-line, or of all of them; `sendrecv` if nothing is said (RFC 8866 section 6.7).
    pub(super) fn read(session: &Section<'_>, line: &Section<'_>) -> Self {
        let of = |section: &Section<'_>| {
            let all = [(true, true), (true, false), (false, true), (false, false)];
            all.into_iter()
                .map(|(sends, receives)| Self { sends, receives })
                .find(|direction| section.has(direction.as_str()))
        };
        of(line).or_else(|| of(session)).unwrap_or(Self {
            sends: true,
            receives: true,
        })
    }
}

/// Which payload type stands for which codec. It stays for the whole call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CodecMap {
    pub(super) opus: Option<u8>,
    pub(super) pcmu: Option<u8>,
    pub(super) pcma: Option<u8>,
}

impl CodecMap {
    /// What we offer: as browsers number it.
    pub(super) const OFFERED: Self = Self {
        opus: Some(111),
        pcmu: Some(STATIC_PCMU),
        pcma: Some(STATIC_PCMA),
    };

    /// All of them, the best first.
    pub(super) fn iter(self) -> impl Iterator<Item = (Codec, u8)> {
        [
            (Codec::Opus, self.opus),
            (Codec::Pcmu, self.pcmu),
            (Codec::Pcma, self.pcma),
        ]
        .into_iter()
        .filter_map(|(codec, payload_type)| Some((codec, payload_type?)))
    }

    /// What a packet of this payload type holds.
    pub(super) fn codec(self, payload_type: u8) -> Option<Codec> {
        let mut all = self.iter();
        all.find(|(_, it)| *it == payload_type)
            .map(|(codec, _)| codec)
    }

    pub(super) fn payload_type(self, codec: Codec) -> Option<u8> {
        self.iter()
            .find(|(it, _)| *it == codec)
            .map(|(_, payload_type)| payload_type)
    }

    /// Those codecs that stand in both, by the same payload type.
    pub(super) fn common(self, other: Self) -> Self {
        let same = |ours: Option<u8>, theirs: Option<u8>| ours.filter(|_| ours == theirs);
        Self {
            opus: same(self.opus, other.opus),
            pcmu: same(self.pcmu, other.pcmu),
            pcma: same(self.pcma, other.pcma),
        }
    }

    /// Of what an m-line lists, what we have. The first payload type of a codec counts; the rest (RED, comfort noise,
    /// telephone events) is left out.
    pub(super) fn read(line: &Section<'_>) -> Result<Self, TransportError> {
        let mut codecs = Self::default();
        let mut taken = [false; 128];
        for format in line.media.iter().skip(3) {
            let number = format.parse::<u8>().ok().filter(|number| *number < 128);
            let Some(number) = number else {
                return Err(malformed("a payload type is no number below 128"));
            };
            if std::mem::replace(&mut taken[usize::from(number)], true) {
                return Err(malformed("a payload type stands twice"));
            }
            let slot = match codec_of(line, number)? {
                Some(Codec::Opus) => &mut codecs.opus,
                Some(Codec::Pcmu) => &mut codecs.pcmu,
                Some(Codec::Pcma) => &mut codecs.pcma,
                None => continue,
            };
            slot.get_or_insert(number);
        }
        Ok(codecs)
    }
}

/// What a payload type stands for, if we have it. RTP and RTCP share one port, so numbers that would make the one look as the other
/// are none (RFC 5761 section 4).
fn codec_of(line: &Section<'_>, number: u8) -> Result<Option<Codec>, TransportError> {
    let mut maps = line.values("rtpmap").filter_map(|map| {
        let (payload_type, name) = map.split_once(' ')?;
        (payload_type.parse() == Ok(number)).then_some(name.trim())
    });
    let map = maps.next();
    if maps.next().is_some_and(|other| Some(other) != map) {
        return Err(malformed("a payload type stands for two codecs"));
    }
    let is_dynamic = matches!(number, 35..=63 | 96..=127);
    let name = map.map(str::to_ascii_lowercase);
    Ok(match name.as_deref() {
        Some("opus/48000/2") if is_dynamic => Some(Codec::Opus),
        Some("pcmu/8000" | "pcmu/8000/1") if is_dynamic || number == STATIC_PCMU => {
            Some(Codec::Pcmu)
        }
        Some("pcma/8000" | "pcma/8000/1") if is_dynamic || number == STATIC_PCMA => {
            Some(Codec::Pcma)
        }
        None if number == STATIC_PCMU => Some(Codec::Pcmu),
        None if number == STATIC_PCMA => Some(Codec::Pcma),
        _ => None,
    })
}

/// What the peer asks of our Opus.
pub(super) fn opus_wishes(line: &Section<'_>, payload_type: Option<u8>) -> OpusWishes {
    let mut formats = line.values("fmtp").filter_map(|format| {
        let (number, parameters) = format.split_once(' ')?;
        (number.parse().ok() == payload_type).then_some(parameters)
    });
    formats
        .next()
        .map_or_else(OpusWishes::default, OpusWishes::parse)
}
