//! Descriptions within the call: ICE restart from either side, hold, streams that are muted.

use securecall_session::{CommandError, EndReason, Event, MediaEvent};
use serde_json::{Value, json};

use super::contents::{js_answer, of_call, sdp, with};
use super::world::{ADA, BOB, World, connected_pair, connected_to_js};

fn negotiate(id: &str, kind: &str, sdp: &str) -> Value {
    with(
        of_call(id, "JSDEVICE"),
        json!({ "description": { "type": kind, "sdp": sdp }, "lifetime": 60_000 }),
    )
}

fn count(world: &World, device: usize, order: &str) -> usize {
    let orders = world.devices[device].orders.iter();
    orders.filter(|it| *it == order).count()
}

fn holds(world: &World, device: usize) -> Vec<bool> {
    let events = world.devices[device].events.iter();
    let held = events.filter_map(|it| match it {
        Event::Held {
            local: false, held, ..
        } => Some(*held),
        _ => None,
    });
    held.collect()
}

#[test]
fn a_path_that_dies_is_looked_for_anew_by_the_caller() {
    let (mut world, ada, bob) = connected_pair(1);
    world.network_up = false;
    world.seconds(11);
    assert_eq!(count(&world, ada, "CreateRestartOffer"), 1);
    assert_eq!(count(&world, bob, "AcceptRestartOffer"), 1);
    assert_eq!(count(&world, ada, "SetRestartAnswer"), 1);
    world.network_up = true;
    world.seconds(3);
    assert!(world.told(ada, |it| matches!(it, Event::Reconnected { .. })));
    assert_eq!(world.ended(ada), None);
    let offer = world.last(ADA, "m.call.negotiate");
    assert_eq!(offer["description"]["type"], "offer");
    assert!(offer["lifetime"].is_u64());
    assert_eq!(
        offer["sdp_stream_metadata"]["stream-ada"]["purpose"],
        "m.usermedia"
    );
}

#[test]
fn the_callee_makes_offers_too() {
    let (mut world, ada, bob) = connected_pair(1);
    world.media(bob, MediaEvent::PathLost);
    world.seconds(1);
    assert_eq!(count(&world, bob, "CreateRestartOffer"), 1);
    assert_eq!(count(&world, ada, "AcceptRestartOffer"), 1);
    assert_eq!(count(&world, bob, "SetRestartAnswer"), 1);
}

#[test]
fn where_two_offers_cross_the_callee_drops_its_own() {
    let (mut world, ada, bob) = connected_pair(1);
    world.media(ada, MediaEvent::PathLost);
    world.media(bob, MediaEvent::PathLost);
    world.seconds(1);
    assert_eq!(count(&world, ada, "AcceptRestartOffer"), 0);
    assert_eq!(count(&world, ada, "SetRestartAnswer"), 1);
    assert_eq!(count(&world, bob, "AcceptRestartOffer"), 1);
    assert_eq!(count(&world, bob, "SetRestartAnswer"), 0);
}

#[test]
fn an_offer_that_is_dropped_while_it_is_made_is_never_said() {
    let (mut world, _, bob) = connected_pair(1);
    let id = world.call_id(bob);
    let party = world.last(ADA, "m.call.invite")["party_id"].clone();
    let offer = json!({ "description": { "type": "offer", "sdp": sdp("ada", "sendrecv") },
                        "lifetime": 60_000, "call_id": id, "version": "1", "party_id": party });
    world.post(ADA, "m.call.negotiate", offer);
    world.run_for(std::time::Duration::from_micros(19_500));
    world.media(bob, MediaEvent::PathLost);
    world.seconds(1);
    assert_eq!(count(&world, bob, "CreateRestartOffer"), 1);
    let said = world.said_by(BOB);
    assert_eq!(said.iter().filter(|it| *it == "negotiate").count(), 1);
    assert_eq!(
        world.last(BOB, "m.call.negotiate")["description"]["type"],
        "answer"
    );
}

#[test]
fn the_hold_of_the_peer_is_told_and_every_offer_is_answered() {
    let (mut world, ada, id) = connected_to_js(1);
    for direction in ["sendonly", "sendonly", "inactive", "sendrecv"] {
        world.post(
            BOB,
            "m.call.negotiate",
            negotiate(&id, "offer", &sdp("js", direction)),
        );
        world.seconds(2);
    }
    assert_eq!(holds(&world, ada), [true, false]);
    let said = world.said_by(ADA);
    assert_eq!(said.iter().filter(|it| *it == "negotiate").count(), 4);
    assert_eq!(
        world.last(ADA, "m.call.negotiate")["description"]["type"],
        "answer"
    );
}

#[test]
fn an_offer_of_another_fingerprint_device_or_age_is_no_offer() {
    let (mut world, ada, id) = connected_to_js(1);
    world.post(
        BOB,
        "m.call.negotiate",
        negotiate(&id, "offer", &sdp("other", "sendonly")),
    );
    world.post(BOB, "m.call.negotiate", negotiate(&id, "offer", "v=0\r\n"));
    let of_another = with(
        negotiate(&id, "offer", &sdp("js", "sendonly")),
        json!({ "party_id": "OTHER" }),
    );
    world.post(BOB, "m.call.negotiate", of_another);
    world.post(
        BOB,
        "m.call.negotiate",
        negotiate(&id, "answer", &sdp("js", "sendonly")),
    );
    world.seconds(1);
    world.devices[ada].syncs = false;
    let number = world.rooms[0].timeline.len();
    let old = with(
        negotiate(&id, "offer", &sdp("js", "sendonly")),
        json!({ "lifetime": 10_000 }),
    );
    world.post(BOB, "m.call.negotiate", old);
    world.seconds(10);
    world.hand_in(ada, 0, number);
    world.seconds(1);
    assert!(holds(&world, ada).is_empty());
    assert_eq!(count(&world, ada, "AcceptRestartOffer"), 0);
    assert_eq!(world.ended(ada), None);
}

#[test]
fn offers_without_end_are_answered_at_a_bounded_pace() {
    let (mut world, ada, id) = connected_to_js(1);
    let offer = negotiate(&id, "offer", &sdp("js", "sendrecv"));
    for _ in 0..50 {
        world.post(BOB, "m.call.negotiate", offer.clone());
        world.run_for(std::time::Duration::from_millis(100));
    }
    let taken = count(&world, ada, "AcceptRestartOffer");
    assert!((8..=14).contains(&taken), "{taken}");
    world.seconds(10);
    assert_eq!(world.ended(ada), None);
}

#[test]
fn a_peer_without_stream_metadata_is_never_sent_an_offer() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    let id = world.call_id(ada);
    let answer = json!({ "answer": { "type": "answer", "sdp": sdp("nheko", "sendrecv") } });
    world.post(BOB, "m.call.answer", with(of_call(&id, "nheko123"), answer));
    world.seconds(1);
    assert!(world.connected(ada));
    world.mute(ada, true);
    world.network_up = false;
    world.seconds(60);
    assert_eq!(count(&world, ada, "CreateRestartOffer"), 0);
    assert_eq!(
        world.said_by(ADA),
        ["invite", "candidates", "select_answer", "hangup"]
    );
    assert_eq!(world.ended(ada), Some(EndReason::IceTimeout));
}

#[test]
fn mute_is_told_both_ways() {
    let (mut world, ada, bob) = connected_pair(1);
    world.mute(ada, true);
    world.seconds(1);
    let muted = |state: bool| move |it: &Event| matches!(it, Event::Muted { local: false, muted, .. } if *muted == state);
    assert!(world.told(bob, muted(true)));
    let changed = world.last(ADA, "m.call.sdp_stream_metadata_changed");
    assert_eq!(
        changed["sdp_stream_metadata"]["stream-ada"]["audio_muted"],
        true
    );
    assert_eq!(
        changed["org.matrix.msc3077.sdp_stream_metadata"]["stream-ada"]["video_muted"],
        true
    );
    for _ in 0..100 {
        world.mute(ada, false);
        world.mute(ada, true);
    }
    world.mute(ada, false);
    world.seconds(1);
    assert!(world.told(bob, muted(false)));
    assert!(
        world.said_by(ADA).len() < 8,
        "only what is new when it can go"
    );
}

#[test]
fn who_is_muted_from_the_beginning_says_so_in_the_invite_and_is_shown_so() {
    let mut world = World::new(1);
    let (ada, bob) = (world.add_device(ADA), world.add_device(BOB));
    world.call(ada, BOB).unwrap();
    world.mute(ada, true);
    world.seconds(1);
    let invite = world.last(ADA, "m.call.invite");
    assert_eq!(
        invite["sdp_stream_metadata"]["stream-ada"]["audio_muted"],
        true
    );
    world.answer(bob);
    world.seconds(2);
    assert!(world.told(bob, |it| matches!(
        it,
        Event::Muted {
            local: false,
            muted: true,
            ..
        }
    )));
    assert!(
        !world
            .said_by(ADA)
            .iter()
            .any(|it| it.contains("stream_metadata"))
    );
}

#[test]
fn mute_before_the_call_is_connected_is_told_when_it_is() {
    let (mut world, ada, id) = connected_to_js(1);
    let streams = json!({ "sdp_stream_metadata": { "stream-js": { "purpose": "m.usermedia", "audio_muted": true } } });
    let changed = with(of_call(&id, "JSDEVICE"), streams);
    world.post(BOB, "m.call.sdp_stream_metadata_changed", changed);
    world.seconds(1);
    assert!(world.told(ada, |it| matches!(
        it,
        Event::Muted {
            local: false,
            muted: true,
            ..
        }
    )));
}

#[test]
fn what_comes_when_the_call_is_over_changes_nothing() {
    let (mut world, ada, id) = connected_to_js(1);
    world.hang_up(ada);
    world.post(
        BOB,
        "m.call.negotiate",
        negotiate(&id, "offer", &sdp("js", "sendonly")),
    );
    world.post(BOB, "m.call.answer", js_answer(&id));
    world.post(BOB, "m.call.hangup", of_call(&id, "JSDEVICE"));
    world.seconds(60);
    assert_eq!(world.ended(ada), Some(EndReason::LocalHangup));
    assert!(world.all_empty());
    let said = world.said_by(ADA);
    assert_eq!(said.last().unwrap(), "hangup");
}

#[test]
fn an_offer_of_ours_that_nobody_answers_does_not_keep_out_the_peers_for_ever() {
    let (mut world, ada, id) = connected_to_js(1);
    world.media(ada, MediaEvent::PathLost);
    world.seconds(1);
    assert_eq!(count(&world, ada, "CreateRestartOffer"), 1);
    let theirs = negotiate(&id, "offer", &sdp("js", "sendrecv"));
    for (seconds, taken) in [(5, 0), (6, 1)] {
        world.seconds(seconds);
        world.post(BOB, "m.call.negotiate", theirs.clone());
        world.run_for(std::time::Duration::from_millis(100));
        assert_eq!(count(&world, ada, "AcceptRestartOffer"), taken);
    }
    // And what comes as an answer to ours is none any more.
    world.post(
        BOB,
        "m.call.negotiate",
        negotiate(&id, "answer", &sdp("js", "sendrecv")),
    );
    world.seconds(1);
    assert_eq!(count(&world, ada, "SetRestartAnswer"), 0);
}

#[test]
fn who_holds_says_so_by_an_offer_and_resumes_by_another() {
    let (mut world, ada, id) = connected_to_js(1);
    let before = world.said_by(ADA).len();
    for (count, held) in [(1, true), (2, false)] {
        world.hold(ada, held).unwrap();
        world.hold(ada, held).unwrap();
        world.seconds(1);
        let offer = world.last(ADA, "m.call.negotiate");
        assert_eq!(offer["description"]["type"], "offer");
        assert_eq!(world.said_by(ADA).len(), before + count);
        let told =
            |it: &&Event| matches!(it, Event::Held { local: true, held: it, .. } if *it == held);
        assert_eq!(world.devices[ada].events.iter().filter(told).count(), 1);
        world.post(
            BOB,
            "m.call.negotiate",
            negotiate(&id, "answer", &sdp("js", "sendrecv")),
        );
        world.seconds(1);
    }
    let orders = &world.devices[ada].orders;
    for order in ["SetHeld(true, offer: true)", "SetHeld(false, offer: true)"] {
        assert!(orders.contains(&order.to_owned()));
    }
}

#[test]
fn a_peer_that_knows_no_offers_is_held_without_one() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    assert_eq!(world.hold(ada, true), Err(CommandError::NotConnected));
    world.seconds(1);
    let mut answer = js_answer(&world.call_id(ada));
    let fields = answer.as_object_mut().unwrap();
    fields.remove("sdp_stream_metadata");
    fields.remove("org.matrix.msc3077.sdp_stream_metadata");
    world.post(BOB, "m.call.answer", answer);
    world.seconds(1);
    world.hold(ada, true).unwrap();
    world.seconds(1);
    assert!(
        world.devices[ada]
            .orders
            .contains(&"SetHeld(true, offer: false)".to_owned())
    );
    assert!(!world.said_by(ADA).contains(&"negotiate".to_owned()));
    world.hang_up(ada);
    assert_eq!(world.hold(ada, false), Err(CommandError::NoSuchCall));
}
