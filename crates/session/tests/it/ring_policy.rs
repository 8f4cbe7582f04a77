//! The user says who may make it ring. Whoever may not gets nothing at all.

use std::time::Duration;

use securecall_session::{
    AnswerPolicy, CallOptions, Contact, Contacts, Event, RefusedReason, RingPolicy, Route,
};
use securecall_testkit::{DeviceId, DeviceOptions, Pair, Universe, pair};

fn direct() -> CallOptions {
    CallOptions {
        route: Some(Route::Direct),
        ..CallOptions::default()
    }
}

/// Ada calls Bob, and it rings there for whom `ring` says. They are no contacts.
fn strangers(ring: RingPolicy, answer: AnswerPolicy) -> Pair {
    let mut universe = Universe::new(7);
    let (caller_user, callee_user) = (universe.add_user("Ada"), universe.add_user("Bob"));
    let caller = universe.add_device(caller_user, DeviceOptions::default());
    let options = DeviceOptions {
        ring,
        answer,
        inbound: direct(),
        ..DeviceOptions::default()
    };
    let callee = universe.add_device(callee_user, options);
    Pair {
        universe,
        caller_user,
        callee_user,
        caller,
        callee,
        call: None,
    }
}

fn friends(ring: RingPolicy) -> Pair {
    let mut pair = strangers(ring, AnswerPolicy::Ask);
    pair.universe.befriend(pair.caller_user, pair.callee_user);
    pair
}

/// The calls that were told of as refused for this reason, each time how many.
fn refused(universe: &Universe, device: DeviceId) -> Vec<u32> {
    let events = universe.devices[device].events.iter();
    let calls = events.filter_map(|event| match event {
        Event::Refused {
            why: RefusedReason::RingPolicy,
            calls,
            ..
        } => Some(*calls),
        _ => None,
    });
    calls.collect()
}

/// Messages from one device to another.
fn sent(universe: &Universe, from: DeviceId, to: DeviceId) -> usize {
    let sent = universe.homeserver.sent.iter();
    sent.filter(|it| it.from == from && it.to == to).count()
}

fn check_nothing_happened(pair: &Pair) {
    assert_eq!(pair.universe.incoming(pair.callee), None);
    assert_eq!(refused(&pair.universe, pair.callee), [1]);
    assert_eq!(sent(&pair.universe, pair.callee, pair.caller), 0);
    assert!(pair.universe.devices[pair.callee].media.is_empty());
    assert_eq!(pair.universe.devices[pair.callee].times_persisted, 0);
}

#[test]
fn a_stranger_does_not_ring_where_contacts_alone_may_and_is_not_answered_either() {
    for answer in [AnswerPolicy::Ask, AnswerPolicy::Auto] {
        let mut pair = strangers(RingPolicy::Contacts, answer);
        let call = pair
            .universe
            .call_with(pair.caller, pair.callee_user, &direct());
        pair.universe.run_for(Duration::from_secs(2));
        check_nothing_happened(&pair);
        pair.universe.hang_up(pair.caller, call.unwrap());
    }
    // Where everybody may, it does.
    let mut pair = strangers(RingPolicy::Anyone, AnswerPolicy::Ask);
    let call = pair
        .universe
        .call_with(pair.caller, pair.callee_user, &direct());
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(pair.universe.incoming(pair.callee), call.ok());
}

#[test]
fn a_contact_rings_where_contacts_may_and_from_a_new_address_too() {
    let mut pair = friends(RingPolicy::Contacts);
    pair.ring();

    let mut pair = strangers(RingPolicy::Contacts, AnswerPolicy::Ask);
    let contact = Contact {
        name: "Ada".to_owned(),
        identity: pair.universe.identity(pair.caller_user).public(),
        matrix_id: "@ada:old.example".parse().unwrap(),
    };
    pair.universe.devices[pair.callee]
        .endpoint
        .set_contacts(Contacts::new([contact]));
    let call = pair
        .universe
        .call_with(pair.caller, pair.callee_user, &direct());
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(pair.universe.incoming(pair.callee), call.ok());
}

#[test]
fn where_nobody_may_ring_contacts_do_not_and_their_calls_are_counted() {
    let mut pair = friends(RingPolicy::Nobody);
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    check_nothing_happened(&pair);
    // Message 1 goes three times.
    pair.universe.run_for(Duration::from_secs(70));
    assert_eq!(refused(&pair.universe, pair.callee), [1, 2]);
    assert_eq!(sent(&pair.universe, pair.callee, pair.caller), 0);
}

#[test]
fn who_may_not_ring_is_not_told_that_the_clocks_differ() {
    let told_something = |ring| {
        let mut pair = friends(ring);
        pair.universe.devices[pair.callee].options.clock_skew_ms = 400_000;
        pair.universe.call(pair.caller, pair.callee_user).unwrap();
        pair.universe.run_for(Duration::from_secs(2));
        sent(&pair.universe, pair.callee, pair.caller) > 0
    };
    assert!(told_something(RingPolicy::Contacts));
    assert!(!told_something(RingPolicy::Nobody));
}

#[test]
fn who_may_not_ring_is_not_told_that_one_is_in_a_call() {
    let told_something = |ring| {
        let mut pair = friends(ring);
        let cy = pair.universe.add_user("Cy");
        let third = pair.universe.add_device(cy, DeviceOptions::default());
        pair.universe.befriend(cy, pair.callee_user);
        // Who lets nobody ring calls all the same.
        let call = pair.universe.call(pair.callee, pair.caller_user).unwrap();
        pair.universe.run_for(Duration::from_secs(2));
        pair.universe.answer(pair.caller, call);
        pair.universe.run_for(Duration::from_secs(3));
        assert!(pair.universe.connected(pair.callee));
        pair.universe.call(third, pair.callee_user).unwrap();
        pair.universe.run_for(Duration::from_secs(2));
        sent(&pair.universe, pair.callee, third) > 0
    };
    assert!(told_something(RingPolicy::Anyone));
    assert!(!told_something(RingPolicy::Nobody));
}

#[test]
fn two_who_let_nobody_ring_and_call_each_other_at_once_meet() {
    for seed in 0..8 {
        let mut universe = Universe::new(seed);
        let users = [universe.add_user("Ada"), universe.add_user("Bob")];
        let options = DeviceOptions {
            ring: RingPolicy::Nobody,
            ..DeviceOptions::default()
        };
        let devices = users.map(|user| universe.add_device(user, options.clone()));
        universe.befriend(users[0], users[1]);
        universe.call(devices[0], users[1]).unwrap();
        universe.call(devices[1], users[0]).unwrap();
        universe.run_for(Duration::from_secs(20));
        for device in devices {
            assert!(universe.connected(device), "{seed}");
            assert!(refused(&universe, device).is_empty());
        }
    }
}

#[test]
fn what_has_arrived_does_not_ring_if_the_caller_is_no_contact_any_more_when_it_would() {
    let mut pair = friends(RingPolicy::Contacts);
    pair.universe.devices[pair.callee].sync_unfinished = true;
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    let callee = &mut pair.universe.devices[pair.callee];
    callee.endpoint.set_contacts(Contacts::default());
    pair.universe.finish_sync(pair.callee);
    assert_eq!(pair.universe.incoming(pair.callee), None);
    assert_eq!(refused(&pair.universe, pair.callee), [1]);
    assert_eq!(sent(&pair.universe, pair.callee, pair.caller), 0);
}

#[test]
fn a_call_that_was_answered_by_calling_back_goes_on_whatever_changes() {
    let mut pair = pair();
    pair.universe.devices[pair.callee].options.ring = RingPolicy::Contacts;
    pair.universe.restart(pair.callee);
    pair.universe.devices[pair.callee].sync_unfinished = true;
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    let back = pair
        .universe
        .call_with(pair.callee, pair.caller_user, &direct());
    assert_eq!(back, Ok(call));
    let callee = &mut pair.universe.devices[pair.callee];
    callee.endpoint.set_contacts(Contacts::default());
    pair.universe.finish_sync(pair.callee);
    pair.universe.run_for(Duration::from_secs(3));
    assert!(pair.universe.connected(pair.callee));
}
