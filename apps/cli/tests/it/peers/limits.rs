//! A homeserver that lets each of its users send a few events only.

use std::fs;

use securecall_interop::{JsSdkCallState, MessageLimit, Synapse, SynapseOptions};

use super::{Pair, element_at, end_of};
use crate::ordinary::Ordinary;

#[test]
fn a_call_comes_up_in_spite_of_the_homeservers_limit_and_its_hangup_goes_before_all_that_waits() {
    let options = SynapseOptions {
        message_limit: Some(MessageLimit {
            per_second: 0.2,
            burst: 3,
        }),
        ..SynapseOptions::default()
    };
    let synapse = Synapse::start(options).unwrap();
    let (ours, theirs) = (Ordinary::of(&synapse, "ada"), element_at(&synapse, false));
    let us = ours.account.matrix_id.clone();
    let refusals = || {
        let log = fs::read_to_string(synapse.log_path()).unwrap();
        let is_ours = |line: &&str| line.contains(&us) && line.contains("B 429 ");
        log.lines().filter(is_ours).count()
    };
    let mut pair = Pair::of(
        ours,
        theirs,
        true,
        &["--answer", "ask", "--route", "direct"],
    );
    let call = pair.call_them();
    call.answer(false).unwrap();
    pair.is_up(&call);
    // More than may be sent in a minute: the last of it waits.
    for _ in 0..8 {
        for order in ["mute", "unmute"] {
            pair.listener.order(order);
            pair.listener.wait_for("muted");
        }
    }
    pair.listener.order("hangup");
    assert_eq!(
        end_of(&call),
        ("remote".to_owned(), "user_hangup".to_owned())
    );
    assert!(refusals() > 0, "the limit was never reached");
    pair.listener.wait_for("ended");
    let events = pair.theirs.events().unwrap();
    let of_ours: Vec<_> = events
        .iter()
        .filter(|event| event.sender == us && event.kind != "m.room.redaction")
        .map(|event| event.kind.as_str())
        .collect();
    eprintln!("{} refusals, {of_ours:?}", refusals());
    assert_eq!(of_ours.last(), Some(&"m.call.hangup"), "{of_ours:?}");
    assert!(of_ours.len() < 16, "nothing waited: {of_ours:?}");
    call.wait_for(JsSdkCallState::Ended).unwrap();
}
