//! What we ask of a session description (SDP) before the engine sees it.

use std::fmt;

use super::TransportError;
use super::candidate::MAX_REMOTE_CANDIDATES;

/// The longest description that is read. Ours have about 1.5 KiB.
pub const MAX_DESCRIPTION_LEN: usize = 16 * 1024;

/// The sha-256 digest of a DTLS certificate (RFC 8122).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the value of an `a=fingerprint:` line: `sha-256`, a space, 32 bytes in hex, colons between them.
    fn parse(value: &str) -> Option<Self> {
        let (hash, digest) = value.trim_end().split_once(' ')?;
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
    pub(super) candidates: usize,
}

impl Description {
    /// Reads the m-lines, the fingerprint and the number of candidates.
    pub(super) fn read(sdp: &str) -> Result<Self, TransportError> {
        if sdp.len() > MAX_DESCRIPTION_LEN {
            return Err(TransportError::DescriptionTooLong);
        }
        let mut media = Vec::new();
        let mut fingerprint = None;
        let mut candidates = 0;
        for line in sdp.lines() {
            if let Some(rest) = line.strip_prefix("m=") {
                media.push(rest.split(' ').next().unwrap_or_default());
            } else if let Some(value) = attribute(line, "fingerprint") {
                let read = Fingerprint::parse(value).ok_or(TransportError::Fingerprint)?;
                if fingerprint.replace(read).is_some() {
                    return Err(TransportError::Fingerprint);
                }
            } else if attribute(line, "candidate").is_some() {
                candidates += 1;
            }
        }
        if media != ["audio", "application"] {
            return Err(TransportError::MediaLines);
        }
        if candidates > MAX_REMOTE_CANDIDATES {
            return Err(TransportError::Candidate);
        }
        Ok(Self {
            fingerprint: fingerprint.ok_or(TransportError::Fingerprint)?,
            candidates,
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

/// The value of `a=name:value`; the name is matched without regard to case, so that no line slips past us.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = line.trim_start().strip_prefix("a=")?.split_once(':')?;
    key.trim()
        .eq_ignore_ascii_case(name)
        .then_some(value.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdp(extra: &str) -> String {
        let digest = vec!["AB"; 32].join(":");
        format!(
            "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=fingerprint:sha-256 {digest}\r\n\
             m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{extra}"
        )
    }

    #[test]
    fn the_one_fingerprint_is_read_and_a_repeated_one_is_written_once() {
        let read = |sdp: &str| Description::read(sdp).map(|it| *it.fingerprint.as_bytes());
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
            let read = Description::read(&sdp(&format!("a={name}:sha-256 {other}\r\n")));
            assert_eq!(read.err(), Some(TransportError::Fingerprint));
        }
    }

    #[test]
    fn another_hash_is_refused() {
        let digest = vec!["AB"; 20].join(":");
        let read = Description::read(&sdp(&format!("a=fingerprint:sha-1 {digest}\r\n")));
        assert_eq!(read.err(), Some(TransportError::Fingerprint));
    }

    #[test]
    fn other_m_lines_are_refused() {
        let read = Description::read(&sdp("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"));
        assert_eq!(read.err(), Some(TransportError::MediaLines));
    }

    #[test]
    fn too_long_a_description_is_refused() {
        let read = Description::read(&sdp(&"a=x:y\r\n".repeat(4000)));
        assert_eq!(read.err(), Some(TransportError::DescriptionTooLong));
    }
}
