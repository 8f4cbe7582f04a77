//! Which devices of the peer are told our addresses, and until when.

use std::time::Duration;

use securecall_session::MediaEvent;
use securecall_testkit::{DeviceId, DeviceOptions, Pair, pair, ringing_pair};

use crate::hand_made_caller::{HandMade, nonce};

/// A call that rings at two devices, of a caller that has no address yet.
fn ringing_at_two() -> (Pair, DeviceId) {
    let mut pair = pair();
    let second = pair
        .universe
        .add_device(pair.callee_user, DeviceOptions::default());
    pair.universe.befriend(pair.caller_user, pair.callee_user);
    pair.universe.network.gathering = Duration::from_secs(3);
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.call = Some(call);
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(pair.universe.incoming(second), Some(call));
    (pair, second)
}

/// How many messages the caller sent to a device.
fn told(pair: &Pair, device: DeviceId) -> usize {
    let sent = pair.universe.homeserver.sent.iter();
    sent.filter(|it| it.from == pair.caller && it.to == device)
        .count()
}

#[test]
fn addresses_found_after_the_answer_go_to_the_device_that_answered_and_to_no_other() {
    let (mut pair, second) = ringing_at_two();
    let call = pair.call();
    pair.universe.answer(second, call);
    pair.universe.run_for(Duration::from_millis(800));
    let before = told(&pair, pair.callee);
    pair.universe.run_for(Duration::from_secs(5));
    let candidates = &pair.universe.devices[second].media[&call].remote_candidates;
    assert_eq!(candidates.len(), 1, "{candidates:?}");
    assert_eq!(told(&pair, pair.callee), before);
}

#[test]
fn a_device_whose_answer_cannot_be_taken_gets_no_addresses_after_that() {
    let (mut pair, second) = ringing_at_two();
    let call = pair.call();
    pair.universe.answer(second, call);
    let sdp = "v=0\r\n".to_owned();
    pair.universe
        .inject_media(second, call, MediaEvent::LocalAnswer { sdp });
    pair.universe.run_for(Duration::from_millis(800));
    assert!(pair.universe.ended(second).is_some());
    let before = [pair.callee, second].map(|device| told(&pair, device));
    pair.universe.run_for(Duration::from_secs(5));
    let after = [pair.callee, second].map(|device| told(&pair, device));
    assert_eq!(after, [before[0] + 1, before[1]]);
}

#[test]
fn addresses_are_looked_for_once_however_many_devices_ring() {
    let (pair, _) = ringing_at_two();
    let commands = &pair.universe.devices[pair.caller].media[&pair.call()].commands;
    assert_eq!(commands, &["CreateOffer(direct)", "Gather"]);
}

#[test]
fn addresses_that_no_peer_would_take_are_left_out_and_the_others_arrive() {
    let mut pair = ringing_pair();
    let (callee, call) = (pair.callee, pair.call());
    pair.universe.network.gathering = Duration::from_secs(1);
    pair.universe.answer(callee, call);
    let [longest, longer] = [256, 257].map(|length| "1".repeat(length));
    let event = MediaEvent::LocalCandidates {
        candidates: vec![longer, "cändidate:1".to_owned(), longest.clone()],
        complete: false,
    };
    pair.universe.inject_media(callee, call, event);
    pair.universe.run_for(Duration::from_millis(500));
    let media = &pair.universe.devices[pair.caller].media[&call];
    assert_eq!(media.remote_candidates, [longest]);
}

#[test]
fn that_there_are_no_more_addresses_is_said_once() {
    let mut caller = HandMade::good();
    let (callee, call) = (caller.callee, caller.call);
    let mut established = caller.established();
    caller.say(&mut established, &nonce("01"));
    caller.universe.answer(callee, call);
    caller.universe.run_for(Duration::from_secs(1));
    let more = MediaEvent::LocalCandidates {
        candidates: vec!["candidate:2".to_owned()],
        complete: false,
    };
    caller.universe.inject_media(callee, call, more);
    caller.universe.run_for(Duration::from_secs(1));
    let heard = caller.heard(&mut established);
    assert!(heard.contains("candidate:2"), "{heard}");
    assert_eq!(heard.matches(r#""candidate":"""#).count(), 1, "{heard}");
}

#[test]
fn a_busy_device_gets_no_addresses_while_another_rings() {
    let mut pair = pair();
    let busy = pair
        .universe
        .add_device(pair.callee_user, DeviceOptions::default());
    let carol = pair.universe.add_user("Carol");
    pair.universe.add_device(carol, DeviceOptions::default());
    for friend in [pair.caller_user, carol] {
        pair.universe.befriend(pair.callee_user, friend);
    }
    pair.universe.call(busy, carol).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    pair.universe.network.gathering = Duration::from_secs(3);
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    let before = [pair.callee, busy].map(|device| told(&pair, device));
    pair.universe.run_for(Duration::from_secs(3));
    let after = [pair.callee, busy].map(|device| told(&pair, device));
    assert_eq!(after, [before[0] + 1, before[1]]);
}

#[test]
fn that_it_rings_is_acknowledged_with_the_addresses_if_they_are_found_soon() {
    let mut pair = pair();
    pair.universe.network.gathering = Duration::from_millis(100);
    pair.ring();
    pair.universe.run_for(Duration::from_secs(3));
    assert_eq!(told(&pair, pair.callee), 2, "the invite, and one message");
}
