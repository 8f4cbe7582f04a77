//! Whatever strangers and homeservers put into rooms: bounded, told rarely, and nothing breaks.

use std::time::Duration;

use proptest::prelude::*;
use securecall_contact::RoomId;
use securecall_session::{Contacts, EndReason, Event, InboundRoomEvent, RoomFacts, SignalRefused};
use serde_json::{Value, json};

use super::contents::{js_answer, js_invite, of_call, sdp, with};
use super::world::{ADA, BOB, World, connected_to_js, id_of};

const PRIVATE: RoomFacts = RoomFacts {
    joined_members: 2,
    is_public: false,
    is_encrypted: false,
};

/// An invite from an account in a room, in a sync response of its own.
fn invite(
    world: &mut World,
    device: usize,
    room: &RoomId,
    sender: &str,
    id: &str,
) -> Result<(), SignalRefused> {
    let content = js_invite(id).to_string();
    let sender = id_of(sender);
    let event = InboundRoomEvent {
        room,
        facts: PRIVATE,
        sender: &sender,
        event_type: "m.call.invite",
        content: &content,
        age: Some(Duration::ZERO),
        is_encrypted: false,
    };
    world.inject(device, event)
}

fn counted(world: &World, device: usize) -> (usize, u32) {
    let events = world.devices[device].events.iter();
    let calls = events.filter_map(|it| match it {
        Event::Missed { calls, .. } | Event::Refused { calls, .. } => Some(*calls),
        Event::CallsOfOthers { calls } => Some(*calls),
        _ => None,
    });
    let calls: Vec<_> = calls.collect();
    (calls.len(), calls.iter().sum())
}

#[test]
fn thousands_of_invites_of_one_stranger_ring_once_and_are_told_as_a_number() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    let room = world.rooms[0].id.clone();
    for number in 0..5_000 {
        let _ = invite(&mut world, ada, &room, BOB, &format!("c{number}"));
        world.finish_sync(ada);
    }
    world.run_for(Duration::from_secs(200));
    // Each time its own ringing call takes the place of the one before: bounded by what is remembered of an account.
    assert!(world.rings(ada) <= 16, "{}", world.rings(ada));
    let (events, calls) = counted(&world, ada);
    assert!(events <= 40 && calls >= 4_980, "{events} {calls}");
    assert!(world.said_by(ADA).len() <= 4);
    assert!(world.all_empty());
}

#[test]
fn a_thousand_strangers_in_a_thousand_rooms_make_no_storm() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    for number in 0..1_000 {
        world.add_room();
        let room = world.rooms[number + 1].id.clone();
        let stranger = format!("@eve{number}:example.org");
        let _ = invite(&mut world, ada, &room, &stranger, "c");
        world.finish_sync(ada);
    }
    assert_eq!(world.rings(ada), 1);
    world.seconds(10);
    let requests = world.devices[ada].requests;
    assert!(requests <= 10, "{requests}");
    world.seconds(200);
    let (events, calls) = counted(&world, ada);
    assert!(events <= 70, "{events}");
    assert!(calls >= 990, "{calls}");
    assert!(world.all_empty());
}

#[test]
fn strangers_who_call_and_hang_up_at_once_make_it_ring_only_so_often() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    for number in 0..200 {
        let stranger = format!("@eve{number}:example.org");
        let id = format!("c{number}");
        world.post(&stranger, "m.call.invite", js_invite(&id));
        world.run_for(Duration::from_millis(100));
        world.post(&stranger, "m.call.hangup", of_call(&id, "JSDEVICE"));
        world.run_for(Duration::from_millis(100));
    }
    assert!(world.rings(ada) <= 8, "{}", world.rings(ada));
    // A person whom the user knows rings all the same.
    let names = [(id_of(BOB), "Bob".to_owned())];
    let endpoint = &mut world.devices[ada].endpoint;
    endpoint.set_contacts(Contacts::default().with_accounts(names));
    let before = world.rings(ada);
    world.post(BOB, "m.call.invite", js_invite("friend"));
    world.seconds(1);
    assert_eq!(world.rings(ada), before + 1);
}

#[test]
fn in_one_sync_response_strangers_make_room_for_a_contact() {
    let mut world = World::new(1);
    let contacts = Contacts::default().with_accounts([(id_of(BOB), "Bob".to_owned())]);
    let ada = world.add_device_with(ADA, |_| {}, contacts);
    let room = world.rooms[0].id.clone();
    let mut refused = 0;
    for number in 0..100 {
        let stranger = format!("@eve{number}:example.org");
        let result = invite(&mut world, ada, &room, &stranger, &format!("c{number}"));
        refused += usize::from(result == Err(SignalRefused::TooManyInvites));
    }
    assert_eq!(refused, 84);
    assert_eq!(invite(&mut world, ada, &room, BOB, "friend"), Ok(()));
    world.finish_sync(ada);
    assert!(world.told(ada, |it| matches!(
        it,
        Event::Incoming { .. } | Event::Missed { .. }
    )));
    let bob = |it: &Event| matches!(it, Event::Missed { peer, .. } | Event::Incoming { peer, .. } if peer.name.is_some());
    assert!(world.told(ada, bob));
}

#[test]
fn an_invite_that_takes_the_id_of_our_call_does_nothing() {
    let (mut world, ada, id) = connected_to_js(1);
    world.post("@eve:example.org", "m.call.invite", js_invite(&id));
    world.post(BOB, "m.call.invite", js_invite(&id));
    world.seconds(1);
    assert_eq!((world.rings(ada), world.ended(ada)), (0, None));
}

#[test]
fn a_peer_of_many_parties_and_candidates_takes_bounded_room() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    let id = world.call_id(ada);
    let line =
        json!({ "candidate": format!("candidate:{} 1 udp", "9".repeat(200)), "sdpMid": "0" });
    let list = json!({ "candidates": vec![line; 100] });
    for number in 0..1_000 {
        let content = with(
            of_call(&id, &format!("party{}", number % 100)),
            list.clone(),
        );
        world.post(BOB, "m.call.candidates", content);
    }
    world.seconds(1);
    let unknown = world.devices[ada].refused.iter();
    let unknown = unknown.filter(|it| **it == SignalRefused::UnknownDevice);
    assert_eq!(unknown.count(), 680);
    world.post(
        BOB,
        "m.call.answer",
        with(js_answer(&id), json!({ "party_id": "party1" })),
    );
    world.seconds(1);
    let handed = |it: &&String| it.starts_with("AddRemoteCandidates");
    let orders: Vec<_> = world.devices[ada].orders.iter().filter(handed).collect();
    assert_eq!(orders, ["AddRemoteCandidates(32)"]);
    assert!(world.connected(ada));
}

#[test]
fn a_reject_after_the_answer_ends_nothing() {
    let (mut world, ada, id) = connected_to_js(1);
    for party in ["JSDEVICE", "OTHER"] {
        world.post(BOB, "m.call.reject", of_call(&id, party));
    }
    world.seconds(1);
    assert_eq!(world.ended(ada), None);
    world.hang_up(ada);
    world.seconds(1);
    assert_eq!(world.ended(ada), Some(EndReason::LocalHangup));
}

const TYPES: [&str; 9] = [
    "m.call.invite",
    "m.call.answer",
    "m.call.candidates",
    "m.call.select_answer",
    "m.call.reject",
    "m.call.hangup",
    "m.call.negotiate",
    "m.call.sdp_stream_metadata_changed",
    "m.room.message",
];

#[derive(Clone, Debug)]
enum Act {
    Post {
        sender: usize,
        event_type: usize,
        call: usize,
        party: usize,
        version: usize,
        sdp: usize,
    },
    Call,
    Answer,
    Reject,
    HangUp,
    Mute(bool),
    Leave(bool),
    Network(bool),
    PathLost,
    Wait(u32),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let post = (
        0..3_usize,
        0..9_usize,
        0..4_usize,
        0..3_usize,
        0..3_usize,
        0..4_usize,
    );
    let post = post.prop_map(
        |(sender, event_type, call, party, version, sdp)| Act::Post {
            sender,
            event_type,
            call,
            party,
            version,
            sdp,
        },
    );
    let act = prop_oneof![
        14 => post,
        1 => Just(Act::Call),
        2 => Just(Act::Answer),
        1 => Just(Act::Reject),
        1 => Just(Act::HangUp),
        1 => any::<bool>().prop_map(Act::Mute),
        1 => any::<bool>().prop_map(Act::Leave),
        1 => any::<bool>().prop_map(Act::Network),
        1 => Just(Act::PathLost),
        5 => (1_u32..30_000).prop_map(Act::Wait),
    ];
    proptest::collection::vec(act, 1..60)
}

fn content(world: &World, call: usize, party: usize, version: usize, which: usize) -> Value {
    let own = world.devices[0].call.as_ref().map(|it| it.id.to_string());
    let ids = ["0", "z", "m"].map(str::to_owned);
    let id = ids
        .get(call)
        .cloned()
        .or(own)
        .unwrap_or_else(|| "0".to_owned());
    let sdp = match which {
        0 => sdp("js", "sendrecv"),
        1 => sdp("js", "inactive"),
        2 => sdp("other", "sendonly"),
        _ => "m=audio".to_owned(),
    };
    let parties = ["JSDEVICE", "OTHER", "a/b="];
    let versions = [json!("1"), json!(0), Value::Null];
    let reasons = ["user_busy", "invite_timeout", "x", ""];
    json!({
        "call_id": id, "version": versions[version], "party_id": parties[party],
        "lifetime": 60_000, "offer": { "type": "offer", "sdp": sdp }, "answer": { "type": "answer", "sdp": sdp },
        "description": { "type": if call.is_multiple_of(2) { "offer" } else { "answer" }, "sdp": sdp },
        "candidates": [{ "candidate": "candidate:1", "sdpMid": "0" }, { "candidate": "", "sdpMid": "" }],
        "selected_party_id": parties[which % 3], "reason": reasons[which],
        "sdp_stream_metadata": { "stream-js": { "purpose": "m.usermedia", "audio_muted": which == 1 } },
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_room_says_calls_end_and_nothing_is_kept(
        acts in acts(),
        fates in proptest::collection::vec(0_u32..20, 64),
        gathers_at_once in any::<bool>(),
    ) {
        let mut world = World::new(7);
        world.gathers_at_once = gathers_at_once;
        let ada = world.add_device(ADA);
        let mut fates = fates.into_iter().cycle();
        world.script = Box::new(move |_| match fates.next().unwrap_or(0) {
            0 => super::world::Fate::LoseAnswer,
            1 => super::world::Fate::NeverArrives,
            2 => super::world::Fate::Limit(Duration::from_secs(3)),
            _ => super::world::Fate::Take,
        });
        for act in acts {
            match act {
                Act::Post { sender, event_type, call, party, version, sdp } => {
                    let content = content(&world, call, party, version, sdp);
                    let sender = [BOB, BOB, "@eve:example.org"][sender];
                    world.post(sender, TYPES[event_type], content);
                }
                Act::Call => drop(world.call(ada, BOB)),
                Act::Answer => world.try_command(ada, |endpoint, now, rng, call| endpoint.answer(now, rng, call)),
                Act::Reject => world.try_command(ada, |endpoint, now, rng, call| endpoint.reject(now, rng, call)),
                Act::HangUp => world.try_command(ada, |endpoint, now, rng, call| endpoint.hang_up(now, rng, call)),
                Act::Mute(muted) => world.try_command(ada, |endpoint, now, rng, call| endpoint.set_muted(now, rng, call, muted)),
                Act::Leave(true) => world.leave(BOB),
                Act::Leave(false) => world.leave("@eve:example.org"),
                Act::Network(up) => world.network_up = up,
                Act::PathLost => if world.devices[ada].call.is_some() {
                    world.media(ada, securecall_session::MediaEvent::PathLost);
                },
                Act::Wait(millis) => world.run_for(Duration::from_millis(millis.into())),
            }
        }
        world.network_up = false;
        world.seconds(400);
        prop_assert!(world.all_empty());
        let events = &world.devices[ada].events;
        let began = events.iter().filter(|it| matches!(it, Event::Dialing { .. } | Event::Incoming { .. })).count();
        let ended = events.iter().filter(|it| matches!(it, Event::Ended { .. } | Event::Replaced { .. })).count();
        prop_assert!(ended >= began, "{} began, {} ended", began, ended);
        let opened = world.devices[ada].orders.iter().filter(|it| *it == "OpenMicrophone").count();
        let connected = events.iter().filter(|it| matches!(it, Event::Connected { .. })).count();
        prop_assert_eq!(opened, connected);
    }
}
