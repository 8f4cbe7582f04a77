//! Why a call ended, as each side is told: what one end knows, the other learns.

use std::time::Duration;

use securecall_session::{EndReason, Event, MediaEvent, MediaFailure};
use securecall_testkit::{Pair, connected_pair, ringing_pair};

/// The reasons that caller and callee were told.
fn ended(pair: &Pair) -> [Option<EndReason>; 2] {
    [pair.caller, pair.callee].map(|device| pair.universe.ended(device))
}

fn answered() -> Pair {
    let mut pair = ringing_pair();
    pair.universe.network.unreachable = true;
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(1));
    pair
}

#[test]
fn a_media_engine_that_fails_in_a_call_is_the_other_ends_reason_too() {
    for mut pair in [answered(), connected_pair()] {
        let reason = MediaFailure::Local;
        let (callee, call) = (pair.callee, pair.call());
        pair.universe
            .inject_media(callee, call, MediaEvent::Failed { reason });
        pair.universe.run_for(Duration::from_secs(2));
        assert_eq!(
            ended(&pair),
            [
                Some(EndReason::PeerMediaFailed),
                Some(EndReason::MediaFailed)
            ]
        );
    }
}

#[test]
fn a_path_that_one_end_gave_up_is_the_other_ends_reason_too() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(5));
    pair.universe.network.deaf = Some(pair.callee);
    pair.universe.run_for(Duration::from_secs(35));
    assert_eq!(ended(&pair), [Some(EndReason::IceTimeout); 2]);
}

#[test]
fn a_call_that_nobody_answered_is_missed_by_the_callee_alone() {
    let mut pair = ringing_pair();
    pair.universe.run_for(Duration::from_secs(100));
    let missed = [pair.caller, pair.callee].map(|device| {
        let events = pair.universe.devices[device].events.iter();
        events
            .filter(|it| matches!(it, Event::Missed { .. }))
            .count()
    });
    assert_eq!(missed, [0, 1]);
}
