//! What a call says of itself, from its first moment to its last.

use securecall_signaling::{CallEnd, CallMachine, CallOutput, Content, HangupReason, PartyId};

use crate::calls::{answer, callee, caller, drain, hangup, origin, party};

/// Ringing here, answered, over, and with whom.
fn state(call: &CallMachine) -> (bool, bool, bool, Option<&str>) {
    (
        call.is_ringing_here(),
        call.is_answered(),
        call.is_over(),
        call.selected().map(PartyId::as_str),
    )
}

#[test]
fn a_caller_knows_whether_it_is_answered_by_whom_and_whether_it_is_over() {
    let now = origin();
    let mut call = caller(now, &["A", "B"]);
    assert_eq!(state(&call), (false, false, false, None));
    call.handle_content(now, &party("A"), &Content::Ringing)
        .unwrap();
    assert_eq!(state(&call), (false, false, false, None));
    call.handle_content(now, &party("B"), &answer()).unwrap();
    assert_eq!(state(&call), (false, true, false, Some("B")));
    call.connected();
    assert_eq!(state(&call), (false, true, false, Some("B")));
    call.handle_content(now, &party("A"), &hangup()).unwrap();
    assert_eq!(state(&call), (false, true, false, Some("B")));
    call.handle_content(now, &party("B"), &hangup()).unwrap();
    assert_eq!(state(&call), (false, false, true, Some("B")));
}

#[test]
fn a_callee_knows_whether_it_rings_is_answered_and_is_over() {
    let now = origin();
    let mut call = callee(now);
    assert_eq!(state(&call), (true, false, false, None));
    call.accept(now).unwrap();
    assert_eq!(state(&call), (false, true, false, Some("CALLER")));
    call.connected();
    assert_eq!(state(&call), (false, true, false, Some("CALLER")));
    call.hang_up(HangupReason::UserHangup);
    assert_eq!(state(&call), (false, false, true, Some("CALLER")));
}

#[test]
fn a_callee_stops_ringing_when_the_caller_hangs_up() {
    let now = origin();
    let mut call = callee(now);
    call.handle_content(now, &party("CALLER"), &hangup())
        .unwrap();
    assert_eq!(state(&call), (false, false, true, None));
    assert_eq!(
        drain(&mut call),
        [CallOutput::Ended(CallEnd::CallerCancelled)]
    );
}

#[test]
fn a_call_that_nobody_answered_was_with_nobody() {
    let now = origin();
    for mut call in [caller(now, &["A"]), callee(now)] {
        call.hang_up(HangupReason::UserHangup);
        assert_eq!(state(&call), (false, false, true, None));
        drain(&mut call);
        assert_eq!(call.poll_timeout(), None);
    }
}
