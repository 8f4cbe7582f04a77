//! The tier of a call follows from what is known of the peer, and the user may require it.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use securecall_session::{
    CallError, CallOptions, Callee, Event, Output, Request, Require, Route, Tier,
};
use securecall_testkit::{DeviceId, DeviceOptions, Universe, UserId, pair};

const REQUIRED: CallOptions = CallOptions {
    route: None,
    require: Require::SecureCall,
    lifetime: Duration::from_secs(30),
};

/// Somebody whose key is not known.
fn matrix_user() -> Callee {
    Callee {
        identity: None,
        matrix_id: "@eve:example.org".parse().unwrap(),
    }
}

#[test]
fn who_requires_securecall_places_no_call_to_a_person_without_a_known_key() {
    let mut pair = pair();
    let refused = pair
        .universe
        .call_person(pair.caller, matrix_user(), &REQUIRED);
    assert_eq!(refused, Err(CallError::TierTooLow));
    let device = &mut pair.universe.devices[pair.caller];
    assert!(matches!(
        device.endpoint.poll_output(),
        Output::Timeout(None)
    ));
    assert!(device.events.is_empty() && device.media.is_empty() && device.endpoint.is_empty());
}

#[test]
fn who_does_not_calls_such_a_person_in_tier_matrix_and_a_room_is_looked_for() {
    let mut pair = pair();
    let options = CallOptions {
        route: Some(Route::Direct),
        ..CallOptions::default()
    };
    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    let now = web_time::Instant::now();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let device = &mut pair.universe.devices[pair.caller];
    let call = device
        .endpoint
        .call(now, 1, &mut rng, matrix_user(), &options);
    assert!(call.is_ok());
    let dialing = device.endpoint.poll_output();
    assert!(matches!(
        dialing,
        Output::Event(Event::Dialing {
            tier: Tier::Matrix,
            ..
        })
    ));
    let asked = device.endpoint.poll_output();
    assert!(
        matches!(asked, Output::Request(Request::FindRoom { user, .. }) if user == matrix_user().matrix_id)
    );
}

/// Bob at this address, or at the one that holds his key.
fn bob_at(address: Option<&str>) -> (Universe, [DeviceId; 2], [UserId; 2], Callee) {
    let mut universe = Universe::new(3);
    let (ada, bob) = (universe.add_user("Ada"), universe.add_user("Bob"));
    if let Some(address) = address {
        universe.set_matrix_id(bob, address);
    }
    let devices = [ada, bob].map(|user| universe.add_device(user, DeviceOptions::default()));
    let callee = Callee {
        identity: None,
        matrix_id: universe.devices[devices[1]].matrix_id.clone(),
    };
    (universe, devices, [ada, bob], callee)
}

#[test]
fn a_key_that_the_address_holds_is_known() {
    let (mut universe, [caller, _], _, bob) = bob_at(None);
    let options = CallOptions {
        route: Some(Route::Direct),
        ..REQUIRED
    };
    let call = universe.call_person(caller, bob, &options);
    assert!(call.is_ok(), "{call:?}");
}

#[test]
fn a_key_that_a_contact_has_is_known_and_must_be_proven() {
    let (mut universe, [caller, callee], [ada, bob], person) = bob_at(Some("@bob:example.org"));
    universe.befriend(ada, bob);
    let call = universe.call_person(caller, person, &REQUIRED).unwrap();
    universe.run_for(Duration::from_secs(2));
    universe.answer(callee, call);
    universe.run_for(Duration::from_secs(5));
    let is_sealed =
        |event: &Event| matches!(event, Event::Connected { tier, .. } if *tier == Tier::SecureCall);
    assert!(universe.devices[caller].told(is_sealed));
}
