//! Conferences in order: asking in, answering, leaving, vanishing, coming back.

use std::time::Duration;

use securecall_signaling::group::{LeftWhy, OverWhy};

use super::universe::{Manner, Seen, Universe, conference};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn everybody_who_is_asked_in_has_a_leg_with_everybody() {
    for people in 2..=8 {
        for seed in 0..10 {
            let universe = Universe::in_conference(people, seed);
            universe.assert_all_in(&(0..people).collect::<Vec<_>>());
            // One call for each pair, except where a crossing one had to give way.
            let calls: u32 = universe.placed.values().sum();
            let pairs = u32::from(people) * u32::from(people - 1) / 2;
            assert!(calls <= 2 * pairs, "{calls} calls");
        }
    }
}

#[test]
fn each_is_told_who_brought_whom() {
    let universe = Universe::in_conference(4, 1);
    for device in 1..4 {
        let brought = &universe.devices[device].brought;
        for (number, by) in brought {
            assert_eq!(
                *by,
                (*number != 0).then_some(0),
                "{number} as {device} was told"
            );
        }
    }
    assert!(universe.devices[0].brought.values().all(Option::is_none));
}

#[test]
fn who_declines_or_does_not_answer_is_told_and_the_others_go_on() {
    let mut universe = Universe::new(5, 3);
    universe.devices[2].manner = Manner::Declines;
    universe.devices[3].manner = Manner::IsSilent;
    universe.call_group(0, conference(1), 1..5);
    universe.run(SECOND * 70);
    universe.assert_all_in(&[0, 1, 4]);
    let mut left = universe.devices[0].left.clone();
    left.sort_unstable_by_key(|it| it.0);
    assert_eq!(left, [(2, LeftWhy::Declined), (3, LeftWhy::NoAnswer)]);
}

#[test]
fn the_one_who_began_it_leaves_and_the_others_talk_on() {
    let mut universe = Universe::in_conference(4, 5);
    universe.leave(0);
    universe.run(SECOND * 2);
    universe.assert_all_in(&[1, 2, 3]);
    assert!(universe.devices[1].left.contains(&(0, LeftWhy::HungUp)));
    assert_eq!(universe.devices[0].over, Some(OverWhy::Left));
}

#[test]
fn nobody_is_called_again_who_has_just_left() {
    for seed in 0..50 {
        let mut universe = Universe::in_conference(6, seed);
        let before: u32 = universe.placed.values().sum();
        for device in [3, 0, 5] {
            universe.leave(device);
            universe.run(SECOND / 2);
        }
        universe.run(SECOND * 40);
        universe.assert_all_in(&[1, 2, 4]);
        assert_eq!(universe.placed.values().sum::<u32>(), before, "seed {seed}");
    }
}

#[test]
fn the_last_two_part_and_it_is_over_for_both() {
    let mut universe = Universe::in_conference(3, 5);
    universe.leave(1);
    universe.run(SECOND * 2);
    universe.leave(0);
    universe.run(SECOND * 2);
    assert_eq!(
        universe.devices[2].over,
        Some(OverWhy::Alone(LeftWhy::HungUp))
    );
}

#[test]
fn nobody_who_is_asked_in_comes_and_it_is_over() {
    let mut universe = Universe::new(3, 7);
    universe.devices[1].manner = Manner::Declines;
    universe.devices[2].manner = Manner::IsSilent;
    universe.call_group(0, conference(1), 1..3);
    universe.run(SECOND * 61);
    assert_eq!(
        universe.devices[0].over,
        Some(OverWhy::Alone(LeftWhy::NoAnswer))
    );
}

#[test]
fn who_vanishes_is_gone_after_fifteen_seconds() {
    for seed in 0..20 {
        let mut universe = Universe::in_conference(8, seed);
        let calls = universe.placed.clone();
        universe.vanish(3);
        universe.run(SECOND * 14);
        assert!(universe.sees(0, Seen::Joined).contains(&3));
        universe.run(SECOND * 4);
        universe.assert_all_in(&[0, 1, 2, 4, 5, 6, 7]);
        assert_eq!(universe.devices[0].left, [(3, LeftWhy::Vanished)]);
        // The others said so before anybody was to call them.
        assert_eq!(universe.placed, calls);
    }
}

#[test]
fn who_vanished_and_is_asked_in_again_is_in_with_everybody() {
    for seed in 0..20 {
        let mut universe = Universe::in_conference(5, seed);
        universe.vanish(3);
        // When the others miss them, and when they have given them up.
        universe.run(SECOND * (4 + universe.chance.clone().below(21) as u32));
        let inviter = usize::from(seed % 2 == 0) * 4;
        assert!(universe.invite(inviter, 3));
        universe.run(SECOND * 60);
        universe.assert_all_in(&[0, 1, 2, 3, 4]);
    }
}

#[test]
fn both_ask_in_the_same_person_who_comes_once() {
    for seed in 0..20 {
        let mut universe = Universe::in_conference(4, seed);
        universe.add_device(4);
        universe.invite(1, 4);
        universe.invite(2, 4);
        universe.run(SECOND * 30);
        universe.assert_all_in(&[0, 1, 2, 3, 4]);
    }
}

#[test]
fn two_who_ask_each_other_in_meet_in_one_conference_with_all_whom_they_asked() {
    for seed in 0..20 {
        let mut universe = Universe::new(6, seed);
        universe.call_group(0, conference(9), [1, 2, 3]);
        universe.call_group(1, conference(4), [0, 4, 5]);
        universe.run(SECOND * 90);
        let members = universe.members_of(conference(4));
        assert!(
            members.contains(&0) && members.contains(&1),
            "seed {seed}: {members:?}"
        );
    }
}

#[test]
fn a_leg_that_is_cut_for_a_while_is_missed_at_both_ends_and_comes_back() {
    for seed in 0..20 {
        let mut universe = Universe::in_conference(4, seed);
        universe.cut(1, 2, SECOND * 90);
        universe.run(SECOND * 16);
        assert_eq!(universe.sees(1, Seen::NoPath), [2].into());
        assert_eq!(universe.sees(2, Seen::NoPath), [1].into());
        universe.run(SECOND * 200);
        universe.assert_all_in(&[0, 1, 2, 3]);
    }
}

#[test]
fn a_leg_that_is_silent_for_less_is_nobodys_concern() {
    let mut universe = Universe::in_conference(4, 4);
    let before: u32 = universe.placed.values().sum();
    universe.cut(1, 2, SECOND * 14);
    universe.run(SECOND * 60);
    universe.assert_all_in(&[0, 1, 2, 3]);
    assert_eq!(universe.placed.values().sum::<u32>(), before);
}

#[test]
fn another_device_of_the_same_person_takes_the_place_of_the_first() {
    for seed in 0..20 {
        for number in [0, 2, 4] {
            let mut universe = Universe::in_conference(5, seed);
            let second = universe.add_device(number);
            let first = usize::from(number);
            // A member did not hear the first for a while, and asks the person in again; only the second rings.
            universe.deaf.insert(first);
            universe.cut(number, 1, SECOND * 4);
            universe.run(SECOND * 7 / 2);
            universe.invite(1, number);
            universe.run(SECOND * 30);
            assert!(
                universe.devices[second].mesh.is_some(),
                "seed {seed}, {number}"
            );
            assert_eq!(
                universe.devices[first].over,
                Some(OverWhy::AnsweredElsewhere),
                "seed {seed}, {number}"
            );
            universe.assert_all_in(&[0, 1, 2, 3, 4]);
        }
    }
}
