//! Peers in the exact manners of matrix-js-sdk, matrix-dart-sdk and Nheko (`docs/protocol/room.md` names the sources).

use securecall_session::{EndReason, Event, SignalRefused};
use serde_json::{Value, json};

use super::contents::{js_answer, js_invite, of_call, sdp, with, with_screen};
use super::world::{ADA, BOB, World, connected_to_js};

/// Ada calls; gives her call's ID.
fn calling() -> (World, usize, String) {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    let id = world.call_id(ada);
    (world, ada, id)
}

fn invited(invite: Value) -> (World, usize) {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.post(BOB, "m.call.invite", invite);
    world.seconds(1);
    assert_eq!(world.rings(ada), 1);
    (world, ada)
}

fn candidates(id: &str, party: &str, list: &Value) -> Value {
    with(of_call(id, party), json!({ "candidates": list }))
}

fn has_candidates(world: &World, device: usize) -> usize {
    let orders = world.devices[device].orders.iter();
    orders
        .filter(|it| it.starts_with("AddRemoteCandidates"))
        .count()
}

#[test]
fn js_sdk_answers_with_its_candidates_in_the_sdp_and_hangs_up_with_its_device_id() {
    let (mut world, ada, id) = calling();
    world.post(BOB, "m.call.answer", js_answer(&id));
    world.seconds(1);
    assert!(world.connected(ada));
    let selected = &world.last(ADA, "m.call.select_answer")["selected_party_id"];
    assert_eq!(*selected, "JSDEVICE");
    // It says a reason that the specification does not have.
    let hangup = with(of_call(&id, "JSDEVICE"), json!({ "reason": "replaced" }));
    world.post(BOB, "m.call.hangup", hangup);
    world.seconds(1);
    assert_eq!(world.ended(ada), Some(EndReason::RemoteHangup));
}

#[test]
fn js_sdk_calls_and_gives_up_and_its_candidates_may_come_before_the_user_answers() {
    let (mut world, ada) = invited(js_invite("1700000000000AbCd"));
    let list = json!([
        { "candidate": "candidate:1 1 udp 1 192.0.2.9 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0 },
        { "candidate": "", "sdpMid": "0", "sdpMLineIndex": 0 },
    ]);
    world.post(
        BOB,
        "m.call.candidates",
        candidates("1700000000000AbCd", "JSDEVICE", &list),
    );
    world.seconds(1);
    assert!(world.devices[ada].orders.is_empty());
    world.answer(ada);
    world.seconds(1);
    assert_eq!(has_candidates(&world, ada), 1);
    let selected = world.last(ADA, "m.call.answer")["party_id"].clone();
    let select = json!({ "selected_party_id": selected });
    world.post(
        BOB,
        "m.call.select_answer",
        with(of_call("1700000000000AbCd", "JSDEVICE"), select),
    );
    world.seconds(1);
    assert!(world.connected(ada) && world.ended(ada).is_none());
    let (mut world, ada) = invited(js_invite("c"));
    world.post(BOB, "m.call.hangup", of_call("c", "JSDEVICE"));
    world.seconds(1);
    assert_eq!(world.ended(ada), Some(EndReason::CallerCancelled));
}

/// A screen is shared with its sound, and stands before the microphone.
#[test]
fn of_two_streams_with_audio_that_is_heard_which_the_metadata_names() {
    let mut invite = js_invite("1700000000000AbCd");
    let streams = invite["sdp_stream_metadata"].clone();
    let [offered, expected] = with_screen(&sdp("js", "sendrecv"));
    invite["offer"]["sdp"] = offered.into();
    let (mut world, ada) = invited(invite);
    world.answer(ada);
    world.seconds(1);
    assert_eq!(world.devices[ada].descriptions, [expected]);
    // In a call it may come later.
    let (mut world, ada, id) = connected_to_js(1);
    for direction in ["sendrecv", "sendonly"] {
        let [offered, expected] = with_screen(&sdp("js", direction));
        let offer = json!({
            "description": { "type": "offer", "sdp": offered }, "lifetime": 60_000,
            "sdp_stream_metadata": streams,
        });
        let offer = with(of_call(&id, "JSDEVICE"), offer);
        world.post(BOB, "m.call.negotiate", offer);
        world.seconds(1);
        assert_eq!(world.devices[ada].descriptions.last(), Some(&expected));
    }
}

#[test]
fn js_sdk_rejects_and_sees_another_device_taken() {
    let (mut world, ada, id) = calling();
    world.post(BOB, "m.call.reject", of_call(&id, "JSDEVICE"));
    world.seconds(1);
    assert_eq!(world.ended(ada), Some(EndReason::Declined));
    let (mut world, ada) = invited(js_invite("c"));
    let select = json!({ "selected_party_id": "ANOTHER" });
    world.post(
        BOB,
        "m.call.select_answer",
        with(of_call("c", "JSDEVICE"), select),
    );
    world.seconds(1);
    assert_eq!(world.ended(ada), Some(EndReason::AnsweredElsewhere));
    assert!(world.said_by(ADA).is_empty());
}

#[test]
fn dart_answers_under_a_base64_party_and_is_always_told_whose_answer_was_taken() {
    let (mut world, ada, id) = calling();
    let party = "aB+c/D9=";
    let answer = json!({
        "answer": { "type": "answer", "sdp": sdp("dart", "sendrecv") },
        "org.matrix.msc3077.sdp_stream_metadata": {
            "stream-dart": { "purpose": "m.usermedia", "audio_muted": true, "video_muted": true } },
    });
    world.post(BOB, "m.call.answer", with(of_call(&id, party), answer));
    world.seconds(1);
    assert!(world.connected(ada));
    assert_eq!(
        world.last(ADA, "m.call.select_answer")["selected_party_id"],
        party
    );
    assert!(world.told(ada, |it| matches!(
        it,
        Event::Muted {
            local: false,
            muted: true,
            ..
        }
    )));
    // Its answer to an offer has neither metadata nor a lifetime.
    world.media(ada, securecall_session::MediaEvent::PathLost);
    world.seconds(1);
    let answer = json!({ "description": { "type": "answer", "sdp": sdp("dart", "sendrecv") } });
    world.post(BOB, "m.call.negotiate", with(of_call(&id, party), answer));
    world.seconds(1);
    assert!(
        world.devices[ada]
            .orders
            .contains(&"SetRestartAnswer".to_owned())
    );
}

#[test]
fn a_busy_dart_rejects_and_says_why() {
    let (mut world, ada, id) = calling();
    let busy = json!({ "reason": "user_busy" });
    world.post(BOB, "m.call.reject", with(of_call(&id, "aB+c/D9="), busy));
    world.seconds(1);
    assert_eq!(world.ended(ada), Some(EndReason::Busy));
    assert_eq!(world.said_by(ADA).last().unwrap(), "select_answer");
}

#[test]
fn dart_gets_no_candidates_of_a_call_that_the_room_does_not_have() {
    let (world, ..) = calling();
    let said = world.said_by(ADA);
    assert_eq!(said, ["invite", "candidates"]);
}

#[test]
fn candidates_of_dart_come_before_its_invite_and_count_if_they_are_of_the_party_that_calls() {
    let early = |party: &str, who: &str| {
        let mut world = World::new(1);
        let ada = world.add_device(ADA);
        let candidate = "candidate:1 1 udp 1 192.0.2.9 9 typ host";
        let list = json!([{ "candidate": candidate, "sdpMid": "audio", "sdpMLineIndex": 0 }]);
        world.post(who, "m.call.candidates", candidates("c", party, &list));
        world.seconds(1);
        assert!(world.devices[ada].orders.is_empty());
        world.post(BOB, "m.call.invite", js_invite("c"));
        world.seconds(1);
        world.answer(ada);
        world.seconds(1);
        (has_candidates(&world, ada), world, ada)
    };
    let (heard, mut world, ada) = early("JSDEVICE", BOB);
    assert_eq!(heard, 1);
    assert_eq!(early("another", BOB).0, 0);
    let (heard, echoed, device) = early("JSDEVICE", ADA);
    let refused = echoed.devices[device].refused.first();
    assert_eq!((heard, refused), (0, Some(&SignalRefused::UnknownCall)));

    // Those of a call that is over are of no call to come.
    world.post(BOB, "m.call.hangup", of_call("c", "JSDEVICE"));
    world.seconds(20);
    assert_eq!(world.ended(ada), Some(EndReason::RemoteHangup));
    let late = candidates("c", "JSDEVICE", &json!([]));
    world.post(BOB, "m.call.candidates", late);
    world.seconds(1);
    let refused = world.devices[ada].refused.last();
    assert_eq!(refused, Some(&SignalRefused::UnknownCall));
}

#[test]
fn nheko_answers_without_metadata_and_with_candidates_without_a_mid() {
    let (mut world, ada, id) = calling();
    let list = json!([{ "candidate": "candidate:1 1 udp 1 192.0.2.9 9 typ host", "sdpMid": "", "sdpMLineIndex": 0 }]);
    world.post(BOB, "m.call.candidates", candidates(&id, "nheko123", &list));
    let answer = json!({ "answer": { "type": "answer", "sdp": sdp("nheko", "sendrecv") } });
    world.post(BOB, "m.call.answer", with(of_call(&id, "nheko123"), answer));
    world.seconds(1);
    assert!(world.connected(ada));
    assert_eq!(has_candidates(&world, ada), 1);
}

#[test]
fn nheko_that_thinks_an_invite_is_for_somebody_else_ends_nothing() {
    let (mut world, ada, id) = calling();
    let hangup = json!({ "reason": "invite_timeout" });
    world.post(BOB, "m.call.hangup", with(of_call(&id, "nheko123"), hangup));
    world.seconds(1);
    assert_eq!(world.ended(ada), None);
    world.post(BOB, "m.call.answer", js_answer(&id));
    world.seconds(1);
    assert!(world.connected(ada));
}

#[test]
fn nheko_rings_for_two_minutes_and_its_call_is_answered_without_negotiation() {
    let invite = json!({
        "call_id": "c", "version": "1", "party_id": "nheko123", "lifetime": 120_000, "invitee": ADA,
        "offer": { "type": "offer", "sdp": sdp("nheko", "sendrecv") },
    });
    let (mut world, ada) = invited(invite);
    world.seconds(110);
    assert_eq!(world.ended(ada), None);
    world.answer(ada);
    world.seconds(1);
    assert!(world.connected(ada));
    world.network_up = false;
    world.seconds(25);
    assert!(!world.said_by(ADA).contains(&"negotiate".to_owned()));
}

#[test]
fn version_0_knows_neither_select_answer_nor_reject_nor_parties() {
    let invite = json!({
        "call_id": "c", "version": 0, "lifetime": 60_000,
        "offer": { "type": "offer", "sdp": sdp("old", "sendrecv") },
    });
    let (mut world, ada) = invited(invite.clone());
    world.reject(ada);
    world.seconds(1);
    assert_eq!(world.said_by(ADA), ["hangup"]);
    let (mut world, ada) = invited(invite);
    world.answer(ada);
    world.seconds(1);
    assert!(world.connected(ada));
    world.post(
        BOB,
        "m.call.hangup",
        json!({ "call_id": "c", "version": 0 }),
    );
    world.seconds(1);
    assert_eq!(world.ended(ada), Some(EndReason::RemoteHangup));

    let v0 = |id: &str| json!({ "call_id": id, "version": 0 });
    let (mut world, ada, id) = calling();
    let answer = json!({ "answer": { "type": "answer", "sdp": sdp("old", "sendrecv") } });
    world.post(BOB, "m.call.answer", with(v0(&id), answer));
    world.seconds(1);
    assert!(world.connected(ada));
    assert!(!world.said_by(ADA).contains(&"select_answer".to_owned()));
    let (mut world, ada, id) = calling();
    world.post(BOB, "m.call.hangup", v0(&id));
    world.seconds(1);
    assert_eq!(world.ended(ada), Some(EndReason::Declined));
    assert!(!world.said_by(ADA).contains(&"select_answer".to_owned()));
}

#[test]
fn an_answer_that_cannot_be_used_is_passed_over_for_the_next() {
    let (mut world, ada, id) = calling();
    let answer = json!({ "answer": { "type": "answer", "sdp": "v=0\r\n" } });
    world.post(
        BOB,
        "m.call.candidates",
        candidates(&id, "GOOD", &json!([])),
    );
    world.post(BOB, "m.call.answer", with(of_call(&id, "BAD"), answer));
    world.seconds(1);
    assert_eq!(world.ended(ada), None);
    let good = with(js_answer(&id), json!({ "party_id": "GOOD" }));
    world.post(BOB, "m.call.answer", good);
    world.seconds(1);
    assert!(world.connected(ada));
}
