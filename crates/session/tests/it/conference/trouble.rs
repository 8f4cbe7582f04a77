//! Members that come back, legs that are withheld, microphones that are muted.

use securecall_session::{CallError, ConferenceEvent, EndReason};
use securecall_testkit::{DeviceOptions, Fate};

use super::people::People;

fn no_path(people: &People, device: usize) -> usize {
    let events = people.universe.conference_events(device);
    events
        .filter(|it| matches!(it, ConferenceEvent::NoPath { .. }))
        .count()
}

#[test]
fn a_leg_that_the_homeserver_withholds_is_named_at_both_ends_and_the_others_hear_each_other() {
    let mut people = People::new(3, 20);
    people.universe.homeserver.set_script(|envelope| {
        let pair = (
            envelope.from.min(envelope.to),
            envelope.from.max(envelope.to),
        );
        if pair == (1, 2) {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    people.call_all();
    people.run(60);
    assert_eq!(people.universe.members(0), [1, 2].into());
    assert_eq!(people.universe.members(1), [0].into());
    assert_eq!(people.universe.members(2), [0].into());
    assert!(
        no_path(&people, 1) > 0 && no_path(&people, 2) > 0,
        "both are told"
    );
    people.universe.homeserver.behave();
    people.run(180);
    people.check_all_in();
    people.leave_all();
    people.check_empty();
}

#[test]
fn a_pair_that_is_cut_off_from_each_other_finds_together_again() {
    let (mut people, _) = People::in_conference(3, 21);
    people.universe.network.set_cut(1, 2, true);
    people.run(40);
    assert_eq!(people.universe.members(0), [1, 2].into());
    assert!(
        no_path(&people, 1) > 0 && no_path(&people, 2) > 0,
        "both are told"
    );
    people.universe.network.set_cut(1, 2, false);
    people.run(180);
    people.check_all_in();
    people.leave_all();
    people.check_empty();
}

#[test]
fn who_has_crashed_is_asked_in_again_and_is_in_once() {
    let (mut people, _) = People::in_conference(3, 22);
    people.universe.restart(2);
    people.run(5);
    people.universe.add(0, people.leg(0, 1), 2).unwrap();
    people.run(2);
    people.universe.answer_what_rings(2);
    people.run(30);
    people.check_all_in();
    for device in 0..3 {
        assert_eq!(people.universe.legs(device).len(), 2, "device {device}");
    }
    people.leave_all();
    people.check_empty();
}

#[test]
fn on_another_device_of_the_same_person_the_older_one_hears_that_and_stays_away() {
    let (mut people, _) = People::in_conference(3, 23);
    let second = people.universe.add_device(2, DeviceOptions::default());
    people.befriend_again();
    // The first is silent for a while, as in a tunnel, and the second takes its place.
    for other in [0, 1] {
        people.universe.network.set_cut(2, other, true);
    }
    people.universe.set_online(2, false);
    people.run(5);
    people.universe.add(0, people.leg(0, 1), 2).unwrap();
    people.run(2);
    people.universe.answer_what_rings(second);
    people.run(5);
    for other in [0, 1] {
        people.universe.network.set_cut(2, other, false);
    }
    people.universe.set_online(2, true);
    people.run(60);
    assert_eq!(people.universe.members(0), [1, 2].into());
    assert_eq!(people.universe.members(1), [0, 2].into());
    assert_eq!(people.universe.members(second), [0, 1].into());
    assert_eq!(people.ended(2), Some((EndReason::AnsweredElsewhere, true)));
    for device in [0, 1, second] {
        assert_eq!(people.universe.legs(device).len(), 2, "device {device}");
    }
    people.leave_all();
    people.check_empty();
}

#[test]
fn a_muted_microphone_is_muted_in_all_legs_and_in_those_that_come() {
    let (mut people, _) = People::in_conference(3, 24);
    let leg = people.universe.legs(0)[1].1;
    people
        .universe
        .command(0, |endpoint, now, rng| {
            endpoint.set_muted(now, rng, leg, true)
        })
        .unwrap();
    people.add_user("Dan");
    people.universe.add(0, leg, 3).unwrap();
    people.run(2);
    people.universe.answer_what_rings(3);
    people.run(8);
    people.check_all_in();
    let media = &people.universe.devices[0].media;
    assert_eq!(media.len(), 3);
    assert!(media.values().all(|it| it.muted), "device 0 is muted");
    assert!(
        people.universe.devices[1]
            .media
            .values()
            .all(|it| !it.muted)
    );
}

#[test]
fn who_is_in_a_conference_is_in_no_other_call() {
    let (mut people, _) = People::in_conference(3, 25);
    people.add_user("Dan");
    assert_eq!(people.universe.call(0, 3), Err(CallError::InAnotherCall));
    people.universe.call(3, 0).unwrap();
    people.run(5);
    assert_eq!(people.universe.ended(3), Some(EndReason::Busy));
    people.universe.call_group(3, &[1]).unwrap();
    people.run(5);
    assert_eq!(people.universe.ended(3), Some(EndReason::Busy));
    people
        .universe
        .add(0, people.universe.legs(0)[0].1, 3)
        .unwrap();
    people.run(2);
    people.universe.answer_what_rings(3);
    people.run(5);
    people.check_all_in();
}

#[test]
fn a_long_conference_of_eight_is_quiet_and_all_agree() {
    let (mut people, _) = People::in_conference(8, 26);
    let sent = people.universe.homeserver.sent.len();
    people.run(120);
    people.check_all_in();
    assert_eq!(
        people.universe.homeserver.sent.len(),
        sent,
        "nothing goes over Matrix"
    );
    people.leave_all();
    people.check_empty();
}
