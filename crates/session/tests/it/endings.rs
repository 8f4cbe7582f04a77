//! Every way in which a call ends before it is connected.

use std::time::Duration;

use securecall_session::{
    CallOptions, EndReason, Event, MediaEvent, MediaFailure, MissedReason, RequestError,
};
use securecall_testkit::{DeviceOptions, Pair, pair, ringing_pair};

const LONG: Duration = Duration::from_secs(400);

#[test]
fn a_reject_ends_the_call_on_both_sides() {
    let mut pair = ringing_pair();
    pair.universe.reject(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(pair.universe.ended(pair.caller), Some(EndReason::Declined));
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::LocalReject)
    );
    pair.universe.run_for(LONG);
    assert!(pair.all_empty());
}

#[test]
fn a_hang_up_while_it_rings_stops_the_ringing() {
    let mut pair = ringing_pair();
    pair.universe.hang_up(pair.caller, pair.call());
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(pair.universe.ended(pair.caller), Some(EndReason::Cancelled));
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::CallerCancelled)
    );
    assert!(pair.universe.devices[pair.callee].told(|event| matches!(
        event,
        Event::Missed {
            why: MissedReason::CallerCancelled,
            ..
        }
    )));
    assert!(pair.all_empty());
}

#[test]
fn nobody_answers_and_both_sides_stop_at_the_lifetime() {
    let mut pair = ringing_pair();
    pair.universe.run_for(Duration::from_secs(85));
    assert!(
        pair.universe.ended(pair.caller).is_none() && pair.universe.ended(pair.callee).is_none()
    );
    pair.universe.run_for(Duration::from_secs(10));
    assert_eq!(pair.universe.ended(pair.caller), Some(EndReason::NoAnswer));
    let ended = pair.universe.ended(pair.callee);
    assert!(
        matches!(
            ended,
            Some(EndReason::NoAnswer | EndReason::CallerCancelled)
        ),
        "{ended:?}"
    );
    assert!(pair.universe.devices[pair.callee].told(|event| matches!(event, Event::Missed { .. })));
    pair.universe.run_for(LONG);
    assert!(pair.all_empty());
}

#[test]
fn a_device_that_is_offline_makes_the_peer_unreachable() {
    let mut pair = pair();
    pair.universe.set_online(pair.callee, false);
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(91));
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::Unreachable)
    );
    assert_eq!(
        pair.universe.homeserver.sent.len(),
        3,
        "each message is sent at most three times"
    );
}

#[test]
fn a_device_that_rings_after_the_call_is_over_is_told_so() {
    let mut pair = pair();
    pair.universe.set_online(pair.callee, false);
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(20));
    pair.universe.hang_up(pair.caller, call);
    pair.universe.run_for(Duration::from_secs(100));
    pair.universe.set_online(pair.callee, true);
    assert!(pair.universe.incoming(pair.callee).is_some());
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::CallerCancelled)
    );
    pair.universe.run_for(LONG);
    assert!(pair.all_empty());
}

#[test]
fn a_user_without_devices_is_unknown() {
    let mut pair = pair();
    pair.universe.homeserver.device_script = Box::new(|_, devices| devices.clear());
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    assert_eq!(pair.universe.ended(pair.caller), Some(EndReason::Unknown));
    assert!(pair.all_empty());
}

#[test]
fn a_homeserver_that_cannot_be_reached_ends_the_call_at_once() {
    for (error, reason) in [
        (RequestError::Unreachable, EndReason::HomeserverUnreachable),
        (RequestError::Failed, EndReason::HomeserverUnreachable),
        (RequestError::NotFound, EndReason::Unknown),
    ] {
        let mut pair = pair();
        pair.universe.homeserver.fails = Some(error);
        pair.universe.call(pair.caller, pair.callee_user).unwrap();
        pair.universe.run_for(Duration::from_secs(1));
        assert_eq!(pair.universe.ended(pair.caller), Some(reason));
        assert!(pair.all_empty());
    }
}

#[test]
fn a_homeserver_that_takes_no_message_is_not_the_peers_fault() {
    for error in [RequestError::Unreachable, RequestError::Failed] {
        let mut pair = pair();
        pair.universe.call(pair.caller, pair.callee_user).unwrap();
        // The devices are known by now; from here on nothing gets through.
        pair.universe.homeserver.fails = Some(error);
        pair.universe.run_for(Duration::from_secs(91));
        assert_eq!(
            pair.universe.ended(pair.caller),
            Some(EndReason::HomeserverRefused)
        );
    }
}

#[test]
fn a_device_in_another_call_is_busy() {
    let mut pair = securecall_testkit::connected_pair();
    let carol = pair.universe.add_user("Carol");
    let third = pair.universe.add_device(carol, DeviceOptions::default());
    pair.universe.befriend(carol, pair.callee_user);
    pair.universe.call(third, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(pair.universe.ended(third), Some(EndReason::Busy));
    assert!(
        pair.universe.ended(pair.callee).is_none(),
        "the call goes on"
    );
    assert!(pair.universe.devices[pair.callee].told(|event| matches!(
        event,
        Event::Missed {
            why: MissedReason::Busy,
            ..
        }
    )));
    assert!(pair.universe.devices[third].endpoint.is_empty());
}

#[test]
fn no_path_ends_the_call_with_ice_failed() {
    let mut pair = ringing_pair();
    pair.universe.network.unreachable = true;
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(60));
    assert_eq!(pair.universe.ended(pair.caller), Some(EndReason::IceFailed));
    assert_eq!(pair.universe.ended(pair.callee), Some(EndReason::IceFailed));
    pair.universe.run_for(LONG);
    assert!(pair.all_empty());
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Caller,
    Callee,
}

/// An answered call whose network is dead. One side's media engine gives up after so long, if at all.
fn call_without_a_path(gives_up: Option<(Side, Duration)>) -> Pair {
    let mut pair = ringing_pair();
    pair.universe.network.unreachable = true;
    pair.universe.answer(pair.callee, pair.call());
    if let Some((side, after)) = gives_up {
        pair.universe.run_for(after);
        let device = match side {
            Side::Caller => pair.caller,
            Side::Callee => pair.callee,
        };
        let reason = MediaFailure::NoPath;
        let failed = MediaEvent::Failed { reason };
        pair.universe.inject_media(device, pair.call(), failed);
    }
    pair.universe.run_for(Duration::from_secs(60));
    pair
}

#[test]
fn a_call_without_a_path_ends_alike_on_both_sides_whoever_gives_up_first() {
    let seconds = Duration::from_secs;
    for gives_up in [
        // The 30 s that a call waits for its path.
        None,
        Some((Side::Caller, seconds(20))),
        Some((Side::Callee, seconds(20))),
        // Just before and just after that time.
        Some((Side::Caller, Duration::from_millis(29_900))),
        Some((Side::Callee, Duration::from_millis(29_900))),
        Some((Side::Caller, seconds(31))),
        Some((Side::Callee, seconds(31))),
    ] {
        let pair = call_without_a_path(gives_up);
        for device in [pair.caller, pair.callee] {
            let reason = pair.universe.ended(device);
            assert_eq!(reason, Some(EndReason::IceFailed), "{gives_up:?}");
        }
    }
}

#[test]
fn a_media_engine_that_fails_is_told_to_the_peer() {
    let mut pair = ringing_pair();
    pair.universe.inject_media(
        pair.caller,
        pair.call(),
        MediaEvent::Failed {
            reason: MediaFailure::Local,
        },
    );
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::MediaFailed)
    );
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::CallerCancelled)
    );
}

#[test]
fn a_short_lifetime_is_kept_by_both_sides() {
    let mut pair = pair();
    let options = CallOptions {
        lifetime: Duration::from_secs(5),
        ..CallOptions::default()
    };
    pair.universe
        .call_with(pair.caller, pair.callee_user, &options)
        .unwrap();
    pair.universe.run_for(Duration::from_secs(7));
    assert_eq!(pair.universe.ended(pair.caller), Some(EndReason::NoAnswer));
    assert!(pair.universe.ended(pair.callee).is_some());
}
