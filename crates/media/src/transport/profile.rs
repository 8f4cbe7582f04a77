//! Which peers a transport speaks to, and so how its descriptions, packets and handshake look.

use std::fmt;

/// What a transport is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Another SecureCall device: one audio line and one data channel, DTLS 1.3, frames that are sealed before they come here.
    #[default]
    SecureCall,
    /// Any WebRTC peer, as Matrix clients are: one audio line shaped as a browser's, no data channel, DTLS 1.2 or 1.3, RTP payloads
    /// that SRTP alone protects.
    Matrix {
        /// What our audio is called in our descriptions, and so in `sdp_stream_metadata`.
        stream: StreamId,
    },
}

/// The name of a media stream, as in `a=msid` (RFC 8830 section 2: 1 to 64 token characters).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(String);

impl StreamId {
    /// Takes a name, if it can be one.
    pub fn new(name: &str) -> Option<Self> {
        let is_name = (1..=64).contains(&name.len()) && name.bytes().all(is_token_char);
        is_name.then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({})", self.0)
    }
}

/// RFC 8866 section 9.
const fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'"' | b'(' | b')' | b',' | b'/' | b':'..=b'@' | b'['..=b']'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_called_as_browsers_call_theirs_and_nothing_that_would_break_a_line() {
        for good in [
            "2f0dab12-1d9c-4b4e-9e8d-a4f0f1b0a1c2",
            "{0f5b3c2e-22aa-4c2d-9d0c-2b1f5e6a7b8c}",
            "-",
            &"a".repeat(64),
        ] {
            assert_eq!(StreamId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\r\nm=", "ä", "a:b", &"a".repeat(65)] {
            assert_eq!(StreamId::new(bad), None, "{bad:?}");
        }
    }
}
