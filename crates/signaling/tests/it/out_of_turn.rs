//! What devices say when it no longer counts, or does not count yet: a busy one that answers, one that declines without having rung, one
//! that comes when the call is settled.

use securecall_signaling::{BUSY_GRACE, CONNECT_TIMEOUT, CallEnd, CallOutput, Content, PartyId};

use crate::calls::{answer, callee, caller, drain, hangup, origin, party, select, send};

#[test]
fn a_busy_device_ends_nothing_while_another_rings() {
    let now = origin();
    let mut call = caller(now, &["A", "B"]);
    call.handle_content(now, &party("A"), &Content::Ringing)
        .unwrap();
    call.handle_content(now, &party("B"), &Content::Busy)
        .unwrap();
    call.handle_timeout(now + BUSY_GRACE * 2);
    assert_eq!(drain(&mut call), [CallOutput::Ringing]);
    call.handle_content(now, &party("A"), &answer()).unwrap();
    assert_eq!(call.selected().map(PartyId::as_str), Some("A"));
}

#[test]
fn a_device_that_was_busy_or_has_gone_answers_in_vain() {
    let now = origin();
    let mut call = caller(now, &["A", "B", "C"]);
    call.handle_content(now, &party("A"), &Content::Busy)
        .unwrap();
    call.handle_content(now, &party("B"), &hangup()).unwrap();
    for device in ["A", "B"] {
        call.handle_content(now, &party(device), &answer()).unwrap();
        assert_eq!((call.is_answered(), drain(&mut call)), (false, vec![]));
    }
    call.handle_content(now, &party("C"), &answer()).unwrap();
    assert_eq!(call.selected().map(PartyId::as_str), Some("C"));
}

#[test]
fn the_answer_that_was_taken_may_come_again_and_another_is_told_whose_it_was() {
    let now = origin();
    let mut call = caller(now, &["A", "B"]);
    call.handle_content(now, &party("A"), &answer()).unwrap();
    assert_eq!(call.poll_timeout(), Some(now + CONNECT_TIMEOUT));
    drain(&mut call);
    for _ in 0..2 {
        call.handle_content(now, &party("A"), &answer()).unwrap();
        assert_eq!(drain(&mut call), []);
        call.connected();
    }
    call.handle_content(now, &party("B"), &answer()).unwrap();
    assert_eq!(drain(&mut call), [send("B", select("A"))]);
    call.handle_content(now, &party("B"), &Content::Ringing)
        .unwrap();
    assert_eq!(drain(&mut call), [], "told once");
    assert_eq!(call.selected().map(PartyId::as_str), Some("A"));
}

#[test]
fn a_device_declines_only_what_rings_there() {
    let now = origin();
    let mut call = caller(now, &["A", "B"]);
    call.handle_content(now, &party("A"), &Content::Reject)
        .unwrap();
    assert_eq!((call.is_over(), drain(&mut call)), (false, vec![]));
    call.handle_content(now, &party("A"), &Content::Ringing)
        .unwrap();
    call.handle_content(now, &party("A"), &Content::Reject)
        .unwrap();
    assert!(drain(&mut call).contains(&CallOutput::Ended(CallEnd::Declined)));
}

#[test]
fn a_call_whose_every_device_hangs_up_was_not_answered() {
    let now = origin();
    let mut call = caller(now, &["A", "B"]);
    call.handle_content(now, &party("A"), &hangup()).unwrap();
    assert_eq!((call.is_over(), drain(&mut call)), (false, vec![]));
    call.handle_content(now, &party("B"), &hangup()).unwrap();
    assert_eq!(drain(&mut call), [CallOutput::Ended(CallEnd::NoAnswer)]);
}

#[test]
fn after_the_end_the_device_that_was_taken_hears_of_the_end_and_every_other_who_was_taken() {
    let now = origin();
    let mut call = caller(now, &["A", "B"]);
    call.handle_content(now, &party("A"), &answer()).unwrap();
    call.handle_content(now, &party("A"), &hangup()).unwrap();
    drain(&mut call);
    call.handle_content(now, &party("B"), &Content::Ringing)
        .unwrap();
    assert_eq!(drain(&mut call), [send("B", select("A"))]);
    call.handle_content(now, &party("A"), &Content::Ringing)
        .unwrap();
    assert_eq!(drain(&mut call), [send("A", hangup())]);
}

#[test]
fn a_callee_looks_for_a_path_as_long_as_a_caller() {
    let now = origin();
    let mut call = callee(now);
    call.accept(now).unwrap();
    assert_eq!(call.poll_timeout(), Some(now + CONNECT_TIMEOUT));
}
