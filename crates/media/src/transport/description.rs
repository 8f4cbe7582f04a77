//! What we ask of a session description (SDP) before the engine sees it.

use std::fmt;

use str0m::Candidate;

use super::candidate::{MAX_REMOTE_CANDIDATES, parse_remote};
use super::{Reach, TransportError};

/// The longest description that is read. Ours have about 1.5 KiB.
pub const MAX_DESCRIPTION_LEN: usize = 16 * 1024;

/// The sha-256 digest of a DTLS certificate (RFC 8122).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The 32 bytes of the sha-256 digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads a line: `a=fingerprint:sha-256`, a space, 32 bytes in hex, colons between them. Another spelling counts as one and is
    /// not taken; the vectors in `testing/vectors/fingerprint.json` say which.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let value = line.trim_end().strip_prefix("a=fingerprint:")?;
        let (hash, digest) = value.split_once(' ')?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            return None;
        }
        let mut bytes = [0; 32];
        let mut hex = digest.split(':');
        for byte in &mut bytes {
            let pair = hex
                .next()
                .filter(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        hex.next().is_none().then_some(Self(bytes))
    }
}

impl TryFrom<&str0m::config::Fingerprint> for Fingerprint {
    type Error = TransportError;

    fn try_from(fingerprint: &str0m::config::Fingerprint) -> Result<Self, TransportError> {
        if !fingerprint.hash_func.eq_ignore_ascii_case("sha-256") {
            return Err(TransportError::Fingerprint);
        }
        fingerprint
            .bytes
            .as_slice()
            .try_into()
            .map(Self)
            .map_err(|_| TransportError::Fingerprint)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// What we read ourselves from a description.
pub(super) struct Description {
    pub(super) fingerprint: Fingerprint,
    /// The candidates in it that can be used.
    pub(super) candidates: Vec<Candidate>,
    /// What the engine gets to read: the same lines without candidates.
    pub(super) text: String,
}

impl Description {
    /// Reads the m-lines, the fingerprint and the candidates. The engine gets candidates from here alone, so that those of a
    /// description pass the same filter as those that come by themselves; one that cannot be used is left out.
    pub(super) fn read(sdp: &str, reach: Reach) -> Result<Self, TransportError> {
        if sdp.len() > MAX_DESCRIPTION_LEN {
            return Err(TransportError::DescriptionTooLong);
        }
        let mut media = Vec::new();
        let mut fingerprint = None;
        let mut candidates = Vec::new();
        let mut text = String::with_capacity(sdp.len());
        // Whatever some reader takes for the end of a line is one, so that no line hides in another.
        for line in sdp.split(['\r', '\n']).filter(|line| !line.is_empty()) {
            if let Some(value) = attribute(line, "candidate") {
                candidates.push(value);
                continue;
            }
            if let Some(rest) = line.strip_prefix("m=") {
                media.push(rest.split(' ').next().unwrap_or_default());
            } else if attribute(line, "fingerprint").is_some() {
                let read = Fingerprint::parse(line).ok_or(TransportError::Fingerprint)?;
                // Even the same one twice: which of two a reader takes is nothing to rely on.
                if fingerprint.replace(read).is_some() {
                    return Err(TransportError::Fingerprint);
                }
            }
            text.push_str(line);
            text.push_str("\r\n");
        }
        // One line of each, in this order: everything else in this crate counts on a single audio
        // line.
        if media != ["audio", "application"] {
            return Err(TransportError::MediaLines);
        }
        if candidates.len() > MAX_REMOTE_CANDIDATES {
            return Err(TransportError::Candidate);
        }
        let usable = |value: &str| parse_remote(&format!("candidate:{value}"), reach).ok();
        Ok(Self {
            fingerprint: fingerprint.ok_or(TransportError::Fingerprint)?,
            candidates: candidates.into_iter().filter_map(usable).collect(),
            text,
        })
    }
}

/// A description of the engine as the peer gets it: the fingerprint, which the engine repeats for each m-line, stands once.
pub(super) fn with_one_fingerprint(sdp: &str) -> String {
    let mut once = String::with_capacity(sdp.len());
    let mut seen = false;
    for line in sdp.lines() {
        let is_fingerprint = attribute(line, "fingerprint").is_some();
        if !(is_fingerprint && seen) {
            once.push_str(line);
            once.push_str("\r\n");
        }
        seen |= is_fingerprint;
    }
    once
}

/// The value of `a=name:value`, however the line is spelt, so that none slips past us.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (kind, attribute) = line.trim_start().split_once('=')?;
    let (key, value) = attribute.split_once(':').unwrap_or((attribute, ""));
    let is_it = kind.trim_end() == "a" && key.trim().eq_ignore_ascii_case(name);
    is_it.then_some(value.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sdp: &str) -> Result<Description, TransportError> {
        Description::read(sdp, Reach::OtherMachines)
    }

    fn sdp(extra: &str) -> String {
        let digest = vec!["AB"; 32].join(":");
        format!(
            "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=fingerprint:sha-256 {digest}\r\n\
             m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{extra}"
        )
    }

    #[test]
    fn the_one_fingerprint_is_read_and_a_repeated_one_is_written_once() {
        let read = |sdp: &str| read(sdp).map(|it| *it.fingerprint.as_bytes());
        assert_eq!(read(&sdp("")), Ok([0xab; 32]));
        let twice = sdp(&format!(
            "a=fingerprint:sha-256 {}\r\n",
            vec!["AB"; 32].join(":")
        ));
        assert_eq!(read(&twice), Err(TransportError::Fingerprint));
        assert_eq!(with_one_fingerprint(&twice), sdp(""));
    }

    #[test]
    fn a_second_fingerprint_is_refused_however_it_is_spelt() {
        let other = vec!["CD"; 32].join(":");
        for name in ["fingerprint", "Fingerprint", "FINGERPRINT"] {
            let read = read(&sdp(&format!("a={name}:sha-256 {other}\r\n")));
            assert_eq!(read.err(), Some(TransportError::Fingerprint));
        }
    }

    #[test]
    fn another_hash_is_refused() {
        let digest = vec!["AB"; 20].join(":");
        let read = read(&sdp(&format!("a=fingerprint:sha-1 {digest}\r\n")));
        assert_eq!(read.err(), Some(TransportError::Fingerprint));
    }

    #[test]
    fn other_m_lines_are_refused() {
        let read = read(&sdp("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"));
        assert_eq!(read.err(), Some(TransportError::MediaLines));
    }

    #[test]
    fn too_long_a_description_is_refused() {
        let read = read(&sdp(&"a=x:y\r\n".repeat(4000)));
        assert_eq!(read.err(), Some(TransportError::DescriptionTooLong));
    }

    #[test]
    fn the_engine_gets_to_read_no_candidate_however_its_line_is_spelt() {
        for line in [
            "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n",
            "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\n",
            "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host",
            " a=Candidate: 1 1 udp 1 192.0.2.1 5000 typ host\r\n",
            "a=x:y\ra=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n",
        ] {
            let description = read(&sdp(line)).unwrap();
            assert_eq!(description.candidates.len(), 1, "{line}");
            assert!(!description.text.contains("192.0.2.1"), "{line}");
        }
    }

    #[test]
    fn candidates_of_a_description_pass_the_filter_of_all_candidates() {
        let lines = "a=candidate:1 1 udp 1 127.0.0.1 5000 typ host\r\n\
                     a=candidate:2 1 udp 1 fe80::1 5000 typ host\r\n\
                     a=candidate:3 1 udp 1 192.0.2.1 0 typ host\r\n\
                     a=candidate:4 1 udp 1 peer.local 5000 typ host\r\n\
                     a=candidate:5 1 udp 1 192.0.2.1 5000 typ host\r\n";
        let description = read(&sdp(lines)).unwrap();
        let addresses: Vec<_> = description.candidates.iter().map(Candidate::addr).collect();
        assert_eq!(addresses, ["192.0.2.1:5000".parse().unwrap()]);
    }

    #[test]
    fn a_fingerprint_does_not_hide_behind_a_lone_carriage_return() {
        let other = vec!["CD"; 32].join(":");
        let read = read(&sdp(&format!("a=x:y\ra=fingerprint:sha-256 {other}\r\n")));
        assert_eq!(read.err(), Some(TransportError::Fingerprint));
    }

    include!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../testing/vectors/fingerprint.rs"
    ));

    #[test]
    fn the_vectors_of_fingerprints_that_who_sealed_the_description_is_held_to_as_well() {
        for case in fingerprint_cases() {
            let hex = |bytes: &[u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let read = read(&case.sdp).map(|it| hex(it.fingerprint.as_bytes()));
            let expected: Result<String, _> = case.digest.ok_or(TransportError::Fingerprint);
            assert_eq!(read, expected, "{}", case.says);
        }
    }
}
