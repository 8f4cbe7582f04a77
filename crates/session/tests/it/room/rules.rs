//! Who may ring in a room, and who may be called there.

use std::time::Duration;

use securecall_contact::{MatrixId, SecureCallId, ServerName};
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_session::{
    AnswerPolicy, CallError, CallOptions, Contact, Contacts, EndReason, Event, InboundRoomEvent,
    MissedReason, RefusedReason, RelaysAvailable, Require, RingPolicy, Route, Rule, SignalRefused,
};
use serde_json::json;

use super::contents::{js_invite, of_call, with};
use super::world::{ADA, BOB, DIRECT, World, connected_to_js, id_of, ringing_pair};

fn refused(world: &World, device: usize) -> Vec<RefusedReason> {
    let events = world.devices[device].events.iter();
    let reasons = events.filter_map(|it| match it {
        Event::Refused { why, .. } => Some(*why),
        _ => None,
    });
    reasons.collect()
}

/// Ada, and an invite of Bob's that she gets.
fn invited(change: impl FnOnce(&mut World), invite: serde_json::Value) -> (World, usize) {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    change(&mut world);
    world.post(BOB, "m.call.invite", invite);
    world.seconds(1);
    (world, ada)
}

#[test]
fn in_a_room_of_two_it_rings_and_only_after_the_whole_sync_response() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.devices[ada].syncs = false;
    world.post(BOB, "m.call.invite", js_invite("c1"));
    world.hand_in(ada, 0, 0);
    world.seconds(1);
    assert_eq!(world.rings(ada), 0);
    world.finish_sync(ada);
    assert_eq!(world.rings(ada), 1);
}

#[test]
fn what_the_same_sync_response_ends_does_not_ring() {
    for (sender, event_type, content, missed) in [
        (BOB, "m.call.hangup", of_call("c1", "JSDEVICE"), true),
        (
            ADA,
            "m.call.answer",
            with(
                of_call("c1", "OTHER"),
                json!({ "answer": { "type": "answer", "sdp": "x" } }),
            ),
            false,
        ),
        (ADA, "m.call.reject", of_call("c1", "OTHER"), false),
        (
            BOB,
            "m.call.select_answer",
            with(
                of_call("c1", "JSDEVICE"),
                json!({ "selected_party_id": "OTHER" }),
            ),
            false,
        ),
    ] {
        let mut world = World::new(1);
        let ada = world.add_device(ADA);
        world.devices[ada].syncs = false;
        world.post(BOB, "m.call.invite", js_invite("c1"));
        world.post(sender, event_type, content);
        world.hand_in(ada, 0, 0);
        world.hand_in(ada, 0, 1);
        world.finish_sync(ada);
        assert_eq!(world.rings(ada), 0, "{event_type}");
        let is_missed = |it: &Event| matches!(it, Event::Missed { .. });
        assert_eq!(world.told(ada, is_missed), missed, "{event_type}");
        assert!(world.all_empty());
    }
    // Nobody else can: not with another party ID, and not from a third account.
    for (sender, party) in [(BOB, "OTHER"), ("@eve:example.org", "JSDEVICE")] {
        let mut world = World::new(1);
        let ada = world.add_device(ADA);
        world.devices[ada].syncs = false;
        world.post(BOB, "m.call.invite", js_invite("c1"));
        world.post(sender, "m.call.hangup", of_call("c1", party));
        world.hand_in(ada, 0, 0);
        world.hand_in(ada, 0, 1);
        world.finish_sync(ada);
        assert_eq!(world.rings(ada), 1, "{sender} {party}");
    }
}

#[test]
fn a_room_that_anybody_may_join_never_rings() {
    let public = |world: &mut World| world.rooms[0].facts.is_public = true;
    let named = with(js_invite("c1"), json!({ "invitee": ADA }));
    for invite in [js_invite("c1"), named] {
        let (world, ada) = invited(public, invite);
        assert_eq!(world.rings(ada), 0);
        assert_eq!(refused(&world, ada), [RefusedReason::PublicRoom]);
    }
}

#[test]
fn a_larger_room_rings_only_for_who_is_named() {
    let large = |world: &mut World| world.rooms[0].facts.joined_members = 3;
    let (world, ada) = invited(large, js_invite("c1"));
    assert_eq!(world.rings(ada), 0);
    assert_eq!(refused(&world, ada), [RefusedReason::LargeRoom]);
    let (world, ada) = invited(large, with(js_invite("c1"), json!({ "invitee": ADA })));
    assert_eq!(world.rings(ada), 1);
    let eve = json!({ "invitee": "@eve:example.org" });
    let (world, ada) = invited(|_| {}, with(js_invite("c1"), eve));
    assert_eq!(world.rings(ada), 0);
    assert_eq!(world.devices[ada].refused, [SignalRefused::ForSomebodyElse]);
}

#[test]
fn it_rings_by_the_age_of_the_invite_and_by_no_clock() {
    // matrix-js-sdk's lifetime is 60 s.
    for (age, rings) in [(0, 1), (56, 1), (58, 0), (60, 0), (100_000, 0)] {
        let mut world = World::new(1);
        let ada = world.add_device(ADA);
        world.devices[ada].syncs = false;
        world.post(BOB, "m.call.invite", js_invite("c1"));
        world.seconds(age);
        world.hand_in(ada, 0, 0);
        world.finish_sync(ada);
        assert_eq!(world.rings(ada), rings, "{age} s");
        let missed = |it: &Event| {
            matches!(
                it,
                Event::Missed {
                    why: MissedReason::NotAnswered,
                    ..
                }
            )
        };
        assert_eq!(world.told(ada, missed), rings == 0, "{age} s");
        if rings == 1 {
            world.seconds(60 - age);
            assert_eq!(world.ended(ada), Some(EndReason::NoAnswer), "{age} s");
        }
    }
}

#[test]
fn an_invite_of_unknown_age_does_not_ring() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    let (room, facts) = (world.rooms[0].id.clone(), world.rooms[0].facts);
    let (sender, content) = (id_of(BOB), js_invite("c1").to_string());
    let event = InboundRoomEvent {
        room: &room,
        facts,
        sender: &sender,
        event_type: "m.call.invite",
        content: &content,
        age: None,
        is_encrypted: false,
    };
    assert_eq!(world.inject(ada, event), Err(SignalRefused::Stale));
    world.finish_sync(ada);
    assert_eq!(world.rings(ada), 0);
}

#[test]
fn in_an_encrypted_room_what_is_not_encrypted_counts_for_nothing() {
    let (mut world, ada, id) = connected_to_js(1);
    world.rooms[0].facts.is_encrypted = true;
    let (room, facts) = (world.rooms[0].id.clone(), world.rooms[0].facts);
    let sender = id_of(BOB);
    let hangup = of_call(&id, "JSDEVICE").to_string();
    let invite = js_invite("c2").to_string();
    for (event_type, content) in [("m.call.hangup", &hangup), ("m.call.invite", &invite)] {
        let event = InboundRoomEvent {
            room: &room,
            facts,
            sender: &sender,
            event_type,
            content,
            age: Some(Duration::ZERO),
            is_encrypted: false,
        };
        assert_eq!(world.inject(ada, event), Err(SignalRefused::NotEncrypted));
    }
    assert_eq!(world.ended(ada), None);
    world.post(BOB, "m.call.hangup", of_call(&id, "JSDEVICE"));
    world.seconds(1);
    assert_eq!(world.ended(ada), Some(EndReason::RemoteHangup));
}

fn address_with_key() -> MatrixId {
    let seed = IdentitySeed::from_bytes([9; 32]);
    let id = SecureCallId::new(&IdentityKeyPair::from_seed(&seed).public());
    let server: ServerName = "example.org".parse().unwrap();
    MatrixId::of_securecall_id(&id, &server)
}

pub(super) fn contacts_with_bob() -> Contacts {
    let seed = IdentitySeed::from_bytes([9; 32]);
    Contacts::new([Contact {
        name: "Bob".to_owned(),
        identity: IdentityKeyPair::from_seed(&seed).public(),
        matrix_id: id_of(BOB),
    }])
}

#[test]
fn who_has_a_known_key_neither_rings_nor_is_called_without_it() {
    let address = address_with_key();
    for (caller, contacts) in [
        (address.as_str(), Contacts::default()),
        (BOB, contacts_with_bob()),
    ] {
        let mut world = World::new(1);
        let ada = world.add_device_with(ADA, |_| {}, contacts);
        world.post(caller, "m.call.invite", js_invite("c1"));
        world.seconds(1);
        assert_eq!(world.rings(ada), 0);
        assert_eq!(refused(&world, ada), [RefusedReason::KeyIsKnown]);
        assert!(world.told(
            ada,
            |it| matches!(it, Event::Refused { peer, .. } if peer.id.is_some())
        ));
        assert!(world.all_empty() && world.devices[ada].requests == 0);
    }
}

#[test]
fn who_requires_a_key_neither_takes_nor_places_such_calls() {
    let mut world = World::new(1);
    let required = CallOptions {
        require: Require::SecureCall,
        ..DIRECT
    };
    let inbound = required.clone();
    let ada = world.add_device_with(ADA, |it| it.inbound = inbound, Contacts::default());
    world.post(BOB, "m.call.invite", js_invite("c1"));
    world.seconds(1);
    assert_eq!(refused(&world, ada), [RefusedReason::TierTooLow]);
    let placed = world.call_with(ada, BOB, &required);
    assert_eq!(placed, Err(CallError::TierTooLow));
}

fn rule_about_bob(blocked: bool, require: Require) -> Contacts {
    let rule = Rule {
        identity: None,
        matrix_id: id_of(BOB),
        blocked,
        require,
    };
    Contacts::default().with_rules([rule])
}

#[test]
fn who_is_blocked_neither_rings_nor_is_called() {
    let mut world = World::new(1);
    let ada = world.add_device_with(ADA, |_| {}, rule_about_bob(true, Require::Any));
    world.post(BOB, "m.call.invite", js_invite("c1"));
    world.seconds(1);
    assert_eq!(world.rings(ada), 0);
    assert_eq!(refused(&world, ada), [RefusedReason::Blocked]);
    assert_eq!(world.call(ada, BOB), Err(CallError::Blocked));
    assert!(world.all_empty() && world.devices[ada].requests == 0);
}

#[test]
fn a_person_of_whom_a_key_is_required_neither_takes_nor_places_such_calls() {
    let mut world = World::new(1);
    let rules = rule_about_bob(false, Require::SecureCall);
    let ada = world.add_device_with(ADA, |_| {}, rules);
    world.post(BOB, "m.call.invite", js_invite("c1"));
    world.seconds(1);
    assert_eq!(refused(&world, ada), [RefusedReason::TierTooLow]);
    assert_eq!(world.call(ada, BOB), Err(CallError::TierTooLow));
}

#[test]
fn who_may_not_ring_by_the_users_setting_does_not_ring_in_a_room() {
    let known = || Contacts::default().with_accounts([(id_of(BOB), "Bob".to_owned())]);
    for (ring, contacts, rings) in [
        (RingPolicy::Contacts, Contacts::default(), 0),
        (RingPolicy::Contacts, known(), 1),
        (RingPolicy::Nobody, known(), 0),
    ] {
        let mut world = World::new(1);
        let ada = world.add_device_with(ADA, |it| it.ring = ring, contacts);
        world.post(BOB, "m.call.invite", js_invite("c1"));
        world.seconds(1);
        assert_eq!(world.rings(ada), rings, "{ring:?}");
        let told = refused(&world, ada);
        assert_eq!(told.contains(&RefusedReason::RingPolicy), rings == 0);
    }
}

#[test]
fn strangers_are_relayed_and_accounts_that_the_user_knows_are_not() {
    let by_default = |it: &mut securecall_session::Config| it.inbound.route = None;
    let any = CallOptions {
        route: None,
        ..DIRECT
    };
    let [none, turn, both] = [(false, false), (true, false), (true, true)];
    for ((turn, ghostnet), known, orders, error) in [
        (none, false, None, Some(CallError::NoRelay)),
        (turn, false, Some("CreateOffer(relay)"), None),
        (both, false, Some("CreateOffer(ghostnet)"), None),
        (none, true, Some("CreateOffer(direct)"), None),
    ] {
        let contacts = Contacts::default();
        let contacts = if known {
            contacts.with_accounts([(id_of(BOB), "Bob".to_owned())])
        } else {
            contacts
        };
        let mut world = World::new(1);
        let relays = RelaysAvailable { turn, ghostnet };
        let config = |it: &mut securecall_session::Config| {
            by_default(it);
            it.relays = relays;
        };
        let ada = world.add_device_with(ADA, config, contacts);
        world.post(BOB, "m.call.invite", js_invite("c1"));
        world.seconds(1);
        let is_refused = refused(&world, ada) == [RefusedReason::NoRelay];
        assert_eq!(
            (is_refused, world.rings(ada)),
            (error.is_some(), usize::from(error.is_none()))
        );
        if error.is_none() {
            world.reject(ada);
            world.seconds(20);
        }
        assert_eq!(world.call_with(ada, BOB, &any).err(), error);
        assert_eq!(
            world.devices[ada].orders.first().map(String::as_str),
            orders
        );
    }
    let options = CallOptions {
        route: Some(Route::Relay),
        ..DIRECT
    };
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    let refused = world.call_with(ada, BOB, &options);
    assert_eq!(refused, Err(CallError::RelayUnavailable));
}

#[test]
fn only_rooms_of_two_are_called_in() {
    for (members, public) in [(1, false), (3, false), (2, true)] {
        let mut world = World::new(1);
        let ada = world.add_device(ADA);
        world.rooms[0].facts.joined_members = members;
        world.rooms[0].facts.is_public = public;
        world.call(ada, BOB).unwrap();
        assert_eq!(world.ended(ada), Some(EndReason::HomeserverRefused));
        assert!(world.all_empty() && world.rooms[0].timeline.is_empty());
    }
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    assert_eq!(world.call(ada, ADA), Err(CallError::OwnIdentity));
}

#[test]
fn who_is_in_a_call_declines_and_says_that_they_are_busy() {
    let (mut world, ada, _) = connected_to_js(1);
    world.add_room();
    world.post_in(1, "@eve:example.org", "m.call.invite", js_invite("c2"));
    world.seconds(1);
    assert_eq!(world.rings(ada), 0);
    let reject = world.last(ADA, "m.call.reject");
    assert_eq!(
        (&reject["reason"], &reject["call_id"]),
        (&json!("user_busy"), &json!("c2"))
    );
    assert!(world.told(ada, |it| matches!(
        it,
        Event::Missed {
            why: MissedReason::Busy,
            ..
        }
    )));
    // Version 0 knows no reject.
    let v0 = with(js_invite("c3"), json!({ "version": 0 }));
    world.post_in(1, "@eve:example.org", "m.call.invite", v0);
    world.seconds(1);
    assert_eq!(world.last(ADA, "m.call.hangup")["reason"], "user_busy");
    assert_eq!(world.ended(ada), None);
    assert_eq!(
        world.call(ada, "@eve:example.org"),
        Err(CallError::InAnotherCall)
    );
}

#[test]
fn own_echoes_and_calls_of_our_other_devices_count_for_nothing() {
    let (mut world, ada, _) = ringing_pair(1);
    let id = world.call_id(ada);
    let echoes = world.devices[ada].refused.iter();
    assert!(echoes.clone().count() > 0 && echoes.clone().all(|it| *it == SignalRefused::Echo));
    // Another device of Ada says something of the call that this one places.
    world.post(ADA, "m.call.hangup", of_call(&id, "OTHER"));
    world.seconds(1);
    assert_eq!(world.ended(ada), None);
    let (world, ada) = invited(
        |world| world.post(ADA, "m.call.invite", js_invite("c2")),
        json!({}),
    );
    assert_eq!(world.rings(ada), 0);
}

#[test]
fn what_others_in_the_room_say_of_a_call_counts_for_nothing() {
    let (mut world, ada, id) = connected_to_js(1);
    world.post(
        "@eve:example.org",
        "m.call.hangup",
        of_call(&id, "JSDEVICE"),
    );
    world.post(BOB, "m.call.hangup", of_call(&id, "ANOTHER"));
    let muted = json!({ "sdp_stream_metadata": { "s": { "purpose": "m.usermedia", "audio_muted": true } } });
    world.post(
        BOB,
        "m.call.sdp_stream_metadata_changed",
        with(of_call(&id, "ANOTHER"), muted),
    );
    world.seconds(1);
    assert!(!world.told(ada, |it| matches!(it, Event::Muted { .. })));
    world.seconds(1);
    assert_eq!(world.ended(ada), None);
    assert!(
        world.devices[ada]
            .refused
            .contains(&SignalRefused::UnknownDevice)
    );
}

#[test]
fn the_same_invite_rings_once() {
    let mut world = World::new(1);
    world.duplicates = true;
    let ada = world.add_device(ADA);
    world.post(BOB, "m.call.invite", js_invite("c1"));
    world.seconds(1);
    world.reject(ada);
    world.seconds(30);
    world.hand_in(ada, 0, 0);
    world.finish_sync(ada);
    assert_eq!(world.rings(ada), 1);
    assert!(
        world.devices[ada]
            .refused
            .contains(&SignalRefused::Replayed)
    );
}

#[test]
fn an_offer_without_one_fingerprint_to_rely_on_does_not_ring() {
    let invite = with(
        js_invite("c1"),
        json!({ "offer": { "type": "offer", "sdp": "v=0\r\n" } }),
    );
    let (world, ada) = invited(|_| {}, invite);
    assert_eq!(world.devices[ada].refused, [SignalRefused::Fingerprint]);
    assert_eq!(world.rings(ada), 0);
}

#[test]
fn the_answer_policy_knows_accounts_of_contacts() {
    for (policy, known, accepted) in [
        (AnswerPolicy::Ask, true, false),
        (AnswerPolicy::Contacts, true, true),
        (AnswerPolicy::Contacts, false, false),
        (AnswerPolicy::Auto, false, true),
    ] {
        let names = known.then(|| (id_of(BOB), "Bob".to_owned()));
        let contacts = Contacts::default().with_accounts(names);
        let mut world = World::new(1);
        let ada = world.add_device_with(ADA, |it| it.answer = policy, contacts);
        world.post(BOB, "m.call.invite", js_invite("c1"));
        world.seconds(1);
        let was = |it: &Event| matches!(it, Event::Incoming { accepted: true, .. });
        assert_eq!(world.told(ada, was), accepted, "{policy:?} {known}");
        assert_eq!(world.said_by(ADA).contains(&"answer".to_owned()), accepted);
    }
}

#[test]
fn who_calls_again_while_it_rings_here_has_forgotten_the_first_call() {
    let (mut world, ada) = invited(|_| {}, js_invite("c1"));
    world.post(BOB, "m.call.invite", js_invite("c2"));
    world.seconds(1);
    assert_eq!(world.ended(ada), Some(EndReason::CallerCancelled));
    assert_eq!((world.rings(ada), world.call_id(ada)), (2, "c2".to_owned()));
    assert!(world.said_by(ADA).is_empty());
}

#[test]
fn candidates_that_came_with_the_invite_are_tried_when_the_user_answers() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.devices[ada].syncs = false;
    world.post(BOB, "m.call.invite", js_invite("c1"));
    let list = json!({ "candidates": [{ "candidate": "candidate:1", "sdpMid": "0" }] });
    world.post(
        BOB,
        "m.call.candidates",
        with(of_call("c1", "JSDEVICE"), list),
    );
    world.hand_in(ada, 0, 0);
    world.hand_in(ada, 0, 1);
    world.finish_sync(ada);
    assert!(world.devices[ada].orders.is_empty());
    world.answer(ada);
    let orders = &world.devices[ada].orders;
    assert!(
        orders.contains(&"AddRemoteCandidates(1)".to_owned()),
        "{orders:?}"
    );
}
