//! What is read of session descriptions, and written into ours, in rooms.

use securecall_signaling::Candidate;
use securecall_signaling::wire::room::{Mid, StreamId};

use crate::description_line::lines;

/// Writes candidates into a description of ours: matrix-js-sdk loses those that come before the answer, and each event is one more
/// that stays on servers. They go to the first m-line, which has everything (BUNDLE).
pub(super) fn with_candidates(sdp: &str, candidates: &[Candidate], complete: bool) -> String {
    let first = sdp.find("\nm=").map_or(0, |at| at + 1);
    let after = first + 1;
    let next = sdp.get(after..).and_then(|rest| rest.find("\nm="));
    let end = next.map_or(sdp.len(), |at| after + at + 1);
    let (mut whole, rest) = (sdp[..end].to_owned(), &sdp[end..]);
    if !whole.ends_with('\n') {
        whole.push_str("\r\n");
    }
    for candidate in candidates {
        whole.push_str("a=");
        whole.push_str(&candidate.candidate);
        whole.push_str("\r\n");
    }
    if complete {
        whole.push_str("a=end-of-candidates\r\n");
    }
    whole.push_str(rest);
    whole
}

/// The stream of our microphone, which `sdp_stream_metadata` must name: matrix-js-sdk fails at a stream that is not in it.
pub(super) fn stream_of(sdp: &str) -> Option<StreamId> {
    let msid = lines(sdp).find_map(|line| line.strip_prefix("a=msid:"))?;
    StreamId::parse(msid.split(' ').next()?).ok()
}

/// The identification tag of the first m-line.
pub(super) fn mid_of(sdp: &str) -> Option<Mid> {
    let mid = lines(sdp).find_map(|line| line.strip_prefix("a=mid:"))?;
    Mid::parse(mid).ok()
}

/// Whether the peer's description puts the call on hold (MSC2746): it sends and does not listen, or neither.
pub(crate) fn puts_on_hold(sdp: &str) -> bool {
    let mut session = None;
    let mut audio = None;
    let mut in_audio = false;
    for line in lines(sdp) {
        if line.starts_with("m=") {
            // The first audio is the microphone's.
            in_audio = audio.is_none() && line.starts_with("m=audio");
            if in_audio {
                audio = Some(session.unwrap_or(false));
            }
            continue;
        }
        let holds = match line {
            "a=sendonly" | "a=inactive" => true,
            "a=sendrecv" | "a=recvonly" => false,
            _ => continue,
        };
        if in_audio {
            audio = Some(holds);
        } else if audio.is_none() {
            session = Some(holds);
        }
    }
    audio.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(line: &str) -> Candidate {
        Candidate {
            candidate: line.to_owned(),
            sdp_mid: "0".to_owned(),
        }
    }

    #[test]
    fn candidates_stand_in_the_first_m_line() {
        let sdp = "v=0\r\nm=audio 9\r\na=mid:0\r\nm=video 0\r\na=inactive\r\n";
        let candidates = ["candidate:1", "candidate:2"].map(candidate);
        assert_eq!(
            with_candidates(sdp, &candidates, true),
            "v=0\r\nm=audio 9\r\na=mid:0\r\na=candidate:1\r\na=candidate:2\r\na=end-of-candidates\r\n\
             m=video 0\r\na=inactive\r\n"
        );
        let alone = "v=0\r\nm=audio 9\r\na=mid:0";
        assert_eq!(
            with_candidates(alone, &candidates[..1], false),
            "v=0\r\nm=audio 9\r\na=mid:0\r\na=candidate:1\r\n"
        );
        assert_eq!(with_candidates(sdp, &[], false), sdp);
        assert_eq!(
            with_candidates("", &candidates[..1], false),
            "\r\na=candidate:1\r\n"
        );
    }

    #[test]
    fn stream_and_mid_are_those_of_our_microphone() {
        let sdp = "v=0\r\nm=audio 9\r\na=mid:audio0\r\na=msid:stream track\r\n";
        assert_eq!(stream_of(sdp).unwrap().as_str(), "stream");
        assert_eq!(mid_of(sdp).unwrap().as_str(), "audio0");
        assert!(stream_of("v=0\r\n").is_none() && mid_of("v=0\r\n").is_none());
    }

    #[test]
    fn hold_is_what_the_first_audio_says() {
        for (sdp, holds) in [
            ("v=0\nm=audio 9\na=sendrecv\n", false),
            ("v=0\nm=audio 9\n", false),
            ("v=0\nm=audio 9\na=sendonly\n", true),
            ("v=0\nm=audio 9\na=inactive\n", true),
            ("v=0\nm=audio 9\na=recvonly\n", false),
            ("v=0\na=inactive\nm=audio 9\n", true),
            ("v=0\na=inactive\nm=audio 9\na=sendrecv\n", false),
            (
                "v=0\nm=audio 9\na=sendrecv\nm=video 9\na=inactive\nm=audio 9\na=inactive\n",
                false,
            ),
            ("v=0\nm=video 9\na=sendonly\nm=audio 9\na=sendrecv\n", false),
            ("", false),
        ] {
            assert_eq!(puts_on_hold(sdp), holds, "{sdp}");
        }
    }
}
