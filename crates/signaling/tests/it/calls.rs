//! The state machine of a call, without any device.

use std::time::Duration;

use securecall_signaling::{
    BUSY_GRACE, CONNECT_TIMEOUT, CallEnd, CallMachine, CallOutput, Candidate, Content,
    ContentRefused, Description, HangupReason, PartyId,
};
use web_time::Instant;

const LIFETIME: Duration = Duration::from_secs(60);

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time needs an origin, and any will do"
)]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

pub(crate) fn party(name: &str) -> PartyId {
    PartyId::parse(name).unwrap()
}

pub(crate) fn caller(now: Instant, parties: &[&str]) -> CallMachine {
    let mut call = CallMachine::caller(now, party("ME"), LIFETIME);
    parties.iter().for_each(|name| call.invite(party(name)));
    call
}

pub(crate) fn callee(now: Instant) -> CallMachine {
    CallMachine::callee(party("ME"), party("CALLER"), now + LIFETIME)
}

pub(crate) fn drain(call: &mut CallMachine) -> Vec<CallOutput> {
    std::iter::from_fn(|| call.poll_output()).collect()
}

pub(crate) fn answer() -> Content {
    Content::Answer {
        answer: Description::answer("sdp"),
    }
}

pub(crate) fn candidates(line: &str) -> Content {
    Content::Candidates {
        candidates: vec![Candidate {
            candidate: line.into(),
            sdp_mid: "0".into(),
        }],
    }
}

pub(crate) fn hangup() -> Content {
    Content::Hangup {
        reason: HangupReason::UserHangup,
    }
}

pub(crate) fn select(name: &str) -> Content {
    Content::SelectAnswer {
        selected_party_id: party(name),
    }
}

pub(crate) fn send(name: &str, content: Content) -> CallOutput {
    CallOutput::Send {
        party: party(name),
        content,
    }
}

#[test]
fn the_first_answer_is_taken_and_every_other_ringing_device_is_told() {
    let now = origin();
    let mut call = caller(now, &["A", "B", "C"]);
    call.handle_content(now, &party("A"), &Content::Ringing)
        .unwrap();
    call.handle_content(now, &party("B"), &Content::Ringing)
        .unwrap();
    call.handle_content(now, &party("B"), &candidates("early"))
        .unwrap();
    assert_eq!(drain(&mut call), [CallOutput::Ringing]);
    call.handle_content(now, &party("B"), &answer()).unwrap();
    let expected = [
        CallOutput::Answered {
            party: party("B"),
            sdp: "sdp".into(),
        },
        CallOutput::Candidates(vec!["early".into()]),
        send("B", select("B")),
        send("A", select("B")),
    ];
    assert_eq!(drain(&mut call), expected);
    call.handle_content(now, &party("A"), &answer()).unwrap();
    assert_eq!(drain(&mut call), [], "A was told already");
    call.handle_content(now, &party("C"), &Content::Ringing)
        .unwrap();
    call.handle_content(now, &party("C"), &Content::Ringing)
        .unwrap();
    assert_eq!(drain(&mut call), [send("C", select("B"))], "once");
}

#[test]
fn a_reject_counts_for_all_devices_but_not_after_an_answer() {
    let now = origin();
    let mut call = caller(now, &["A", "B"]);
    call.handle_content(now, &party("A"), &Content::Ringing)
        .unwrap();
    call.handle_content(now, &party("B"), &Content::Ringing)
        .unwrap();
    let mut answered = call.clone();
    call.handle_content(now, &party("A"), &Content::Reject)
        .unwrap();
    assert_eq!(
        drain(&mut call)[1..],
        [send("B", select("A")), CallOutput::Ended(CallEnd::Declined)]
    );
    answered
        .handle_content(now, &party("B"), &answer())
        .unwrap();
    answered
        .handle_content(now, &party("A"), &Content::Reject)
        .unwrap();
    assert!(!answered.is_over());
}

#[test]
fn busy_ends_the_call_at_once_only_if_every_device_is_busy() {
    let now = origin();
    let mut call = caller(now, &["A", "B"]);
    call.handle_content(now, &party("A"), &Content::Busy)
        .unwrap();
    assert!(!call.is_over());
    let mut waits = call.clone();
    call.handle_content(now, &party("B"), &Content::Busy)
        .unwrap();
    assert_eq!(drain(&mut call), [CallOutput::Ended(CallEnd::Busy)]);
    assert_eq!(waits.poll_timeout(), Some(now + BUSY_GRACE));
    let mut rings = waits.clone();
    waits.handle_timeout(now + BUSY_GRACE);
    assert_eq!(drain(&mut waits), [CallOutput::Ended(CallEnd::Busy)]);
    rings
        .handle_content(now, &party("B"), &Content::Ringing)
        .unwrap();
    rings.handle_timeout(now + BUSY_GRACE);
    assert!(!rings.is_over());
}

#[test]
fn the_lifetime_ends_with_what_is_known_of_the_devices() {
    let now = origin();
    for (content, end) in [
        (None, CallEnd::Unreachable),
        (Some(Content::Ringing), CallEnd::NoAnswer),
    ] {
        let mut call = caller(now, &["A"]);
        if let Some(content) = &content {
            call.handle_content(now, &party("A"), content).unwrap();
        }
        call.handle_timeout(now + LIFETIME - Duration::from_millis(1));
        assert!(!call.is_over());
        call.handle_timeout(now + LIFETIME);
        assert_eq!(drain(&mut call).last(), Some(&CallOutput::Ended(end)));
    }
}

#[test]
fn a_device_that_rings_after_the_end_is_told_to_hang_up() {
    let now = origin();
    let mut call = caller(now, &["A"]);
    call.hang_up(HangupReason::UserHangup);
    assert_eq!(
        drain(&mut call),
        [CallOutput::Ended(CallEnd::HungUp(HangupReason::UserHangup))]
    );
    call.handle_content(now, &party("A"), &Content::Ringing)
        .unwrap();
    assert_eq!(drain(&mut call), [send("A", hangup())]);
}

#[test]
fn a_device_that_is_dropped_leaves_the_others() {
    let now = origin();
    let mut call = caller(now, &["A", "B"]);
    call.handle_content(now, &party("A"), &Content::Ringing)
        .unwrap();
    call.drop_party(&party("A"));
    assert!(!call.is_over());
    call.handle_content(now, &party("B"), &Content::Ringing)
        .unwrap();
    call.drop_party(&party("B"));
    assert_eq!(
        drain(&mut call).last(),
        Some(&CallOutput::Ended(CallEnd::NoAnswer))
    );
}

#[test]
fn the_callee_answers_connects_and_hangs_up() {
    let now = origin();
    let mut call = callee(now);
    call.handle_content(now, &party("CALLER"), &candidates("one"))
        .unwrap();
    call.accept(now).unwrap();
    call.answer("sdp".into());
    assert_eq!(
        drain(&mut call),
        [
            CallOutput::Candidates(vec!["one".into()]),
            send("CALLER", answer())
        ]
    );
    call.handle_content(now, &party("CALLER"), &select("ME"))
        .unwrap();
    call.connected();
    assert_eq!(call.poll_timeout(), None);
    call.hang_up(HangupReason::UserHangup);
    assert_eq!(drain(&mut call)[0], send("CALLER", hangup()));
    assert!(call.accept(now).is_err() && call.reject().is_err());
}

#[test]
fn a_callee_that_was_not_selected_ends_without_a_word() {
    let now = origin();
    for accepted in [false, true] {
        let mut call = callee(now);
        if accepted {
            call.accept(now).unwrap();
        }
        call.handle_content(now, &party("CALLER"), &select("OTHER"))
            .unwrap();
        assert_eq!(
            drain(&mut call),
            [CallOutput::Ended(CallEnd::AnsweredElsewhere)]
        );
    }
}

#[test]
fn an_answered_call_without_a_path_is_given_up() {
    let now = origin();
    let mut call = callee(now);
    call.accept(now).unwrap();
    call.handle_timeout(now + CONNECT_TIMEOUT);
    let reason = HangupReason::IceFailed;
    assert_eq!(
        drain(&mut call),
        [
            send("CALLER", Content::Hangup { reason }),
            CallOutput::Ended(CallEnd::ConnectTimeout)
        ]
    );
}

#[test]
fn contents_of_strangers_and_out_of_place_are_refused_and_change_nothing() {
    let now = origin();
    let mut call = callee(now);
    assert_eq!(
        call.handle_content(now, &party("OTHER"), &hangup()),
        Err(ContentRefused::UnknownParty)
    );
    for content in [
        Content::Ringing,
        Content::Busy,
        answer(),
        Content::Reject,
        Content::Rekey,
    ] {
        assert_eq!(
            call.handle_content(now, &party("CALLER"), &content),
            Err(ContentRefused::OutOfPlace),
            "{content:?}"
        );
    }
    let mut call = caller(now, &["A"]);
    for content in [select("A"), Content::Rekey, Content::RestartPlease] {
        assert_eq!(
            call.handle_content(now, &party("A"), &content),
            Err(ContentRefused::OutOfPlace),
            "{content:?}"
        );
    }
    assert_eq!(drain(&mut call), []);
}

#[test]
fn a_call_ends_once() {
    let now = origin();
    let mut call = callee(now);
    call.reject().unwrap();
    call.hang_up(HangupReason::UserHangup);
    call.handle_content(now, &party("CALLER"), &hangup())
        .unwrap();
    call.handle_timeout(now + LIFETIME);
    assert_eq!(
        drain(&mut call),
        [
            send("CALLER", Content::Reject),
            CallOutput::Ended(CallEnd::Rejected)
        ]
    );
}

#[test]
fn a_caller_that_forgot_its_call_ends_it_only_while_it_rings() {
    let now = origin();
    let mut ringing = callee(now);
    ringing.caller_is_gone();
    assert_eq!(
        drain(&mut ringing),
        [CallOutput::Ended(CallEnd::CallerCancelled)]
    );
    let mut answered = callee(now);
    answered.accept(now).unwrap();
    answered.caller_is_gone();
    assert!(drain(&mut answered).is_empty() && answered.is_answered());
}

#[test]
fn a_device_that_nobody_knew_of_may_answer_or_decline_and_is_not_said_to_ring() {
    let now = origin();
    let mut call = caller(now, &[]);
    call.party_has_invite(party("ROOM"));
    assert_eq!(drain(&mut call), []);
    call.handle_content(now, &party("ROOM"), &Content::Reject)
        .unwrap();
    assert_eq!(drain(&mut call), [CallOutput::Ended(CallEnd::Declined)]);

    let mut call = caller(now, &[]);
    call.party_has_invite(party("ROOM"));
    call.handle_content(now, &party("ROOM"), &answer()).unwrap();
    // Once more changes nothing of a device that is known.
    call.party_has_invite(party("ROOM"));
    assert_eq!(call.selected(), Some(&party("ROOM")));
    call.handle_content(now, &party("ROOM"), &hangup()).unwrap();
    assert!(call.is_over());
}
