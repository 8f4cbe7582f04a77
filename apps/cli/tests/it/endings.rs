//! How calls end that nobody takes, that are taken elsewhere, or that meet each other half way.

use std::process::Command;

use securecall_interop::{Synapse, SynapseOptions, hand_on};
use serde_json::Value;

use crate::talker::{Talker, User, homeserver, last};

/// Exit code and reason of a call that ends by itself.
fn ending(talker: Talker) -> (i32, String) {
    let (code, rest) = talker.end();
    let reason = last(&rest, "ended")["reason"].as_str().unwrap().to_owned();
    (code, reason)
}

/// A call rings for a minute and a half. So that this is waited for but once, three calls ring at the same time.
#[test]
fn calls_that_nobody_takes_end_when_their_time_is_over() {
    // One rings, and nobody answers.
    let (ada, bo) = User::acquainted();
    let mut unanswering = bo.talk(&["listen", "--once"]);
    unanswering.wait_for("ready");
    let mut unanswered = ada.talk(&["call", "peer"]);
    unanswered.wait_for("ringing");
    unanswering.wait_for("incoming");

    // One reaches no device: the only one is off.
    let (cleo, _off) = User::acquainted();
    let mut unreachable = cleo.talk(&["call", "peer"]);
    unreachable.wait_for("dialing");

    // One rings, and the homeserver dies before it is answered.
    let mut mortal = Synapse::start(SynapseOptions::default()).unwrap();
    let (dora, emil) = (User::of(&mortal), User::of(&mortal));
    dora.add(&emil, "peer");
    emil.add(&dora, "peer");
    let mut answering = emil.talk(&["listen", "--once"]);
    answering.wait_for("ready");
    let mut cut_off = dora.talk(&["call", "peer"]);
    cut_off.wait_for("ringing");
    answering.wait_for("incoming");
    mortal.stop().unwrap();
    answering.order("answer");
    answering.wait_for("offline");

    // Whoever of the two notices first that the time is over: it is a missed call.
    let (code, rest) = unanswering.end();
    assert_eq!(
        (code, &last(&rest, "missed")["peer"]["id"]),
        (4, &Value::from(ada.id.as_str()))
    );
    assert_eq!(ending(unanswered), (4, "no_answer".to_owned()));
    assert_eq!(ending(unreachable), (4, "unreachable".to_owned()));
    let (code, reason) = ending(answering);
    assert!(code == 5 || code == 4, "{code} {reason}");
    let (code, reason) = ending(cut_off);
    assert!(code == 5 || code == 4, "{code} {reason}");
}

#[test]
fn a_caller_whose_clock_differs_is_told_so_and_is_a_missed_call() {
    let (ada, bo) = User::acquainted();
    let mut callee = bo.talk(&["listen", "--answer", "auto"]);
    callee.wait_for("ready");
    let audio = ["--mic", "null", "--speaker", "null"];
    let call = ada
        .machine
        .command(&[&["--json", "call", "peer"], &audio[..]].concat());
    let mut late = Command::new("faketime");
    late.args(["-f", "-10m"]);
    hand_on(&call, &mut late);
    // Only the date is wrong; clocks that measure time run as ever.
    late.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let caller = Talker::start(late);
    let missed = callee.wait_for_any(&["missed", "incoming", "connected"]);
    assert_eq!(
        (&missed["event"], &missed["why"], &missed["peer"]["id"]),
        (
            &Value::from("missed"),
            &Value::from("clocks_differ"),
            &Value::from(ada.id.as_str())
        )
    );
    assert_eq!(ending(caller), (4, "clocks_differ".to_owned()));
    callee.order("quit");
    assert_eq!(callee.end().0, 0);
}

#[test]
fn a_call_that_one_device_takes_stops_ringing_on_the_other() {
    let (ada, bo) = User::acquainted();
    let bo_again = bo.second_device(homeserver());
    bo_again.add(&ada, "peer");
    let mut first = bo.talk(&["listen", "--once"]);
    let mut second = bo_again.talk(&["listen", "--once"]);
    first.wait_for("ready");
    second.wait_for("ready");
    let mut caller = ada.talk(&["call", "peer"]);
    first.wait_for("incoming");
    second.wait_for("incoming");

    second.order("answer");
    caller.wait_for("connected");
    second.wait_for("connected");
    first.wait_for("answered_elsewhere");
    assert_eq!(ending(first), (0, "answered_elsewhere".to_owned()));
    caller.order("hangup");
    assert_eq!(ending(caller), (0, "local_hangup".to_owned()));
    assert_eq!(ending(second), (0, "remote_hangup".to_owned()));
}

#[test]
fn two_people_who_call_each_other_at_once_get_one_call() {
    let (ada, bo) = User::acquainted();
    get_one_call(&ada, &bo);
}

/// They call each other at once.
pub(crate) fn get_one_call(ada: &User, bo: &User) {
    let (mut here, mut there) = (ada.talk(&["listen"]), bo.talk(&["listen"]));
    here.wait_for("ready");
    there.wait_for("ready");
    // Orders take a moment, invites take longer. Where an invite was faster all the same, they try once more.
    let replaced = loop {
        here.order("call peer");
        there.order("call peer");
        let begun = [&mut here, &mut there].map(|talker| {
            let names = ["dialing", "incoming"];
            talker.wait_for_any(&names)["event"].clone()
        });
        if begun == ["dialing", "dialing"] {
            let names = ["replaced", "connected", "incoming"];
            break [&mut here, &mut there].map(|talker| talker.wait_for_any(&names));
        }
        here.order("hangup");
        there.order("reject");
        here.wait_for("ended");
        there.wait_for("ended");
    };
    let given_way: Vec<&Value> = replaced
        .iter()
        .filter(|event| event["event"] == "replaced")
        .collect();
    let [given_way] = given_way[..] else {
        panic!("one of the two calls gives way: {replaced:?}");
    };
    let survivor = given_way["by"].clone();
    assert!(
        given_way["call_id"].as_str() > survivor.as_str(),
        "the lesser one survives"
    );
    let mut words = Vec::new();
    for (talker, event) in [&mut here, &mut there].into_iter().zip(&replaced) {
        let connected = match event["event"] == "connected" {
            true => event.clone(),
            false => talker.wait_for("connected"),
        };
        assert_eq!(connected["call_id"], survivor);
        words.push(connected["safety_words"].clone());
    }
    assert_eq!(words[0], words[1]);
    here.order("quit");
    there.wait_for("ended");
    there.order("quit");
    assert_eq!((here.end().0, there.end().0), (0, 0));
}

#[cfg(unix)]
#[test]
fn a_second_signal_does_not_wait_for_the_farewell() {
    let mut mortal = Synapse::start(SynapseOptions::default()).unwrap();
    let (ada, bo) = (User::of(&mortal), User::of(&mortal));
    ada.add(&bo, "peer");
    bo.add(&ada, "peer");
    let mut callee = bo.talk(&["listen", "--answer", "contacts", "--once"]);
    callee.wait_for("ready");
    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("first_audio");
    // With neither peer nor homeserver the farewell would take its two seconds.
    callee.signal(libc::SIGKILL);
    let address = mortal.address();
    mortal.stop().unwrap();
    let _silent = std::net::TcpListener::bind(address).unwrap();
    caller.signal(libc::SIGINT);
    caller.signal(libc::SIGTERM);
    // A call that was connected ends with 0 if there is time to say goodbye. Which signal is the second is open.
    let (code, _) = caller.end();
    assert!(
        code == 128 + libc::SIGINT || code == 128 + libc::SIGTERM,
        "{code}"
    );
}

#[test]
fn who_gives_up_at_once_lets_nobody_ring() {
    let (ada, bo) = User::acquainted();
    let cleo = User::new();
    cleo.add(&bo, "peer");
    bo.add(&cleo, "cleo");
    let mut callee = bo.talk(&["listen"]);
    callee.wait_for("ready");
    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("dialing");
    caller.order("hangup");
    caller.end();
    // Whom the first call still rings is busy for others.
    let mut other = cleo.talk(&["call", "peer"]);
    let first = other.wait_for_any(&["ringing", "ended"]);
    assert_eq!(first["event"], "ringing", "{first}");
    other.order("hangup");
    other.end();
}
