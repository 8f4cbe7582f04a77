//! What the narrator tells of what happened.

use securecall_driver::{ConferenceEvent, EndReason, NamedCall, PathRoute};
use serde_json::{Value, json};

use super::*;
use crate::sample_calls::{self, conference, in_conference};

fn call() -> NamedCall {
    sample_calls::call(1)
}

fn peer() -> CallPeer {
    sample_calls::peer(7, Some("Ada"))
}

fn told(event: &ClientEvent) -> Value {
    let mut narrator = Narrator::new(now(), "@me:example.org".to_owned());
    serde_json::to_value(narrator.tell(event).unwrap()).unwrap()
}

#[test]
fn a_peer_has_id_address_and_name() {
    let event = told(&ClientEvent::Call(CallEvent::Dialing {
        call: call(),
        peer: peer(),
        tier: Tier::SecureCall,
    }));
    assert_eq!(event["event"], "dialing");
    assert_eq!(event["peer"]["id"], peer().id.unwrap().to_string());
    assert_eq!(event["peer"]["matrix_id"], "@ada:example.org");
    assert_eq!(event["peer"]["name"], "Ada");
    assert!(event["startup_ms"].is_u64());
}

#[test]
fn a_call_that_never_connected_lasted_no_time() {
    let ended = |connected_for| {
        told(&ClientEvent::Call(CallEvent::Ended {
            call: call(),
            reason: EndReason::Declined,
            connected_for,
        }))
    };
    let expected = json!({"event": "ended", "call_id": call().to_string(), "reason": "declined", "duration_ms": 0});
    assert_eq!(ended(None), expected);
    assert_eq!(
        ended(Some(Duration::from_millis(1500)))["duration_ms"],
        1500
    );
}

#[test]
fn legs_say_of_whom_they_are_and_that_we_are_muted_once() {
    let mut narrator = Narrator::new(now(), "@me:example.org".to_owned());
    let mut tell = |event| {
        let told = narrator.tell(&ClientEvent::Call(event));
        told.map(|told| serde_json::to_value(told).unwrap())
    };
    let of_group = |event| in_conference(1, event);
    let began = tell(of_group(ConferenceEvent::Began { call: None })).unwrap();
    let id = conference(1).to_string();
    assert_eq!(
        began,
        json!({"event": "conference", "conference_id": id, "call_id": null})
    );
    let leg = of_group(ConferenceEvent::Leg {
        call: call(),
        peer: peer(),
    });
    assert_eq!(tell(leg), None);
    let ringing = tell(CallEvent::Ringing { call: call() }).unwrap();
    assert_eq!(
        (&ringing["conference_id"], &ringing["peer"]["name"]),
        (&json!(id), &json!("Ada"))
    );
    let muted = |local| CallEvent::Muted {
        call: call(),
        local,
        muted: true,
    };
    let told = tell(muted(true)).unwrap();
    assert_eq!((&told["by"], told.get("peer")), (&json!("self"), None));
    assert_eq!(tell(muted(true)), None);
    assert_eq!(tell(muted(false)).unwrap()["peer"]["name"], "Ada");
    // Where there is no leg to tell it of.
    let unmuted = tell(of_group(ConferenceEvent::Muted { muted: false })).unwrap();
    assert_eq!(
        unmuted,
        json!({"event": "muted", "call_id": null, "muted": false, "by": "self", "conference_id": id})
    );
    assert!(tell(muted(true)).is_some());
    // After its end the call is nobody's.
    let ended = tell(CallEvent::Ended {
        call: call(),
        reason: EndReason::RemoteHangup,
        connected_for: None,
    });
    assert_eq!(ended.unwrap()["peer"]["name"], "Ada");
    let ringing = tell(CallEvent::Ringing { call: call() }).unwrap();
    assert_eq!(ringing.get("conference_id"), None);
}

#[test]
fn stats_have_the_fields_of_the_contract() {
    let event = told(&ClientEvent::Stats {
        call: call(),
        stats: CallStats {
            loss: 0.25,
            bit_rate: 32_000,
            peer_loss: Some(0.02),
            ..CallStats::default()
        },
    });
    for field in [
        "rtt_ms",
        "loss",
        "jitter_ms",
        "playout_delay_ms",
        "frames_sent",
        "frames_received",
        "frames_refused",
        "concealed_ms",
        "microphone_ms",
        "speaker_ms",
        "bit_rate",
        "peer_loss",
    ] {
        assert!(event.get(field).is_some(), "{field}");
    }
    assert_eq!(event["loss"], 0.25);
    assert_eq!(
        (&event["bit_rate"], &event["peer_loss"]),
        (&json!(32_000), &json!(0.02))
    );
    assert_eq!(PathRoute::Direct.as_str(), "direct");
}

#[test]
fn a_leg_says_of_whom_it_is_to_its_end_though_its_group_call_gave_way_before() {
    let mut narrator = Narrator::new(now(), "@me:example.org".to_owned());
    let mut tell = |event| {
        let told = narrator.tell(&ClientEvent::Call(event));
        told.map(|told| serde_json::to_value(told).unwrap())
    };
    let leg = |number, conference| {
        let leg = ConferenceEvent::Leg {
            call: sample_calls::call(number),
            peer: sample_calls::peer(number, Some("Ada")),
        };
        in_conference(conference, leg)
    };
    tell(in_conference(1, ConferenceEvent::Began { call: None }));
    tell(leg(1, 1));
    tell(leg(2, 1));
    let by = conference(2);
    tell(in_conference(1, ConferenceEvent::Replaced { by }));
    let of = |told: &Value| (told["conference_id"].clone(), told["peer"]["id"].clone());
    let id = |number| json!(crate::sample_contacts::id(number).to_string());
    let ended = tell(CallEvent::Ended {
        call: sample_calls::call(1),
        reason: EndReason::LocalHangup,
        connected_for: None,
    });
    let gave_way = json!(conference(1).to_string());
    assert_eq!(of(&ended.unwrap()), (gave_way, id(1)));
    // The leg that goes on is the other group call's.
    tell(in_conference(
        2,
        ConferenceEvent::Began {
            call: Some(sample_calls::call(2)),
        },
    ));
    let ringing = tell(CallEvent::Ringing {
        call: sample_calls::call(2),
    });
    assert_eq!(of(&ringing.unwrap()), (json!(by.to_string()), id(2)));
}

#[test]
fn what_a_room_keeps_is_told_and_its_members_by_their_devices() {
    use crate::sample_calls::{device_of, room_keeps};

    let keeps = told(&ClientEvent::Call(in_conference(1, room_keeps(true))));
    assert_eq!(keeps["event"], "room_keeps");
    for (field, value) in [
        ("room_id", json!("!room:example.org")),
        ("encrypted", json!(true)),
        ("public", json!(false)),
        ("people", json!(3)),
        ("starts", json!(false)),
        ("in_clear", json!(true)),
        ("conference_id", json!(conference(1).to_string())),
    ] {
        assert_eq!(keeps[field], value, "{field}");
    }
    let peer = device_of("@ada:example.org", "PHONE", None);
    let joined = told(&ClientEvent::Call(in_conference(
        1,
        ConferenceEvent::Joined {
            call: call(),
            peer: peer.clone(),
            brought_by: None,
        },
    )));
    assert_eq!(joined["peer"]["device_id"], "PHONE");
    for (event, name) in [
        (
            ConferenceEvent::SealedInstead { peer: peer.clone() },
            "sealed_instead",
        ),
        (ConferenceEvent::InClearRefused { peer }, "member_in_clear"),
    ] {
        let told = told(&ClientEvent::Call(in_conference(1, event)));
        assert_eq!(told["event"], name);
        assert_eq!(told["peer"]["matrix_id"], "@ada:example.org");
    }
}
