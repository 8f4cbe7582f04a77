//! One callee, two devices.

use std::time::Duration;

use securecall_session::{EndReason, Event, SignalRefused};
use securecall_signaling::CallId;
use securecall_testkit::{DeviceId, DeviceOptions, Pair, pair};

const LONG: Duration = Duration::from_secs(400);

fn with_second_device() -> (Pair, DeviceId) {
    let mut pair = pair();
    let second = pair
        .universe
        .add_device(pair.callee_user, DeviceOptions::default());
    pair.universe.befriend(pair.caller_user, pair.callee_user);
    (pair, second)
}

fn ringing_at_both() -> (Pair, DeviceId, CallId) {
    let (mut pair, second) = with_second_device();
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    assert!(
        pair.universe.incoming(pair.callee).is_some() && pair.universe.incoming(second).is_some()
    );
    (pair, second, call)
}

#[test]
fn the_device_that_answers_is_connected_and_the_other_is_told() {
    let (mut pair, second, call) = ringing_at_both();
    pair.universe.answer(second, call);
    pair.universe.run_for(Duration::from_secs(2));
    assert!(pair.universe.connected(second) && pair.universe.connected(pair.caller));
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::AnsweredElsewhere)
    );
    assert!(
        pair.universe.devices[pair.callee]
            .told(|event| matches!(event, Event::AnsweredElsewhere { .. }))
    );
    assert!(pair.universe.devices[pair.callee].media.is_empty());
}

#[test]
fn when_both_answer_the_first_answer_wins_and_the_loser_never_opens_its_microphone() {
    let (mut pair, second, call) = ringing_at_both();
    pair.universe.answer(pair.callee, call);
    pair.universe.answer(second, call);
    pair.universe.run_for(Duration::from_secs(3));
    let (winner, loser) = if pair.universe.connected(second) {
        (second, pair.callee)
    } else {
        (pair.callee, second)
    };
    assert!(pair.universe.connected(winner) && !pair.universe.connected(loser));
    assert_eq!(
        pair.universe.ended(loser),
        Some(EndReason::AnsweredElsewhere)
    );
    let commands = &pair.universe.devices[loser].media[&call].commands;
    assert!(!commands.iter().any(|command| command == "OpenMicrophone"));
    assert_eq!(commands.last().map(String::as_str), Some("Close"));
}

#[test]
fn one_reject_ends_the_call_for_all() {
    let (mut pair, second, call) = ringing_at_both();
    pair.universe.reject(second, call);
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(pair.universe.ended(pair.caller), Some(EndReason::Declined));
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::AnsweredElsewhere)
    );
    pair.universe.run_for(LONG);
    assert!(pair.all_empty());
}

#[test]
fn one_busy_device_ends_nothing_while_another_rings() {
    let (mut pair, second) = with_second_device();
    let carol = pair.universe.add_user("Carol");
    let third = pair.universe.add_device(carol, DeviceOptions::default());
    pair.universe.befriend(carol, pair.callee_user);
    let other = pair.universe.call(second, carol).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    pair.universe.answer(third, other);
    pair.universe.run_for(Duration::from_secs(1));
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(20));
    assert!(pair.universe.ended(pair.caller).is_none());
    pair.universe.answer(pair.callee, call);
    pair.universe.run_for(Duration::from_secs(2));
    assert!(pair.universe.connected(pair.caller));
    assert!(
        pair.universe.ended(second).is_none(),
        "the other call goes on"
    );
}

#[test]
fn a_busy_device_and_a_silent_one_are_busy_after_a_while() {
    let (mut pair, second) = with_second_device();
    pair.universe.set_online(second, false);
    let carol = pair.universe.add_user("Carol");
    let third = pair.universe.add_device(carol, DeviceOptions::default());
    pair.universe.befriend(carol, pair.callee_user);
    pair.universe.call(pair.callee, carol).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(5));
    assert_eq!(pair.universe.ended(pair.caller), Some(EndReason::Busy));
    let _ = third;
}

#[test]
fn a_device_that_rings_late_learns_that_the_call_was_answered_elsewhere() {
    let (mut pair, second) = with_second_device();
    pair.universe.set_online(second, false);
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    pair.universe.answer(pair.callee, call);
    pair.universe.run_for(Duration::from_secs(30));
    pair.universe.set_online(second, true);
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(
        pair.universe.ended(second),
        Some(EndReason::AnsweredElsewhere)
    );
    assert!(
        pair.universe.ended(pair.caller).is_none(),
        "the call goes on"
    );
    pair.universe.hang_up(pair.caller, call);
    pair.universe.run_for(LONG);
    assert!(pair.all_empty());
}

/// A call that is over is kept for a device that has not said a word, so that its `ringing` can be answered. Nothing else of it is.
#[test]
fn a_call_that_is_over_keeps_no_keys_of_the_device_it_was_with_while_another_is_silent() {
    for caller_hangs_up in [true, false] {
        let (mut pair, second) = with_second_device();
        pair.universe.set_online(second, false);
        let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
        pair.universe.run_for(Duration::from_secs(1));
        pair.universe.answer(pair.callee, call);
        pair.universe.run_for(Duration::from_secs(15));
        let sent = pair.universe.homeserver.sent.iter();
        let mut of_the_callee = sent.filter(|it| it.from == pair.callee && it.kind() == 3);
        let last_words = of_the_callee.next_back().unwrap().clone();
        let ends = if caller_hangs_up {
            pair.caller
        } else {
            pair.callee
        };
        pair.universe.hang_up(ends, call);
        pair.universe.run_for(Duration::from_secs(5));
        let caller = &mut pair.universe.devices[pair.caller];
        assert!(caller.endpoint.is_idle() && !caller.endpoint.is_empty());
        caller.refused.clear();

        // With the keys it would be known as a repetition.
        pair.universe.inject(&last_words);
        assert_eq!(
            pair.universe.devices[pair.caller].refused,
            [SignalRefused::OutOfPlace]
        );

        // The silent device rings and learns that it is over.
        pair.universe.set_online(second, true);
        pair.universe.run_for(Duration::from_secs(5));
        assert!(pair.universe.incoming(second).is_some());
        assert_eq!(
            pair.universe.ended(second),
            Some(EndReason::AnsweredElsewhere)
        );
        pair.universe.run_for(LONG);
        assert!(pair.all_empty());
    }
}
