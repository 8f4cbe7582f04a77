//! Who may ring, and what happens before the user accepts: nothing.

use std::time::Duration;

use securecall_session::{
    AnswerPolicy, CallError, CallOptions, EndReason, Event, MissedReason, RefusedReason, Route,
    SignalRefused,
};
use securecall_testkit::{DeviceOptions, Universe, pair, ringing_pair};

#[test]
fn nothing_touches_the_media_engine_before_the_user_accepts() {
    let mut pair = ringing_pair();
    pair.universe.run_for(Duration::from_secs(30));
    assert!(
        pair.universe.devices[pair.callee].media.is_empty(),
        "no transport, no gathering, no microphone"
    );
    assert_eq!(
        pair.universe.devices[pair.caller].media[&pair.call()].commands,
        ["CreateOffer(direct)", "Gather"]
    );
}

#[test]
fn it_rings_only_after_the_whole_sync_response() {
    let mut pair = pair();
    pair.universe.devices[pair.callee].sync_unfinished = true;
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(3));
    assert!(pair.universe.incoming(pair.callee).is_none());
    pair.universe.finish_sync(pair.callee);
    assert!(pair.universe.incoming(pair.callee).is_some());
}

#[test]
fn it_does_not_ring_longer_than_its_lifetime_after_receipt() {
    let mut pair = pair();
    pair.universe.devices[pair.callee].sync_unfinished = true;
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(95));
    pair.universe.finish_sync(pair.callee);
    assert!(pair.universe.incoming(pair.callee).is_none());
    assert!(pair.universe.devices[pair.callee].told(|event| matches!(
        event,
        Event::Missed {
            why: MissedReason::NotAnswered,
            ..
        }
    )));
}

#[test]
fn a_stale_invite_is_a_missed_call() {
    let mut pair = pair();
    pair.universe.set_online(pair.callee, false);
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(301));
    pair.universe.set_online(pair.callee, true);
    assert!(pair.universe.incoming(pair.callee).is_none());
    let missed = |event: &Event| {
        matches!(
            event,
            Event::Missed {
                why: MissedReason::ClocksDiffer,
                ..
            }
        )
    };
    assert!(pair.universe.devices[pair.callee].told(missed));
    assert!(
        pair.universe.devices[pair.callee]
            .refused
            .contains(&SignalRefused::ClocksDiffer)
    );
}

#[test]
fn clocks_that_differ_by_more_than_five_minutes_make_a_missed_call() {
    for (skew, rings) in [
        (299_000, true),
        (-299_000, true),
        (301_000, false),
        (-301_000, false),
    ] {
        let mut pair = pair();
        pair.universe.devices[pair.callee].options.clock_skew_ms = skew;
        pair.universe.call(pair.caller, pair.callee_user).unwrap();
        pair.universe.run_for(Duration::from_secs(2));
        assert_eq!(
            pair.universe.incoming(pair.callee).is_some(),
            rings,
            "{skew}"
        );
        let missed = pair.universe.devices[pair.callee].told(|event| {
            matches!(
                event,
                Event::Missed {
                    why: MissedReason::ClocksDiffer,
                    ..
                }
            )
        });
        assert_eq!(missed, !rings);
    }
}

#[test]
fn an_invite_does_not_ring_again_after_a_restart() {
    let mut pair = ringing_pair();
    let invite = pair.universe.homeserver.sent[0].clone();
    pair.universe.hang_up(pair.caller, pair.call());
    pair.universe.run_for(Duration::from_secs(3));
    pair.universe.inject(&invite);
    assert!(
        pair.universe.devices[pair.callee]
            .refused
            .contains(&SignalRefused::Replayed)
    );
    pair.universe.restart(pair.callee);
    pair.universe.inject(&invite);
    assert!(pair.universe.incoming(pair.callee).is_none());
    assert!(
        pair.universe.devices[pair.callee]
            .refused
            .contains(&SignalRefused::Replayed)
    );
}

#[test]
fn a_stranger_is_refused_without_a_relay_and_nothing_is_sent() {
    let mut universe = Universe::new(3);
    let (ada, bob) = (universe.add_user("Ada"), universe.add_user("Bob"));
    let caller = universe.add_device(ada, DeviceOptions::default());
    let callee = universe.add_device(
        bob,
        DeviceOptions {
            answer: AnswerPolicy::Auto,
            ..DeviceOptions::default()
        },
    );
    assert_eq!(universe.call(caller, bob), Err(CallError::NoRelay));
    let direct = CallOptions {
        route: Some(Route::Direct),
        ..CallOptions::default()
    };
    universe.call_with(caller, bob, &direct).unwrap();
    universe.run_for(Duration::from_secs(2));
    assert!(universe.incoming(callee).is_none());
    assert!(universe.devices[callee].told(|event| matches!(
        event,
        Event::Refused {
            why: RefusedReason::NoRelay,
            ..
        }
    )));
    assert!(
        universe
            .homeserver
            .sent
            .iter()
            .all(|envelope| envelope.from == caller)
    );
}

#[test]
fn a_stranger_shows_its_id_and_no_name() {
    let mut universe = Universe::new(3);
    let (ada, bob) = (universe.add_user("Ada"), universe.add_user("Bob"));
    let direct = CallOptions {
        route: Some(Route::Direct),
        ..CallOptions::default()
    };
    let caller = universe.add_device(ada, DeviceOptions::default());
    let callee = universe.add_device(
        bob,
        DeviceOptions {
            inbound: direct.clone(),
            ..DeviceOptions::default()
        },
    );
    universe.call_with(caller, bob, &direct).unwrap();
    universe.run_for(Duration::from_secs(2));
    assert!(universe.devices[callee].told(|event| matches!(event, Event::Incoming { peer, .. } if peer.name.is_none() && !peer.new_address)));
}

#[test]
fn a_contact_at_a_new_address_is_shown_as_such() {
    let mut pair = pair();
    // The callee learns of the caller under an old account.
    let old = "@ada:old.example".parse().unwrap();
    let identity = pair
        .universe
        .matrix_id(pair.caller_user)
        .securecall_id()
        .unwrap()
        .identity_key();
    let contact = securecall_session::Contact {
        name: "Ada".into(),
        identity,
        matrix_id: old,
    };
    pair.universe.devices[pair.callee]
        .endpoint
        .set_contacts(securecall_session::Contacts::new([contact]));
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    let shown = |event: &Event| matches!(event, Event::Incoming { peer, .. } if peer.new_address && peer.name.as_deref() == Some("Ada"));
    assert!(pair.universe.devices[pair.callee].told(shown));
}

#[test]
fn a_contacts_account_that_proves_another_identity_is_refused() {
    let mut universe = Universe::new(3);
    let (mallory, bob, ada) = (
        universe.add_user("Mallory"),
        universe.add_user("Bob"),
        universe.add_user("Ada"),
    );
    universe.set_matrix_id(mallory, "@ada:example.org");
    let caller = universe.add_device(mallory, DeviceOptions::default());
    let callee = universe.add_device(bob, DeviceOptions::default());
    universe.befriend(mallory, bob);
    let identity = universe
        .matrix_id(ada)
        .securecall_id()
        .unwrap()
        .identity_key();
    let contact = securecall_session::Contact {
        name: "Ada".into(),
        identity,
        matrix_id: "@ada:example.org".parse().unwrap(),
    };
    universe.devices[callee]
        .endpoint
        .set_contacts(securecall_session::Contacts::new([contact]));
    universe.call(caller, bob).unwrap();
    universe.run_for(Duration::from_secs(2));
    assert!(universe.incoming(callee).is_none());
    assert!(universe.devices[callee].told(|event| matches!(
        event,
        Event::Refused {
            why: RefusedReason::IdentityMismatch,
            ..
        }
    )));
}

#[test]
fn the_policy_contacts_answers_contacts_and_asks_about_others() {
    let direct = CallOptions {
        route: Some(Route::Direct),
        ..CallOptions::default()
    };
    for friends in [true, false] {
        let mut universe = Universe::new(5);
        let (ada, bob) = (universe.add_user("Ada"), universe.add_user("Bob"));
        let caller = universe.add_device(ada, DeviceOptions::default());
        let options = DeviceOptions {
            answer: AnswerPolicy::Contacts,
            inbound: direct.clone(),
            ..DeviceOptions::default()
        };
        let callee = universe.add_device(bob, options);
        if friends {
            universe.befriend(ada, bob);
        }
        universe.call_with(caller, bob, &direct).unwrap();
        universe.run_for(Duration::from_secs(3));
        assert!(universe.incoming(callee).is_some());
        assert_eq!(universe.connected(callee), friends);
    }
}

#[test]
fn one_cannot_call_oneself_nor_while_in_a_call() {
    let mut pair = ringing_pair();
    assert_eq!(
        pair.universe.call(pair.caller, pair.caller_user),
        Err(CallError::OwnIdentity)
    );
    assert_eq!(
        pair.universe.call(pair.caller, pair.callee_user),
        Err(CallError::InAnotherCall)
    );
}

#[test]
fn calling_somebody_whose_call_rings_here_answers_it() {
    let mut pair = ringing_pair();
    assert_eq!(
        pair.universe.call(pair.callee, pair.caller_user),
        Ok(pair.call())
    );
    pair.universe.run_for(Duration::from_secs(2));
    assert!(pair.universe.connected(pair.caller) && pair.universe.connected(pair.callee));
}

#[test]
fn relay_candidates_only_are_asked_for_when_the_route_is_relay() {
    let mut pair = pair();
    pair.universe.devices[pair.caller].options.relays.turn = true;
    pair.universe.restart(pair.caller);
    let relay = CallOptions {
        route: Some(Route::Relay),
        ..CallOptions::default()
    };
    let call = pair
        .universe
        .call_with(pair.caller, pair.callee_user, &relay)
        .unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    assert_eq!(
        pair.universe.devices[pair.caller].media[&call].route,
        Some(Route::Relay)
    );
    assert!(pair.universe.ended(pair.caller) != Some(EndReason::Unknown));
}
