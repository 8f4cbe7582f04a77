//! The path of a connected call: when it is dead, what is done about it, and what happens when it is back.

use std::time::Duration;

use securecall_session::{EndReason, Event};
use securecall_testkit::{Fate, Pair, connected_pair};

use crate::connecting::{Answered, Piece};

/// How many epochs each side has sealed with.
fn epochs(pair: &Pair) -> [usize; 2] {
    [pair.caller, pair.callee].map(|device| {
        let media = &pair.universe.devices[device].media[&pair.call()];
        media.send_epochs.len()
    })
}

#[test]
fn what_waits_goes_out_as_soon_as_the_path_is_back_whenever_it_was_tried_last() {
    for later in 0..8 {
        let mut pair = connected_pair();
        pair.universe.run_for(Duration::from_secs(5));
        pair.universe.homeserver.set_script(|_| Fate::Drop);
        pair.universe.network.set_up(false);
        // In this time a step of the keys was begun, and is tried on the data channel every other second.
        let cut = Duration::from_secs(11) + Duration::from_millis(250) * later;
        pair.universe.run_for(cut);
        let before = epochs(&pair);
        pair.universe.network.set_up(true);
        pair.universe.run_for(Duration::from_millis(150));
        assert_eq!(epochs(&pair), before.map(|count| count + 1), "{cut:?}");
    }
}

#[test]
fn a_path_on_which_nothing_comes_once_it_is_connected_is_dead_all_the_same() {
    let mut answered = Answered::new();
    // The words come last, over Matrix: after them no packet comes.
    for piece in [Piece::Path, Piece::Frame, Piece::Words] {
        answered.bring(piece);
    }
    assert!(answered.is_connected());
    let callee = answered.caller.callee;
    let reconnecting = |event: &Event| matches!(event, Event::Reconnecting { .. });
    answered
        .caller
        .universe
        .run_for(Duration::from_millis(2_900));
    assert!(!answered.caller.universe.devices[callee].told(reconnecting));
    answered.caller.universe.run_for(Duration::from_millis(200));
    assert!(answered.caller.universe.devices[callee].told(reconnecting));
    answered.caller.universe.run_for(Duration::from_secs(27));
    let reason = answered.caller.universe.ended(callee);
    assert_eq!(reason, Some(EndReason::IceTimeout));
}
