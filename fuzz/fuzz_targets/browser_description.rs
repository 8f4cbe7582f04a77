//! Descriptions of any WebRTC peer (profile `Matrix`): the first offer, the answer, and a later offer.
//!
//! The first byte says which; the rest is the text, in which `FINGERPRINT` stands for that of the peer's certificate and `MID` for
//! what the offer calls its audio line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_fuzz::START;
use securecall_media::{
    MAX_REMOTE_CANDIDATES, Profile, Reach, StreamId, Transport, TransportError,
};

fn transport() -> Transport {
    let stream = StreamId::new("stream").expect("a name");
    let profile = Profile::Matrix { stream };
    Transport::with_profile(*START, Reach::OtherMachines, profile).expect("a certificate")
}

/// What an answer of ours always is: a line for each of the peer's, one of them taken, and nothing of the peer's that we do not
/// understand.
fn check_answer(transport: &mut Transport, offer: &str, answer: &str) {
    assert!(transport.agreed_audio().is_some());
    assert!(transport.take_named_addresses().len() <= MAX_REMOTE_CANDIDATES);
    let count = |sdp: &str, prefix: &str| {
        let lines = sdp.split(['\r', '\n']);
        lines.filter(|line| line.starts_with(prefix)).count()
    };
    assert_eq!(count(answer, "m="), count(offer, "m="), "{answer}");
    assert_eq!(count(answer, "a=fingerprint:"), 1, "{answer}");
    let taken = answer.lines().filter(|line| line.starts_with("m=audio 9 "));
    assert_eq!(taken.count(), 1, "{answer}");
}

/// The engine's panics end a call, and are found here.
fn check_refused(error: &TransportError) {
    assert_ne!(*error, TransportError::EnginePanicked);
    assert_ne!(*error, TransportError::Closed);
}

fuzz_target!(|input: &[u8]| {
    let Some((&which, text)) = input.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let (now, mut ours, mut peer) = (*START, transport(), transport());
    let text = text.replace("FINGERPRINT", &peer.local_fingerprint().to_string());
    match which % 3 {
        0 => match ours.accept_offer(now, &text) {
            Ok(answer) => check_answer(&mut ours, &text, &answer),
            Err(error) => check_refused(&error),
        },
        1 => {
            let offer = ours.create_offer(now).expect("a fresh transport");
            let mid = offer.lines().find_map(|line| line.strip_prefix("a=mid:"));
            let answer = text.replace("MID", mid.unwrap_or_default());
            match ours.set_answer(now, &answer) {
                Ok(()) => assert!(ours.agreed_audio().is_some()),
                Err(error) => check_refused(&error),
            }
        }
        _ => {
            let offer = peer.create_offer(now).expect("a fresh transport");
            ours.accept_offer(now, &offer).expect("an offer of our own");
            let mid = offer.lines().find_map(|line| line.strip_prefix("a=mid:"));
            let later = text.replace("MID", mid.unwrap_or_default());
            let before = ours.agreed_audio().cloned();
            match ours.accept_restart_offer(now, &later) {
                Ok(answer) => check_answer(&mut ours, &later, &answer),
                Err(error) => {
                    check_refused(&error);
                    assert_eq!(ours.agreed_audio().cloned(), before);
                }
            }
            assert_eq!(ours.remote_fingerprint(), Some(peer.local_fingerprint()));
        }
    }
});
