//! Both call each other.

use std::time::Duration;

use securecall_session::{EndReason, Event};
use securecall_signaling::CallId;
use securecall_testkit::{DeviceOptions, Fate, Pair, Universe};

fn pair(seed: u64) -> Pair {
    let mut universe = Universe::new(seed);
    let (caller_user, callee_user) = (universe.add_user("Ada"), universe.add_user("Bob"));
    let caller = universe.add_device(caller_user, DeviceOptions::default());
    let callee = universe.add_device(callee_user, DeviceOptions::default());
    universe.befriend(caller_user, callee_user);
    Pair {
        universe,
        caller_user,
        callee_user,
        caller,
        callee,
        call: None,
    }
}

fn check(pair: &mut Pair, first: CallId, second: CallId) {
    pair.universe.run_for(Duration::from_secs(20));
    let survivor = first.min(second);
    for device in [pair.caller, pair.callee] {
        let connected = |event: &Event| matches!(event, Event::Connected { call, .. } if call.id == survivor.into());
        assert!(
            pair.universe.devices[device].told(connected),
            "device {device}: {:?}",
            pair.universe.devices[device].events
        );
        assert!(pair.universe.ended(device).is_none());
    }
    let replaced =
        |event: &Event| matches!(event, Event::Replaced { by, .. } if by.id == survivor.into());
    let told = [pair.caller, pair.callee]
        .into_iter()
        .filter(|device| pair.universe.devices[*device].told(replaced))
        .count();
    assert_eq!(told, 1);
    pair.universe.hang_up(pair.caller, survivor);
    pair.universe.run_for(Duration::from_secs(400));
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::RemoteHangup)
    );
    assert!(pair.all_empty());
}

#[test]
fn the_lesser_call_survives_when_both_call_at_once() {
    for seed in 0..8 {
        let mut pair = pair(seed);
        let first = pair.universe.call(pair.caller, pair.callee_user).unwrap();
        let second = pair.universe.call(pair.callee, pair.caller_user).unwrap();
        check(&mut pair, first, second);
    }
}

#[test]
fn the_lesser_call_survives_whichever_invite_comes_late() {
    for seed in 0..8 {
        for late in [0, 1] {
            let mut pair = pair(seed);
            pair.universe.homeserver.set_script(move |envelope| {
                if envelope.from == late && envelope.kind() == 1 {
                    Fate::Delay(Duration::from_secs(2))
                } else {
                    Fate::Deliver
                }
            });
            let first = pair.universe.call(pair.caller, pair.callee_user).unwrap();
            let second = pair.universe.call(pair.callee, pair.caller_user).unwrap();
            check(&mut pair, first, second);
        }
    }
}

#[test]
fn glare_with_somebody_else_is_busy() {
    let mut pair = pair(1);
    let carol = pair.universe.add_user("Carol");
    let third = pair.universe.add_device(carol, DeviceOptions::default());
    pair.universe.befriend(carol, pair.caller_user);
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.call(third, pair.caller_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(pair.universe.ended(third), Some(EndReason::Busy));
    assert!(pair.universe.incoming(pair.callee).is_some());
}

#[test]
fn a_call_that_was_answered_never_gives_way() {
    for seed in 0..4 {
        let mut pair = pair(seed);
        let second_device = pair
            .universe
            .add_device(pair.callee_user, DeviceOptions::default());
        pair.universe.befriend(pair.caller_user, pair.callee_user);
        let first = pair.universe.call(pair.caller, pair.callee_user).unwrap();
        pair.universe.run_for(Duration::from_secs(1));
        pair.universe.answer(pair.callee, first);
        pair.universe.run_for(Duration::from_secs(2));
        pair.universe.call(second_device, pair.caller_user).unwrap();
        pair.universe.run_for(Duration::from_secs(3));
        assert_eq!(pair.universe.ended(second_device), Some(EndReason::Busy));
        assert!(pair.universe.ended(pair.caller).is_none());
    }
}

/// Two users with two devices each; the first devices call each other. Returns the second devices.
fn glare_of_four(seed: u64, offline: bool) -> (Pair, [usize; 2], CallId) {
    let mut pair = pair(seed);
    let seconds = [pair.caller_user, pair.callee_user]
        .map(|user| pair.universe.add_device(user, DeviceOptions::default()));
    pair.universe.befriend(pair.caller_user, pair.callee_user);
    for second in seconds.into_iter().filter(|_| offline) {
        pair.universe.set_online(second, false);
    }
    let first = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    let second = pair.universe.call(pair.callee, pair.caller_user).unwrap();
    pair.universe.run_for(Duration::from_secs(10));
    (pair, seconds, first.min(second))
}

/// The first devices talk; nothing rings at the second ones any more.
fn check_four(mut pair: Pair, seconds: [usize; 2], survivor: CallId) {
    for device in [pair.caller, pair.callee] {
        assert!(pair.universe.connected(device));
        assert!(pair.universe.ended(device).is_none());
    }
    for second in seconds {
        assert!(!pair.universe.connected(second));
        assert!(pair.universe.devices[second].media.is_empty());
        let incoming = pair.universe.incoming(second);
        assert_eq!(incoming.is_some(), pair.universe.ended(second).is_some());
    }
    assert!(
        seconds
            .iter()
            .any(|it| pair.universe.ended(*it) == Some(EndReason::AnsweredElsewhere))
    );
    pair.universe.hang_up(pair.caller, survivor);
    pair.universe.run_for(Duration::from_secs(400));
    assert!(pair.all_empty());
}

#[test]
fn glare_with_two_devices_a_side_leaves_one_call_between_the_two_that_called() {
    for seed in 0..8 {
        let (pair, seconds, survivor) = glare_of_four(seed, false);
        check_four(pair, seconds, survivor);
    }
}

#[test]
fn second_devices_that_get_the_invites_late_learn_that_both_calls_are_settled() {
    for seed in 0..8 {
        let (mut pair, seconds, survivor) = glare_of_four(seed, true);
        for second in seconds {
            pair.universe.set_online(second, true);
        }
        pair.universe.run_for(Duration::from_secs(5));
        check_four(pair, seconds, survivor);
    }
}
