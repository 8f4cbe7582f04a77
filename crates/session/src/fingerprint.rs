//! The DTLS fingerprint of a session description: exactly one, SHA-256, fixed for the call (`docs/protocol/signaling.md`).
//!
//! The media engine reads it once more, by the same rule: `testing/vectors/fingerprint.json` holds both to it.

use crate::description_line::{is_attribute, lines};

/// The SHA-256 of a DTLS certificate, as told in the sealed SDP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of an SDP, if it has exactly one and that is SHA-256. A line that any reader might take for one counts;
    /// only the plain spelling is taken.
    pub(crate) fn of(sdp: &str) -> Option<Self> {
        let mut lines = lines(sdp).filter(|line| is_attribute(line, "fingerprint"));
        let (line, None) = (lines.next()?, lines.next()) else {
            return None;
        };
        let value = line.trim_end().strip_prefix("a=fingerprint:")?;
        let (algorithm, digits) = value.split_once(' ')?;
        if !algorithm.eq_ignore_ascii_case("sha-256") {
            return None;
        }
        let mut bytes = [0; 32];
        let mut parts = digits.split(':');
        for byte in &mut bytes {
            let part = parts.next()?;
            if part.len() != 2 || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        parts.next().is_none().then_some(Self(bytes))
    }
}

impl Fingerprint {
    /// The fingerprint of an SDP that has one or, as browsers write it, the same for each m-line. Every line counts.
    pub(crate) fn agreed(sdp: &str) -> Option<Self> {
        let mut lines = lines(sdp)
            .filter(|line| is_attribute(line, "fingerprint"))
            .map(Self::of);
        let first = lines.next()??;
        lines.all(|it| it == Some(first)).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(byte: &str) -> String {
        format!("a=fingerprint:sha-256 {}\r\n", [byte; 32].join(":"))
    }

    #[test]
    fn the_one_fingerprint_is_found() {
        let sdp = format!("v=0\r\n{}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", line("AB"));
        assert!(Fingerprint::of(&sdp) == Some(Fingerprint([0xab; 32])));
    }

    #[test]
    fn none_two_or_another_hash_are_refused() {
        for sdp in [
            "v=0\r\n".to_owned(),
            line("AB") + &line("AB"),
            line("AB").replace("sha-256", "sha-1"),
            line("AB").replacen("AB:", "", 1),
            line("AB").replace("\r\n", ":AB\r\n"),
            line("ZZ"),
            line("A"),
            line("+A"),
        ] {
            assert!(Fingerprint::of(&sdp).is_none(), "{sdp}");
        }
    }

    #[test]
    fn a_browser_may_say_it_for_each_m_line_and_must_say_the_same() {
        let (one, other) = (line("AB"), line("CD"));
        let same = format!("v=0\r\n{one}m=audio 9\r\n{one}m=video 9\r\n{one}");
        assert!(Fingerprint::agreed(&one) == Fingerprint::of(&one));
        assert!(Fingerprint::agreed(&same) == Some(Fingerprint([0xab; 32])));
        let weak = one.replace("sha-256", "sha-1");
        for sdp in [
            String::new(),
            format!("{one}{other}"),
            format!("{one}{weak}"),
        ] {
            assert!(Fingerprint::agreed(&sdp).is_none(), "{sdp}");
        }
    }

    include!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../testing/vectors/fingerprint.rs"
    ));

    #[test]
    fn the_vectors_that_the_media_engine_is_held_to_as_well() {
        for case in fingerprint_cases() {
            let read = Fingerprint::of(&case.sdp).map(|it| data_encoding::HEXLOWER.encode(&it.0));
            assert_eq!(read, case.digest, "{}", case.says);
        }
    }
}
