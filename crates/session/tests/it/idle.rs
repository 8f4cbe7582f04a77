//! When a client may exit: no call, and nobody left who is to be told something.

use std::time::Duration;

use securecall_session::{EndReason, MediaEvent};
use securecall_testkit::{Fate, Pair, Universe, connected_pair, pair, ringing_pair};

fn idle(universe: &Universe) -> Vec<bool> {
    let devices = universe.devices.iter();
    devices.map(|it| it.endpoint.is_idle()).collect()
}

#[test]
fn nobody_is_idle_while_there_is_a_call_however_little_is_said() {
    let mut pair = ringing_pair();
    assert_eq!(idle(&pair.universe), [false, false]);
    pair.universe.run_for(Duration::from_secs(10));
    assert_eq!(idle(&pair.universe), [false, false], "it rings");
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(5));
    assert_eq!(idle(&pair.universe), [false, false], "it is connected");
    pair.universe.hang_up(pair.caller, pair.call());
    assert_eq!(idle(&pair.universe), [false, false], "one hung up");
    pair.universe.run_for(Duration::from_millis(100));
    assert_eq!(
        idle(&pair.universe),
        [true, false],
        "the other must hear it"
    );
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(idle(&pair.universe), [true, true]);
    assert!(pair.all_empty());
}

#[test]
fn a_transport_kept_for_last_words_is_closed_when_its_data_channel_is_and_by_nothing_else() {
    let mut pair = connected_pair();
    let (caller, call) = (pair.caller, pair.call());
    pair.universe.run_for(Duration::from_secs(5));
    pair.universe.network.channel = false;
    pair.universe.hang_up(caller, call);
    let is_closed = |universe: &Universe| {
        let commands = &universe.devices[caller].media[&call].commands;
        commands.last().is_some_and(|it| it == "Close")
    };
    for event in [
        MediaEvent::AuthenticatedPacket,
        MediaEvent::PeerMuted(true),
        MediaEvent::DataChannelOpen,
    ] {
        pair.universe.inject_media(caller, call, event);
        assert!(!is_closed(&pair.universe));
    }
    pair.universe
        .inject_media(caller, call, MediaEvent::DataChannelClosed);
    assert!(is_closed(&pair.universe));
}

#[test]
fn nobody_is_idle_while_an_invite_waits_for_the_end_of_a_sync_response() {
    let mut pair = pair();
    pair.universe.devices[pair.callee].sync_unfinished = true;
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    let callee = &pair.universe.devices[pair.callee].endpoint;
    assert!(!callee.is_idle() && !callee.is_empty());
}

#[test]
fn who_was_told_that_clocks_differ_keeps_no_device_from_being_idle() {
    let mut pair = pair();
    pair.universe.devices[pair.callee].options.clock_skew_ms = 360_000;
    // Nobody acknowledges it.
    let callee = pair.callee;
    pair.universe
        .homeserver
        .set_script(move |envelope| match envelope.from == callee {
            true => Fate::Drop,
            false => Fate::Deliver,
        });
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    let callee = &pair.universe.devices[pair.callee].endpoint;
    assert!(
        callee.is_idle() && !callee.is_empty(),
        "it may be asked for again"
    );
}

#[test]
fn who_gives_up_before_anybody_has_said_a_word_may_be_rung_by_nobody_who_does_not_know() {
    let mut pair = pair();
    // The callee is there, but its sync takes a while.
    pair.universe.devices[pair.callee].sync_unfinished = true;
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    let unaware = |pair: &Pair| {
        let caller = &pair.universe.devices[pair.caller].endpoint;
        caller.may_ring_unaware()
    };
    assert!(!unaware(&pair), "the call goes on");
    pair.universe.hang_up(pair.caller, call);
    assert_eq!(idle(&pair.universe), [true, false]);
    assert!(unaware(&pair));
    // It rings, and is told at once.
    pair.universe.finish_sync(pair.callee);
    pair.universe.run_for(Duration::from_secs(1));
    assert!(!unaware(&pair));
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::CallerCancelled)
    );
}

#[test]
fn a_call_that_a_device_has_heard_of_the_end_of_keeps_no_client() {
    let mut pair = ringing_pair();
    pair.universe.hang_up(pair.caller, pair.call());
    pair.universe.run_for(Duration::from_secs(1));
    assert!(
        !pair.universe.devices[pair.caller]
            .endpoint
            .may_ring_unaware()
    );
    // Nor does one whose time was over, long after anybody could ring.
    let mut pair = securecall_testkit::pair();
    pair.universe.set_online(pair.callee, false);
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(100));
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::Unreachable)
    );
    assert!(
        !pair.universe.devices[pair.caller]
            .endpoint
            .may_ring_unaware()
    );
}
