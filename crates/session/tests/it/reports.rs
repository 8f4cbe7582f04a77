//! Calls that do not ring are told rarely, however many there are: nothing that strangers send makes events without end.

use std::time::Duration;

use securecall_session::{CallOptions, Event, MissedReason, RefusedReason, Route};
use securecall_testkit::{DeviceId, DeviceOptions, Universe, connected_pair};

use crate::hand_made_caller::HandMade;
use crate::many_invites::{add_caller, call_number};

/// The calls a device told of as refused, each time how many.
fn refused(universe: &Universe, device: DeviceId) -> Vec<u32> {
    let events = universe.devices[device].events.iter();
    let calls = events.filter_map(|event| match event {
        Event::Refused {
            why: RefusedReason::NoRelay,
            calls,
            ..
        } => Some(*calls),
        _ => None,
    });
    calls.collect()
}

/// A callee that refuses strangers, for there is no relay.
fn callee() -> (Universe, DeviceId) {
    let mut universe = Universe::new(3);
    let bob = universe.add_user("Bob");
    let callee = universe.add_device(bob, DeviceOptions::default());
    (universe, callee)
}

#[test]
fn one_invite_sent_without_end_is_told_once_a_minute_with_a_count() {
    let (mut universe, callee) = callee();
    let ada = universe.add_user("Ada");
    let caller = universe.add_device(ada, DeviceOptions::default());
    let direct = CallOptions {
        route: Some(Route::Direct),
        ..CallOptions::default()
    };
    let bob = universe.devices[callee].user;
    let call = universe.call_with(caller, bob, &direct).unwrap();
    universe.run_for(Duration::from_secs(1));
    universe.hang_up(caller, call);
    let invite = universe.homeserver.sent[0].clone();
    for _ in 0..5000 {
        universe.inject(&invite);
    }
    assert_eq!(refused(&universe, callee), [1]);
    universe.run_for(Duration::from_secs(61));
    assert_eq!(refused(&universe, callee), [1, 5000]);
    // And as long as it goes on, once a minute.
    for _ in 0..120 {
        universe.inject(&invite);
        universe.run_for(Duration::from_secs(1));
    }
    assert_eq!(refused(&universe, callee).len(), 4);
    universe.run_for(Duration::from_secs(600));
    let told: u32 = refused(&universe, callee).iter().sum();
    assert_eq!(told, 5121);
}

#[test]
fn strangers_without_end_are_told_by_number_and_contacts_by_name_all_the_same() {
    let (mut universe, callee) = callee();
    let ada = universe.add_user("Ada");
    let contact = universe.add_device(
        ada,
        DeviceOptions {
            clock_skew_ms: -3_600_000,
            ..DeviceOptions::default()
        },
    );
    let bob = universe.devices[callee].user;
    universe.befriend(ada, bob);
    let mut flood = HandMade::against(universe, callee);
    for number in 0..100 {
        let stranger = add_caller(&mut flood, "Mallory");
        flood.invite_from(stranger, call_number(number));
    }
    assert_eq!(refused(&flood.universe, callee), [1; 32]);
    flood.universe.call(contact, bob).unwrap();
    flood.universe.run_for(Duration::from_secs(2));
    let of_contact = |event: &Event| matches!(event, Event::Missed { peer, why: MissedReason::ClocksDiffer, .. } if peer.name.is_some());
    assert!(flood.universe.devices[callee].told(of_contact));
    flood.universe.run_for(Duration::from_secs(60));
    let others = |event: &Event| matches!(event, Event::CallsOfOthers { calls: 68 });
    assert!(flood.universe.devices[callee].told(others));
    // The strangers are forgotten, and there is room for others.
    let another = add_caller(&mut flood, "Mallory");
    flood.invite_from(another, call_number(200));
    assert_eq!(refused(&flood.universe, callee).len(), 33);
}

#[test]
fn a_caller_who_was_told_of_is_counted_for_a_minute_whatever_else_happens() {
    let mut pair = connected_pair();
    let (busy, in_call_with) = (pair.caller, pair.caller_user);
    let mallory = pair.universe.add_user("Mallory");
    let stranger = pair.universe.add_device(mallory, DeviceOptions::default());
    let direct = CallOptions {
        route: Some(Route::Direct),
        ..CallOptions::default()
    };
    let call = pair.universe.call_with(stranger, in_call_with, &direct);
    pair.universe.run_for(Duration::from_secs(1));
    pair.universe.hang_up(stranger, call.unwrap());
    let mut sent = pair.universe.homeserver.sent.iter();
    let invite = sent.find(|it| it.from == stranger).unwrap().clone();
    assert_eq!(refused(&pair.universe, busy), [1]);
    // Keys are renewed meanwhile: the device wakes up.
    pair.universe.run_for(Duration::from_secs(30));
    pair.universe.inject(&invite);
    assert_eq!(refused(&pair.universe, busy), [1]);
    pair.universe.run_for(Duration::from_secs(30));
    assert_eq!(refused(&pair.universe, busy), [1, 1]);
}
