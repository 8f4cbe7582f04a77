//! Nothing rings before the disk has it, nor when the disk does not take it.

use std::time::Duration;

use securecall_session::{
    AnswerPolicy, EndReason, Event, MissedReason, NotPersisted, SignalRefused,
};
use securecall_testkit::{Disk, Pair, pair};

/// A call that has arrived at a device with such a disk.
fn arrived(disk: Disk) -> Pair {
    let mut pair = pair();
    pair.universe.devices[pair.callee].disk = disk;
    let call = pair.universe.call(pair.caller, pair.callee_user);
    pair.call = Some(call.unwrap());
    pair.universe.run_for(Duration::from_secs(2));
    pair
}

fn missed_for_storage(pair: &Pair) -> usize {
    let events = pair.universe.devices[pair.callee].events.iter();
    events
        .filter(|event| {
            let why = MissedReason::StorageFailed;
            matches!(event, Event::Missed { call, why: it, .. } if call.id == pair.call().into() && *it == why)
        })
        .count()
}

/// What the callee has sent so far.
fn sent_by_the_callee(pair: &Pair) -> usize {
    let sent = pair.universe.homeserver.sent.iter();
    sent.filter(|envelope| envelope.from == pair.callee).count()
}

#[test]
fn it_rings_when_the_disk_has_it_and_nothing_is_sent_before() {
    let mut pair = arrived(Disk::Slow);
    assert!(pair.universe.incoming(pair.callee).is_none());
    assert_eq!(sent_by_the_callee(&pair), 0);
    assert!(!pair.universe.devices[pair.callee].endpoint.is_idle());
    pair.universe.finish_write(pair.callee, Ok(()));
    assert_eq!(pair.universe.incoming(pair.callee), Some(pair.call()));
    pair.universe.run_for(Duration::from_secs(1));
    assert!(sent_by_the_callee(&pair) > 0);
}

#[test]
fn a_call_that_the_disk_does_not_take_is_missed_and_nothing_is_sent() {
    let mut pair = arrived(Disk::Full);
    assert_eq!(missed_for_storage(&pair), 1);
    pair.universe.run_for(Duration::from_secs(120));
    assert!(pair.universe.incoming(pair.callee).is_none());
    assert!(pair.universe.devices[pair.callee].media.is_empty());
    assert_eq!(sent_by_the_callee(&pair), 0);
    let ended = pair.universe.ended(pair.caller);
    assert_eq!(ended, Some(EndReason::Unreachable));
    // The caller repeated the invite meanwhile: it was told of once.
    assert_eq!(missed_for_storage(&pair), 1);
}

#[test]
fn a_policy_that_answers_by_itself_does_not_answer_either() {
    let mut pair = pair();
    pair.universe.devices[pair.callee].options.answer = AnswerPolicy::Auto;
    pair.universe.restart(pair.callee);
    pair.universe.devices[pair.callee].disk = Disk::Full;
    pair.call = Some(pair.universe.call(pair.caller, pair.callee_user).unwrap());
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(missed_for_storage(&pair), 1);
    assert!(pair.universe.devices[pair.callee].media.is_empty());
}

#[test]
fn the_next_call_rings_once_the_disk_works_again_and_both_are_remembered() {
    let mut pair = arrived(Disk::Full);
    let first = pair.universe.homeserver.sent[0].clone();
    pair.universe.run_for(Duration::from_secs(120));
    pair.universe.devices[pair.callee].disk = Disk::Works;
    let second = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(pair.universe.incoming(pair.callee), Some(second));
    pair.universe.restart(pair.callee);
    pair.universe.inject(&first);
    let callee = &pair.universe.devices[pair.callee];
    assert_eq!(callee.refused, [SignalRefused::Replayed]);
    assert!(callee.events.is_empty());
}

#[test]
fn what_arrives_during_a_write_waits_for_the_next_one() {
    let mut pair = arrived(Disk::Slow);
    let stranger = pair.universe.add_user("Cy");
    let other = pair.universe.add_device(stranger, Default::default());
    pair.universe.befriend(stranger, pair.callee_user);
    let later = pair.universe.call(other, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    let callee = pair.callee;
    assert_eq!(pair.universe.devices[callee].unwritten.len(), 1);
    pair.universe.finish_write(callee, Err(NotPersisted));
    assert_eq!(missed_for_storage(&pair), 1);
    assert!(pair.universe.incoming(callee).is_none());
    assert_eq!(pair.universe.devices[callee].unwritten.len(), 1);
    pair.universe.finish_write(callee, Ok(()));
    assert_eq!(pair.universe.incoming(callee), Some(later));
}

#[test]
fn a_call_that_the_user_has_answered_by_calling_goes_on_without_the_disk() {
    let mut pair = arrived(Disk::Slow);
    let answered = pair.universe.call(pair.callee, pair.caller_user);
    assert_eq!(answered, Ok(pair.call()));
    pair.universe.finish_write(pair.callee, Err(NotPersisted));
    assert_eq!(missed_for_storage(&pair), 0);
    pair.universe.run_for(Duration::from_secs(3));
    assert!(pair.universe.connected(pair.callee));
}

#[test]
fn what_arrives_during_a_write_that_succeeds_is_written_before_it_rings() {
    let mut pair = arrived(Disk::Slow);
    let stranger = pair.universe.add_user("Cy");
    let other = pair.universe.add_device(stranger, Default::default());
    pair.universe.befriend(stranger, pair.callee_user);
    pair.universe.call(other, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    let callee = pair.callee;
    pair.universe.finish_write(callee, Ok(()));
    assert_eq!(pair.universe.incoming(callee), Some(pair.call()));
    // The first call rings, so the second is missed, once the disk has it.
    let missed = |event: &Event| matches!(event, Event::Missed { .. });
    assert_eq!(pair.universe.devices[callee].unwritten.len(), 1);
    assert!(!pair.universe.devices[callee].told(missed));
    pair.universe.finish_write(callee, Ok(()));
    assert!(pair.universe.devices[callee].told(missed));
}

#[test]
fn what_the_disk_did_not_take_is_written_at_the_end_of_the_next_sync_response() {
    let mut pair = arrived(Disk::Full);
    let invite = pair.universe.homeserver.sent[0].clone();
    pair.universe.devices[pair.callee].disk = Disk::Works;
    assert_eq!(pair.universe.devices[pair.callee].persisted, None);
    pair.universe.finish_sync(pair.callee);
    pair.universe.restart(pair.callee);
    pair.universe.inject(&invite);
    let callee = &pair.universe.devices[pair.callee];
    assert_eq!(callee.refused, [SignalRefused::Replayed]);
}
