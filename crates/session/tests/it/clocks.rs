//! Clocks that differ: the callee's device says so, to contacts and rarely, and the caller does not wait in vain.

use std::time::Duration;

use securecall_session::{CallOptions, EndReason, Event, MissedReason, Route};
use securecall_testkit::{DeviceId, DeviceOptions, Fate, Pair, Universe, pair};

/// A minute more than is taken.
const TOO_MUCH_MS: i64 = 360_000;

/// The missed calls a device told of because of a clock: how many calls each stands for.
fn missed(universe: &Universe, device: DeviceId) -> Vec<u32> {
    let events = universe.devices[device].events.iter();
    let calls = events.filter_map(|event| match event {
        Event::Missed {
            why: MissedReason::ClocksDiffer,
            calls,
            ..
        } => Some(*calls),
        _ => None,
    });
    calls.collect()
}

fn sent_by(universe: &Universe, device: DeviceId) -> usize {
    let sent = universe.homeserver.sent.iter();
    sent.filter(|envelope| envelope.from == device).count()
}

/// A pair whose callee's clock is wrong, a moment after the call.
fn called() -> Pair {
    let mut pair = pair();
    pair.universe.devices[pair.callee].options.clock_skew_ms = TOO_MUCH_MS;
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.call = Some(call);
    pair.universe.run_for(Duration::from_secs(2));
    pair
}

#[test]
fn a_contact_whose_clock_differs_is_told_at_once_and_is_one_missed_call() {
    let mut pair = called();
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::ClocksDiffer)
    );
    assert!(pair.universe.incoming(pair.callee).is_none());
    pair.universe.run_for(Duration::from_secs(120));
    assert_eq!(missed(&pair.universe, pair.callee), [1]);
    assert_eq!(sent_by(&pair.universe, pair.callee), 1);
    pair.universe.run_for(Duration::from_secs(300));
    assert!(pair.all_empty());
}

#[test]
fn a_stranger_is_told_nothing_of_clocks() {
    let mut universe = Universe::new(3);
    let (ada, bob) = (universe.add_user("Ada"), universe.add_user("Bob"));
    let direct = CallOptions {
        route: Some(Route::Direct),
        ..CallOptions::default()
    };
    let options = |clock_skew_ms| DeviceOptions {
        inbound: direct.clone(),
        clock_skew_ms,
        ..DeviceOptions::default()
    };
    let caller = universe.add_device(ada, options(0));
    let callee = universe.add_device(bob, options(-TOO_MUCH_MS));
    universe.call_with(caller, bob, &direct).unwrap();
    universe.run_for(Duration::from_secs(120));
    assert_eq!(sent_by(&universe, callee), 0);
    assert_eq!(universe.ended(caller), Some(EndReason::Unreachable));
    // Its invite was sent three times: one is told at once, the others after a minute.
    assert_eq!(missed(&universe, callee), [1, 2]);
}

#[test]
fn an_old_invite_gets_an_answer_no_more_than_once_in_ten_minutes() {
    let mut pair = called();
    let invite = pair.universe.homeserver.sent[0].clone();
    let answers = |pair: &Pair| sent_by(&pair.universe, pair.callee);
    assert_eq!(answers(&pair), 1);
    for _ in 0..8 {
        pair.universe.run_for(Duration::from_secs(60));
        pair.universe.inject(&invite);
    }
    assert_eq!(answers(&pair), 1);
    pair.universe.restart(pair.caller);
    pair.universe.run_for(Duration::from_secs(180));
    pair.universe.inject(&invite);
    // Nobody acknowledges it any more, and it is not said again.
    pair.universe.run_for(Duration::from_secs(60));
    assert_eq!(answers(&pair), 2);
    assert!(pair.universe.incoming(pair.callee).is_none());
}

#[test]
fn the_answer_comes_again_when_the_caller_asks_again() {
    let mut pair = pair();
    let mut lost = false;
    pair.universe.homeserver.set_script(move |envelope| {
        let first_answer = envelope.kind() == 2 && !std::mem::replace(&mut lost, true);
        if first_answer {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    pair.universe.devices[pair.callee].options.clock_skew_ms = TOO_MUCH_MS;
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(5));
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::ClocksDiffer)
    );
    pair.universe.run_for(Duration::from_secs(120));
    assert_eq!(missed(&pair.universe, pair.callee), [1]);
}

#[test]
fn a_device_whose_clock_differs_does_not_keep_another_from_ringing() {
    let mut pair = pair();
    let second = pair
        .universe
        .add_device(pair.callee_user, DeviceOptions::default());
    pair.universe.devices[pair.callee].options.clock_skew_ms = TOO_MUCH_MS;
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(10));
    assert_eq!(pair.universe.incoming(second), Some(call));
    assert!(pair.universe.ended(pair.caller).is_none());
    pair.universe.answer(second, call);
    pair.universe.run_for(Duration::from_secs(2));
    assert!(pair.universe.connected(pair.caller) && pair.universe.connected(second));
}

#[test]
fn a_device_that_is_never_there_does_not_keep_the_caller_waiting() {
    let mut pair = pair();
    let second = pair
        .universe
        .add_device(pair.callee_user, DeviceOptions::default());
    pair.universe.set_online(second, false);
    pair.universe.devices[pair.callee].options.clock_skew_ms = TOO_MUCH_MS;
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(4));
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::ClocksDiffer)
    );
}
