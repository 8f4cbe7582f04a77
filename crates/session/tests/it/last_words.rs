//! What is said last in a call: it arrives, the transport waits for it, and nobody waits for ever.

use std::time::Duration;

use securecall_session::{EndReason, RequestError};
use securecall_testkit::{DeviceId, Fate, Pair, connected_pair, pair, ringing_pair};

fn last_command(pair: &Pair, device: DeviceId) -> Option<&str> {
    let media = &pair.universe.devices[device].media[&pair.call()];
    media.commands.last().map(String::as_str)
}

#[test]
fn who_hangs_up_keeps_the_transport_until_that_is_acknowledged_and_no_longer() {
    let mut pair = connected_pair();
    let (caller, call) = (pair.caller, pair.call());
    pair.universe.run_for(Duration::from_secs(5));
    let to_caller = move |universe: &securecall_testkit::Universe| {
        let sent = universe.control_sent.iter();
        sent.filter(|(to, ..)| *to == caller).count()
    };
    let before = to_caller(&pair.universe);
    // The callee's part of a step of the keys is on its way, and says nothing of the hang-up.
    let limit = Duration::from_secs(11);
    let answers = pair.universe.run_until(limit, |it| to_caller(it) > before);
    assert!(answers);
    pair.universe.hang_up(caller, call);
    pair.universe.run_for(Duration::from_millis(7));
    assert_eq!(last_command(&pair, caller), Some("StopAudio"));
    pair.universe.run_for(Duration::from_millis(7));
    assert_eq!(last_command(&pair, caller), Some("Close"));
}

#[test]
fn last_words_that_get_lost_are_said_again() {
    for caller_hangs_up in [true, false] {
        let mut pair = ringing_pair();
        let (caller, callee, call) = (pair.caller, pair.callee, pair.call());
        pair.universe.run_for(Duration::from_secs(3));
        let mut lost = false;
        pair.universe
            .homeserver
            .set_script(move |_| match std::mem::replace(&mut lost, true) {
                true => Fate::Deliver,
                false => Fate::Drop,
            });
        let (ended, expected) = if caller_hangs_up {
            pair.universe.hang_up(caller, call);
            (callee, EndReason::CallerCancelled)
        } else {
            pair.universe.reject(callee, call);
            (caller, EndReason::Declined)
        };
        pair.universe.run_for(Duration::from_secs(1));
        assert_eq!(pair.universe.ended(ended), None);
        pair.universe.run_for(Duration::from_secs(4));
        assert_eq!(pair.universe.ended(ended), Some(expected));
        pair.universe.run_for(Duration::from_secs(5));
        assert!(pair.all_empty());
    }
}

#[test]
fn a_call_whose_last_words_cannot_be_sent_is_forgotten_after_half_a_minute() {
    let mut pair = ringing_pair();
    let caller = pair.caller;
    pair.universe.homeserver.fails = Some(RequestError::Unreachable);
    pair.universe.hang_up(caller, pair.call());
    pair.universe.run_for(Duration::from_secs(29));
    assert!(!pair.universe.devices[caller].endpoint.is_empty());
    pair.universe.run_for(Duration::from_secs(2));
    assert!(pair.universe.devices[caller].endpoint.is_empty());
}

#[test]
fn a_device_that_calls_anew_is_told_nothing_more_of_the_call_it_forgot() {
    let mut pair = pair();
    let (caller, callee) = (pair.caller, pair.callee);
    pair.universe.homeserver.set_script(|envelope| {
        if envelope.kind() == 2 {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    let forgotten = pair.universe.call(caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    pair.universe.restart(caller);
    pair.universe.homeserver.behave();
    let call = pair.universe.call(caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    assert_eq!(pair.universe.incoming(callee), Some(call));
    let told = move |pair: &Pair| {
        let sent = pair.universe.homeserver.sent.iter();
        let told = sent.filter(|it| it.from == callee);
        told.filter(|it| it.content.contains(&forgotten.to_string()))
            .count()
    };
    let before = told(&pair);
    pair.universe.run_for(Duration::from_secs(30));
    assert_eq!((before, told(&pair)), (1, 1));
}
