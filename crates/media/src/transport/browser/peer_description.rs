//! A peer's description, read once.

use str0m::Candidate;

use super::{
    super::{
        MAX_REMOTE_CANDIDATES, Reach, TransportError, candidate::parse_remote,
        description::Fingerprint, profile::StreamId,
    },
    audio_line::{CodecMap, Direction, opus_wishes},
    sections::{self, Section, is_word, malformed},
};
use crate::rtp_voice::OpusWishes;

/// The most candidate lines that are looked at; of those that can be used the first [`MAX_REMOTE_CANDIDATES`] are.
const MAX_CANDIDATE_LINES: usize = 256;
/// The most sources of the peer's audio that it may name. A browser has one; after a change of its track, another.
const MAX_SOURCES: usize = 4;
/// The header extension that says which m-line a packet belongs to (RFC 9143 section 15), and the IDs that extensions may have in the
/// short form (RFC 8285 section 4.2).
pub(super) const MID_EXTENSION: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const EXTENSION_IDS: std::ops::RangeInclusive<u8> = 1..=14;

/// What is repeated of an m-line in our descriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MediaLine {
    pub(super) media: String,
    pub(super) protocol: String,
    /// The first of its formats.
    pub(super) format: String,
    pub(super) mid: Option<String>,
}

/// Who begins the DTLS handshake (RFC 8842).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    /// Whoever answers says.
    Any,
    /// The peer.
    Active,
    /// We.
    Passive,
}

/// A peer's description, as far as it concerns us.
#[derive(Debug)]
pub(super) struct PeerDescription {
    pub(super) lines: Vec<MediaLine>,
    /// Which of them is the audio line.
    pub(super) audio: usize,
    /// The lines share one transport.
    pub(super) is_bundle: bool,
    pub(super) fingerprint: Fingerprint,
    pub(super) credentials: (String, String),
    pub(super) is_lite: bool,
    pub(super) setup: Setup,
    pub(super) direction: Direction,
    pub(super) codecs: CodecMap,
    pub(super) wishes: OpusWishes,
    pub(super) mid_extension: Option<u8>,
    pub(super) sources: Vec<u32>,
    pub(super) stream: Option<StreamId>,
    pub(super) candidates: Vec<Candidate>,
}

impl PeerDescription {
    /// Reads a description. `audio`: which line the audio line is, if that was said before.
    pub(super) fn read(
        sdp: &str,
        reach: Reach,
        audio: Option<usize>,
    ) -> Result<Self, TransportError> {
        let (session, sections) = sections::read(sdp)?;
        let lines: Vec<MediaLine> = sections
            .iter()
            .map(MediaLine::read)
            .collect::<Result<_, _>>()?;
        let index = match audio {
            Some(index) => Some(index),
            None => sections.iter().position(is_usable_audio),
        };
        let usable = index.and_then(|index| Some((index, sections.get(index)?)));
        let (audio, line) = usable
            .filter(|(_, line)| is_usable_audio(line))
            .ok_or(TransportError::NoAudio)?;
        if !line.has("rtcp-mux") {
            return Err(malformed("its RTCP has a port of its own"));
        }
        let bundle = bundle(&session, lines[audio].mid.as_deref());
        // Attributes of the transport stand with the line, or with the one whose transport it shares, or before all of them.
        let tagged = bundle.first().and_then(|tag| {
            let has_mid = |line: &&Section<'_>| line.value("mid") == Some(*tag);
            sections.iter().find(has_mid)
        });
        let transport: Vec<&Section<'_>> = [Some(line), tagged, Some(&session)]
            .into_iter()
            .flatten()
            .collect();
        let codecs = CodecMap::read(line)?;
        if codecs == CodecMap::default() {
            return Err(TransportError::NoCodec);
        }
        Ok(Self {
            audio,
            is_bundle: !bundle.is_empty(),
            fingerprint: fingerprint(&transport)?,
            credentials: credentials(&transport)?,
            is_lite: session.has("ice-lite"),
            setup: setup(&transport)?,
            direction: Direction::read(&session, line),
            wishes: opus_wishes(line, codecs.opus),
            codecs,
            mid_extension: mid_extension(line),
            sources: sources(line)?,
            stream: stream(line),
            candidates: candidates(line, tagged, reach)?,
            lines,
        })
    }

    pub(super) fn mid(&self) -> Option<&str> {
        self.lines[self.audio].mid.as_deref()
    }
}

impl MediaLine {
    fn read(section: &Section<'_>) -> Result<Self, TransportError> {
        let mid = section.value("mid");
        if mid.is_some_and(|mid| !is_word(mid)) {
            return Err(malformed("an a=mid cannot be read"));
        }
        let word = |at: usize| {
            section
                .media
                .get(at)
                .copied()
                .unwrap_or_default()
                .to_owned()
        };
        Ok(Self {
            media: word(0),
            protocol: word(2),
            format: word(3),
            mid: mid.map(str::to_owned),
        })
    }
}

/// Audio over SRTP with keys of DTLS, and not switched off: port 0 says that, unless the line shares the port of another.
fn is_usable_audio(line: &Section<'_>) -> bool {
    let [media, port, protocol, ..] = line.media.as_slice() else {
        return false;
    };
    let is_srtp = matches!(
        *protocol,
        "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP" | "RTP/SAVPF"
    );
    *media == "audio" && is_srtp && (*port != "0" || line.has("bundle-only"))
}

/// The m-lines that share the transport of the one with this mid; none if it has its own.
fn bundle<'a>(session: &Section<'a>, mid: Option<&str>) -> Vec<&'a str> {
    let groups = session.values("group").filter_map(|group| {
        let mut words = group.split(' ').filter(|word| !word.is_empty());
        (words.next() == Some("BUNDLE")).then(|| words.collect::<Vec<_>>())
    });
    groups
        .into_iter()
        .find(|group| mid.is_some_and(|mid| group.contains(&mid)))
        .unwrap_or_default()
}

/// The one sha-256 fingerprint. It may stand several times, and beside other hashes, which say nothing to us (RFC 8122 section 5).
fn fingerprint(transport: &[&Section<'_>]) -> Result<Fingerprint, TransportError> {
    let mut found = None;
    for value in transport
        .iter()
        .flat_map(|section| section.values("fingerprint"))
    {
        let hash = value.split(' ').next().unwrap_or_default();
        if !hash.eq_ignore_ascii_case("sha-256") {
            continue;
        }
        let read = Fingerprint::parse(&format!("a=fingerprint:{value}"));
        let read = read.ok_or(TransportError::Fingerprint)?;
        if found.replace(read).is_some_and(|other| other != read) {
            return Err(TransportError::Fingerprint);
        }
    }
    found.ok_or(TransportError::Fingerprint)
}

/// User name fragment and password of ICE (RFC 8839 section 5.4).
fn credentials(transport: &[&Section<'_>]) -> Result<(String, String), TransportError> {
    let read = |name: &str, least: usize| {
        let value = transport.iter().find_map(|section| section.value(name))?;
        let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
        let is_it = (least..=256).contains(&value.len()) && value.bytes().all(is_char);
        is_it.then(|| value.to_owned())
    };
    let both = read("ice-ufrag", 4).zip(read("ice-pwd", 22));
    both.ok_or_else(|| malformed("it has no credentials of ICE"))
}

fn setup(transport: &[&Section<'_>]) -> Result<Setup, TransportError> {
    match transport.iter().find_map(|section| section.value("setup")) {
        Some("actpass") | None => Ok(Setup::Any),
        Some("active") => Ok(Setup::Active),
        Some("passive") => Ok(Setup::Passive),
        Some(_) => Err(malformed("it does not say who begins the DTLS handshake")),
    }
}

/// The ID of the extension in packets, where the peer has it for both directions and in a form that is ours, too.
fn mid_extension(line: &Section<'_>) -> Option<u8> {
    line.values("extmap").find_map(|map| {
        let (id, uri) = map.split_once(' ')?;
        let id = id.parse().ok().filter(|id| EXTENSION_IDS.contains(id))?;
        (uri.trim() == MID_EXTENSION).then_some(id)
    })
}

/// Where the peer's audio comes from (RFC 5576): each named once.
fn sources(line: &Section<'_>) -> Result<Vec<u32>, TransportError> {
    let mut sources = Vec::new();
    for value in line.values("ssrc") {
        let number = value
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok());
        let number = number.ok_or_else(|| malformed("an a=ssrc cannot be read"))?;
        // Zero is what browsers probe with.
        if number != 0 && !sources.contains(&number) {
            sources.push(number);
        }
    }
    sources.truncate(MAX_SOURCES);
    Ok(sources)
}

/// What the peer's audio is called: on the line, or with its source, as older clients say it. `-` is no stream.
fn stream(line: &Section<'_>) -> Option<StreamId> {
    let of_source = line.values("ssrc").find_map(|value| {
        let (_, attribute) = value.split_once(' ')?;
        attribute.strip_prefix("msid:")
    });
    let msid = line.value("msid").or(of_source)?;
    let name = msid.split(' ').next().filter(|name| *name != "-")?;
    StreamId::new(name)
}

/// Those candidates that can be used.
fn candidates(
    line: &Section<'_>,
    tagged: Option<&Section<'_>>,
    reach: Reach,
) -> Result<Vec<Candidate>, TransportError> {
    let tagged = tagged.into_iter().flat_map(|line| line.values("candidate"));
    let mut values: Vec<&str> = line.values("candidate").collect();
    for value in tagged {
        if values.len() > MAX_CANDIDATE_LINES {
            break;
        }
        if !values.contains(&value) {
            values.push(value);
        }
    }
    if values.len() > MAX_CANDIDATE_LINES {
        return Err(malformed("it has too many candidates"));
    }
    let usable = values
        .into_iter()
        .filter_map(|value| parse_remote(&format!("candidate:{value}"), reach).ok());
    Ok(usable.take(MAX_REMOTE_CANDIDATES).collect())
}
