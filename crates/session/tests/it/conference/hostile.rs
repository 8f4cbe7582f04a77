//! Whoever is not in, or was, or should not be.

use std::time::Duration;

use securecall_contact::SecureCallId;
use securecall_crypto::Established;
use securecall_session::{
    CallOptions, ConferenceEvent, GroupError, LeftReason, MediaEvent, PathRoute, RelaysAvailable,
    Route, SignalRefused,
};
use securecall_signaling::CallId;
use securecall_testkit::{DeviceOptions, Universe, UserId};

use super::people::People;
use crate::hand_made_caller::{HandMade, bundle, invite, nonce};

const ID: &str = "00000000000000000000000000000007";

fn in_conference(invite: &str, id: &str, rings: bool) -> String {
    in_conference_of(invite, id, rings, "")
}

fn in_conference_of(invite: &str, id: &str, rings: bool, members: &str) -> String {
    let conference =
        format!(r#""conference":{{"conference_id":"{id}","rings":{rings},"members":[{members}]}}"#);
    format!("{},{conference}}}", invite.strip_suffix('}').unwrap())
}

/// A member made by hand: it has asked the victim in, who has answered, and is proven.
fn evil_member() -> (HandMade, Established) {
    let mut caller = HandMade::with_payload(|call, nonce, now| {
        bundle(call, &in_conference(&invite(nonce, 60_000, now), ID, true))
    });
    let (callee, call) = (caller.callee, caller.call);
    caller.universe.answer(callee, call);
    caller.universe.run_for(Duration::from_secs(1));
    let mut established = caller.established();
    caller.say(&mut established, &nonce("01"));
    let selected = r#"{"type":"m.call.select_answer","selected_party_id":"DEVICE1"}"#;
    caller.say(&mut established, selected);
    let route = PathRoute::Direct;
    for event in [MediaEvent::PathUp { route }, MediaEvent::FirstFrameOpened] {
        caller.universe.inject_media(callee, call, event);
    }
    assert_eq!(caller.universe.members(callee), [0].into());
    (caller, established)
}

fn roster(id: &str, number: u32, members: &str) -> String {
    format!(
        r#"{{"type":"tech.stealthx.securecall.roster","conference_id":"{id}","number":{number},"members":[{members}]}}"#
    )
}

/// A user as a member names them.
fn named(universe: &Universe, user: UserId, state: &str) -> String {
    let id = SecureCallId::new(&universe.identity(user).public());
    let matrix_id = universe.matrix_id(user);
    format!(r#"{{"id":"{id}","matrix_id":"{matrix_id}","state":"{state}"}}"#)
}

/// From now on the caller is somebody else, whom the callee knows.
fn be_somebody_else(caller: &mut HandMade) -> UserId {
    let user = caller.universe.add_user("Mallory");
    caller.caller = caller.universe.add_device(user, DeviceOptions::default());
    let callee = caller.universe.devices[caller.callee].user;
    caller.universe.befriend(user, callee);
    user
}

/// How many legs with somebody a device was told of.
fn legs_with(universe: &Universe, device: usize, user: UserId) -> usize {
    let is_theirs = |it: &&ConferenceEvent| matches!(it, ConferenceEvent::Leg { peer, .. } if universe.user_of(peer) == user);
    universe.conference_events(device).filter(is_theirs).count()
}

/// A peer of an older version reads nothing of such a message.
#[test]
fn a_roster_is_alone_in_its_message() {
    let (mut caller, mut established) = evil_member();
    caller.say(&mut established, &roster(ID, 1, ""));
    caller.universe.run_for(Duration::from_secs(20));
    let messages = caller.heard_messages(&mut established);
    let rosters: Vec<_> = messages
        .iter()
        .filter(|it| it.contains("securecall.roster"))
        .collect();
    assert!(!rosters.is_empty());
    for roster in rosters {
        assert_eq!(roster.matches(r#""type""#).count(), 1, "{roster}");
        assert!(!roster.contains(r#""acknowledges""#), "{roster}");
    }
    assert!(messages.iter().any(|it| it.contains(r#""acknowledges""#)));
}

#[test]
fn a_member_calls_nobody_into_another_conference_by_a_roster() {
    let (mut caller, mut established) = evil_member();
    let callee = caller.callee;
    let before = caller.universe.devices[callee]
        .endpoint
        .conference()
        .unwrap();
    for id in ["0".repeat(32), "f".repeat(32)] {
        caller.say(&mut established, &roster(&id, 1, ""));
    }
    let after = caller.universe.devices[callee].endpoint.conference();
    assert_eq!(after, Some(before));
    let events = caller.universe.conference_events(callee);
    assert!(
        !events
            .into_iter()
            .any(|it| matches!(it, ConferenceEvent::Replaced { .. }))
    );
}

#[test]
fn a_member_who_names_us_itself_and_people_who_do_not_exist_has_few_of_them_called() {
    let (mut caller, mut established) = evil_member();
    let (callee, count) = (caller.callee, 200);
    let users: Vec<_> = (0..count)
        .map(|_| caller.universe.add_user("Nobody"))
        .collect();
    let people: Vec<_> = [0, 1]
        .into_iter()
        .chain(users)
        .map(|user| named(&caller.universe, user, "connected"))
        .collect();
    for (number, people) in people.chunks(8).enumerate() {
        caller.say(
            &mut established,
            &roster(ID, number as u32 + 1, &people.join(",")),
        );
        caller
            .universe
            .inject_media(callee, caller.call, MediaEvent::AuthenticatedPacket);
        caller.universe.run_for(Duration::from_secs(2));
    }
    let legs = caller
        .universe
        .conference_events(callee)
        .filter(|it| matches!(it, ConferenceEvent::Leg { .. }));
    assert!(legs.count() < 80, "they are not called without end");
    assert!(caller.universe.legs(callee).len() <= 7);
    assert_eq!(caller.universe.members(callee), [0].into());
}

/// Everything that a device has sent.
fn sent_by(universe: &Universe, device: usize) -> usize {
    universe
        .homeserver
        .sent
        .iter()
        .filter(|it| it.from == device)
        .count()
}

#[test]
fn a_leg_of_a_conference_that_we_are_not_in_gets_no_word() {
    let mut caller = HandMade::with_payload(|call, nonce, now| {
        bundle(call, &in_conference(&invite(nonce, 60_000, now), ID, false))
    });
    assert_eq!(caller.refused(), [SignalRefused::UnknownConference]);
    caller.universe.run_for(Duration::from_secs(60));
    assert_eq!(sent_by(&caller.universe, caller.callee), 0);
    assert!(caller.universe.devices[caller.callee].endpoint.is_empty());
    assert!(caller.universe.devices[caller.callee].events.is_empty());
}

/// A contact of a member, who knows the ID of its conference and is in none of its rosters.
fn uninvited(id_is_known: bool) -> (HandMade, usize) {
    let (people, conference) = People::in_conference(3, 30);
    let mut caller = HandMade::against(people.universe, 1);
    let (mallory, bob) = (caller.universe.devices[caller.caller].user, 1);
    caller.universe.befriend(mallory, bob);
    let sent = sent_by(&caller.universe, 1);
    let id = if id_is_known {
        conference.id.to_string()
    } else {
        ID.to_owned()
    };
    caller.invite_with(CallId::from_random([9; 16]), |invite| {
        in_conference(invite, &id, false)
    });
    (caller, sent)
}

#[test]
fn somebody_whom_nobody_has_named_gets_no_word_and_does_not_wait_for_ever() {
    for id_is_known in [true, false] {
        let (mut caller, sent) = uninvited(id_is_known);
        caller.universe.run_for(Duration::from_secs(30));
        assert_eq!(
            sent_by(&caller.universe, 1),
            sent,
            "ID known: {id_is_known}"
        );
        assert_eq!(caller.universe.members(1), [0, 2].into());
        caller.universe.leave_all();
        caller.universe.run_for(Duration::from_secs(400));
        assert!(caller.universe.devices[1].endpoint.is_empty());
    }
}

#[test]
fn no_more_than_eight_wait_for_their_introduction() {
    let (people, conference) = People::in_conference(3, 31);
    let mut caller = HandMade::against(people.universe, 1);
    let sent = sent_by(&caller.universe, 1);
    let id = conference.id.to_string();
    for number in 0..24 {
        be_somebody_else(&mut caller);
        caller.invite_with(CallId::from_random([number; 16]), |invite| {
            in_conference(invite, &id, false)
        });
    }
    caller.universe.run_for(Duration::from_secs(60));
    assert_eq!(sent_by(&caller.universe, 1), sent);
    assert_eq!(caller.universe.members(1), [0, 2].into());
}

/// Several of one person count as well.
#[test]
fn of_more_than_eight_invites_that_wait_the_last_are_not_kept() {
    for (before, is_kept) in [(7, true), (8, false)] {
        let (mut caller, mut established) = evil_member();
        let member = (caller.caller, caller.call);
        let users = [(); 2].map(|()| be_somebody_else(&mut caller));
        let devices = [caller.caller - 1, caller.caller];
        invites_of(&mut caller, devices, before, false);
        let last = users[1];
        (caller.caller, caller.call) = member;
        let introduced = named(&caller.universe, last, "calling");
        caller.say(&mut established, &roster(ID, 1, &introduced));
        let legs = legs_with(&caller.universe, caller.callee, last);
        assert_eq!(legs, usize::from(is_kept), "after {before}");
    }
}

#[test]
fn of_more_than_eight_who_ask_into_what_rings_the_last_are_not_kept() {
    for (before, is_kept) in [(7, true), (8, false)] {
        let mut caller = HandMade::against(People::new(1, 43).universe, 0);
        let users = [(); 2].map(|()| be_somebody_else(&mut caller));
        let devices = [caller.caller - 1, caller.caller];
        be_somebody_else(&mut caller);
        let members = users.map(|it| named(&caller.universe, it, "calling"));
        let call = CallId::from_random([99; 16]);
        caller.invite_with(call, |invite| {
            in_conference_of(invite, ID, true, &members.join(","))
        });
        caller.universe.run_for(Duration::from_millis(50));
        invites_of(&mut caller, devices, before, true);
        let last = users[1];
        caller.universe.answer(caller.callee, call);
        let legs = legs_with(&caller.universe, caller.callee, last);
        assert_eq!(legs, usize::from(is_kept), "after {before}");
    }
}

/// So many invites of one, and then one of another.
fn invites_of(caller: &mut HandMade, devices: [usize; 2], count: u8, rings: bool) {
    for number in 0..=count {
        caller.caller = devices[usize::from(number == count)];
        caller.invite_with(CallId::from_random([number; 16]), |invite| {
            in_conference(invite, ID, rings)
        });
        caller.universe.run_for(Duration::from_millis(50));
    }
}

#[test]
fn the_invites_of_a_conference_that_is_over_lead_nowhere() {
    let (mut people, _) = People::in_conference(3, 32);
    people.leave_all();
    people.run(60);
    let invites: Vec<_> = people
        .universe
        .homeserver
        .sent
        .iter()
        .filter(|it| it.kind() == 1)
        .cloned()
        .collect();
    let sent = people.universe.homeserver.sent.len();
    for invite in &invites {
        people.universe.inject(invite);
    }
    people.run(30);
    assert_eq!(
        people.universe.homeserver.sent.len(),
        sent,
        "nobody says a word"
    );
    for device in 0..3 {
        assert!(
            people.universe.devices[device]
                .endpoint
                .conference()
                .is_none()
        );
    }
    // The same while they are in another.
    people.call_all();
    people.run(8);
    let legs = people.universe.legs(1);
    for invite in &invites {
        people.universe.inject(invite);
    }
    people.run(10);
    assert_eq!(people.universe.legs(1), legs);
    people.check_all_in();
}

#[test]
fn a_roster_of_somebody_who_is_not_proven_makes_no_conference() {
    let mut caller = HandMade::good();
    let (callee, call) = (caller.callee, caller.call);
    let mut established = caller.established();
    caller.say(&mut established, &nonce("01"));
    let roster = roster(ID, 1, "");
    caller.say(&mut established, &roster);
    caller.universe.answer(callee, call);
    caller.say(
        &mut established,
        &roster.replace("\"number\":1", "\"number\":2"),
    );
    for event in [
        MediaEvent::PathUp {
            route: PathRoute::Direct,
        },
        MediaEvent::DataChannelOpen,
    ] {
        caller.universe.inject_media(callee, call, event);
    }
    caller.universe.run_for(Duration::from_secs(5));
    assert_eq!(caller.refused(), []);
    assert_eq!(caller.universe.conference_events(callee).count(), 0);
    assert!(
        caller.universe.devices[callee]
            .endpoint
            .conference()
            .is_none()
    );
}

#[test]
fn who_is_blocked_is_neither_called_nor_taken_whoever_brings_them() {
    // Which of the two has the lesser ID decides who would call.
    for seed in [33, 34, 35, 36] {
        let mut people = People::new(3, seed);
        people.universe.block(1, 2);
        people.call_all();
        people.run(60);
        assert_eq!(people.universe.members(0), [1, 2].into());
        assert_eq!(people.universe.members(1), [0].into());
        let blocked = people.universe.conference_events(1).any(|it| {
            matches!(it, ConferenceEvent::Left { why: LeftReason::Blocked, peer } if people.universe.user_of(peer) == 2)
        });
        assert!(blocked, "it is said that they are blocked");
        let missing = people
            .universe
            .conference_events(1)
            .any(|it| matches!(it, ConferenceEvent::NoPath { .. }));
        assert!(!missing, "and not that they are missing");
        let between = people
            .universe
            .homeserver
            .sent
            .iter()
            .filter(|it| it.from == 1 && it.to == 2);
        assert_eq!(between.count(), 0, "not a word");
    }
}

#[test]
fn who_is_blocked_while_their_leg_waits_is_not_taken() {
    let (mut caller, mut established) = evil_member();
    let (callee, member) = (caller.callee, (caller.caller, caller.call));
    let blocked = be_somebody_else(&mut caller);
    caller.invite_with(CallId::from_random([9; 16]), |invite| {
        in_conference(invite, ID, false)
    });
    caller.universe.run_for(Duration::from_secs(1));
    caller.universe.block(1, blocked);
    (caller.caller, caller.call) = member;
    let introduced = named(&caller.universe, blocked, "calling");
    caller.say(&mut established, &roster(ID, 1, &introduced));
    assert_eq!(legs_with(&caller.universe, callee, blocked), 0);
    let told = caller.universe.conference_events(callee).last();
    let why = LeftReason::Blocked;
    assert!(matches!(told, Some(ConferenceEvent::Left { why: it, .. }) if *it == why));
}

#[test]
fn who_is_blocked_is_not_called_on_the_first_word_that_they_are_in() {
    // One of them has the greater ID, and would be called at once.
    for count in 1..=4 {
        let (mut caller, mut established) = evil_member();
        let users: Vec<_> = (0..count)
            .map(|_| caller.universe.add_user("Mallory"))
            .collect();
        let blocked = users[count - 1];
        caller.universe.block(1, blocked);
        let introduced = named(&caller.universe, blocked, "connected");
        caller.say(&mut established, &roster(ID, 1, &introduced));
        caller.universe.run_for(Duration::from_secs(10));
        assert_eq!(legs_with(&caller.universe, caller.callee, blocked), 0);
    }
}

#[test]
fn a_stranger_who_is_brought_in_takes_the_route_for_strangers() {
    for (seed, turn) in [(37, true), (38, true), (39, false), (40, false)] {
        let mut people = People::strangers(3, seed);
        for device in 0..3 {
            people.universe.devices[device].options.relays = RelaysAvailable {
                turn,
                ghostnet: false,
            };
            people.universe.restart(device);
        }
        people.universe.befriend(0, 1);
        people.universe.befriend(0, 2);
        people.call_all();
        people.run(30);
        assert_eq!(people.universe.members(0), [1, 2].into());
        let routes = |device: usize| {
            let media = people.universe.devices[device].media.values();
            media.filter_map(|it| it.route).collect::<Vec<_>>()
        };
        if turn {
            people.check_all_in();
            assert!(routes(1).contains(&Route::Relay) && routes(1).contains(&Route::Direct));
            assert_eq!(routes(0), [Route::Direct, Route::Direct]);
        } else {
            assert_eq!(people.universe.members(1), [0].into());
            assert_eq!(routes(1), [Route::Direct]);
        }
    }
}

#[test]
fn nobody_without_a_key_is_called_into_a_conference() {
    let mut people = People::new(2, 41);
    let mut callee = people.universe.callee(1);
    callee.identity = None;
    callee.matrix_id = "@somebody:example.org".parse().unwrap();
    let wallclock = people.universe.wallclock_ms(0);
    let result = people.universe.command(0, |endpoint, now, rng| {
        endpoint.call_group(now, wallclock, rng, vec![callee], &CallOptions::default())
    });
    assert_eq!(result, Err(GroupError::NotSealed));
}
