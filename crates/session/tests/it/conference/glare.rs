//! Two at once: two who ask each other in, two who add somebody.

use std::collections::BTreeSet;
use std::time::Duration;

use securecall_session::{ConferenceEvent, ConferenceId, EndReason, Event};

use securecall_testkit::Fate;

use super::people::People;

/// All answer whatever rings, for a while.
fn answer_all(people: &mut People) {
    for _ in 0..10 {
        people.run(1);
        for device in 0..people.count {
            people.answer_once(device);
        }
    }
}

fn conferences(people: &People) -> BTreeSet<ConferenceId> {
    let devices = people.universe.devices.iter();
    devices
        .filter_map(|it| Some(it.endpoint.conference()?.id))
        .collect()
}

#[test]
fn of_two_who_ask_each_other_in_the_lesser_conference_survives_with_all_whom_both_asked() {
    for seed in 0..6 {
        let mut people = People::new(4, seed);
        let first = people.universe.call_group(0, &[1, 2]).unwrap();
        let second = people.universe.call_group(1, &[0, 3]).unwrap();
        answer_all(&mut people);
        people.run(5);
        assert_eq!(
            conferences(&people),
            BTreeSet::from([first.id.min(second.id)]),
            "seed {seed}"
        );
        people.check_all_in();
        people.leave_all();
        people.check_empty();
    }
}

/// Whom one has asked in asks that one into a conference of a lesser ID, before it has heard of ours.
#[test]
fn nobody_is_called_out_of_a_conference_in_which_others_are() {
    let mut lesser = 0;
    for seed in 0..8 {
        let mut people = People::new(4, 80 + seed);
        people.universe.homeserver.set_script(|envelope| {
            if (envelope.from, envelope.to) == (0, 2) {
                Fate::Delay(Duration::from_secs(9))
            } else {
                Fate::Deliver
            }
        });
        let ours = people.universe.call_group(0, &[1, 2]).unwrap();
        people.run(2);
        people.universe.answer_what_rings(1);
        people.run(2);
        let theirs = people.universe.call_group(2, &[0, 3]).unwrap();
        lesser += usize::from(theirs.id < ours.id);
        for seconds in [2, 20] {
            people.run(seconds);
            let here = people.universe.devices[0].endpoint.conference();
            assert_eq!(here.map(|it| it.id), Some(ours.id), "seed {seed}");
            let joined = |(device, other)| people.universe.members(device).contains(&other);
            assert!([(0, 1), (1, 0)].into_iter().all(joined), "seed {seed}");
        }
        people.leave_all();
        people.check_empty();
    }
    assert!(lesser > 0);
}

#[test]
fn both_ends_of_a_call_add_somebody_at_the_same_time() {
    for (seed, added) in [
        (0, [2, 3]),
        (1, [2, 3]),
        (2, [2, 3]),
        (3, [2, 2]),
        (4, [2, 2]),
    ] {
        let count = if added[0] == added[1] { 3 } else { 4 };
        let (mut people, call) = People::in_call(count, seed);
        let mut ids = Vec::new();
        for (device, added) in added.into_iter().enumerate() {
            let handle = people.universe.handle(device, call);
            ids.push(people.universe.add(device, handle, added).unwrap().id);
        }
        answer_all(&mut people);
        people.run(5);
        assert_eq!(
            conferences(&people),
            ids.into_iter().min().into_iter().collect(),
            "seed {seed}"
        );
        people.check_all_in();
        people.leave_all();
        people.check_empty();
    }
}

#[test]
fn two_members_who_add_the_same_person_let_them_ring_once_and_each_gets_one_leg() {
    for seed in 0..4 {
        let (mut people, _) = People::in_conference(3, seed);
        people.add_user("Dan");
        for device in [0, 1] {
            let leg = people.universe.legs(device)[0].1;
            people.universe.add(device, leg, 3).unwrap();
        }
        people.run(2);
        let rings = people.universe.incoming_calls(3);
        assert_eq!(rings, 1, "it rings once");
        let missed = |it: &Event| matches!(it, Event::Missed { .. });
        assert!(
            !people.universe.devices[3].told(missed),
            "and nobody is told to be busy"
        );
        people.universe.answer_what_rings(3);
        people.run(8);
        people.check_all_in();
        for device in 0..4 {
            assert_eq!(people.universe.legs(device).len(), 3, "seed {seed}");
            let left = |it: &&ConferenceEvent| matches!(it, ConferenceEvent::Left { .. });
            let left = people.universe.conference_events(device).filter(left);
            assert_eq!(left.count(), 0, "nobody is told that they are busy");
        }
        people.leave_all();
        people.check_empty();
    }
}

#[test]
fn who_declines_declines_for_both_who_asked() {
    let (mut people, _) = People::in_conference(3, 5);
    people.add_user("Dan");
    for device in [0, 1] {
        let leg = people.universe.legs(device)[0].1;
        people.universe.add(device, leg, 3).unwrap();
    }
    people.run(2);
    let call = people.universe.incoming(3).unwrap();
    people.universe.reject(3, call);
    people.run(5);
    assert_eq!(
        people.universe.incoming_calls(3),
        1,
        "it does not ring again"
    );
    assert!(people.universe.devices[3].endpoint.conference().is_none());
    people.check_in(&[0, 1, 2]);
    people.leave_all();
    people.check_empty();
}

/// The greater of two IDs calls by itself when the lesser one's call does not come, and that comes after all.
#[test]
fn legs_of_one_pair_that_cross_become_one() {
    for seed in 0..6 {
        let mut people = People::new(3, 50 + seed);
        people.universe.homeserver.set_script(|envelope| {
            let between = envelope.from + envelope.to == 3 && envelope.from > 0 && envelope.to > 0;
            if between && envelope.kind() == 1 {
                Fate::Delay(Duration::from_secs(9))
            } else {
                Fate::Deliver
            }
        });
        people.call_all();
        people.run(30);
        people.check_all_in();
        let sent = &people.universe.homeserver.sent;
        let invites = |from, to| {
            let theirs = sent.iter().filter(move |it| it.from == from && it.to == to);
            theirs.filter(|it| it.kind() == 1).count()
        };
        assert!(invites(1, 2) > 0 && invites(2, 1) > 0, "they cross");
        for (device, other) in [(1, 2), (2, 1)] {
            let joins = people.universe.conference_events(device).filter(|it| {
                matches!(it, ConferenceEvent::Joined { peer, .. } if people.universe.user_of(peer) == other)
            });
            assert_eq!(joins.count(), 1, "seed {seed}: one leg");
        }
        people.leave_all();
        people.check_empty();
    }
}

/// Each of the seven has room for one more.
#[test]
fn of_two_who_are_added_to_seven_at_once_each_has_seven_legs_and_names_who_is_missing() {
    for seed in 0..2 {
        let (mut people, _) = People::in_conference(7, 90 + seed);
        for (device, (added, name)) in [(7, "Heidi"), (8, "Ivan")].into_iter().enumerate() {
            people.add_user(name);
            people
                .universe
                .add(device, people.leg(device, 2), added)
                .unwrap();
        }
        people.run(2);
        people.universe.answer_what_rings(7);
        people.universe.answer_what_rings(8);
        people.run(90);
        let (members, missing): (Vec<_>, Vec<_>) = (0..9)
            .map(|it| (people.universe.members(it), people.universe.missing(it)))
            .unzip();
        for device in 0..9 {
            let counts = (members[device].len(), missing[device].len());
            assert!(device >= 7 || counts == (7, 1), "seed {seed}: {counts:?}");
            assert!(people.universe.legs(device).len() <= 7);
            for other in (0..9).filter(|it| *it != device) {
                let is_in = members[device].contains(&other);
                assert_eq!(is_in, members[other].contains(&device), "seed {seed}");
                // Of somebody with whom nobody is whom we hear there is nothing to be known.
                let is_known = !members[device].is_disjoint(&members[other]);
                assert_eq!(
                    missing[device].contains(&other),
                    is_known && !is_in,
                    "seed {seed}: {other} at {device}"
                );
            }
        }
        people.leave_all();
        people.check_empty();
    }
}

/// Whom we have asked in calls us alone, before they have heard of that.
#[test]
fn a_call_of_two_does_not_take_the_place_of_a_leg() {
    let mut survives = 0;
    for seed in 0..6 {
        let mut people = People::new(3, 100 + seed);
        people.universe.homeserver.set_script(|envelope| {
            if (envelope.from, envelope.to) == (0, 1) {
                Fate::Delay(Duration::from_secs(3))
            } else {
                Fate::Deliver
            }
        });
        people.universe.call_group(0, &[1, 2]).unwrap();
        let leg = people.leg(0, 1);
        let call = people.universe.call(1, 0).unwrap();
        survives += usize::from(people.universe.devices[0].calls[&leg] < call);
        people.run(2);
        assert_eq!(people.universe.incoming_calls(0), 0, "seed {seed}");
        assert_eq!(people.leg(0, 1), leg, "seed {seed}");
        people.run(5);
        assert_eq!(people.universe.ended(1), Some(EndReason::Busy));
    }
    assert!(survives < 6);
}
