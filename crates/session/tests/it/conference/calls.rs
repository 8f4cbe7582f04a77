//! Who is called, who is in, who leaves.

use std::collections::BTreeSet;

use securecall_session::{CallError, ConferenceEvent, EndReason, Event, GroupError, LeftReason};

use super::people::People;

#[test]
fn three_and_eight_people_are_all_in_one_conference_and_nothing_is_left_of_it() {
    for count in [3, 8] {
        let (mut people, _) = People::in_conference(count, 1);
        let legs = people.universe.legs(0).len();
        assert_eq!(legs, count - 1, "one leg with each");
        people.run(60);
        people.check_all_in();
        people.leave_all();
        people.check_empty();
    }
}

#[test]
fn every_leg_uses_the_microphone_of_the_first() {
    let (people, _) = People::in_conference(3, 2);
    for device in 0..3 {
        let media = &people.universe.devices[device].media;
        let alone = media.values().filter(|it| it.beside.is_none());
        assert_eq!(alone.count(), 1, "device {device}");
        assert!(media.values().all(|it| it.microphone_open));
    }
}

#[test]
fn the_one_who_began_leaves_and_the_others_talk_on() {
    let (mut people, _) = People::in_conference(4, 3);
    people.universe.leave(0);
    people.run(3);
    people.check_in(&[1, 2, 3]);
    assert_eq!(people.ended(0), Some((EndReason::LocalHangup, true)));
    people.run(60);
    people.check_in(&[1, 2, 3]);
    people.leave_all();
    people.check_empty();
}

#[test]
fn the_last_one_is_not_in_a_conference_any_more() {
    let (mut people, _) = People::in_conference(3, 4);
    people.universe.leave(0);
    people.run(2);
    // By any leg.
    let call = people.universe.legs(1)[0].1;
    people
        .universe
        .command(1, |endpoint, now, rng| endpoint.hang_up(now, rng, call))
        .unwrap();
    people.run(3);
    assert_eq!(people.ended(2), Some((EndReason::RemoteHangup, true)));
    people.check_empty();
}

#[test]
fn who_declines_is_not_in_and_the_others_are() {
    let mut people = People::new(3, 5);
    people.universe.call_group(0, &[1, 2]).unwrap();
    people.run(2);
    people.universe.answer_what_rings(1);
    let call = people.universe.incoming(2).unwrap();
    people.universe.reject(2, call);
    people.run(5);
    people.check_in(&[0, 1]);
    let declined = |event: &&ConferenceEvent| {
        matches!(
            event,
            ConferenceEvent::Left {
                why: LeftReason::Declined,
                ..
            }
        )
    };
    assert_eq!(
        people
            .universe
            .conference_events(0)
            .filter(declined)
            .count(),
        1
    );
    people.leave_all();
    people.check_empty();
}

#[test]
fn nobody_answers_and_it_ends() {
    let mut people = People::new(3, 6);
    people.universe.call_group(0, &[1, 2]).unwrap();
    people.run(100);
    assert_eq!(people.ended(0), Some((EndReason::NoAnswer, false)));
    people.check_empty();
}

#[test]
fn a_member_who_vanishes_is_gone_after_fifteen_seconds() {
    let (mut people, _) = People::in_conference(4, 7);
    people.universe.restart(3);
    people.universe.set_online(3, false);
    people.run(13);
    for device in 0..3 {
        assert!(people.universe.members(device).contains(&3), "not yet");
    }
    people.run(4);
    people.check_in(&[0, 1, 2]);
    people.leave_all();
    people.check_empty();
}

#[test]
fn who_may_not_be_called_is_refused_before_anybody_rings() {
    let mut people = People::new(3, 8);
    let refused =
        |people: &mut People, to: &[usize]| people.universe.call_group(0, to).unwrap_err();
    assert_eq!(refused(&mut people, &[]), GroupError::Nobody);
    assert_eq!(refused(&mut people, &[1, 1]), GroupError::Twice);
    assert_eq!(
        refused(&mut people, &[1, 2, 0]),
        GroupError::Refused(CallError::OwnIdentity)
    );
    assert_eq!(refused(&mut people, &[1; 8]), GroupError::TooMany);
    people.universe.call_group(0, &[1]).unwrap();
    assert_eq!(
        refused(&mut people, &[2]),
        GroupError::Refused(CallError::InAnotherCall)
    );
    people.run(2);
    assert!(people.universe.incoming(2).is_none());
}

#[test]
fn a_group_rings_once_and_says_who_is_in() {
    let mut people = People::new(4, 9);
    let conference = people.universe.call_group(0, &[1, 2, 3]).unwrap();
    people.run(2);
    let incoming: Vec<_> = people.universe.devices[1]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Incoming { conference, .. } => conference.clone(),
            _ => None,
        })
        .collect();
    assert_eq!(incoming.len(), 1);
    assert_eq!(incoming[0].conference.id, conference.id);
    // All are named to each, whoever is asked first.
    for device in 1..4 {
        let told = people.universe.devices[device]
            .events
            .iter()
            .find_map(|it| match it {
                Event::Incoming { conference, .. } => conference.clone(),
                _ => None,
            });
        let named: BTreeSet<_> = told
            .unwrap()
            .members
            .iter()
            .map(|it| people.universe.user_of(it))
            .collect();
        let others: BTreeSet<_> = (1..4).filter(|it| *it != device).collect();
        assert_eq!(named, others);
    }
    people.universe.answer_what_rings(1);
    people.run(2);
    let asked_by_us = people
        .universe
        .conference_events(1)
        .any(|it| matches!(it, ConferenceEvent::Invited { by: None, .. }));
    assert!(!asked_by_us, "nobody was asked in by who was asked in");
}

#[test]
fn a_call_between_two_becomes_a_conference() {
    let (mut people, call) = People::in_call(3, 10);
    let handle = people.universe.handle(0, call);
    people.universe.add(0, handle, 2).unwrap();
    people.run(2);
    people.universe.answer_what_rings(2);
    people.run(5);
    people.check_all_in();
    let brought = people.universe.conference_events(1).any(|event| matches!(event, ConferenceEvent::Joined { peer, brought_by: Some(by), .. } if peer.name.as_deref() == Some("Carol") && by.name.as_deref() == Some("Ada")));
    assert!(brought, "Bob hears who brought Carol");
    let brought = people.universe.conference_events(2).any(|event| matches!(event, ConferenceEvent::Joined { peer, brought_by: Some(by), .. } if peer.name.as_deref() == Some("Bob") && by.name.as_deref() == Some("Ada")));
    assert!(brought, "and Carol who brought her to Bob");
    people.leave_all();
    people.check_empty();
}
