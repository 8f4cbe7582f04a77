//! Which way a call may take: as asked, else direct with contacts, and with everybody else through GhostNet or a relay.

use std::time::Duration;

use securecall_session::{CallError, CallOptions, RelaysAvailable, Require, Route};
use securecall_testkit::{DeviceId, DeviceOptions, Universe, UserId, pair};

const fn by(route: Route) -> CallOptions {
    CallOptions {
        route: Some(route),
        require: Require::Any,
        lifetime: Duration::from_secs(30),
    }
}

#[test]
fn a_route_that_is_asked_for_and_cannot_be_had_is_an_error_and_no_other_stands_in_for_it() {
    let all_but = [
        (Route::Relay, CallError::RelayUnavailable),
        (Route::GhostNet, CallError::GhostNetUnavailable),
    ];
    for (route, error) in all_but {
        let mut pair = pair();
        pair.universe.devices[pair.caller].options.relays = RelaysAvailable {
            turn: route != Route::Relay,
            ghostnet: route != Route::GhostNet,
        };
        pair.universe.restart(pair.caller);
        let refused = pair
            .universe
            .call_with(pair.caller, pair.callee_user, &by(route));
        assert_eq!(refused, Err(error));
        assert!(pair.all_empty());
    }
}

#[test]
fn one_of_two_may_take_ghostnet() {
    let mut pair = pair();
    pair.universe.devices[pair.caller].options.relays.ghostnet = true;
    pair.universe.restart(pair.caller);
    let call = pair
        .universe
        .call_with(pair.caller, pair.callee_user, &by(Route::GhostNet))
        .unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    pair.universe.answer(pair.callee, call);
    let route = |device: DeviceId| pair.universe.devices[device].media[&call].route;
    assert_eq!(route(pair.caller), Some(Route::GhostNet));
    assert_eq!(route(pair.callee), Some(Route::Direct));
}

/// Two who are no contacts, each with these relays.
fn strangers(relays: RelaysAvailable) -> (Universe, [DeviceId; 2], UserId) {
    let mut universe = Universe::new(3);
    let users = ["Ada", "Bob"].map(|name| universe.add_user(name));
    let options = DeviceOptions {
        relays,
        ..DeviceOptions::default()
    };
    let devices = users.map(|user| universe.add_device(user, options.clone()));
    (universe, devices, users[1])
}

#[test]
fn strangers_call_each_other_through_ghostnet_or_else_through_a_relay() {
    for (turn, ghostnet, taken) in [
        (true, false, Route::Relay),
        (false, true, Route::GhostNet),
        (true, true, Route::GhostNet),
    ] {
        let (mut universe, [caller, callee], bob) = strangers(RelaysAvailable { turn, ghostnet });
        let call = universe.call(caller, bob).unwrap();
        universe.run_for(Duration::from_secs(2));
        universe.answer(callee, call);
        for device in [caller, callee] {
            let route = universe.devices[device].media[&call].route;
            assert_eq!(route, Some(taken));
        }
    }
}
