//! What is read of session descriptions, and written into ours, in rooms.

use std::borrow::Cow;

use securecall_signaling::Candidate;
use securecall_signaling::wire::room::{Mid, StreamId, StreamMetadata, StreamPurpose};

use crate::description_line::lines;

/// Writes candidates into a description of ours: matrix-js-sdk loses those that come before the answer, and each event is one more
/// that stays on servers. They go to the line of our microphone, whose transport is the only one.
pub(super) fn with_candidates(sdp: &str, candidates: &[Candidate], complete: bool) -> String {
    let begin = own_line(sdp).map_or(0, |(_, begin)| begin);
    let after = begin + 1;
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

/// The m-line of our microphone in a description of ours, and where that begins: the only one that is not declined.
fn own_line(sdp: &str) -> Option<(u16, usize)> {
    let begins = sdp.match_indices("\nm=").map(|(at, _)| at + 1);
    (0..).zip(begins).find(|(_, begin)| {
        let mut words = sdp[*begin..].split([' ', '\r', '\n']);
        words.nth(1) != Some("0")
    })
}

/// The stream of our microphone, which `sdp_stream_metadata` must name: matrix-js-sdk fails at a stream that is not in it.
pub(super) fn stream_of(sdp: &str) -> Option<StreamId> {
    let msid = lines(sdp).find_map(|line| line.strip_prefix("a=msid:"))?;
    StreamId::parse(msid.split(' ').next()?).ok()
}

/// How candidates name the m-line that they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LineName {
    pub(super) mid: Option<Mid>,
    pub(super) index: u16,
}

impl LineName {
    /// What our microphone's line is called in a description of ours.
    pub(super) fn of_own(sdp: &str) -> Self {
        let Some((index, begin)) = own_line(sdp) else {
            return Self::default();
        };
        let mut attributes = lines(&sdp[begin..]).skip(1);
        let attributes = attributes
            .by_ref()
            .take_while(|line| !line.starts_with("m="));
        let mid = attributes
            .filter_map(|line| line.strip_prefix("a=mid:"))
            .next();
        let mid = mid.and_then(|mid| Mid::parse(mid).ok());
        Self { mid, index }
    }
}

/// The peer's description without audio that its stream metadata leaves out, or has for something else than the microphone: the
/// m-line is switched off (port 0), as if the peer had rejected it. If no other audio is left, the one that there is stays: some
/// voice is better than none. A first answer needs none of it: it has our one line.
pub(super) fn without_unnamed_audio(sdp: String, streams: Option<&StreamMetadata>) -> String {
    let is_named = |section: &Section<'_>| {
        let stream = section
            .stream()
            .and_then(|id| streams?.stream(&id).copied());
        stream.is_some_and(|it| it.purpose == StreamPurpose::Usermedia)
    };
    let mut sections = sections(&sdp);
    let mut has_named = false;
    let mut unnamed = Vec::new();
    for section in sections.iter_mut().filter(|it| it.is_audio()) {
        if is_named(section) {
            has_named = true;
        } else {
            unnamed.push(section);
        }
    }
    if !has_named || unnamed.is_empty() {
        return sdp;
    }
    unnamed.into_iter().for_each(Section::switch_off);
    let lines = sections.iter().flat_map(|section| &section.0);
    lines.flat_map(|line| [line, "\r\n"]).collect()
}

/// Whether the peer's description puts the call on hold (MSC2746): it sends and does not listen, or neither.
pub(crate) fn puts_on_hold(sdp: &str) -> bool {
    let sections = sections(sdp);
    let [session, media @ ..] = sections.as_slice() else {
        return false;
    };
    // The first audio is the microphone's.
    let audio = media.iter().find(|section| section.is_audio());
    audio.is_some_and(|audio| audio.holds().or_else(|| session.holds()).unwrap_or(false))
}

/// The lines of an m-line and what belongs to it, or what stands before all of them.
struct Section<'a>(Vec<Cow<'a, str>>);

fn sections(sdp: &str) -> Vec<Section<'_>> {
    let mut sections = vec![Section(Vec::new())];
    for line in lines(sdp).filter(|line| !line.is_empty()) {
        if line.starts_with("m=") {
            sections.push(Section(Vec::new()));
        }
        if let Some(section) = sections.last_mut() {
            section.0.push(line.into());
        }
    }
    sections
}

impl Section<'_> {
    /// Audio that is not switched off: port 0 says that, unless the line shares the port of another.
    fn is_audio(&self) -> bool {
        let mut words = self.0.first().into_iter().flat_map(|line| line.split(' '));
        let (is_audio, port) = (words.next() == Some("m=audio"), words.next());
        is_audio && (port != Some("0") || self.0.iter().any(|line| line == BUNDLE_ONLY))
    }

    /// Whose audio it is, as it says on the line or with its source. `-` is no stream.
    fn stream(&self) -> Option<StreamId> {
        let of_source = |line: &str| {
            let (_, attribute) = line.strip_prefix("a=ssrc:")?.split_once(' ')?;
            attribute.strip_prefix("msid:").map(str::to_owned)
        };
        let of_line = |line: &str| line.strip_prefix("a=msid:").map(str::to_owned);
        let lines = || self.0.iter().map(|line| &**line);
        let msid = lines().find_map(of_line);
        let msid = msid.or_else(|| lines().find_map(of_source))?;
        let id = msid.split(' ').next().filter(|id| *id != "-")?;
        StreamId::parse(id).ok()
    }

    fn switch_off(&mut self) {
        self.0.retain(|line| line != BUNDLE_ONLY);
        let Some(line) = self.0.first_mut() else {
            return;
        };
        let mut words: Vec<&str> = line.split(' ').collect();
        if let Some(port) = words.get_mut(1) {
            *port = "0";
        }
        *line = words.join(" ").into();
    }

    /// Whether it says that its sender does not listen, if it says anything of it.
    fn holds(&self) -> Option<bool> {
        let mut lines = self.0.iter().rev();
        lines.find_map(|line| match &**line {
            "a=sendonly" | "a=inactive" => Some(true),
            "a=sendrecv" | "a=recvonly" => Some(false),
            _ => None,
        })
    }
}

/// The line has no port of its own (RFC 9143 section 6).
const BUNDLE_ONLY: &str = "a=bundle-only";

#[cfg(test)]
mod tests {
    use securecall_signaling::wire::room::Stream;

    use super::*;

    fn candidate(line: &str) -> Candidate {
        Candidate {
            candidate: line.to_owned(),
            sdp_mid: "0".to_owned(),
        }
    }

    #[test]
    fn candidates_stand_in_the_line_of_our_microphone() {
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
        let second = "v=0\r\nm=video 0\r\na=inactive\r\nm=audio 9\r\na=mid:1\r\n";
        assert_eq!(
            with_candidates(second, &candidates[..1], false),
            format!("{second}a=candidate:1\r\n")
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
        let line = LineName::of_own(sdp);
        assert_eq!((line.mid.unwrap().as_str(), line.index), ("audio0", 0));
        assert!(stream_of("v=0\r\n").is_none());
        assert_eq!(LineName::of_own("v=0\r\n"), LineName::default());
        // Behind one that is declined, and before one, without a tag.
        let second = format!("v=0\r\nm=video 0 X 96\r\na=mid:0\r\n{}", &sdp[5..]);
        let line = LineName::of_own(&second);
        assert_eq!((line.mid.unwrap().as_str(), line.index), ("audio0", 1));
        let bare = "v=0\r\nm=audio 9 X 111\r\nm=video 0 X 96\r\na=mid:1\r\n";
        assert_eq!(LineName::of_own(bare), LineName::default());
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
            (
                "v=0\nm=audio 0 X\na=sendrecv\nm=audio 9\na=inactive\n",
                true,
            ),
            ("v=0\nm=audio 0 X\na=bundle-only\na=inactive\n", true),
            ("", false),
        ] {
            assert_eq!(puts_on_hold(sdp), holds, "{sdp}");
        }
    }

    const SCREEN: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=msid:screen track\r\n";
    const VOICE: &str =
        "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=bundle-only\r\na=ssrc:7 msid:voice track\r\n";

    fn metadata(streams: &[(&str, StreamPurpose)]) -> StreamMetadata {
        let streams = streams.iter().map(|(id, purpose)| {
            let stream = Stream {
                purpose: *purpose,
                audio_muted: false,
                video_muted: true,
            };
            (StreamId::parse(id).unwrap(), stream)
        });
        streams.collect()
    }

    #[test]
    fn audio_that_the_metadata_does_not_name_is_switched_off() {
        let sdp = format!("v=0\r\n{SCREEN}{VOICE}");
        let off = SCREEN.replace("audio 9", "audio 0");
        let expected = format!("v=0\r\n{off}{VOICE}");
        for named in [
            metadata(&[("voice", StreamPurpose::Usermedia)]),
            metadata(&[
                ("voice", StreamPurpose::Usermedia),
                ("screen", StreamPurpose::Screenshare),
            ]),
        ] {
            assert_eq!(without_unnamed_audio(sdp.clone(), Some(&named)), expected);
        }
        let named = metadata(&[("screen", StreamPurpose::Usermedia)]);
        let without = without_unnamed_audio(sdp, Some(&named));
        assert!(without.contains(SCREEN) && !without.contains(BUNDLE_ONLY));
        // Audio of no stream is not named either.
        let streamless = format!("m=audio 9 X\r\na=msid:- track\r\n{SCREEN}");
        let without = without_unnamed_audio(streamless, Some(&named));
        assert_eq!(
            without,
            format!("m=audio 0 X\r\na=msid:- track\r\n{SCREEN}")
        );
    }

    #[test]
    fn where_nothing_better_is_named_a_description_stays_as_it_is() {
        let sdp = format!("v=0\n{SCREEN}{VOICE}");
        for named in [
            None,
            Some(metadata(&[])),
            Some(metadata(&[("another", StreamPurpose::Usermedia)])),
            Some(metadata(&[("screen", StreamPurpose::Screenshare)])),
            Some(metadata(&[
                ("voice", StreamPurpose::Usermedia),
                ("screen", StreamPurpose::Usermedia),
            ])),
        ] {
            assert_eq!(without_unnamed_audio(sdp.clone(), named.as_ref()), sdp);
        }
    }
}
