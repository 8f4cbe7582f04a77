//! What happens within a call.

use std::time::Duration;

use super::{OUR_TONE, Pair, THEIR_TONE};

/// What is left in the jitter buffer, and the third of a second that is measured at once.
const SILENT_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn element_holds_us_and_takes_us_back() {
    let mut pair = Pair::new(true, "auto");
    let call = pair.talk();
    call.hold(true).unwrap();
    let held = pair.listener.wait_for("held");
    assert_eq!((&held["by"], &held["held"]), (&"peer".into(), &true.into()));
    call.wait_for_silence(SILENT_WITHIN).unwrap();
    pair.listener.wait_for("stats");
    pair.listener.wait_for("stats");
    call.hold(false).unwrap();
    assert_eq!(pair.listener.wait_for("held")["held"], false);
    call.wait_for_tone(OUR_TONE).unwrap();
    pair.listener.wait_for("stats");
    pair.listener.wait_for("stats");
    call.hang_up().unwrap();
    pair.listener.wait_for("ended");
    assert_eq!(pair.quit().turns(THEIR_TONE), [true, false, true]);
}

#[test]
fn we_hold_element_and_take_it_back() {
    let mut pair = Pair::new(false, "auto");
    let call = pair.talk();
    pair.listener.order("hold");
    call.wait_until("is_local_on_hold", true).unwrap();
    call.wait_for_silence(SILENT_WITHIN).unwrap();
    pair.listener.wait_for("stats");
    pair.listener.wait_for("stats");
    pair.listener.order("resume");
    call.wait_until("is_local_on_hold", false).unwrap();
    call.wait_for_tone(OUR_TONE).unwrap();
    pair.listener.wait_for("stats");
    pair.listener.wait_for("stats");
    call.hang_up().unwrap();
    pair.listener.wait_for("ended");
    assert_eq!(pair.quit().turns(THEIR_TONE), [true, false, true]);
}

#[test]
fn each_sees_that_the_other_is_muted() {
    let mut pair = Pair::new(true, "auto");
    let call = pair.talk();
    pair.listener.order("mute");
    call.wait_until("is_remote_muted", true).unwrap();
    call.wait_for_silence(SILENT_WITHIN).unwrap();
    pair.listener.order("unmute");
    call.wait_until("is_remote_muted", false).unwrap();
    call.wait_for_tone(OUR_TONE).unwrap();
    for muted in [true, false] {
        call.mute(muted).unwrap();
        let mut event = pair.listener.wait_for("muted");
        while event["by"] == "self" {
            event = pair.listener.wait_for("muted");
        }
        assert_eq!(event["muted"], muted);
    }
    call.hang_up().unwrap();
    pair.ended(&call, "remote_hangup");
}

#[test]
fn element_restarts_ice_and_both_go_on_hearing() {
    let mut pair = Pair::new(true, "auto");
    let call = pair.talk();
    let before = call.status().unwrap();
    call.restart_ice().unwrap();
    let after = call.wait_for_restart(&before).unwrap();
    assert_ne!(after.local_ufrag, before.local_ufrag);
    let packets = call.path().unwrap().received;
    pair.listener.wait_for("stats");
    pair.listener.wait_for("stats");
    call.wait_for_tone(OUR_TONE).unwrap();
    assert!(call.path().unwrap().received > packets + 50);
    call.hang_up().unwrap();
    pair.ended(&call, "remote_hangup");
}

#[test]
fn element_offers_video_and_keeps_the_voice() {
    let mut pair = Pair::new(true, "auto");
    let call = pair.talk();
    call.show_video(true).unwrap();
    let us = pair.ours.account.matrix_id.clone();
    let is_answer = |event: &securecall_interop::JsSdkEvent| {
        event.kind == "m.call.negotiate"
            && event.sender == us
            && event.content["description"]["type"] == "answer"
    };
    let answer = loop {
        let events = pair.theirs.events().unwrap();
        if let Some(answer) = events.into_iter().find(is_answer) {
            break answer;
        }
        pair.listener.wait_for("stats");
    };
    let sdp = answer.content["description"]["sdp"].as_str().unwrap();
    assert!(sdp.contains("m=video 0 "), "{sdp}");
    let status = call.wait_until("signaling_state", "stable").unwrap();
    assert!(!status.has_remote_video);
    pair.listener.wait_for("stats");
    call.wait_for_tone(OUR_TONE).unwrap();
    call.hang_up().unwrap();
    pair.ended(&call, "remote_hangup");
}
