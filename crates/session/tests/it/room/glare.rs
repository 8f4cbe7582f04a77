//! Both call each other in the same room.

use std::time::Duration;

use securecall_session::{EndReason, Event};
use serde_json::json;

use super::contents::{js_answer, js_invite, of_call, with};
use super::world::{ADA, BOB, World};

const LESSER: &str = "0";
/// Greater than any of ours, which are hexadecimal.
const GREATER: &str = "z";

fn replaced(world: &World, device: usize) -> bool {
    world.told(device, |it| matches!(it, Event::Replaced { .. }))
}

#[test]
fn two_devices_of_ours_end_in_one_call_whoever_dials_when() {
    for after in [0, 5, 19, 21, 30, 60, 205, 225, 260] {
        for seed in 0..6 {
            let mut world = World::new(seed);
            world.gathers_at_once = seed % 2 == 0;
            let (ada, bob) = (world.add_device(ADA), world.add_device(BOB));
            world.call(ada, BOB).unwrap();
            world.run_for(Duration::from_millis(after));
            world.call(bob, ADA).unwrap();
            world.seconds(3);
            let context = format!("{after} ms, {seed}");
            assert!(world.connected(ada) && world.connected(bob), "{context}");
            assert_eq!(world.call_id(ada), world.call_id(bob), "{context}");
            assert!(
                !(replaced(&world, ada) && replaced(&world, bob)),
                "{context}"
            );
            assert_eq!(
                (world.ended(ada), world.ended(bob)),
                (None, None),
                "{context}"
            );
            world.hang_up(bob);
            world.seconds(60);
            assert_eq!(world.ended(ada), Some(EndReason::RemoteHangup), "{context}");
            assert!(world.all_empty(), "{context}");
        }
    }
}

#[test]
fn an_invite_that_has_not_left_gives_way_without_a_word() {
    let mut world = World::new(1);
    world.gathers_at_once = false;
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    world.run_for(Duration::from_millis(50));
    world.post(BOB, "m.call.invite", js_invite(GREATER));
    world.seconds(1);
    assert!(replaced(&world, ada));
    assert_eq!(world.said_by(ADA)[0], "answer");
    assert_eq!(world.call_id(ada), GREATER);
}

#[test]
fn an_invite_of_a_greater_id_gives_way_and_is_hung_up() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    world.post(BOB, "m.call.invite", js_invite(LESSER));
    world.seconds(1);
    assert!(replaced(&world, ada));
    assert_eq!(world.call_id(ada), LESSER);
    let said = world.said_by(ADA);
    assert!(said.contains(&"hangup".to_owned()) && said.contains(&"answer".to_owned()));
    assert!(world.connected(ada));
}

#[test]
fn a_peer_that_sees_no_glare_is_answered_after_four_seconds() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    world.post(BOB, "m.call.invite", js_invite(GREATER));
    world.run_for(Duration::from_millis(3_900));
    assert!(!replaced(&world, ada));
    world.run_for(Duration::from_millis(300));
    assert!(replaced(&world, ada));
    world.seconds(1);
    assert_eq!(world.call_id(ada), GREATER);
    assert!(world.connected(ada));
}

#[test]
fn a_peer_that_drops_its_own_call_has_ours() {
    // matrix-dart-sdk hangs up the one that loses.
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    let id = world.call_id(ada);
    world.post(BOB, "m.call.invite", js_invite(GREATER));
    world.seconds(1);
    let reason = json!({ "reason": "unknown_error" });
    world.post(
        BOB,
        "m.call.hangup",
        with(of_call(GREATER, "JSDEVICE"), reason),
    );
    world.post(BOB, "m.call.answer", js_answer(&id));
    world.seconds(10);
    assert!(world.connected(ada) && !replaced(&world, ada));
    assert_eq!((world.call_id(ada), world.rings(ada)), (id, 0));
    assert!(!world.told(ada, |it| matches!(it, Event::Missed { .. })));
}

#[test]
fn a_peer_that_answers_ours_and_says_nothing_of_its_own_has_ours() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    let id = world.call_id(ada);
    world.post(BOB, "m.call.invite", js_invite(GREATER));
    world.seconds(1);
    world.post(BOB, "m.call.answer", js_answer(&id));
    world.seconds(10);
    assert!(world.connected(ada) && !replaced(&world, ada));
    assert!(!world.said_by(ADA).contains(&"reject".to_owned()));
}

#[test]
fn a_call_that_waits_for_the_glare_rings_if_ours_ends() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    world.post(BOB, "m.call.invite", js_invite(GREATER));
    world.seconds(1);
    world.hang_up(ada);
    world.seconds(5);
    assert_eq!(world.rings(ada), 1);
    assert!(!world.told(ada, |it| matches!(
        it,
        Event::Incoming { accepted: true, .. }
    )));
}

#[test]
fn in_another_room_of_the_two_it_is_the_same() {
    for (theirs, ours_gives_way_at_once) in [(LESSER, true), (GREATER, false)] {
        let mut world = World::new(1);
        let ada = world.add_device(ADA);
        world.add_room();
        world.call(ada, BOB).unwrap();
        world.seconds(1);
        world.post_in(1, BOB, "m.call.invite", js_invite(theirs));
        world.seconds(1);
        assert_eq!(replaced(&world, ada), ours_gives_way_at_once);
        world.seconds(5);
        assert!(world.connected(ada));
        assert_eq!(world.call_id(ada), theirs);
        assert!(!world.said_by(ADA).contains(&"reject".to_owned()));
    }
    // Of somebody else it is none.
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.add_room();
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    world.post_in(1, "@eve:example.org", "m.call.invite", js_invite(LESSER));
    world.seconds(6);
    assert!(!replaced(&world, ada));
    assert_eq!(world.last(ADA, "m.call.reject")["reason"], "user_busy");
}

#[test]
fn who_calls_the_person_who_rings_here_answers() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.post(BOB, "m.call.invite", js_invite(GREATER));
    world.seconds(1);
    let call = world.call(ada, BOB).unwrap();
    assert_eq!(call.id.as_str(), GREATER);
    world.seconds(1);
    assert!(world.connected(ada));
}

#[test]
fn who_calls_before_the_sync_response_is_through_answers_when_it_is() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.devices[ada].syncs = false;
    world.post(BOB, "m.call.invite", js_invite(GREATER));
    world.hand_in(ada, 0, 0);
    let call = world.call(ada, BOB).unwrap();
    assert_eq!((call.id.as_str(), world.rings(ada)), (GREATER, 0));
    world.finish_sync(ada);
    world.seconds(1);
    assert!(world.connected(ada));
}
