//! Our descriptions, and those that the engine gets in place of the peer's.

use std::fmt::Write as _;

use super::{
    super::{description::Fingerprint, profile::StreamId},
    audio_line::{CodecMap, Direction},
    peer_description::{MID_EXTENSION, MediaLine, PeerDescription, Setup},
};
use crate::rtp_voice::Codec;

/// What we ask of the peer's Opus: copies of lost frames, and no packets of less than 10 ms. It is also what the engine knows Opus by.
const OPUS_FORMAT: &str = "minptime=10;useinbandfec=1";
/// The name of our one track in its stream.
const TRACK: &str = "audio";
/// The engine knows mids of this length.
const ENGINE_MID_LEN: usize = 16;
/// What it calls a line whose mid is longer, or that has none.
const ENGINE_MID: &str = "a";

/// What only the engine knows: taken from a description that it has written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EngineFacts {
    pub(super) session: String,
    pub(super) fragment: String,
    pub(super) password: String,
    pub(super) setup: String,
    pub(super) source: String,
    /// Candidate lines, without `a=`.
    pub(super) candidates: Vec<String>,
}

impl EngineFacts {
    pub(super) fn read(sdp: &str) -> Self {
        let mut facts = Self::default();
        for line in sdp.lines() {
            if let Some(origin) = line.strip_prefix("o=") {
                origin
                    .split(' ')
                    .nth(1)
                    .unwrap_or("1")
                    .clone_into(&mut facts.session);
            }
            let Some(attribute) = line.strip_prefix("a=") else {
                continue;
            };
            match attribute.split_once(':') {
                Some(("ice-ufrag", value)) => value.clone_into(&mut facts.fragment),
                Some(("ice-pwd", value)) => value.clone_into(&mut facts.password),
                Some(("setup", value)) => value.clone_into(&mut facts.setup),
                Some(("ssrc", value)) => {
                    value
                        .split(' ')
                        .next()
                        .unwrap_or_default()
                        .clone_into(&mut facts.source);
                }
                Some(("candidate", _)) => facts.candidates.push(attribute.to_owned()),
                _ => {}
            }
        }
        facts
    }
}

/// A description of ours.
pub(super) struct OwnDescription<'a> {
    pub(super) facts: &'a EngineFacts,
    /// How many descriptions there were before it.
    pub(super) version: u32,
    pub(super) stream: &'a StreamId,
    pub(super) fingerprint: Fingerprint,
    pub(super) setup: &'a str,
    pub(super) direction: Direction,
    pub(super) codecs: CodecMap,
    pub(super) mid_extension: Option<u8>,
    pub(super) lines: &'a [MediaLine],
    pub(super) audio: usize,
    /// The peer knows of BUNDLE.
    pub(super) is_bundle: bool,
}

impl OwnDescription<'_> {
    pub(super) fn write(&self) -> String {
        let mut sdp = Sdp::new(&format!("{} {}", self.facts.session, self.version));
        let audio_mid = self
            .lines
            .get(self.audio)
            .and_then(|line| line.mid.as_deref());
        if let Some(mid) = audio_mid.filter(|_| self.is_bundle) {
            sdp.line(format_args!("a=group:BUNDLE {mid}"));
        }
        sdp.line(format_args!("a=msid-semantic: WMS {}", self.stream));
        for (index, line) in self.lines.iter().enumerate() {
            if index == self.audio {
                self.write_audio(&mut sdp, line);
            } else {
                declined(&mut sdp, line);
            }
        }
        sdp.0
    }

    fn write_audio(&self, sdp: &mut Sdp, line: &MediaLine) {
        let Self { facts, stream, .. } = self;
        sdp.audio(&line.protocol, self.codecs);
        for candidate in &facts.candidates {
            sdp.line(format_args!("a={candidate}"));
        }
        sdp.line(format_args!("a=ice-ufrag:{}", facts.fragment));
        sdp.line(format_args!("a=ice-pwd:{}", facts.password));
        sdp.line(format_args!("a=ice-options:trickle"));
        sdp.line(format_args!("a=fingerprint:sha-256 {}", self.fingerprint));
        sdp.line(format_args!("a=setup:{}", self.setup));
        if let Some(mid) = &line.mid {
            sdp.line(format_args!("a=mid:{mid}"));
        }
        if let Some(id) = self.mid_extension {
            sdp.line(format_args!("a=extmap:{id} {MID_EXTENSION}"));
        }
        sdp.line(format_args!("a={}", self.direction.as_str()));
        sdp.line(format_args!("a=msid:{stream} {TRACK}"));
        sdp.line(format_args!("a=rtcp-mux"));
        sdp.codecs(self.codecs);
        if !facts.source.is_empty() {
            let source = &facts.source;
            sdp.line(format_args!("a=ssrc:{source} cname:{stream}"));
            sdp.line(format_args!("a=ssrc:{source} msid:{stream} {TRACK}"));
        }
    }
}

/// A line that we do not take (RFC 3264 section 6).
fn declined(sdp: &mut Sdp, line: &MediaLine) {
    let MediaLine {
        media,
        protocol,
        format,
        mid,
    } = line;
    sdp.line(format_args!("m={media} 0 {protocol} {format}"));
    sdp.line(format_args!("c=IN IP4 0.0.0.0"));
    if let Some(mid) = mid {
        sdp.line(format_args!("a=mid:{mid}"));
    }
    sdp.line(format_args!("a=inactive"));
}

/// What the engine is told of the peer's audio line.
pub(super) struct ForEngine<'a> {
    pub(super) peer: &'a PeerDescription,
    /// What the engine calls the line.
    pub(super) mid: &'a str,
    pub(super) codecs: CodecMap,
    pub(super) mid_extension: Option<u8>,
}

impl ForEngine<'_> {
    pub(super) fn write(&self) -> String {
        let Self { peer, mid, .. } = self;
        let mut sdp = Sdp::new("1 1");
        if peer.is_lite {
            sdp.line(format_args!("a=ice-lite"));
        }
        sdp.line(format_args!("a=group:BUNDLE {mid}"));
        sdp.audio("UDP/TLS/RTP/SAVPF", self.codecs);
        let (fragment, password) = &peer.credentials;
        sdp.line(format_args!("a=ice-ufrag:{fragment}"));
        sdp.line(format_args!("a=ice-pwd:{password}"));
        sdp.line(format_args!("a=fingerprint:sha-256 {}", peer.fingerprint));
        let setup = match peer.setup {
            // Who leaves it to us begins the handshake, against RFC 8842 section 5.3, which has the answerer do so: only a server
            // hears the other's versions before it has to settle on a library for them (see the association in `dtls`).
            Setup::Any | Setup::Active => "active",
            Setup::Passive => "passive",
        };
        sdp.line(format_args!("a=setup:{setup}"));
        sdp.line(format_args!("a=mid:{mid}"));
        if let Some(id) = self.mid_extension {
            sdp.line(format_args!("a=extmap:{id} {MID_EXTENSION}"));
        }
        // Who may send when is our matter.
        sdp.line(format_args!("a=sendrecv"));
        sdp.line(format_args!("a=rtcp-mux"));
        sdp.codecs(self.codecs);
        for source in &peer.sources {
            sdp.line(format_args!("a=ssrc:{source} cname:peer"));
        }
        sdp.0
    }
}

/// What the engine calls a line with this mid.
pub(super) fn engine_mid(mid: Option<&str>) -> &str {
    let is_short = |mid: &&str| {
        mid.len() <= ENGINE_MID_LEN && mid.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    mid.filter(is_short).unwrap_or(ENGINE_MID)
}

struct Sdp(String);

impl Sdp {
    fn new(origin: &str) -> Self {
        let mut sdp = Self(String::with_capacity(2048));
        sdp.line(format_args!("v=0"));
        sdp.line(format_args!("o=- {origin} IN IP4 127.0.0.1"));
        sdp.line(format_args!("s=-"));
        sdp.line(format_args!("t=0 0"));
        sdp
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // A string takes all.
        let _ = write!(self.0, "{line}\r\n");
    }

    fn audio(&mut self, protocol: &str, codecs: CodecMap) {
        let numbers: Vec<String> = codecs
            .iter()
            .map(|(_, number)| number.to_string())
            .collect();
        let numbers = numbers.join(" ");
        self.line(format_args!("m=audio 9 {protocol} {numbers}"));
        self.line(format_args!("c=IN IP4 0.0.0.0"));
        self.line(format_args!("a=rtcp:9 IN IP4 0.0.0.0"));
    }

    fn codecs(&mut self, codecs: CodecMap) {
        for (codec, number) in codecs.iter() {
            let name = match codec {
                Codec::Opus => "opus/48000/2",
                Codec::Pcmu => "PCMU/8000",
                Codec::Pcma => "PCMA/8000",
            };
            self.line(format_args!("a=rtpmap:{number} {name}"));
            if codec == Codec::Opus {
                self.line(format_args!("a=fmtp:{number} {OPUS_FORMAT}"));
            }
        }
    }
}
