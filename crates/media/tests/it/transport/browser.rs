//! The profile `Matrix`: what offers and answers of browsers and their kin come to.

mod call;
mod hostile;
mod old_peers;

use std::time::Duration;

use securecall_media::{
    Codec, OpusWishes, Profile, Reach, StreamId, Transport, TransportError, TransportEvent,
};

use super::pair::{Pair, Side, start};

/// Of Chromium 156, as it wrote them.
pub(super) const CHROMIUM_AUDIO: &str = include_str!("browser/chromium_audio.sdp");
pub(super) const CHROMIUM_VIDEO_DATA: &str = include_str!("browser/chromium_video_data.sdp");
pub(super) const CHROMIUM_ANSWER: &str = include_str!("browser/chromium_answer.sdp");
/// In the shape of Firefox' and of GStreamer's webrtcbin, which Nheko uses.
const FIREFOX_AUDIO: &str = include_str!("browser/firefox_audio.sdp");
const WEBRTCBIN_AUDIO: &str = include_str!("browser/webrtcbin_audio.sdp");

pub(super) fn transport() -> Transport {
    let stream = StreamId::new("our-stream").unwrap();
    let profile = Profile::Matrix { stream };
    Transport::with_profile(start(), Reach::OtherMachines, profile).unwrap()
}

fn answer(offer: &str) -> (Transport, String) {
    let mut transport = transport();
    let answer = transport.accept_offer(start(), offer).unwrap();
    (transport, answer)
}

/// The lines of a description that begin so.
fn lines<'a>(sdp: &'a str, prefix: &str) -> Vec<&'a str> {
    sdp.lines()
        .filter(|line| line.starts_with(prefix))
        .collect()
}

#[test]
fn our_offer_is_one_audio_line_as_browsers_write_it() {
    let mut caller = transport();
    let offer = caller.create_offer(start()).unwrap();
    assert!(offer.starts_with("v=0\r\no=- "), "{offer}");
    assert_eq!(lines(&offer, "m="), ["m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8"]);
    let mid = lines(&offer, "a=mid:")[0].trim_start_matches("a=mid:");
    assert_eq!(lines(&offer, "a=group:"), [format!("a=group:BUNDLE {mid}")]);
    for line in [
        "a=setup:actpass",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=ice-options:trickle",
        "a=msid:our-stream audio",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
    ] {
        assert_eq!(lines(&offer, line), [line], "{offer}");
    }
    let fingerprint = caller.local_fingerprint().to_string();
    assert_eq!(
        lines(&offer, "a=fingerprint:"),
        [format!("a=fingerprint:sha-256 {fingerprint}")]
    );
    // No audio level: it would tell everybody on the way who speaks.
    assert_eq!(
        lines(&offer, "a=extmap:"),
        ["a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid"]
    );
    assert!(
        !offer.contains("audio-level") && !offer.contains("sctp"),
        "{offer}"
    );
    assert_eq!(caller.agreed_audio(), None);
}

#[test]
fn offers_of_all_kinds_of_peers_are_answered_with_what_both_have() {
    for (offer, media, stream, fec) in [
        (
            CHROMIUM_AUDIO,
            "111 0 8",
            Some("40b800ca-eb2a-4df9-8885-ccfbd2d27c12"),
            true,
        ),
        (
            FIREFOX_AUDIO,
            "109 0 8",
            Some("{8c3f1e2a-5d47-4b90-a6f1-2e7d9c0b4a58}"),
            true,
        ),
        // The name has a character that a stream's cannot have.
        (WEBRTCBIN_AUDIO, "96", None, false),
    ] {
        let (transport, answer) = answer(offer);
        assert_eq!(
            lines(&answer, "m="),
            [format!("m=audio 9 UDP/TLS/RTP/SAVPF {media}")]
        );
        assert_eq!(lines(&answer, "a=setup:"), ["a=setup:passive"]);
        assert_eq!(lines(&answer, "a=mid:"), lines(offer, "a=mid:"));
        assert_eq!(lines(&answer, "a=group:"), lines(offer, "a=group:"));
        assert_eq!(lines(&answer, "a=sendrecv").len(), 1);
        assert_eq!(lines(&answer, "a=msid:"), ["a=msid:our-stream audio"]);
        let mid_extension = lines(offer, "a=extmap:")
            .into_iter()
            .filter(|line| line.ends_with("sdes:mid"));
        assert_eq!(
            lines(&answer, "a=extmap:"),
            mid_extension.collect::<Vec<_>>()
        );
        let agreed = transport.agreed_audio().unwrap();
        assert_eq!(agreed.codec, Codec::Opus);
        assert_eq!(agreed.wishes.in_band_fec, fec);
        assert_eq!(agreed.peer_stream.as_ref().map(StreamId::as_str), stream);
        assert!(agreed.we_send && agreed.peer_sends);
        assert!(transport.remote_fingerprint().is_some());
    }
}

#[test]
fn video_and_data_are_declined_where_they_stand() {
    let (_, answered) = answer(CHROMIUM_VIDEO_DATA);
    assert_eq!(
        lines(&answered, "m="),
        [
            "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8",
            "m=video 0 UDP/TLS/RTP/SAVPF 96",
            "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        ]
    );
    assert_eq!(
        lines(&answered, "a=mid:"),
        ["a=mid:0", "a=mid:1", "a=mid:2"]
    );
    assert_eq!(lines(&answered, "a=group:"), ["a=group:BUNDLE 0"]);
    assert_eq!(lines(&answered, "a=inactive").len(), 2);
    // Where the audio stands second, too.
    let (head, rest) = CHROMIUM_VIDEO_DATA.split_once("m=audio").unwrap();
    let (audio, rest) = rest.split_once("m=video").unwrap();
    let (video, data) = rest.split_once("m=application").unwrap();
    let head = head.replace("BUNDLE 0 1 2", "BUNDLE 1 0 2");
    let swapped = format!("{head}m=video{video}m=audio{audio}m=application{data}");
    let (transport, answered) = answer(&swapped);
    let media: Vec<_> = lines(&answered, "m=")
        .iter()
        .map(|line| line[..8].to_owned())
        .collect();
    assert_eq!(media, ["m=video ", "m=audio ", "m=applic"]);
    assert_eq!(transport.agreed_audio().unwrap().codec, Codec::Opus);
}

#[test]
fn candidates_of_a_description_are_used_and_those_that_nobody_can_reach_are_not() {
    let (mut transport, _) = answer(CHROMIUM_VIDEO_DATA);
    let named = transport.take_named_addresses();
    let expected = ["192.0.2.2:53097", "[fd00::2]:34778"].map(|it| it.parse().unwrap());
    assert_eq!(named, expected);
    let (mut transport, _) = answer(FIREFOX_AUDIO);
    assert_eq!(
        transport.take_named_addresses(),
        ["198.51.100.7:41234".parse().unwrap()]
    );
}

#[test]
fn what_the_peer_asks_of_opus_is_known() {
    let offer = CHROMIUM_AUDIO.replace(
        "minptime=10;useinbandfec=1",
        "minptime=10; useinbandfec=0;usedtx=1;cbr=1;maxaveragebitrate=20000;maxplaybackrate=16000;x",
    );
    let (transport, _) = answer(&offer);
    assert_eq!(
        transport.agreed_audio().unwrap().wishes,
        OpusWishes {
            max_average_bit_rate: Some(20_000),
            max_playback_rate: 16_000,
            in_band_fec: false,
            dtx: true,
            constant_bit_rate: true,
        }
    );
    for (value, parsed) in [("5", 6_000), ("4000000000", 4_000_000_000)] {
        let wishes = OpusWishes::parse(&format!("MaxAverageBitrate={value};maxplaybackrate=1"));
        assert_eq!(wishes.max_average_bit_rate, Some(parsed));
        assert_eq!(wishes.max_playback_rate, 8_000);
    }
    assert_eq!(
        OpusWishes::parse("maxaveragebitrate=-1;usedtx=2;;="),
        OpusWishes::default()
    );
}

#[test]
fn a_peer_without_opus_gets_what_a_telephone_has() {
    for (formats, codec) in [("0 8", Codec::Pcmu), ("8 13", Codec::Pcma)] {
        let offer = CHROMIUM_AUDIO.replace("111 63 9 0 8 13 110 126", formats);
        let (transport, _) = answer(&offer);
        assert_eq!(transport.agreed_audio().unwrap().codec, codec);
    }
}

#[test]
fn an_answer_of_a_browser_is_taken_once() {
    let mut caller = transport();
    let now = start();
    let offer = caller.create_offer(now).unwrap();
    let mid = lines(&offer, "a=mid:")[0]
        .trim_start_matches("a=mid:")
        .to_owned();
    let answer = CHROMIUM_ANSWER
        .replace("BUNDLE 0", &format!("BUNDLE {mid}"))
        .replace("a=mid:0", &format!("a=mid:{mid}"));
    // Another line, none who begins the handshake, none of our codecs: the offer stays open.
    let other = CHROMIUM_ANSWER.replace("a=mid:0", "a=mid:other");
    let undecided = answer.replace("setup:active", "setup:actpass");
    let more = format!("{answer}m=video 0 UDP/TLS/RTP/SAVPF 96\nc=IN IP4 0.0.0.0\n");
    let silent = answer.replace("111 63 9 0 8 13 110 126", "9 63");
    for bad in [&other, &undecided, &more, &silent] {
        assert!(caller.set_answer(now, bad).is_err(), "{bad}");
        assert_eq!(caller.agreed_audio(), None);
    }
    assert_eq!(caller.set_answer(now, &answer), Ok(()));
    assert_eq!(caller.agreed_audio().unwrap().codec, Codec::Opus);
    assert_eq!(caller.set_answer(now, &answer), Err(TransportError::Misuse));
}

#[test]
fn other_hashes_and_repeated_fingerprints_do_no_harm_and_two_different_ones_are_refused() {
    let fingerprint = lines(CHROMIUM_AUDIO, "a=fingerprint:")[0];
    let beside =
        |other: &str| CHROMIUM_AUDIO.replace(fingerprint, &format!("{fingerprint}\n{other}"));
    let sha1 = format!("a=fingerprint:sha-1 {}", ["AB"; 20].join(":"));
    for good in [sha1.as_str(), fingerprint] {
        answer(&beside(good));
    }
    let other = format!("a=fingerprint:SHA-256 {}", ["AB"; 32].join(":"));
    let refused = |offer: &str| transport().accept_offer(start(), offer).err();
    for bad in [beside(&other), CHROMIUM_AUDIO.replace(fingerprint, &sha1)] {
        assert_eq!(refused(&bad), Some(TransportError::Fingerprint));
    }
}

#[test]
fn the_other_profile_knows_nothing_of_this_one() {
    let mut sealed = Transport::new(start(), Reach::OtherMachines).unwrap();
    assert!(sealed.accept_offer(start(), CHROMIUM_AUDIO).is_err());
    assert_eq!(
        sealed.create_hold_offer(start(), true),
        Err(TransportError::Misuse)
    );
    let offer = sealed.create_offer(start()).unwrap();
    assert_eq!(
        transport().accept_offer(start(), &offer).err(),
        None,
        "{offer}"
    );
    // But audio alone comes of it: no data channel, and so no call of SecureCall's.
    let mut pair = Pair::of_browsers();
    pair.negotiate();
    pair.exchange_candidates();
    pair.run_until(Pair::both_up);
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.count(Side::Caller, &TransportEvent::ChannelOpen), 0);
    let now = pair.now;
    assert_eq!(pair.caller.send_control(now, b"hello"), Ok(false));
}
