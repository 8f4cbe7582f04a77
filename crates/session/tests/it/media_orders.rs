//! What the media engine is ordered, and when.

use std::time::Duration;

use securecall_crypto::Established;
use securecall_session::{AnswerPolicy, MediaEvent};
use securecall_testkit::{Universe, pair, ringing_pair};

use crate::hand_made_caller::{HandMade, nonce};
use crate::out_of_turn::{RESTART_PLEASE, commands, connected_with_the_first_of_two};

#[test]
fn audio_starts_when_the_answer_is_made_and_not_before() {
    let mut pair = ringing_pair();
    let (callee, call) = (pair.callee, pair.call());
    let starts = |universe: &Universe| {
        let commands = universe.devices[callee].media[&call].commands.iter();
        commands.filter(|it| it.starts_with("StartAudio")).count()
    };
    pair.universe.answer(callee, call);
    assert_eq!(starts(&pair.universe), 0);
    pair.universe.run_for(Duration::from_millis(2));
    assert_eq!(starts(&pair.universe), 1);
}

/// A call that was answered by a callee whose candidates take a second to be found.
fn answered_before_anything_is_found() -> (HandMade, Established) {
    let mut caller = HandMade::good();
    let (callee, call) = (caller.callee, caller.call);
    let mut established = caller.established();
    caller.say(&mut established, &nonce("01"));
    caller.universe.network.gathering = Duration::from_secs(1);
    caller.universe.run_for(Duration::from_secs(1));
    caller.heard(&mut established);
    caller.universe.answer(callee, call);
    caller.universe.run_for(Duration::from_millis(50));
    (caller, established)
}

#[test]
fn an_answer_leaves_with_the_candidates_that_are_there_at_once_and_others_follow() {
    let (mut caller, mut established) = answered_before_anything_is_found();
    let (callee, call) = (caller.callee, caller.call);
    assert_eq!(caller.heard(&mut established), "");
    // The first that comes alone goes at once, the next ones together after a pause.
    for (number, expected) in [
        (0, (1, 1)),
        (1, (0, 1)),
        (2, (0, 0)),
        (3, (0, 0)),
        (4, (0, 3)),
    ] {
        let line = format!("candidate:{number} 1 udp 1 192.0.2.{number} 5000 typ host");
        let event = MediaEvent::LocalCandidates {
            candidates: vec![line],
            complete: false,
        };
        caller.universe.inject_media(callee, call, event);
        caller.universe.run_for(Duration::from_millis(40));
        let heard = caller.heard(&mut established);
        let count = |what: &str| heard.matches(what).count();
        let [answers, lines] = ["m.call.answer", "192.0.2."].map(count);
        assert_eq!((answers, lines), expected, "{number}: {heard}");
    }
}

/// By GhostNet the first address takes its time.
#[test]
fn what_is_found_after_the_end_of_candidates_was_told_in_vain_goes_at_once() {
    let (mut caller, mut established) = answered_before_anything_is_found();
    let (callee, call) = (caller.callee, caller.call);
    caller.universe.run_for(Duration::from_millis(160));
    assert!(caller.heard(&mut established).contains("m.call.answer"));
    for (line, complete) in [
        (None, true),
        (Some("candidate:1 1 udp 1 192.0.2.1 5000 typ host"), false),
    ] {
        let event = MediaEvent::LocalCandidates {
            candidates: line.map(str::to_owned).into_iter().collect(),
            complete,
        };
        caller.universe.inject_media(callee, call, event);
        caller.universe.run_for(Duration::from_millis(40));
        let heard = caller.heard(&mut established);
        assert!(heard.contains("m.call.candidates"), "{heard}");
        assert_eq!(heard.contains("192.0.2.1"), line.is_some(), "{heard}");
    }
}

#[test]
fn an_answer_waits_no_longer_than_to_hear_that_there_is_no_candidate_yet() {
    let (mut caller, mut established) = answered_before_anything_is_found();
    let (callee, call) = (caller.callee, caller.call);
    let none = MediaEvent::LocalCandidates {
        candidates: Vec::new(),
        complete: false,
    };
    caller.universe.inject_media(callee, call, none);
    caller.universe.run_for(Duration::from_millis(50));
    let heard = caller.heard(&mut established);
    assert!(heard.contains("m.call.answer"), "{heard}");
    assert!(!heard.contains("m.call.candidates"), "{heard}");
}

#[test]
fn a_caller_looks_for_addresses_while_the_invite_is_on_its_way_and_tells_nobody() {
    let mut pair = pair();
    pair.universe.set_online(pair.callee, false);
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(2));
    let media = &pair.universe.devices[pair.caller].media[&call];
    assert_eq!(media.commands, ["CreateOffer(direct)", "Gather"]);
    let sent = pair.universe.homeserver.sent.iter();
    assert_eq!(sent.filter(|it| it.from == pair.caller).count(), 1);
}

#[test]
fn a_caller_makes_one_restart_offer_in_five_seconds_however_often_it_is_asked() {
    let (mut pair, mut winner, _) = connected_with_the_first_of_two();
    let call = pair.call();
    let caller = pair.caller;
    for (pause, expected) in [(0, 1), (1_000, 1), (2_000, 1), (1_500, 1), (500, 2)] {
        pair.universe.run_for(Duration::from_millis(pause));
        pair.universe
            .inject_media(caller, call, MediaEvent::AuthenticatedPacket);
        winner.say(&mut pair, RESTART_PLEASE);
        let commands = commands(&pair, call).iter();
        let offers = commands.filter(|it| *it == "CreateRestartOffer").count();
        assert_eq!(offers, expected);
    }
}

#[test]
fn audio_does_not_start_when_a_call_that_was_answered_at_once_ends_before_the_answer_left() {
    let mut pair = pair();
    pair.universe.devices[pair.callee].options.answer = AnswerPolicy::Auto;
    pair.universe.restart(pair.callee);
    pair.universe.network.gathering = Duration::from_secs(1);
    let (callee, user) = (pair.callee, pair.callee_user);
    let call = pair.universe.call(pair.caller, user).unwrap();
    let limit = Duration::from_secs(5);
    assert!(
        pair.universe
            .run_until(limit, |it| it.incoming(callee).is_some())
    );
    pair.universe.run_for(Duration::from_millis(50));
    pair.universe.hang_up(callee, call);
    let commands = pair.universe.devices[callee].media[&call].commands.iter();
    let orders: Vec<_> = commands
        .map(|it| it.split(['(', ' ']).next().unwrap())
        .collect();
    assert_eq!(orders, ["AcceptOffer", "Gather", "Close"]);
}
