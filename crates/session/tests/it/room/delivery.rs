//! How events reach the room: in order, each once, the last word before all others, and gone when the call is over.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use securecall_session::{EndReason, MediaEvent};
use serde_json::json;

use super::contents::{js_answer, js_invite};
use super::world::{ADA, BOB, Fate, World, connected_pair, connected_to_js, ringing_pair};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn candidates_leave_only_when_the_homeserver_has_what_they_belong_to() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.script = Box::new(|event_type| match event_type {
        "m.call.answer" => Fate::NeverArrives,
        _ => Fate::Take,
    });
    world.post(BOB, "m.call.invite", js_invite("c1"));
    world.seconds(1);
    world.answer(ada);
    world.seconds(10);
    assert!(world.said_by(ADA).is_empty());
    world.script = Box::new(|_| Fate::Take);
    world.seconds(10);
    assert_eq!(world.said_by(ADA), ["answer", "candidates"]);
}

#[test]
fn what_is_found_later_goes_in_at_most_four_events() {
    let mut world = World::new(1);
    world.gathers_at_once = false;
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    let mut number = 100;
    for _ in 0..60 {
        world.run_for(SECOND);
        number += 1;
        let candidates = vec![format!(
            "candidate:{number} 1 udp 1 192.0.2.1 {number} typ host"
        )];
        let complete = number == 160;
        world.media(
            ada,
            MediaEvent::LocalCandidates {
                candidates,
                complete,
            },
        );
    }
    world.seconds(5);
    let said = world.said_by(ADA);
    assert_eq!(
        said,
        [
            "invite",
            "candidates",
            "candidates",
            "candidates",
            "candidates"
        ]
    );
    let last = world.last(ADA, "m.call.candidates");
    let candidates = last["candidates"].as_array().unwrap();
    assert_eq!(candidates.last().unwrap()["candidate"], "");
}

#[test]
fn an_answer_waits_two_hundred_milliseconds_for_candidates_and_no_longer() {
    let mut world = World::new(1);
    world.gathers_at_once = false;
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    world.run_for(Duration::from_millis(150));
    assert!(world.said_by(ADA).is_empty());
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.said_by(ADA), ["invite"]);
    let invite = world.last(ADA, "m.call.invite");
    let sdp = invite["offer"]["sdp"].as_str().unwrap();
    assert!(sdp.contains("a=candidate:") && !sdp.contains("a=end-of-candidates"));
}

#[test]
fn an_event_whose_answer_is_lost_stands_in_the_room_once() {
    let (mut world, ada, bob) = ringing_pair(1);
    let mut tries = 0;
    world.script = Box::new(move |_| {
        tries += 1;
        if tries % 2 == 1 {
            Fate::LoseAnswer
        } else {
            Fate::Take
        }
    });
    world.answer(bob);
    world.seconds(10);
    assert!(world.connected(ada) && world.connected(bob));
    world.hang_up(bob);
    world.seconds(60);
    assert_eq!(world.said_by(BOB), ["answer", "candidates", "hangup"]);
    assert_eq!(world.ended(ada), Some(EndReason::RemoteHangup));
    assert!(world.rooms[0].timeline.iter().all(|it| it.redacted));
    assert!(world.all_empty());
}

#[test]
fn after_a_limit_the_homeserver_is_left_alone_for_as_long_as_it_says() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.script = Box::new(|_| Fate::Limit(SECOND * 7));
    world.call(ada, BOB).unwrap();
    world.run_for(Duration::from_millis(6_900));
    assert_eq!(world.devices[ada].requests, 1);
    world.script = Box::new(|_| Fate::Take);
    world.run_for(Duration::from_millis(300));
    assert_eq!(world.said_by(ADA), ["invite", "candidates"]);
}

#[test]
fn a_hangup_overtakes_all_that_waits_and_is_tried_in_spite_of_a_limit() {
    let (mut world, ada, id) = connected_to_js(1);
    let seen: Rc<RefCell<Vec<&'static str>>> = Rc::default();
    let log = Rc::clone(&seen);
    world.script = Box::new(move |event_type| {
        log.borrow_mut().push(event_type);
        match event_type {
            "m.call.hangup" => Fate::Take,
            _ => Fate::Limit(SECOND * 20),
        }
    });
    world.mute(ada, true);
    world.run_for(Duration::from_millis(200));
    world.mute(ada, false);
    world.hang_up(ada);
    world.run_for(Duration::from_millis(200));
    let changed = "m.call.sdp_stream_metadata_changed";
    assert_eq!(*seen.borrow(), [changed, "m.call.hangup"]);
    assert_eq!(world.last(ADA, "m.call.hangup")["call_id"], *id);
}

#[test]
fn a_hangup_never_overtakes_its_invite_and_none_follows_one_that_is_nowhere() {
    // Taken, but the answer comes late.
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.hop = SECOND;
    world.call(ada, BOB).unwrap();
    world.run_for(Duration::from_millis(300));
    world.hang_up(ada);
    world.seconds(10);
    assert_eq!(world.said_by(ADA), ["invite", "hangup"]);
    // It may have been taken.
    let mut world = World::new(2);
    let ada = world.add_device(ADA);
    world.script = Box::new(|event_type| match event_type {
        "m.call.invite" => Fate::LoseAnswer,
        _ => Fate::Take,
    });
    world.call(ada, BOB).unwrap();
    world.run_for(Duration::from_millis(20));
    world.hang_up(ada);
    world.seconds(10);
    assert_eq!(world.said_by(ADA), ["invite", "hangup"]);
    // It was certainly not.
    for fate in [Fate::NeverArrives, Fate::Limit(SECOND)] {
        for when in [20, 500] {
            let mut world = World::new(3);
            let ada = world.add_device(ADA);
            world.script = Box::new(move |_| fate);
            world.call(ada, BOB).unwrap();
            world.run_for(Duration::from_millis(when));
            world.hang_up(ada);
            world.script = Box::new(|_| Fate::Take);
            world.seconds(10);
            assert!(world.said_by(ADA).is_empty(), "{fate:?} {when}");
            assert!(world.all_empty(), "{fate:?} {when}");
        }
    }
}

#[test]
fn a_room_that_is_closed_to_us_ends_the_call() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.script = Box::new(|_| Fate::Forbid);
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    assert_eq!(world.ended(ada), Some(EndReason::HomeserverRefused));
    assert!(world.all_empty());
}

#[test]
fn a_homeserver_that_takes_nothing_is_named_when_nobody_answers() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.script = Box::new(|_| Fate::NeverArrives);
    world.call(ada, BOB).unwrap();
    world.seconds(95);
    assert_eq!(world.ended(ada), Some(EndReason::HomeserverRefused));
    assert!(world.devices[ada].requests <= 12);
    world.seconds(200);
    assert!(world.all_empty());
}

#[test]
fn the_last_word_stays_until_it_was_read_and_what_the_peer_has_read_goes_at_once() {
    let (mut world, ada, _) = connected_pair(1);
    world.hang_up(ada);
    world.seconds(1);
    let redacted = |world: &World, who: &str| {
        let mut of = world.rooms[0].timeline.iter().filter(|it| it.sender == who);
        of.all(|it| it.redacted)
    };
    assert!(redacted(&world, BOB) && !redacted(&world, ADA));
    assert!(!world.devices[ada].endpoint.is_idle());
    world.seconds(4);
    assert!(redacted(&world, ADA) && world.devices[ada].endpoint.is_idle());
}

#[test]
fn redactions_wait_out_a_limit_and_are_given_up_in_the_end() {
    for (pause, all) in [(SECOND * 5, true), (SECOND * 100, false)] {
        let (mut world, ada, _) = connected_pair(1);
        let mut budget = 3;
        world.script = Box::new(move |event_type| match event_type {
            "m.room.redaction" if budget == 0 => {
                budget += u32::from(all) * 2;
                Fate::Limit(pause)
            }
            "m.room.redaction" => {
                budget -= 1;
                Fate::Take
            }
            _ => Fate::Take,
        });
        world.hang_up(ada);
        world.seconds(200);
        assert_eq!(world.rooms[0].timeline.iter().all(|it| it.redacted), all);
        assert!(world.all_empty());
    }
}

#[test]
fn the_answer_to_a_request_of_another_kind_leaves_it_open() {
    let (mut world, ada, id) = connected_to_js(1);
    world.post(BOB, "m.call.answer", js_answer(&id));
    world.seconds(1);
    assert_eq!(
        world.last(ADA, "m.call.select_answer")["selected_party_id"],
        json!("JSDEVICE")
    );
    assert!(world.connected(ada));
}
