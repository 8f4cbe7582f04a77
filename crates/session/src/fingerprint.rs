//! The DTLS fingerprint of a session description: exactly one, SHA-256, fixed for the call.

/// The SHA-256 of a DTLS certificate, as told in the sealed SDP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of an SDP, if it has exactly one and that is SHA-256.
    pub(crate) fn of(sdp: &str) -> Option<Self> {
        let mut values = sdp
            .lines()
            .filter_map(|line| line.trim_end().strip_prefix("a=fingerprint:"));
        let (value, None) = (values.next()?, values.next()) else {
            return None;
        };
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
}
