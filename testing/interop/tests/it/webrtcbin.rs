//! Clients with the manners of Nheko and of matrix-dart-sdk call each other: what our own are tried with must work without them.

use std::sync::OnceLock;

use securecall_interop::{Certificate, Manner, Synapse, SynapseOptions, WebrtcbinDevice};
use serde_json::{Value, json};

fn homeserver() -> &'static Synapse {
    static HOMESERVER: OnceLock<Synapse> = OnceLock::new();
    HOMESERVER.get_or_init(|| Synapse::start(SynapseOptions::default()).unwrap())
}

/// Two users in a direct room; the first has a microphone of 440 Hz, the other one of 660 Hz.
fn pair(manner: Manner, names: [&str; 2]) -> (WebrtcbinDevice, WebrtcbinDevice, String) {
    pair_in(manner, names, false)
}

fn pair_in(
    manner: Manner,
    names: [&str; 2],
    encrypted: bool,
) -> (WebrtcbinDevice, WebrtcbinDevice, String) {
    let certificate = match manner {
        Manner::Nheko => Certificate::Rsa,
        Manner::Dart => Certificate::Ecdsa,
    };
    let mut caller = WebrtcbinDevice::start(manner, certificate, 440).unwrap();
    let mut callee = WebrtcbinDevice::start(manner, certificate, 660).unwrap();
    let url = homeserver().base_url();
    caller.register(&url, names[0]).unwrap();
    let user = callee.register(&url, names[1]).unwrap();
    let room = caller.room_with(&user, encrypted).unwrap();
    caller.wait_until_joined(&room, &user).unwrap();
    callee.wait_until_joined(&room, &user).unwrap();
    (caller, callee, room)
}

/// The types of the events of the call, as one of them sent or got them.
fn types(device: &mut WebrtcbinDevice, event: &str) -> Vec<String> {
    let told = device.so_far().iter().filter(|it| it["event"] == event);
    told.map(|it| it["type"].as_str().unwrap().to_owned())
        .collect()
}

fn lost(device: &mut WebrtcbinDevice) -> Vec<Value> {
    let told = device.so_far().iter().filter(|it| it["event"] == "lost");
    told.cloned().collect()
}

#[test]
fn two_nhekos_hear_each_other() {
    let (mut caller, mut callee, room) = pair(Manner::Nheko, ["nheko-a", "nheko-b"]);
    caller.call(&room).unwrap();
    callee.wait_for("ringing").unwrap();
    callee.tell("answer").unwrap();
    caller.wait_until_it_hears(660).unwrap();
    callee.wait_until_it_hears(440).unwrap();
    callee.tell("mute").unwrap();
    caller.wait_until_it_hears_nothing().unwrap();
    callee.tell("hang_up").unwrap();
    assert_eq!(caller.wait_for("ended").unwrap()["why"], "remote_hangup");
    let said = ["invite", "candidates", "select_answer"].map(|it| format!("m.call.{it}"));
    assert_eq!(types(&mut caller, "said"), said);
    assert_eq!((lost(&mut caller), lost(&mut callee)), (vec![], vec![]));
}

#[test]
fn two_nhekos_hear_each_other_in_an_encrypted_room() {
    let names = ["nheko-x", "nheko-y"];
    let (mut caller, mut callee, room) = pair_in(Manner::Nheko, names, true);
    caller.call(&room).unwrap();
    callee.wait_for("ringing").unwrap();
    callee.tell("answer").unwrap();
    caller.wait_until_it_hears(660).unwrap();
    callee.wait_until_it_hears(440).unwrap();
    callee.tell("hang_up").unwrap();
    assert_eq!(caller.wait_for("ended").unwrap()["why"], "remote_hangup");
    let received = |it: &&Value| it["event"] == "received";
    let mut received = callee.so_far().iter().filter(received);
    assert!(received.all(|it| it["encrypted"] == true));
    assert_eq!((lost(&mut caller), lost(&mut callee)), (vec![], vec![]));
}

#[test]
fn two_darts_hear_each_other_and_the_one_that_is_hung_up_on_hangs_up_too() {
    let (mut caller, mut callee, room) = pair(Manner::Dart, ["dart-a", "dart-b"]);
    caller.call(&room).unwrap();
    assert_eq!(callee.wait_for("ringing").unwrap()["video"], false);
    callee.tell("answer").unwrap();
    caller.wait_until_it_hears(660).unwrap();
    callee.wait_until_it_hears(440).unwrap();
    caller.tell("mute").unwrap();
    callee.wait_until_it_hears_nothing().unwrap();
    caller.tell("hang_up").unwrap();
    assert_eq!(callee.wait_for("ended").unwrap()["why"], "remote_hangup");
    let hangup = callee.wait_for_event("said", "m.call.hangup").unwrap();
    assert_eq!(hangup["reason"], "userHangup");
}

#[test]
fn a_nheko_that_declines_is_told_so_and_says_why_nowhere() {
    let (mut caller, mut callee, room) = pair(Manner::Nheko, ["nheko-c", "nheko-d"]);
    caller.call(&room).unwrap();
    callee.wait_for("ringing").unwrap();
    callee.tell("reject").unwrap();
    assert_eq!(caller.wait_for("ended").unwrap()["why"], "declined");
    let rejected = callee.wait_for_event("said", "m.call.reject").unwrap();
    assert_eq!(rejected.as_object().unwrap().len(), 3, "{rejected}");
    let selected = callee
        .wait_for_event("received", "m.call.select_answer")
        .unwrap();
    assert_eq!(selected["selected_party_id"], rejected["party_id"]);
}

#[test]
fn the_shapes_of_both_are_those_of_their_sources() {
    let (mut nheko, mut other, room) = pair(Manner::Nheko, ["nheko-e", "nheko-f"]);
    nheko.call(&room).unwrap();
    let invite = other.wait_for_event("received", "m.call.invite").unwrap();
    assert_eq!(
        (&invite["version"], &invite["lifetime"]),
        (&json!("1"), &json!(120_000))
    );
    assert_eq!(invite["party_id"].as_str().unwrap().len(), 8);
    assert!(invite["invitee"].is_string());
    assert!(!invite.to_string().contains("metadata"), "{invite}");
    let candidates = other
        .wait_for_event("received", "m.call.candidates")
        .unwrap();
    for candidate in candidates["candidates"].as_array().unwrap() {
        assert_eq!(candidate["sdpMid"], "");
        assert!(candidate["sdpMLineIndex"].is_u64());
        assert_ne!(candidate["candidate"], "");
    }

    let (mut dart, mut other, room) = pair(Manner::Dart, ["dart-e", "dart-f"]);
    dart.call(&room).unwrap();
    let invite = other.wait_for_event("received", "m.call.invite").unwrap();
    let party = invite["party_id"].as_str().unwrap();
    assert!(
        ["+", "/", "="].iter().all(|it| party.contains(it)),
        "{party}"
    );
    assert_eq!(invite["lifetime"], 60_000);
    assert!(invite.get("sdp_stream_metadata").is_none());
    let streams = &invite["org.matrix.msc3077.sdp_stream_metadata"];
    let (stream, kind) = streams.as_object().unwrap().iter().next().unwrap();
    assert!(
        invite["offer"]["sdp"]
            .as_str()
            .unwrap()
            .contains(&format!("a=msid:{stream}"))
    );
    assert_eq!(
        (&kind["purpose"], &kind["video_muted"]),
        (&json!("m.usermedia"), &json!(true))
    );
}

#[test]
fn a_nheko_hangs_up_at_any_negotiate_and_loses_what_holds_a_null() {
    let (mut caller, mut callee, room) = pair(Manner::Nheko, ["nheko-g", "nheko-h"]);
    caller.call(&room).unwrap();
    callee.wait_for("ringing").unwrap();
    let of_call = |fields: Value| {
        let mut content = json!({ "call_id": "another", "party_id": "another", "version": "1" });
        content
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        content
    };
    let candidate = json!({ "candidate": "", "sdpMid": null, "sdpMLineIndex": 0 });
    let candidates = of_call(json!({ "candidates": [candidate] }));
    caller.say(&room, "m.call.candidates", &candidates).unwrap();
    let lost = callee.wait_for("lost").unwrap();
    assert!(
        lost["why"].as_str().unwrap().contains("sdpMid is None"),
        "{lost}"
    );

    let description = json!({ "type": "offer", "sdp": "v=0\r\n" });
    let negotiate = of_call(json!({ "description": description, "lifetime": 10_000 }));
    caller.say(&room, "m.call.negotiate", &negotiate).unwrap();
    callee.wait_for_event("said", "m.call.hangup").unwrap();
    assert_eq!(caller.wait_for("ended").unwrap()["why"], "remote_hangup");
}

#[test]
fn a_dart_drops_what_comes_before_the_invite_and_tells_nobody_that_it_is_busy() {
    let (mut caller, mut callee, room) = pair(Manner::Dart, ["dart-g", "dart-h"]);
    let early = json!({ "call_id": "early", "party_id": "p", "version": "1", "candidates": [] });
    caller.say(&room, "m.call.candidates", &early).unwrap();
    let lost = callee.wait_for("lost").unwrap();
    assert_eq!(lost["why"], "dart: we do not have the call");

    caller.call(&room).unwrap();
    let invite = callee.wait_for_event("received", "m.call.invite").unwrap();
    callee.wait_for("ringing").unwrap();
    let user = invite["invitee"].as_str().unwrap();
    let mut third = WebrtcbinDevice::start(Manner::Dart, Certificate::Ecdsa, 550).unwrap();
    third.register(&homeserver().base_url(), "dart-i").unwrap();
    let another_room = third.room_with(user, false).unwrap();
    third.wait_until_joined(&another_room, user).unwrap();
    third.call(&another_room).unwrap();
    callee.wait_for("busy").unwrap();
    callee.tell("reject").unwrap();
    let rejected = callee.wait_for_event("said", "m.call.reject").unwrap();
    assert_eq!(rejected["call_id"], invite["call_id"]);
    assert_eq!(types(&mut callee, "said"), ["m.call.reject"]);
}
