//! A call in a room as it should be.

use securecall_session::{EndReason, Event, MissedReason, Tier};

use super::world::{ADA, BOB, World, connected_pair, ringing_pair};

#[test]
fn two_connect_in_tier_matrix_hang_up_and_leave_no_event_behind() {
    let (mut world, ada, bob) = connected_pair(1);
    for device in [ada, bob] {
        assert!(world.told(device, |it| matches!(
            it,
            Event::Connected { tier: Tier::Matrix, safety_words: None, peer, .. } if peer.id.is_none()
        )));
    }
    world.seconds(60);
    world.hang_up(ada);
    world.seconds(2);
    assert_eq!(world.ended(ada), Some(EndReason::LocalHangup));
    assert_eq!(world.ended(bob), Some(EndReason::RemoteHangup));
    assert_eq!(
        world.said_by(ADA),
        ["invite", "candidates", "select_answer", "hangup"]
    );
    assert_eq!(world.said_by(BOB), ["answer", "candidates"]);
    world.seconds(20);
    assert!(world.rooms[0].timeline.iter().all(|it| it.redacted));
    assert!(world.all_empty());
}

#[test]
fn the_invite_has_what_every_client_needs() {
    let (world, ..) = ringing_pair(2);
    let invite = world.last(ADA, "m.call.invite");
    assert_eq!(invite["version"], "1");
    assert_eq!(invite["invitee"], BOB);
    assert_eq!(invite["lifetime"], 90_000);
    for key in [
        "sdp_stream_metadata",
        "org.matrix.msc3077.sdp_stream_metadata",
    ] {
        assert_eq!(invite[key]["stream-ada"]["purpose"], "m.usermedia");
        assert_eq!(invite[key]["stream-ada"]["video_muted"], true);
    }
    let sdp = invite["offer"]["sdp"].as_str().unwrap();
    assert!(sdp.contains("a=candidate:1 ") && sdp.contains("a=end-of-candidates"));
    let party = invite["party_id"].as_str().unwrap();
    assert!(party.len() == 16 && party.bytes().all(|b| b.is_ascii_alphanumeric()));
    assert!(!invite.to_string().contains("null"));
}

#[test]
fn candidates_have_both_names_of_their_m_line_and_an_end() {
    let (world, ..) = connected_pair(3);
    let candidates = world.last(ADA, "m.call.candidates");
    let end = &candidates["candidates"][0];
    assert_eq!(
        end,
        &serde_json::json!({ "candidate": "", "sdpMid": "0", "sdpMLineIndex": 0 })
    );
}

#[test]
fn a_call_declined_is_over_at_both_ends_and_the_other_devices_are_told() {
    let (mut world, ada, bob) = ringing_pair(4);
    world.reject(bob);
    world.seconds(1);
    assert_eq!(world.ended(bob), Some(EndReason::LocalReject));
    assert_eq!(world.ended(ada), Some(EndReason::Declined));
    assert_eq!(world.said_by(BOB), ["reject"]);
    assert_eq!(world.said_by(ADA).last().unwrap(), "select_answer");
    let selected = &world.last(ADA, "m.call.select_answer")["selected_party_id"];
    assert_eq!(*selected, world.last(BOB, "m.call.reject")["party_id"]);
    world.seconds(30);
    assert!(world.all_empty());
}

#[test]
fn a_call_that_is_given_up_is_a_missed_one() {
    let (mut world, ada, bob) = ringing_pair(5);
    world.hang_up(ada);
    world.seconds(1);
    assert_eq!(world.ended(ada), Some(EndReason::Cancelled));
    assert_eq!(world.ended(bob), Some(EndReason::CallerCancelled));
    assert!(world.told(bob, |it| matches!(
        it,
        Event::Missed {
            why: MissedReason::CallerCancelled,
            calls: 1,
            ..
        }
    )));
    assert!(world.said_by(BOB).is_empty());
}

#[test]
fn nobody_answers_and_a_hangup_says_so_also_to_who_would_ring_for_ever() {
    let (mut world, ada, bob) = ringing_pair(6);
    world.seconds(100);
    assert_eq!(world.ended(ada), Some(EndReason::NoAnswer));
    assert_eq!(world.ended(bob), Some(EndReason::NoAnswer));
    assert_eq!(world.last(ADA, "m.call.hangup")["reason"], "invite_timeout");
    assert!(world.said_by(BOB).is_empty(), "the caller says it");
    world.seconds(100);
    assert!(world.all_empty());
}

#[test]
fn the_device_that_answers_first_is_taken_and_the_others_stop_ringing() {
    let mut world = World::new(7);
    let ada = world.add_device(ADA);
    let bobs = [world.add_device(BOB), world.add_device(BOB)];
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    world.answer(bobs[1]);
    world.seconds(2);
    assert!(world.connected(ada) && world.connected(bobs[1]));
    assert_eq!(world.ended(bobs[0]), Some(EndReason::AnsweredElsewhere));
    assert_eq!(world.ended(bobs[1]), None);
}

#[test]
fn of_two_answers_that_cross_one_is_taken_and_the_other_device_is_told() {
    let mut world = World::new(8);
    let ada = world.add_device(ADA);
    let bobs = [world.add_device(BOB), world.add_device(BOB)];
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    world.answer(bobs[0]);
    world.answer(bobs[1]);
    world.seconds(3);
    let taken = world.last(ADA, "m.call.select_answer")["selected_party_id"].clone();
    let ends = bobs.map(|bob| world.ended(bob));
    assert!(ends.contains(&None) && ends.contains(&Some(EndReason::AnsweredElsewhere)));
    assert!(
        world
            .said_by(ADA)
            .iter()
            .filter(|it| *it == "select_answer")
            .count()
            == 1
    );
    assert!(taken.is_string() && world.connected(ada));
}

#[test]
fn nothing_is_opened_and_nothing_said_before_the_user_accepts() {
    let (world, _, bob) = ringing_pair(9);
    assert!(world.devices[bob].orders.is_empty());
    assert!(world.said_by(BOB).is_empty());
}

#[test]
fn the_microphone_opens_when_the_path_is_there_and_not_before() {
    let (mut world, ada, bob) = ringing_pair(10);
    world.network_up = false;
    world.answer(bob);
    world.seconds(5);
    assert!(
        !world.devices[bob]
            .orders
            .contains(&"OpenMicrophone".to_owned())
    );
    world.seconds(30);
    assert_eq!(world.ended(bob), Some(EndReason::IceFailed));
    assert_eq!(world.ended(ada), Some(EndReason::IceFailed));
}

#[test]
fn a_peer_that_leaves_the_room_has_hung_up() {
    let (mut world, ada, _) = connected_pair(11);
    world.leave(BOB);
    assert_eq!(world.ended(ada), Some(EndReason::RemoteHangup));
    let (mut world, ada, bob) = ringing_pair(12);
    world.leave(ADA);
    assert_eq!(world.ended(bob), Some(EndReason::CallerCancelled));
    assert_eq!(world.ended(ada), Some(EndReason::HomeserverRefused));
    let (mut world, ada, _) = ringing_pair(13);
    world.leave(BOB);
    assert_eq!(world.ended(ada), Some(EndReason::Declined));
}
