//! Acknowledgement, repetition, order: no message is lost, none counts twice, and none is sent without bound.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use securecall_session::{AnswerPolicy, EndReason, Event, MediaEvent, RequestError};
use securecall_testkit::{Envelope, Fate, Pair, connected_pair, pair, ringing_pair};

#[test]
fn every_first_copy_of_every_message_may_get_lost() {
    // So slow that the words nonce goes with an acknowledgement alone.
    for gathering in [1, 1500] {
        every_first_copy_may_get_lost(Duration::from_millis(gathering));
    }
}

fn every_first_copy_may_get_lost(gathering: Duration) {
    let mut pair = pair();
    pair.universe.network.gathering = gathering;
    let mut seen = BTreeSet::new();
    pair.universe.homeserver.set_script(move |envelope| {
        // A repetition has the same bytes.
        if seen.insert(envelope.content.clone()) {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    let callee = pair.callee;
    assert!(
        pair.universe
            .run_until(Duration::from_secs(60), |universe| universe
                .incoming(callee)
                .is_some())
    );
    pair.universe.run_for(Duration::from_secs(10));
    pair.universe.answer(callee, call);
    pair.universe.run_for(Duration::from_secs(25));
    assert!(
        pair.universe.connected(pair.caller) && pair.universe.connected(pair.callee),
        "{:?}",
        pair.universe.devices[pair.callee].events
    );
}

#[test]
fn no_message_is_sent_more_than_three_times_over_matrix() {
    let mut pair = ringing_pair();
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(200));
    let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
    for envelope in &pair.universe.homeserver.sent {
        *copies.entry(&envelope.content).or_default() += 1;
    }
    assert!(copies.values().all(|copies| *copies <= 3));
    assert!(copies.values().any(|copies| *copies == 3));
    assert!(
        pair.universe.ended(pair.caller).is_some() && pair.universe.ended(pair.callee).is_some()
    );
}

#[test]
fn a_send_that_never_left_is_tried_again() {
    let mut pair = ringing_pair();
    pair.universe.homeserver.fails = Some(RequestError::Unreachable);
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(15));
    pair.universe.homeserver.behave();
    pair.universe.run_for(Duration::from_secs(10));
    assert!(pair.universe.connected(pair.caller) && pair.universe.connected(pair.callee));
}

#[test]
fn a_send_that_failed_at_the_homeserver_counts_for_it_may_have_arrived() {
    let send_requests = |error| {
        let mut pair = pair();
        pair.universe.call(pair.caller, pair.callee_user).unwrap();
        pair.universe.homeserver.fails = Some(error);
        pair.universe.run_for(Duration::from_secs(80));
        pair.universe.homeserver.send_requests
    };
    assert_eq!(send_requests(RequestError::Failed), 3);
    assert!(send_requests(RequestError::Unreachable) > 3);
}

#[test]
fn duplicates_change_nothing() {
    let mut pair = pair();
    pair.universe
        .homeserver
        .set_script(|_| Fate::Duplicate(Duration::from_millis(300)));
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    pair.universe.answer(pair.callee, call);
    pair.universe.run_for(Duration::from_secs(5));
    for device in [pair.caller, pair.callee] {
        let connected = pair.universe.devices[device]
            .events
            .iter()
            .filter(|event| matches!(event, Event::Connected { .. }))
            .count();
        assert_eq!(connected, 1);
    }
    let rang = pair.universe.devices[pair.callee]
        .events
        .iter()
        .filter(|event| matches!(event, Event::Incoming { .. }))
        .count();
    assert_eq!(rang, 1);
}

#[test]
fn ratchet_messages_that_come_before_message_2_are_kept() {
    let mut pair = pair();
    // Message 2 takes longer than the answer that follows it.
    pair.universe.homeserver.set_script(|envelope| {
        if envelope.kind() == 2 {
            Fate::Delay(Duration::from_millis(1500))
        } else {
            Fate::Deliver
        }
    });
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    let callee = pair.callee;
    assert!(pair.universe.run_until(Duration::from_secs(2), |universe| {
        universe.incoming(callee).is_some()
    }));
    pair.universe.answer(callee, call);
    pair.universe.run_for(Duration::from_secs(4));
    assert!(pair.universe.connected(pair.caller) && pair.universe.connected(pair.callee));
}

#[test]
fn at_most_sixteen_early_messages_are_kept() {
    let mut pair = pair();
    pair.universe.homeserver.set_script(|envelope| {
        if envelope.kind() == 2 {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    let callee = pair.callee;
    assert!(pair.universe.run_until(Duration::from_secs(2), |universe| {
        universe.incoming(callee).is_some()
    }));
    pair.universe.answer(callee, call);
    pair.universe.run_for(Duration::from_millis(500));
    let early = pair
        .universe
        .homeserver
        .sent
        .iter()
        .find(|envelope| envelope.from == callee && envelope.kind() == 3)
        .unwrap()
        .clone();
    for _ in 0..20 {
        pair.universe.inject(&early);
    }
    assert_eq!(pair.universe.devices[pair.caller].refused, []);
    let middle = early.content.len() / 2;
    for letter in 'A'..'U' {
        let mut junk = early.clone();
        junk.content
            .replace_range(middle..=middle, &letter.to_string());
        pair.universe.inject(&junk);
    }
    let refused = &pair.universe.devices[pair.caller].refused;
    assert!(refused.len() >= 4);
    assert!(
        refused
            .iter()
            .all(|why| *why == securecall_session::SignalRefused::TooManyEarly)
    );
}

#[test]
fn a_message_repeated_without_end_is_acknowledged_three_times_more() {
    let mut pair = ringing_pair();
    pair.universe.run_for(Duration::from_secs(20));
    let count = |pair: &Pair| pair.universe.homeserver.sent.len();
    let sent = pair.universe.homeserver.sent.clone();
    for (kind, from) in [(3, pair.caller), (2, pair.callee)] {
        let before = count(&pair);
        let repeated = sent
            .iter()
            .find(|it| it.from == from && it.kind() == kind)
            .unwrap();
        for _ in 0..10 {
            pair.universe.inject(repeated);
            pair.universe.run_for(Duration::from_secs(2));
        }
        assert_eq!(count(&pair) - before, 3, "kind {kind}");
    }
}

/// A call whose data channel delivers nothing any more, and is known not to: no step was made for half a minute, for the
/// homeserver was away as well.
pub(crate) fn pair_with_a_dead_channel() -> Pair {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(11));
    pair.universe.network.channel = false;
    pair.universe.homeserver.fails = Some(RequestError::Unreachable);
    pair.universe.run_for(Duration::from_secs(45));
    pair.universe.homeserver.behave();
    pair.universe.run_for(Duration::from_secs(15));
    pair
}

#[test]
fn a_message_repeated_on_the_data_channel_is_acknowledged_there_alone() {
    let mut pair = pair_with_a_dead_channel();
    let (callee, call) = (pair.callee, pair.call());
    let sent = |pair: &Pair| {
        let universe = &pair.universe;
        (universe.homeserver.sent.len(), universe.control_sent.len())
    };
    // The caller's first step on the channel, from before it died.
    let mut controls = pair.universe.control_sent.iter();
    let (.., step) = controls.find(|(to, ..)| *to == callee).unwrap().clone();
    let (matrix, channel) = sent(&pair);
    pair.universe.network.channel = true;
    pair.universe.inject_control(callee, call, &step);
    pair.universe.run_for(Duration::from_millis(100));
    assert_eq!(sent(&pair), (matrix, channel + 1));
}

#[test]
fn what_matrix_delivers_says_nothing_good_of_the_data_channel() {
    let mut pair = pair_with_a_dead_channel();
    // Steps go over Matrix too and are made in time: there is no reason for another restart.
    let restarts = |pair: &Pair| pair.universe.devices[pair.callee].media[&pair.call()].restarts;
    let before = restarts(&pair);
    pair.universe.run_for(Duration::from_secs(90));
    assert!(before > 0);
    assert_eq!(restarts(&pair), before);
}

#[test]
fn an_acknowledgement_that_waits_for_candidates_does_not_keep_the_endpoint_awake() {
    let mut pair = pair();
    pair.universe.network.gathering = Duration::from_secs(1);
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    let callee = pair.callee;
    // The caller's first message came 400 ms ago: its acknowledgement is due while the answer waits for candidates.
    assert!(pair.universe.run_until(Duration::from_secs(5), |universe| {
        universe
            .homeserver
            .sent
            .iter()
            .any(|it| it.from == 0 && it.kind() == 3)
    }));
    pair.universe.run_for(Duration::from_millis(460));
    pair.universe.answer(callee, call);
    pair.universe.run_for(Duration::from_secs(5));
    assert!(pair.universe.connected(callee));
}

#[test]
fn every_box_has_one_size_on_the_wire() {
    let mut pair = connected_pair();
    pair.universe.hang_up(pair.caller, pair.call());
    pair.universe.run_for(Duration::from_secs(3));
    let sizes: BTreeSet<_> = pair
        .universe
        .homeserver
        .sent
        .iter()
        .map(|envelope: &Envelope| envelope.content.len())
        .collect();
    assert_eq!(sizes.len(), 1, "{sizes:?}");
    assert!(pair.universe.ended(pair.caller) == Some(EndReason::LocalHangup));
}

#[test]
fn a_homeserver_killed_while_it_rings_does_not_leave_anybody_hanging() {
    let mut pair = ringing_pair();
    pair.universe.homeserver.fails = Some(RequestError::Unreachable);
    pair.universe.run_for(Duration::from_secs(100));
    assert!(
        pair.universe.ended(pair.caller).is_some() && pair.universe.ended(pair.callee).is_some()
    );
    pair.universe.run_for(Duration::from_secs(400));
    assert!(pair.all_empty());
}

/// A description of the callee's that is `length` bytes long.
pub(crate) fn long_answer(length: usize) -> String {
    let fingerprint = ["02"; 32].join(":");
    let mut sdp =
        format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\na=fingerprint:sha-256 {fingerprint}\r\n");
    while sdp.len() + 42 <= length {
        sdp += "a=x-filler:0123456789012345678901234567\r\n";
    }
    sdp
}

#[test]
fn the_longest_answer_and_the_longest_candidates_arrive() {
    for policy in [AnswerPolicy::Ask, AnswerPolicy::Auto] {
        let mut pair = pair();
        pair.universe.devices[pair.callee].options.answer = policy;
        pair.universe.restart(pair.callee);
        let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
        let callee = pair.callee;
        assert!(pair.universe.run_until(Duration::from_secs(5), |universe| {
            universe.incoming(callee).is_some()
        }));
        if policy == AnswerPolicy::Ask {
            pair.universe.answer(callee, call);
        }
        // Faster than the media engine's own.
        let sdp = long_answer(10 * 1024);
        pair.universe
            .inject_media(callee, call, MediaEvent::LocalAnswer { sdp });
        let candidates = (0..31).map(|number| format!("{number:0>256}")).collect();
        let event = MediaEvent::LocalCandidates {
            candidates,
            complete: false,
        };
        pair.universe.inject_media(callee, call, event);
        pair.universe.run_for(Duration::from_secs(5));
        assert!(pair.universe.connected(pair.caller), "{policy:?}");
        let media = &pair.universe.devices[pair.caller].media[&call];
        assert_eq!(media.remote_candidates.len(), 31);
    }
}

#[test]
fn an_answer_longer_than_a_peer_takes_ends_the_call() {
    let mut pair = ringing_pair();
    pair.universe.answer(pair.callee, pair.call());
    let sdp = long_answer(10 * 1024 + 100);
    pair.universe
        .inject_media(pair.callee, pair.call(), MediaEvent::LocalAnswer { sdp });
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::MediaFailed)
    );
}
