//! A call whose room is not there yet: looked for, made, waited in.

use std::time::Duration;

use securecall_contact::RoomId;
use securecall_session::{
    CallError, Contacts, EndReason, Endpoint, Event, MissedReason, Output, RefusedReason, Request,
    RingPolicy, RoomInvitation, RoomRequestError, Tier,
};
use serde_json::json;
use web_time::Instant;

use super::contents::{js_answer, js_invite};
use super::world::{ADA, BOB, World, id_of};

/// Ada has called Bob, who is invited and has not come.
fn inviting() -> (World, usize, RoomId) {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.finder = Box::new(|| Some(Ok(false)));
    world.call(ada, BOB).unwrap();
    assert!(world.told(
        ada,
        |it| matches!(it, Event::Inviting { peer, .. } if peer.matrix_id == id_of(BOB))
    ));
    world.finder = Box::new(|| Some(Ok(true)));
    let room = world.rooms[0].id.clone();
    (world, ada, room)
}

#[test]
fn the_call_is_told_with_its_tier_before_the_homeserver_was_asked_for_anything() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.finder = Box::new(|| None);
    world.call(ada, BOB).unwrap();
    assert!(matches!(
        world.devices[ada].events[..],
        [Event::Dialing {
            tier: Tier::Matrix,
            ..
        }]
    ));
    assert!(world.rooms[0].timeline.is_empty() && world.devices[ada].orders.is_empty());
}

#[test]
fn whoever_was_invited_is_called_when_they_come_and_nobody_else() {
    let (mut world, ada, room) = inviting();
    let other: RoomId = "!other:example.org".parse().unwrap();
    world.joins(&room, "@eve:example.org");
    world.joins(&other, BOB);
    world.seconds(30);
    assert!(world.rooms[0].timeline.is_empty() && world.devices[ada].orders.is_empty());
    world.joins(&room, BOB);
    world.joins(&room, BOB);
    world.seconds(1);
    assert_eq!(world.said_by(ADA), ["invite", "candidates"]);
    let id = world.call_id(ada);
    world.post(BOB, "m.call.answer", js_answer(&id));
    world.seconds(2);
    // Since it was dialed, the wait for Bob included.
    let waited = |it: &Event| matches!(it, Event::Connected { setup, .. } if *setup > Duration::from_secs(30));
    assert!(world.told(ada, waited));
    let dialed = |it: &&Event| matches!(it, Event::Dialing { .. });
    assert_eq!(world.devices[ada].events.iter().filter(dialed).count(), 1);
}

#[test]
fn whoever_does_not_come_in_two_minutes_is_given_up() {
    let (mut world, ada, room) = inviting();
    world.seconds(119);
    assert_eq!(world.ended(ada), None);
    world.seconds(1);
    assert_eq!(world.ended(ada), Some(EndReason::NotJoined));
    world.joins(&room, BOB);
    assert!(world.all_empty() && world.rooms[0].timeline.is_empty());
}

#[test]
fn whoever_refuses_the_invitation_declines() {
    let (mut world, ada, room) = inviting();
    world.leaves(&room, "@eve:example.org");
    assert_eq!(world.ended(ada), None);
    world.leaves(&room, BOB);
    assert_eq!(world.ended(ada), Some(EndReason::Declined));
    assert!(world.all_empty());
    // Where it is we who are not in the room any more, it is not Bob who says no.
    let (mut world, ada, room) = inviting();
    world.leaves(&room, ADA);
    assert_eq!(world.ended(ada), Some(EndReason::HomeserverRefused));
}

#[test]
fn what_the_homeserver_says_instead_of_a_room_ends_the_call() {
    for (error, reason) in [
        (RoomRequestError::NotFound, EndReason::Unknown),
        (RoomRequestError::PeerUnreachable, EndReason::Unreachable),
        (RoomRequestError::Forbidden, EndReason::HomeserverRefused),
        (RoomRequestError::Failed, EndReason::HomeserverRefused),
        (
            RoomRequestError::Unreachable,
            EndReason::HomeserverUnreachable,
        ),
        (
            RoomRequestError::LimitExceeded { retry_after: None },
            EndReason::HomeserverRefused,
        ),
    ] {
        let mut world = World::new(1);
        let ada = world.add_device(ADA);
        world.finder = Box::new(move || Some(Err(error)));
        world.call(ada, BOB).unwrap();
        assert_eq!(world.ended(ada), Some(reason), "{error:?}");
        assert!(world.all_empty());
    }
}

#[test]
fn a_call_is_given_up_at_once_while_its_room_is_looked_for() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.finder = Box::new(|| None);
    world.call(ada, BOB).unwrap();
    world.hang_up(ada);
    assert_eq!(world.ended(ada), Some(EndReason::Cancelled));
    // The room of the call before is not that of the next.
    world.call(ada, BOB).unwrap();
    world.room_is_found(ada, 0);
    world.seconds(1);
    assert!(world.rooms[0].timeline.is_empty());
    world.room_is_found(ada, 1);
    world.seconds(1);
    assert_eq!(world.said_by(ADA)[0], "invite");
}

#[test]
fn a_device_whose_call_has_no_room_yet_is_in_a_call() {
    let (mut world, ada, _) = inviting();
    assert_eq!(
        world.call(ada, "@eve:example.org"),
        Err(CallError::InAnotherCall)
    );
    world.add_room();
    world.post_in(1, "@eve:example.org", "m.call.invite", js_invite("c2"));
    world.seconds(1);
    assert_eq!(world.rings(ada), 0);
    assert_eq!(world.last(ADA, "m.call.reject")["reason"], "user_busy");
    let missed = |it: &Event| {
        matches!(
            it,
            Event::Missed {
                why: MissedReason::Busy,
                ..
            }
        )
    };
    assert!(world.told(ada, missed) && world.ended(ada).is_none());
}

#[test]
fn whoever_is_called_and_calls_meanwhile_is_answered_though_nobody_may_ring() {
    let mut world = World::new(1);
    let quiet = |it: &mut securecall_session::Config| it.ring = RingPolicy::Nobody;
    let ada = world.add_device_with(ADA, quiet, Contacts::default());
    world.finder = Box::new(|| None);
    world.call(ada, BOB).unwrap();
    world.post(BOB, "m.call.invite", js_invite("c2"));
    world.seconds(2);
    assert!(world.told(ada, |it| matches!(it, Event::Replaced { .. })));
    assert!(world.connected(ada));
    assert_eq!(
        (world.said_by(ADA)[0].as_str(), world.ended(ada)),
        ("answer", None)
    );
    // The answer to the search is of no use any more.
    world.room_is_found(ada, 0);
    world.seconds(1);
    assert!(!world.said_by(ADA).contains(&"invite".to_owned()));
}

#[test]
fn a_call_that_is_muted_before_it_has_a_room_is_muted_in_it() {
    let (mut world, ada, room) = inviting();
    world.mute(ada, true);
    world.mute(ada, true);
    let told = |it: &&Event| {
        matches!(
            it,
            Event::Muted {
                local: true,
                muted: true,
                ..
            }
        )
    };
    assert_eq!(world.devices[ada].events.iter().filter(told).count(), 1);
    world.joins(&room, BOB);
    world.seconds(1);
    let streams = &world.last(ADA, "m.call.invite")["sdp_stream_metadata"];
    assert_eq!(streams["stream-ada"]["audio_muted"], json!(true));
    assert!(
        world.devices[ada]
            .orders
            .contains(&"SetMuted(true)".to_owned())
    );
}

#[test]
fn the_caller_hears_within_ten_seconds_that_nothing_says_whether_it_rings() {
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    let no_sign = |it: &Event| matches!(it, Event::NoSignOfRinging { .. });
    world.seconds(7);
    assert!(!world.told(ada, no_sign));
    world.seconds(3);
    assert!(world.told(ada, no_sign));
    // Where somebody answers there is nothing to be said.
    let mut world = World::new(1);
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    let id = world.call_id(ada);
    world.post(BOB, "m.call.answer", js_answer(&id));
    world.seconds(20);
    assert!(world.connected(ada) && !world.told(ada, no_sign));
}

fn invites(
    endpoint: &mut Endpoint,
    now: Instant,
    inviter: &str,
    is_direct: bool,
    is_public: bool,
) -> Result<(), RefusedReason> {
    let room = format!("!of{}", inviter.trim_start_matches('@'));
    let invitation = RoomInvitation {
        room: &room.parse().unwrap(),
        inviter: &id_of(inviter),
        is_direct,
        is_public,
    };
    let may = endpoint.handle_invitation(now, invitation);
    let asked = |it: &Output| matches!(it, Output::Request(Request::JoinRoom { .. }));
    assert_eq!(asked(&endpoint.poll_output()), may.is_ok());
    may
}

#[test]
fn whose_invitations_are_accepted_follows_from_who_may_ring() {
    use RefusedReason::{KeyIsKnown, LargeRoom, PublicRoom, RingPolicy as Ring, TooManyCalls};
    let known = || Contacts::default().with_accounts([(id_of(BOB), "Bob".to_owned())]);
    for (ring, contacts, direct, public, expected) in [
        (RingPolicy::Anyone, Contacts::default(), true, false, None),
        (
            RingPolicy::Anyone,
            Contacts::default(),
            false,
            false,
            Some(LargeRoom),
        ),
        (RingPolicy::Anyone, known(), false, false, None),
        (RingPolicy::Anyone, known(), true, true, Some(PublicRoom)),
        (RingPolicy::Contacts, known(), true, false, None),
        (
            RingPolicy::Contacts,
            Contacts::default(),
            true,
            false,
            Some(Ring),
        ),
        (RingPolicy::Nobody, known(), true, false, Some(Ring)),
    ] {
        let mut world = World::new(1);
        let ada = world.add_device_with(ADA, |it| it.ring = ring, contacts);
        let now = world.now;
        let endpoint = &mut world.devices[ada].endpoint;
        let may = invites(endpoint, now, BOB, direct, public);
        assert_eq!(may.err(), expected, "{ring:?} {direct} {public}");
    }
    // Whoever can be called sealed, and is asked into a room instead.
    let mut world = World::new(1);
    let ada = world.add_device_with(ADA, |_| {}, super::rules::contacts_with_bob());
    let now = world.now;
    let endpoint = &mut world.devices[ada].endpoint;
    assert_eq!(invites(endpoint, now, BOB, true, false), Err(KeyIsKnown));
    // A thousand strangers: eight, and then one a minute.
    let mut accepted = 0;
    for number in 0..1000 {
        let stranger = format!("@u{number}:example.org");
        match invites(endpoint, now, &stranger, true, false) {
            Ok(()) => accepted += 1,
            Err(why) => assert_eq!(why, TooManyCalls),
        }
    }
    assert_eq!(accepted, 8);
    let later = now + Duration::from_secs(60);
    assert!(invites(endpoint, later, "@x:example.org", true, false).is_ok());
}
