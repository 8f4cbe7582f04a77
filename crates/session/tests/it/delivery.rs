//! Acknowledgement, repetition, order: no message is lost, none counts twice, and none is sent without bound.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use securecall_session::{EndReason, Event, RequestError};
use securecall_testkit::{Envelope, Fate, connected_pair, pair, ringing_pair};

#[test]
fn every_first_copy_of_every_message_may_get_lost() {
    // So slow that the words nonce goes with an acknowledgement alone.
    for gathering in [1, 1500] {
        every_first_copy_may_get_lost(Duration::from_millis(gathering));
    }
}

fn every_first_copy_may_get_lost(gathering: Duration) {
    let mut pair = pair();
    pair.universe.network.gathering = gathering;
    let mut seen = BTreeSet::new();
    pair.universe.homeserver.set_script(move |envelope| {
        // A repetition has the same bytes.
        if seen.insert(envelope.content.clone()) {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    let callee = pair.callee;
    assert!(
        pair.universe
            .run_until(Duration::from_secs(60), |universe| universe
                .incoming(callee)
                .is_some())
    );
    pair.universe.run_for(Duration::from_secs(10));
    pair.universe.answer(callee, call);
    pair.universe.run_for(Duration::from_secs(25));
    assert!(
        pair.universe.connected(pair.caller) && pair.universe.connected(pair.callee),
        "{:?}",
        pair.universe.devices[pair.callee].events
    );
}

#[test]
fn no_message_is_sent_more_than_three_times_over_matrix() {
    let mut pair = ringing_pair();
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(200));
    let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
    for envelope in &pair.universe.homeserver.sent {
        *copies.entry(&envelope.content).or_default() += 1;
    }
    assert!(copies.values().all(|copies| *copies <= 3));
    assert!(copies.values().any(|copies| *copies == 3));
    assert!(
        pair.universe.ended(pair.caller).is_some() && pair.universe.ended(pair.callee).is_some()
    );
}

#[test]
fn a_send_that_never_left_is_tried_again() {
    let mut pair = ringing_pair();
    pair.universe.homeserver.fails = Some(RequestError::Unreachable);
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(15));
    pair.universe.homeserver.behave();
    pair.universe.run_for(Duration::from_secs(10));
    assert!(pair.universe.connected(pair.caller) && pair.universe.connected(pair.callee));
}

#[test]
fn duplicates_change_nothing() {
    let mut pair = pair();
    pair.universe
        .homeserver
        .set_script(|_| Fate::Duplicate(Duration::from_millis(300)));
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    pair.universe.answer(pair.callee, call);
    pair.universe.run_for(Duration::from_secs(5));
    for device in [pair.caller, pair.callee] {
        let connected = pair.universe.devices[device]
            .events
            .iter()
            .filter(|event| matches!(event, Event::Connected { .. }))
            .count();
        assert_eq!(connected, 1);
    }
    let rang = pair.universe.devices[pair.callee]
        .events
        .iter()
        .filter(|event| matches!(event, Event::Incoming { .. }))
        .count();
    assert_eq!(rang, 1);
}

#[test]
fn ratchet_messages_that_come_before_message_2_are_kept() {
    let mut pair = pair();
    // Message 2 takes longer than the answer that follows it.
    pair.universe.homeserver.set_script(|envelope| {
        if envelope.kind() == 2 {
            Fate::Delay(Duration::from_millis(1500))
        } else {
            Fate::Deliver
        }
    });
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    let callee = pair.callee;
    assert!(pair.universe.run_until(Duration::from_secs(2), |universe| {
        universe.incoming(callee).is_some()
    }));
    pair.universe.answer(callee, call);
    pair.universe.run_for(Duration::from_secs(4));
    assert!(pair.universe.connected(pair.caller) && pair.universe.connected(pair.callee));
}

#[test]
fn at_most_sixteen_early_messages_are_kept() {
    let mut pair = pair();
    pair.universe.homeserver.set_script(|envelope| {
        if envelope.kind() == 2 {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    let callee = pair.callee;
    assert!(pair.universe.run_until(Duration::from_secs(2), |universe| {
        universe.incoming(callee).is_some()
    }));
    pair.universe.answer(callee, call);
    pair.universe.run_for(Duration::from_millis(500));
    let early = pair
        .universe
        .homeserver
        .sent
        .iter()
        .find(|envelope| envelope.from == callee && envelope.kind() == 3)
        .unwrap()
        .clone();
    for _ in 0..20 {
        pair.universe.inject(&early);
    }
    assert!(
        pair.universe.devices[pair.caller]
            .refused
            .contains(&securecall_session::SignalRefused::TooManyEarly)
    );
}

#[test]
fn every_box_has_one_size_on_the_wire() {
    let mut pair = connected_pair();
    pair.universe.hang_up(pair.caller, pair.call());
    pair.universe.run_for(Duration::from_secs(3));
    let sizes: BTreeSet<_> = pair
        .universe
        .homeserver
        .sent
        .iter()
        .map(|envelope: &Envelope| envelope.content.len())
        .collect();
    assert_eq!(sizes.len(), 1, "{sizes:?}");
    assert!(pair.universe.ended(pair.caller) == Some(EndReason::LocalHangup));
}

#[test]
fn a_homeserver_killed_while_it_rings_does_not_leave_anybody_hanging() {
    let mut pair = ringing_pair();
    pair.universe.homeserver.fails = Some(RequestError::Unreachable);
    pair.universe.run_for(Duration::from_secs(100));
    assert!(
        pair.universe.ended(pair.caller).is_some() && pair.universe.ended(pair.callee).is_some()
    );
    pair.universe.run_for(Duration::from_secs(400));
    assert!(pair.all_empty());
}
