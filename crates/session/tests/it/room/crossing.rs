//! Two people who call each other and have no room: each makes one for the other, and they meet in one.

use std::time::Duration;

use securecall_contact::{MatrixId, RoomId};
use securecall_session::{Contacts, EndReason, Event, Output, Request, RoomInvitation};

use super::contents::js_invite;
use super::world::{ADA, BOB, World, id_of};

/// Both know the other's calls are wanted, and have no room.
fn two_without_a_room(seed: u64, delays: (u64, u64, u64)) -> (World, usize, usize) {
    let mut world = World::new(seed);
    let (answer, sync, making) = delays;
    world.rooms_are_made(answer, sync, making);
    let (ada, bob) = (world.add_device(ADA), world.add_device(BOB));
    (world, ada, bob)
}

/// There is no device but this one: the other has another client, and does there what the test does.
fn alone_without_a_room(user: &str, delays: (u64, u64, u64)) -> (World, usize) {
    let mut world = World::new(1);
    let (answer, sync, making) = delays;
    world.rooms_are_made(answer, sync, making);
    let device = world.add_device(user);
    (world, device)
}

/// In one call, in one room, which is the only one that is left and that both take for theirs.
#[track_caller]
fn have_met(world: &World, devices: [usize; 2], context: &str) {
    for device in devices {
        assert!(world.connected(device), "{device}: {context}");
        assert_eq!(world.ended(device), None, "{device}: {context}");
    }
    let [one, other] = devices;
    assert_eq!(world.call_id(one), world.call_id(other), "{context}");
    let (rooms, direct) = world.rooms_of(ADA, BOB);
    assert_eq!(rooms.len(), 1, "{context}");
    assert_eq!(direct, rooms, "{context}");
    assert_eq!(world.rooms_of(BOB, ADA), (rooms, direct), "{context}");
}

#[test]
fn whoever_dials_first_and_however_slow_their_servers_are_they_meet_in_one_room() {
    let servers = [
        (20, 20, 0),
        (200, 50, 300),
        (50, 400, 0),
        (300, 300, 3_000),
        (1_000, 100, 20_000),
    ];
    for delays in servers {
        for after in [0, 10, 50, 100, 250, 500, 1_000, 3_000, 8_000] {
            for seed in 0..24 {
                let (mut world, ada, bob) = two_without_a_room(seed, delays);
                let (first, second) = if seed % 2 == 0 {
                    (ada, bob)
                } else {
                    (bob, ada)
                };
                let of = |device| if device == ada { BOB } else { ADA };
                world.call(first, of(first)).unwrap();
                world.run_for(Duration::from_millis(after));
                // Theirs may ring already: then this answers it.
                let called = world.call(second, of(second));
                world.seconds(60);
                let context = format!("{delays:?}, {after} ms, {seed}");
                assert!(called.is_ok(), "{context}");
                have_met(&world, [ada, bob], &context);
                world.hang_up(ada);
                world.seconds(120);
                assert_eq!(world.ended(bob), Some(EndReason::RemoteHangup), "{context}");
                assert!(world.all_empty(), "{context}");
            }
        }
    }
}

#[test]
fn whoever_has_the_greater_id_comes_and_its_room_is_left() {
    let (mut world, ada, bob) = two_without_a_room(1, (20, 20, 100));
    world.call(bob, ADA).unwrap();
    world.call(ada, BOB).unwrap();
    world.seconds(10);
    have_met(&world, [ada, bob], "");
    // Made at the same time; in which order is chance.
    let inviter = |it: &Event| matches!(it, Event::Inviting { .. });
    assert!(world.told(ada, inviter) && world.told(bob, inviter));
    let (rooms, _) = world.rooms_of(ADA, BOB);
    let room = world.rooms[rooms[0]].id.clone();
    let asked = |it: &super::world::TimelineEvent| it.event_type == "m.call.invite";
    assert!(world.rooms[rooms[0]].timeline.iter().any(asked), "{room}");
}

#[test]
fn whose_client_knows_no_such_rule_is_called_in_their_own_room_after_a_while() {
    let (mut world, ada, _) = two_without_a_room(1, (20, 20, 0));
    let (mut other, ada_alone) = alone_without_a_room(ADA, (20, 20, 0));
    other.call(ada_alone, BOB).unwrap();
    other.seconds(1);
    let theirs = other.make_room_by_hand(BOB, ADA);
    other.run_for(Duration::from_millis(4_500));
    assert_eq!(other.said_by(ADA), Vec::<String>::new());
    other.seconds(2);
    assert_eq!(other.said_by(ADA)[0], "invite");
    assert_eq!(other.rooms_of(ADA, BOB), (vec![theirs], vec![theirs]));
    // Who is invited by nobody waits on.
    world.call(ada, "@eve:example.org").unwrap();
    world.seconds(10);
    assert_eq!((world.ended(ada), world.said_by(ADA).len()), (None, 0));
}

#[test]
fn an_invitation_that_waits_is_accepted_when_the_call_is_given_up() {
    let (mut world, ada) = alone_without_a_room(ADA, (20, 20, 0));
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    let (before, ours) = world.rooms_of(ADA, BOB);
    let theirs = world.make_room_by_hand(BOB, ADA);
    world.seconds(1);
    assert_eq!(world.rooms_of(ADA, BOB).1, ours, "it waits");
    world.hang_up(ada);
    world.seconds(1);
    // Ours stays, for its invitation stands; the next call finds it.
    let (rooms, direct) = world.rooms_of(ADA, BOB);
    assert_eq!(rooms, [before, vec![theirs]].concat());
    assert_eq!(direct, [ours, vec![theirs]].concat());
}

#[test]
fn of_a_room_that_was_made_too_late_nothing_is_left() {
    let (mut world, ada, _) = two_without_a_room(1, (20, 20, 60_000));
    world.call(ada, "@eve:other.example").unwrap();
    world.seconds(5);
    let inviting = |it: &Event| matches!(it, Event::Inviting { .. });
    assert!(
        world.told(ada, inviting),
        "it is told while the homeserver waits"
    );
    world.hang_up(ada);
    assert_eq!(world.ended(ada), Some(EndReason::Cancelled));
    world.seconds(60);
    let (rooms, direct) = world.rooms_of(ADA, "@eve:other.example");
    assert!(rooms.is_empty() && direct.is_empty());
    let (rooms, _) = world.rooms_of("@eve:other.example", ADA);
    assert!(rooms.is_empty(), "the invitation is withdrawn");
    assert!(world.all_empty());
}

#[test]
fn two_who_have_two_rooms_and_take_each_another_meet_in_one_call() {
    for seed in 0..20 {
        let (mut world, ada, bob) = two_without_a_room(seed, (20, 20, 0));
        let one = world.are_in_room(ADA, BOB);
        let other = world.are_in_room(BOB, ADA);
        world.prefers_room(ADA, BOB, one);
        world.prefers_room(BOB, ADA, other);
        world.seconds(1);
        world.call(ada, BOB).unwrap();
        world.call(bob, ADA).unwrap();
        world.seconds(10);
        for device in [ada, bob] {
            assert!(world.connected(device), "{seed}");
            assert_eq!(world.ended(device), None, "{seed}");
        }
        assert_eq!(world.call_id(ada), world.call_id(bob), "{seed}");
        // Neither was made for this call: both stay.
        assert_eq!(world.rooms_of(ADA, BOB).0, [one, other]);
    }
}

#[test]
fn a_room_that_somebody_invites_us_to_and_leaves_before_any_call_is_left() {
    let (mut world, _, _) = two_without_a_room(1, (20, 20, 0));
    let eve = "@eve:example.org";
    let room = world.make_room_by_hand(eve, ADA);
    world.seconds(1);
    assert_eq!(world.rooms_of(ADA, eve).0, [room]);
    let id = world.rooms[room].id.clone();
    world.leaves(&id, "@mal:example.org");
    world.seconds(1);
    assert_eq!(world.rooms_of(ADA, eve).0, [room]);
    world.leaves(&id, eve);
    world.seconds(1);
    assert!(world.rooms_of(ADA, eve).0.is_empty());
    assert_eq!(id_of(eve).as_str(), eve);
}

#[test]
fn who_is_called_while_their_invitation_is_accepted_is_called_in_that_room() {
    let (mut world, ada) = alone_without_a_room(ADA, (2_000, 20, 0));
    let theirs = world.make_room_by_hand(BOB, ADA);
    world.run_for(Duration::from_millis(50));
    world.call(ada, BOB).unwrap();
    world.seconds(20);
    assert_eq!(world.rooms_of(ADA, BOB), (vec![theirs], vec![theirs]));
    assert_eq!(world.said_by(ADA)[0], "invite");
    assert!(!world.told(ada, |it| matches!(it, Event::Inviting { .. })));
}

#[test]
fn whoever_declines_our_room_for_we_come_to_theirs_declines_no_call() {
    let (mut world, bob) = alone_without_a_room(BOB, (2_000, 20, 0));
    world.call(bob, ADA).unwrap();
    world.seconds(5);
    assert!(world.told(bob, |it| matches!(it, Event::Inviting { .. })));
    let ours = world.rooms_of(BOB, ADA).1[0];
    let id = world.rooms[ours].id.clone();
    let theirs = world.make_room_by_hand(ADA, BOB);
    world.run_for(Duration::from_millis(50));
    world.leaves(&id, ADA);
    world.seconds(20);
    assert_eq!(world.ended(bob), None);
    assert_eq!(world.said_by(BOB)[0], "invite");
    let asked = |it: &super::world::TimelineEvent| it.event_type == "m.call.invite";
    assert!(world.rooms[theirs].timeline.iter().any(asked));
}

#[test]
fn an_invitation_that_waits_is_told_of_again_and_withdrawn() {
    for withdrawn in [false, true] {
        let (mut world, ada) = alone_without_a_room(ADA, (20, 20, 0));
        world.call(ada, BOB).unwrap();
        world.seconds(1);
        let theirs = world.make_room_by_hand(BOB, ADA);
        world.seconds(1);
        let id = world.rooms[theirs].id.clone();
        let (now, endpoint) = (world.now, &mut world.devices[ada].endpoint);
        assert_eq!(
            endpoint.handle_invitation(now, invitation(&id, &id_of(BOB))),
            Ok(())
        );
        world.drain(ada);
        if withdrawn {
            world.leaves(&id, ADA);
        }
        world.run_for(Duration::from_millis(3_500));
        assert!(!world.rooms_of(ADA, BOB).1.contains(&theirs), "it waits");
        world.seconds(5);
        let is_accepted = world.rooms_of(ADA, BOB).1.contains(&theirs);
        assert_eq!(is_accepted, !withdrawn);
    }
}

#[test]
fn where_one_invitation_waits_their_next_is_accepted_at_once_and_the_call_is_had_there() {
    let (mut world, ada) = alone_without_a_room(ADA, (20, 20, 0));
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    let waiting = world.make_room_by_hand(BOB, ADA);
    world.seconds(1);
    let next = world.make_room_by_hand(BOB, ADA);
    world.seconds(1);
    let asked = |it: &super::world::TimelineEvent| it.event_type == "m.call.invite";
    assert!(world.rooms[next].timeline.iter().any(asked));
    assert!(!world.rooms_of(ADA, BOB).0.contains(&waiting), "declined");
}

#[test]
fn an_invitation_that_leads_nowhere_changes_nothing_for_whom_we_have_invited() {
    let (mut world, bob) = alone_without_a_room(BOB, (2_000, 20, 0));
    world.call(bob, ADA).unwrap();
    world.seconds(5);
    assert!(world.told(bob, |it| matches!(it, Event::Inviting { .. })));
    let theirs = world.make_room_by_hand(ADA, BOB);
    world.run_for(Duration::from_millis(50));
    let id = world.rooms[theirs].id.clone();
    let endpoint = &mut world.devices[bob].endpoint;
    endpoint.handle_room_entered(&id, false);
    let next = endpoint.poll_output();
    assert!(matches!(next, Output::Timeout(_)), "{next:?}");
}

#[test]
fn whoever_is_on_the_way_to_a_room_of_theirs_accepts_their_next_invitation_at_once() {
    let (mut world, ada) = alone_without_a_room(ADA, (60_000, 20, 0));
    world.make_room_by_hand(BOB, ADA);
    world.run_for(Duration::from_millis(50));
    world.call(ada, BOB).unwrap();
    let other: RoomId = "!other:example.org".parse().unwrap();
    let (now, endpoint) = (world.now, &mut world.devices[ada].endpoint);
    assert_eq!(
        endpoint.handle_invitation(now, invitation(&other, &id_of(BOB))),
        Ok(())
    );
    let asked = endpoint.poll_output();
    let is_join =
        matches!(&asked, Output::Request(Request::JoinRoom { room, .. }) if *room == other);
    assert!(is_join, "{asked:?}");
}

#[test]
fn whoever_has_come_to_our_room_is_called_there_although_we_have_come_to_theirs() {
    let (mut world, bob) = alone_without_a_room(BOB, (2_000, 20, 0));
    world.call(bob, ADA).unwrap();
    world.seconds(5);
    let ours = world.rooms_of(BOB, ADA).1[0];
    let theirs = world.make_room_by_hand(ADA, BOB);
    world.run_for(Duration::from_millis(50));
    world.enter(ADA, ours);
    world.run_for(Duration::from_millis(50));
    let id = world.rooms[theirs].id.clone();
    world.devices[bob].endpoint.handle_room_entered(&id, true);
    world.drain(bob);
    world.seconds(10);
    let asked = |it: &super::world::TimelineEvent| it.event_type == "m.call.invite";
    assert!(world.rooms[ours].timeline.iter().any(asked));
}

#[test]
fn a_room_in_which_there_was_a_call_before_we_knew_that_we_are_in_it_is_not_left() {
    let (mut world, ada) = alone_without_a_room(ADA, (60_000, 20, 0));
    let theirs = world.make_room_by_hand(BOB, ADA);
    world.run_for(Duration::from_millis(50));
    world.enter(ADA, theirs);
    world.run_for(Duration::from_millis(50));
    world.post_in(theirs, BOB, "m.call.invite", js_invite("call"));
    world.seconds(1);
    let id = world.rooms[theirs].id.clone();
    let endpoint = &mut world.devices[ada].endpoint;
    assert!(endpoint.has_call_in(&id));
    endpoint.handle_room_entered(&id, true);
    world.leaves(&id, BOB);
    world.seconds(120);
    assert!(world.rooms_of(ADA, BOB).0.contains(&theirs));
}

fn invitation<'a>(room: &'a RoomId, inviter: &'a MatrixId) -> RoomInvitation<'a> {
    RoomInvitation {
        room,
        inviter,
        is_direct: true,
        is_public: false,
    }
}

#[test]
fn where_the_invitation_leads_nowhere_a_room_is_made() {
    let (mut world, ada) = alone_without_a_room(ADA, (2_000, 20, 0));
    let theirs = world.make_room_by_hand(BOB, ADA);
    world.run_for(Duration::from_millis(50));
    world.call(ada, BOB).unwrap();
    let id = world.rooms[theirs].id.clone();
    let endpoint = &mut world.devices[ada].endpoint;
    endpoint.handle_room_entered(&id, false);
    world.drain(ada);
    world.seconds(10);
    assert!(world.told(ada, |it| matches!(it, Event::Inviting { .. })));
    assert_eq!(world.rooms_of(ADA, BOB).0.len(), 2);
}

#[test]
fn only_so_many_invitations_are_accepted_at_once_and_each_of_them_once() {
    let (mut world, ada, _) = two_without_a_room(1, (20, 20, 0));
    let contacts = (0..40).map(|n| (id_of(&format!("@u{n}:example.org")), format!("u{n}")));
    let contacts: Vec<_> = contacts.collect();
    let endpoint = &mut world.devices[ada].endpoint;
    endpoint.set_contacts(Contacts::default().with_accounts(contacts.clone()));
    let mut accepted = Vec::new();
    let room = |number: usize| -> RoomId { format!("!of{number}:example.org").parse().unwrap() };
    for number in 0..contacts.len() {
        // Another of them may invite us to the same room.
        for by in [number, number, 39 - number] {
            let room = room(number);
            let invitation = invitation(&room, &contacts[by].0);
            let may = endpoint.handle_invitation(world.now, invitation);
            assert_eq!(may.is_ok(), number < 16);
        }
        while let Output::Request(request) = endpoint.poll_output() {
            assert!(matches!(request, Request::JoinRoom { .. }));
            accepted.push(number);
        }
    }
    assert_eq!(accepted, (0..16).collect::<Vec<_>>());
    // Each is over when it is told of.
    for (round, (inviter, _)) in contacts.iter().enumerate() {
        endpoint.handle_room_entered(&room(round), false);
        let room = room(round + 16);
        let invitation = invitation(&room, inviter);
        assert_eq!(endpoint.handle_invitation(world.now, invitation), Ok(()));
        assert!(matches!(
            endpoint.poll_output(),
            Output::Request(Request::JoinRoom { .. })
        ));
    }
}

#[test]
fn of_the_rooms_that_we_went_to_only_so_many_are_remembered() {
    let (mut world, ada) = alone_without_a_room(ADA, (20, 20, 0));
    let contacts = (0..65).map(|n| (id_of(&format!("@u{n}:example.org")), format!("u{n}")));
    let contacts: Vec<_> = contacts.collect();
    let endpoint = &mut world.devices[ada].endpoint;
    endpoint.set_contacts(Contacts::default().with_accounts(contacts.clone()));
    let room = |number: usize| -> RoomId { format!("!of{number}:example.org").parse().unwrap() };
    for (number, (inviter, _)) in contacts.iter().enumerate() {
        let room = room(number);
        let invitation = invitation(&room, inviter);
        assert_eq!(endpoint.handle_invitation(world.now, invitation), Ok(()));
        endpoint.handle_room_entered(&room, true);
    }
    while !matches!(endpoint.poll_output(), Output::Timeout(_)) {}
    // Whoever has invited us leaves: the room is left as well where that is known.
    for (number, is_left) in [(0, false), (1, true), (64, true)] {
        let who = &contacts[number].0;
        endpoint.handle_room_left(world.now, &mut world.rng, &room(number), who);
        let next = endpoint.poll_output();
        let leaves = matches!(next, Output::Request(Request::LeaveRoom { .. }));
        assert_eq!(leaves, is_left, "{number}");
    }
}
