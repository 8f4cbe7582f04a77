//! More than one call, or more than one device.

use securecall_interop::JsSdkCallState;

use super::{OUR_TONE, Pair, device_of, element, end_of, is_standard, talk};

/// Both dial at once. With `invitee` matrix-js-sdk sees it; Element Web names none, and then only we do.
fn glare(names_invitee: bool) {
    let mut pair = Pair::new(false, "ask");
    let user = pair.theirs.user_id().to_owned();
    let us = pair.ours.account.matrix_id.clone();
    pair.listener.order(&format!("call {user}"));
    let invitee = names_invitee.then_some(us.as_str());
    let theirs = pair.theirs.place_call(&pair.room, invitee).unwrap();
    // A call of theirs that came before ours left is answered at once, else one of both gives way, on both sides.
    let connected = pair.listener.wait_for("connected");
    is_standard(&connected, &pair.theirs);
    let survivor = connected["call_id"].as_str().unwrap();
    let calls = pair.theirs.calls().unwrap();
    let connected: Vec<_> = calls
        .iter()
        .filter(|call| call.id == survivor && call.state != JsSdkCallState::Ended)
        .collect();
    assert_eq!(connected.len(), 1, "{survivor}: {calls:#?}");
    if survivor == theirs.id() {
        theirs.wait_for_tone(OUR_TONE).unwrap();
    }
    pair.listener.wait_for("first_audio");
    pair.listener.wait_for("stats");
    pair.listener.wait_for("stats");
    pair.listener.order("hangup");
    pair.listener.wait_for("ended");
    pair.quit().is_of(super::THEIR_TONE, OUR_TONE);
}

#[test]
fn both_dial_and_element_knows_of_glare() {
    glare(true);
}

#[test]
fn both_dial_and_element_knows_nothing_of_glare() {
    glare(false);
}

#[test]
fn of_two_devices_of_element_one_answers_and_the_other_stops_ringing() {
    let mut pair = Pair::new(true, "ask");
    let other = device_of(pair.theirs.user_id());
    other
        .wait_for_member(&pair.room, &pair.ours.account.matrix_id)
        .unwrap();
    let first = pair.call_them();
    let second = other.wait_for_call().unwrap();
    second.answer(false).unwrap();
    pair.is_up(&second);
    assert_eq!(end_of(&first).1, "answered_elsewhere");
    second.hang_up().unwrap();
    pair.ended(&second, "remote_hangup");
}

#[test]
fn of_two_devices_of_ours_one_answers_and_the_other_stops_ringing() {
    let mut pair = Pair::new(true, "ask");
    let other = pair.ours.another_device();
    let recording = other.machine.file("heard.wav", "");
    let mut other = talk(&other, &recording, &["listen", "--route", "direct"]);
    other.wait_for("ready");
    let call = pair.theirs.place_call(&pair.room, None).unwrap();
    is_standard(&other.wait_for("incoming"), &pair.theirs);
    pair.listener.wait_for("incoming");
    pair.listener.order("answer");
    pair.is_up(&call);
    other.wait_for("answered_elsewhere");
    assert_eq!(other.wait_for("ended")["reason"], "answered_elsewhere");
    other.order("quit");
    assert_eq!(other.end().0, 0);
    call.hang_up().unwrap();
    pair.ended(&call, "remote_hangup");
}

#[test]
fn a_call_while_we_are_in_one_is_told_that_we_are_busy_and_the_one_goes_on() {
    let mut pair = Pair::new(false, "auto");
    let call = pair.talk();
    let third = element();
    let room = third
        .create_direct_room(&pair.ours.account.matrix_id, true)
        .unwrap();
    third
        .wait_for_member(&room, &pair.ours.account.matrix_id)
        .unwrap();
    let refused = third.place_call(&room, None).unwrap();
    assert_eq!(
        end_of(&refused),
        ("remote".to_owned(), "user_busy".to_owned())
    );
    let missed = pair.listener.wait_for("missed");
    assert_eq!(
        (&missed["why"], &missed["peer"]["matrix_id"]),
        (&"busy".into(), &third.user_id().into())
    );
    // Another one of the peer, in the same room.
    let again = pair.theirs.place_call(&pair.room, None).unwrap();
    assert_eq!(end_of(&again).0, "remote");
    call.wait_for_tone(OUR_TONE).unwrap();
    call.hang_up().unwrap();
    pair.ended(&call, "remote_hangup");
}
