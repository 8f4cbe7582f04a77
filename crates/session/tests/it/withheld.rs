//! A homeserver that lets everything pass but one kind of message: the call comes about another way, or ends; nobody is heard who should not.

use std::time::Duration;

use securecall_session::{EndReason, Event};
use securecall_testkit::{DeviceOptions, Fate, Pair, pair, ringing_pair};

const LONG: Duration = Duration::from_secs(400);

fn microphone_was_open(pair: &Pair, device: usize) -> bool {
    let media = pair.universe.devices[device].media.values();
    media
        .flat_map(|media| &media.commands)
        .any(|command| command == "OpenMicrophone")
}

#[test]
fn message_2_alone() {
    let mut pair = pair();
    pair.universe.homeserver.set_script(|envelope| {
        if envelope.kind() == 2 {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    pair.universe.answer(pair.callee, call);
    pair.universe.run_for(Duration::from_secs(95));
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::Unreachable)
    );
    assert_eq!(pair.universe.ended(pair.callee), Some(EndReason::IceFailed));
    assert!(!microphone_was_open(&pair, pair.callee));
    pair.universe.run_for(LONG);
    assert!(pair.all_empty());
}

/// Withholds the one message that reveals the nonce, every copy of it.
fn without_the_nonce() -> Pair {
    let mut pair = pair();
    let caller = pair.caller;
    let mut nonce = None;
    pair.universe.homeserver.set_script(move |envelope| {
        if envelope.from != caller || envelope.kind() != 3 {
            return Fate::Deliver;
        }
        if *nonce.get_or_insert_with(|| envelope.content.clone()) == envelope.content {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    pair.call = Some(call);
    pair
}

#[test]
fn the_nonce_alone_comes_on_the_data_channel() {
    let mut pair = without_the_nonce();
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(5));
    assert!(pair.universe.connected(pair.caller) && pair.universe.connected(pair.callee));
}

#[test]
fn the_nonce_on_both_ways_so_there_are_no_words_and_no_call() {
    let mut pair = without_the_nonce();
    pair.universe.network.channel = false;
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(200));
    assert!(!pair.universe.connected(pair.callee) && !microphone_was_open(&pair, pair.callee));
    assert!(pair.universe.ended(pair.callee).is_some());
    assert!(pair.universe.ended(pair.caller).is_some());
    pair.universe.run_for(LONG);
    assert!(pair.all_empty());
}

#[test]
fn select_answer_to_the_device_that_did_not_win() {
    let mut pair = pair();
    let loser = pair
        .universe
        .add_device(pair.callee_user, DeviceOptions::default());
    pair.universe.befriend(pair.caller_user, pair.callee_user);
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    pair.universe.homeserver.set_script(move |envelope| {
        if envelope.to == loser {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    pair.universe.answer(pair.callee, call);
    pair.universe.run_for(Duration::from_secs(5));
    assert!(pair.universe.connected(pair.caller) && pair.universe.connected(pair.callee));
    // It still rings, and a person answers too late.
    pair.universe.answer(loser, call);
    pair.universe.run_for(Duration::from_secs(95));
    assert!(!pair.universe.connected(loser) && !microphone_was_open(&pair, loser));
    assert!(pair.universe.ended(loser).is_some());
    assert!(
        pair.universe.ended(pair.caller).is_none(),
        "the call goes on"
    );
}

#[test]
fn the_hangup_of_a_caller_who_gave_up() {
    let mut pair = ringing_pair();
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.universe.hang_up(pair.caller, pair.call());
    pair.universe.run_for(Duration::from_secs(95));
    assert_eq!(pair.universe.ended(pair.callee), Some(EndReason::NoAnswer));
    let missed = |event: &Event| matches!(event, Event::Missed { .. });
    assert!(pair.universe.devices[pair.callee].told(missed));
    pair.universe.run_for(LONG);
    assert!(pair.all_empty());
}
