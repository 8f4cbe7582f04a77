//! Which devices of the peer are told our addresses, and until when.

use std::time::Duration;

use securecall_session::{CallId, MediaEvent};
use securecall_testkit::{DeviceId, DeviceOptions, Pair, pair};

/// A call that rings at two devices, of a caller that has no address yet.
fn ringing_at_two() -> (Pair, DeviceId, CallId) {
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
    (pair, second, call)
}

/// How many messages the caller sent to a device.
fn told(pair: &Pair, device: DeviceId) -> usize {
    let sent = pair.universe.homeserver.sent.iter();
    sent.filter(|it| it.from == pair.caller && it.to == device)
        .count()
}

#[test]
fn addresses_found_after_the_answer_go_to_the_device_that_answered_and_to_no_other() {
    let (mut pair, second, call) = ringing_at_two();
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
    let (mut pair, second, call) = ringing_at_two();
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
