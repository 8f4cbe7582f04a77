//! What the sizes of messages tell: nothing, not even to who reads the Olm layer.

use std::collections::BTreeSet;
use std::time::Duration;

use securecall_session::MediaEvent;
use securecall_testkit::{Envelope, connected_pair, ringing_pair};

use crate::delivery::{long_answer, pair_with_a_dead_channel};

/// The sizes of all ratchet messages among these.
fn sizes_of(sent: &[Envelope]) -> BTreeSet<usize> {
    let ratchet = sent.iter().filter(|it| it.kind() == 3);
    ratchet.map(Envelope::sealed).map(|it| it.len()).collect()
}

#[test]
fn ratchet_messages_over_matrix_have_one_size_whether_the_data_channel_has_them_too_or_not() {
    let mut pair = pair_with_a_dead_channel();
    let before = pair.universe.homeserver.sent.len();
    pair.universe.run_for(Duration::from_secs(30));
    let made_then = sizes_of(&pair.universe.homeserver.sent[before..]);
    let of_an_answer = sizes_of(&connected_pair().universe.homeserver.sent);
    assert_eq!((made_then.len(), made_then), (1, of_an_answer));
}

#[test]
fn control_messages_of_a_call_that_goes_well_are_small_and_of_one_size() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(5));
    let before = pair.universe.control_sent.len();
    pair.universe.run_for(Duration::from_secs(60));
    let sent = pair.universe.control_sent[before..].iter();
    let sizes: BTreeSet<_> = sent.map(|(.., bytes)| bytes.len()).collect();
    assert_eq!(sizes.len(), 1, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 512), "{sizes:?}");
}

#[test]
fn an_answer_and_candidates_too_long_for_one_message_leave_in_two_at_once() {
    let mut pair = ringing_pair();
    let (callee, call) = (pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(2));
    pair.universe.answer(callee, call);
    let sdp = long_answer(10 * 1024);
    let candidates = (0..31).map(|number| format!("{number:0>256}")).collect();
    let before = pair.universe.homeserver.send_requests;
    pair.universe
        .inject_media(callee, call, MediaEvent::LocalAnswer { sdp });
    let event = MediaEvent::LocalCandidates {
        candidates,
        complete: true,
    };
    pair.universe.inject_media(callee, call, event);
    assert_eq!(pair.universe.homeserver.send_requests, before + 2);
}
