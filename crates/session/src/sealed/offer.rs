//! What is asked of the offer in message 1 besides its fingerprint: no address in it.

use crate::description_line::{is_attribute, lines};

/// Whether an SDP names a candidate, however the line is spelt and ended. Message 1 has no forward secrecy, so an offer of ours
/// never does; one that does would have its addresses tried as soon as the call is answered.
pub(crate) fn has_candidates(sdp: &str) -> bool {
    lines(sdp).any(|line| is_attribute(line, "candidate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_seen_however_its_line_is_spelt() {
        for line in [
            "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host",
            "a=Candidate:1 1 udp 1 192.0.2.1 5000 typ host",
            " a= candidate :1 1 udp 1 192.0.2.1 5000 typ host",
            "a=x:y\ra=candidate:1 1 udp 1 192.0.2.1 5000 typ host",
        ] {
            assert!(
                has_candidates(&format!("v=0\r\n{line}\r\nm=audio 9 X 1\r\n")),
                "{line}"
            );
        }
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "a=end-of-candidates",
            "a=remote-candidates:1",
            "s=a=candidate:",
            "a=ice-ufrag:candidate",
        ] {
            assert!(!has_candidates(&format!("v=0\r\n{line}\r\n")), "{line}");
        }
    }
}
