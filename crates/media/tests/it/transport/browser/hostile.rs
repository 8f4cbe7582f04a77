//! Descriptions that no honest peer sends: refused with a reason, within bounds, and nothing changes.

use std::time::Duration;

use securecall_media::{MAX_PEER_DESCRIPTION_LEN, MAX_REMOTE_CANDIDATES, TransportError};

use super::super::pair::{Pair, Side, start};
use super::{CHROMIUM_AUDIO, CHROMIUM_VIDEO_DATA, transport};

fn refused(offer: &str) -> TransportError {
    let mut callee = transport();
    let error = callee.accept_offer(start(), offer).unwrap_err();
    // As if nothing had been there.
    assert_eq!(callee.remote_fingerprint(), None);
    assert!(callee.take_named_addresses().is_empty());
    callee.accept_offer(start(), CHROMIUM_AUDIO).unwrap();
    error
}

fn is_malformed(offer: &str) -> bool {
    matches!(refused(offer), TransportError::Description(_))
}

#[test]
fn what_has_no_audio_for_us_is_refused() {
    let session = CHROMIUM_AUDIO.split("m=audio").next().unwrap();
    assert_eq!(refused(session), TransportError::NoAudio);
    let video = CHROMIUM_AUDIO.replace("m=audio", "m=video");
    assert_eq!(refused(&video), TransportError::NoAudio);
    let off = CHROMIUM_AUDIO.replace("m=audio 9", "m=audio 0");
    assert_eq!(refused(&off), TransportError::NoAudio);
    let plain = CHROMIUM_AUDIO.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP");
    assert_eq!(refused(&plain), TransportError::NoAudio);
    let foreign = CHROMIUM_AUDIO.replace("111 63 9 0 8 13 110 126", "9 13 110");
    assert_eq!(refused(&foreign), TransportError::NoCodec);
}

#[test]
fn what_is_too_much_is_refused() {
    let long = format!(
        "{CHROMIUM_AUDIO}{}",
        "a=x:y\r\n".repeat(MAX_PEER_DESCRIPTION_LEN / 7)
    );
    assert_eq!(refused(&long), TransportError::DescriptionTooLong);
    let media = "m=video 9 X 96\r\n".repeat(1_000);
    assert!(is_malformed(&format!("{CHROMIUM_AUDIO}{media}")));
    let mut candidates = String::new();
    for port in 5_000..6_000 {
        candidates.push_str(&format!(
            "a=candidate:1 1 udp 1 192.0.2.1 {port} typ host\r\n"
        ));
    }
    assert!(is_malformed(&format!("{CHROMIUM_AUDIO}{candidates}")));
    assert!(is_malformed(&format!(
        "{CHROMIUM_AUDIO}a={}\r\n",
        "x".repeat(1_100)
    )));
}

#[test]
fn of_many_candidates_the_first_are_used() {
    let mut offer = CHROMIUM_AUDIO.to_owned();
    for port in 5_000..5_200 {
        offer.push_str(&format!(
            "a=candidate:1 1 udp 1 192.0.2.1 {port} typ host\r\n"
        ));
    }
    let mut callee = transport();
    callee.accept_offer(start(), &offer).unwrap();
    // Nor do later descriptions bring more.
    let more = offer.replace(" 192.0.2.1 ", " 192.0.2.9 ");
    callee.accept_restart_offer(start(), &more).unwrap();
    assert_eq!(callee.take_named_addresses().len(), MAX_REMOTE_CANDIDATES);
}

#[test]
fn what_cannot_be_read_is_refused() {
    assert!(is_malformed(""));
    assert!(is_malformed("m=audio"));
    assert!(is_malformed("v=0\r\nwhat is this\r\n"));
    for (of, with) in [
        ("v=0", "v=1"),
        ("m=audio 9", "m=audio 99999"),
        (
            "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
            "m=audio 9",
        ),
        (
            "m=audio 9 UDP/TLS/RTP/SAVPF 111",
            "m=audio 9 UDP/TLS/RTP/SAVPF 128",
        ),
        (
            "m=audio 9 UDP/TLS/RTP/SAVPF 111",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111 111",
        ),
        ("a=mid:0", "a=mid:with space"),
        ("a=mid:0", "a=mid:\u{e9}"),
        ("a=mid:0", "a=mid:0\u{0}"),
        ("a=setup:actpass", "a=setup:holdconn"),
        ("a=rtcp-mux\n", ""),
        ("a=ice-ufrag:YzTi", "a=ice-ufrag:Yz"),
        ("a=ice-ufrag:YzTi", "a=ice-ufrag:Yz Ti"),
        ("a=ice-pwd:", "a=ice-pwd:short\na=x:"),
        ("a=ssrc:1283877770 cname", "a=ssrc:99999999999 cname"),
        ("a=rtpmap:0 PCMU/8000", "a=rtpmap:111 PCMU/8000"),
    ] {
        assert!(CHROMIUM_AUDIO.contains(of), "{of}");
        let offer = CHROMIUM_AUDIO.replacen(of, with, 1);
        assert!(is_malformed(&offer), "{with}");
    }
    let fingerprint =
        CHROMIUM_AUDIO.replace("a=fingerprint:sha-256 C9", "a=fingerprint:sha-256 ZZ");
    assert_eq!(refused(&fingerprint), TransportError::Fingerprint);
}

#[test]
fn payload_types_that_would_pass_for_rtcp_or_for_another_codec_stand_for_nothing() {
    for number in [0, 8, 13, 34, 64, 72, 95] {
        let offer = CHROMIUM_AUDIO
            .replace("111 63 9 0 8 13 110 126", &number.to_string())
            .replace("rtpmap:111", &format!("rtpmap:{number}"))
            .replace("a=rtpmap:0 PCMU/8000\n", "")
            .replace("a=rtpmap:8 PCMA/8000\n", "")
            .replace("a=rtpmap:13 CN/8000\n", "");
        assert_eq!(refused(&offer), TransportError::NoCodec, "{number}");
    }
}

#[test]
fn each_description_cut_off_anywhere_or_with_any_byte_changed_harms_nobody() {
    let mut callee = transport();
    for end in 0..CHROMIUM_VIDEO_DATA.len() {
        // Some can be taken: what matters is that nothing breaks.
        if callee
            .accept_offer(start(), &CHROMIUM_VIDEO_DATA[..end])
            .is_ok()
        {
            callee = transport();
        }
        if end < CHROMIUM_AUDIO.len() {
            let mut bytes = CHROMIUM_AUDIO.as_bytes().to_vec();
            bytes[end] ^= 0x11;
            let changed = String::from_utf8_lossy(&bytes);
            match callee.accept_offer(start(), &changed) {
                Ok(_) => callee = transport(),
                Err(error) => assert_ne!(error, TransportError::EnginePanicked, "{changed}"),
            }
        }
    }
}

#[test]
fn later_offers_that_are_refused_leave_the_call_as_it_is() {
    let mut pair = Pair::of_browsers();
    pair.negotiate();
    pair.exchange_candidates();
    pair.run_until(Pair::both_up);
    let now = pair.now;
    let offer = pair.caller.create_restart_offer(now).unwrap();
    let own = pair.callee.local_fingerprint().to_string();
    let theirs = pair.caller.local_fingerprint().to_string();
    let stranger = offer.replace(&theirs, &own);
    assert_eq!(
        pair.callee.accept_restart_offer(now, &stranger),
        Err(TransportError::FingerprintChanged)
    );
    let renumbered = offer.replace("111", "112").replace(" 0 8", "");
    let mid = offer
        .lines()
        .find(|line| line.starts_with("a=mid:"))
        .unwrap();
    let renamed = offer.replace(mid, "a=mid:zz");
    let stopped = offer.replace("m=audio 9", "m=audio 0");
    let gone = offer.split("m=audio").next().unwrap().to_owned();
    for bad in [renumbered, renamed, stopped, gone] {
        assert!(
            pair.callee.accept_restart_offer(now, &bad).is_err(),
            "{bad}"
        );
    }
    let agreed = pair.callee.agreed_audio().cloned();
    assert!(agreed.is_some_and(|agreed| agreed.we_send && agreed.peer_sends));
    let answer = pair.callee.accept_restart_offer(now, &offer).unwrap();
    assert_eq!(pair.caller.set_answer(now, &answer), Ok(()));
    pair.run_for(Duration::from_secs(2));
    assert_eq!(
        (pair.error(Side::Caller), pair.error(Side::Callee)),
        (None, None)
    );
}
