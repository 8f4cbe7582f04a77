//! Keys that are not renewed: whatever else the peer says, the call ends.

use std::time::Duration;

use securecall_session::{EndReason, MediaEvent};

use crate::connecting::Answered;
use crate::out_of_turn::RESTART_PLEASE;

#[test]
fn a_peer_that_talks_and_never_makes_a_step_does_not_keep_the_call_alive() {
    let mut answered = Answered::connected();
    let (callee, call) = (answered.caller.callee, answered.caller.call);
    for second in 0..125 {
        let reason = answered.caller.universe.ended(callee);
        let expected = (second > 120).then_some(EndReason::RekeyTimeout);
        assert!(
            second == 120 || reason == expected,
            "{second} s: {reason:?}"
        );
        let packet = MediaEvent::AuthenticatedPacket;
        answered.caller.universe.inject_media(callee, call, packet);
        answered
            .caller
            .say(&mut answered.established, RESTART_PLEASE);
        answered.caller.universe.run_for(Duration::from_secs(1));
    }
}
