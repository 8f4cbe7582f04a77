//! Which way a call may take: as asked, else direct with contacts and through a relay with everybody else.

use std::time::Duration;

use securecall_session::{CallError, CallOptions, Route};
use securecall_testkit::{DeviceId, DeviceOptions, Universe, UserId, pair};

const RELAY: CallOptions = CallOptions {
    route: Some(Route::Relay),
    require: securecall_session::Require::Any,
    lifetime: Duration::from_secs(30),
};

#[test]
fn a_relay_that_is_asked_for_and_is_not_there_is_an_error() {
    let mut pair = pair();
    let refused = pair
        .universe
        .call_with(pair.caller, pair.callee_user, &RELAY);
    assert_eq!(refused, Err(CallError::RelayUnavailable));
    assert!(pair.all_empty());
}

/// Two who are no contacts, each with a relay.
fn strangers() -> (Universe, [DeviceId; 2], UserId) {
    let mut universe = Universe::new(3);
    let users = ["Ada", "Bob"].map(|name| universe.add_user(name));
    let options = DeviceOptions {
        relay_available: true,
        ..DeviceOptions::default()
    };
    let devices = users.map(|user| universe.add_device(user, options.clone()));
    (universe, devices, users[1])
}

#[test]
fn strangers_with_a_relay_call_each_other_through_it() {
    let (mut universe, [caller, callee], bob) = strangers();
    let call = universe.call(caller, bob).unwrap();
    universe.run_for(Duration::from_secs(2));
    universe.answer(callee, call);
    for device in [caller, callee] {
        let route = universe.devices[device].media[&call].route;
        assert_eq!(route, Some(Route::Relay));
    }
}
