//! Who calls whom in which room, and how it ends.

use std::time::Duration;

use super::{Pair, element, end_of, talk};
use crate::ordinary::Ordinary;
use crate::talker::last;

fn pair(first: &str, second: &str) -> (String, String) {
    (first.to_owned(), second.to_owned())
}

#[test]
fn element_calls_in_a_plain_room_and_hangs_up() {
    let mut pair = Pair::new(false, "auto");
    let call = pair.talk();
    call.hang_up().unwrap();
    pair.ended(&call, "remote_hangup");
}

#[test]
fn element_calls_in_an_encrypted_room_and_we_hang_up() {
    let mut pair = Pair::new(true, "auto");
    let call = pair.talk();
    pair.listener.order("hangup");
    assert_eq!(end_of(&call), self::pair("remote", "user_hangup"));
    let events = pair.theirs.events().unwrap();
    assert!(
        events
            .iter()
            .all(|event| event.encrypted || event.kind == "m.room.redaction"),
        "{events:#?}"
    );
    pair.ended(&call, "local_hangup");
}

#[test]
fn we_call_element_in_a_plain_room_and_hang_up() {
    let mut pair = Pair::new(false, "ask");
    let call = pair.call_them();
    call.answer(false).unwrap();
    pair.is_up(&call);
    pair.listener.order("hangup");
    assert_eq!(end_of(&call), self::pair("remote", "user_hangup"));
    pair.ended(&call, "local_hangup");
}

#[test]
fn we_call_element_in_an_encrypted_room_and_it_hangs_up() {
    let mut pair = Pair::new(true, "ask");
    let call = pair.call_them();
    call.answer(false).unwrap();
    pair.is_up(&call);
    call.hang_up().unwrap();
    pair.ended(&call, "remote_hangup");
}

#[test]
fn a_user_of_element_who_has_no_room_with_us_is_invited_to_an_encrypted_one_and_rings() {
    let (ours, theirs) = (Ordinary::new("ada"), element());
    let recording = ours.machine.file("heard.wav", "");
    let call = [
        "call",
        theirs.user_id(),
        "--require",
        "any",
        "--route",
        "direct",
    ];
    let mut caller = talk(&ours, &recording, &call);
    caller.wait_for("inviting");
    let room = theirs.join_invite(&ours.account.matrix_id).unwrap();
    let ringing = theirs.wait_for_call().unwrap();
    assert!(theirs.is_encrypted(&room).unwrap());
    ringing.answer(false).unwrap();
    caller.wait_for("connected");
    caller.wait_for("first_audio");
    ringing.wait_for_tone(super::OUR_TONE).unwrap();
    ringing.hang_up().unwrap();
    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &"remote_hangup".into())
    );
}

#[test]
fn we_decline_and_element_stops_calling() {
    let mut pair = Pair::new(false, "ask");
    let call = pair.theirs.place_call(&pair.room, None).unwrap();
    pair.listener.wait_for("incoming");
    pair.listener.order("reject");
    assert_eq!(end_of(&call).0, "remote");
    assert_eq!(pair.listener.wait_for("ended")["reason"], "local_reject");
}

#[test]
fn element_declines_and_we_stop_calling() {
    let mut pair = Pair::new(true, "ask");
    let call = pair.call_them();
    call.reject().unwrap();
    assert_eq!(pair.listener.wait_for("ended")["reason"], "declined");
}

#[test]
fn element_gives_up_before_we_answer() {
    let mut pair = Pair::new(true, "ask");
    let call = pair.theirs.place_call(&pair.room, None).unwrap();
    pair.listener.wait_for("incoming");
    call.hang_up().unwrap();
    let ended = pair.listener.wait_for("ended");
    assert_eq!(ended["reason"], "caller_cancelled");
    let missed = pair.listener.wait_for("missed");
    assert_eq!(missed["peer"]["matrix_id"], pair.theirs.user_id());
}

#[test]
fn we_give_up_before_element_answers() {
    let mut pair = Pair::new(false, "ask");
    let call = pair.call_them();
    pair.listener.order("hangup");
    assert_eq!(pair.listener.wait_for("ended")["reason"], "cancelled");
    assert_eq!(end_of(&call).0, "remote");
}

/// Both wait for as long as they do: 60 s it, 90 s we.
#[test]
fn nobody_answers_and_both_say_so() {
    let mut theirs_rings = Pair::new(true, "ask");
    let rings = theirs_rings.call_them();
    let mut ours_rings = Pair::new(false, "ask");
    let room = &ours_rings.room;
    let calling = ours_rings.theirs.place_call(room, None).unwrap();
    ours_rings.listener.wait_for("incoming");
    theirs_rings.listener.wait_for("no_sign_of_ringing");

    let ended = ours_rings.listener.wait_for("ended");
    assert!(
        ["no_answer", "caller_cancelled"].contains(&ended["reason"].as_str().unwrap()),
        "{ended}"
    );
    ours_rings.listener.wait_for("missed");
    assert_eq!(end_of(&calling), pair("local", "invite_timeout"));
    let ended = theirs_rings.listener.wait_for("ended");
    assert_eq!(ended["reason"], "no_answer");
    assert_eq!(end_of(&rings).0, "remote");
    let late = theirs_rings.theirs.wait_for_call_for(Duration::ZERO);
    assert!(late.is_err(), "it rang twice");
}
