//! Invites that come twice, or after a newer one.

use std::time::Duration;

use securecall_session::SignalRefused;
use securecall_testkit::{Fate, pair};

#[test]
fn an_invite_that_comes_twice_in_one_sync_response_is_a_repetition() {
    let mut pair = pair();
    pair.universe.devices[pair.callee].sync_unfinished = true;
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    let invite = pair.universe.homeserver.sent[0].clone();
    pair.universe.inject(&invite);
    let callee = &pair.universe.devices[pair.callee];
    assert_eq!(callee.refused, [SignalRefused::Replayed]);
}

#[test]
fn an_invite_that_is_older_than_the_call_that_rings_does_not_take_its_place() {
    let mut pair = pair();
    let callee = pair.callee;
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    let late = pair.universe.homeserver.sent[0].clone();
    pair.universe.homeserver.behave();
    pair.universe.restart(pair.caller);
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    pair.universe.inject(&late);
    assert_eq!(pair.universe.incoming(callee), Some(call));
    assert_eq!(pair.universe.ended(callee), None);
    pair.universe.answer(callee, call);
}
