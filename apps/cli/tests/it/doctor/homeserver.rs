//! A homeserver that does not do its part, or of which another process is a client.

use std::process::Command;

use serde_json::{Value, json};

use super::{at_a_hostile_homeserver, behind_a_front, doctor, says, silence};
use crate::command::Machine;
use crate::talker::User;

#[test]
fn a_login_that_is_over_is_said_so_once() {
    let user = User::new();
    // The same device, told to the homeserver from elsewhere that it is gone.
    let copy = Machine::new();
    let status = Command::new("cp")
        .arg("-r")
        .args([user.machine.profile(), copy.profile()])
        .status();
    assert!(status.unwrap().success());
    copy.json(&["logout"]);
    let told = doctor(&user.machine);
    assert_eq!(
        (told.code, told.wrong()),
        (5, vec![("login", "signed_out")])
    );
    says(told.check("login"), "help", "securecall logout");
    for name in ["device_keys", "one_time_keys", "round_trip", "relays"] {
        assert_eq!(told.check(name)["ok"], Value::Null, "{name}");
    }
}

#[test]
fn a_login_that_the_homeserver_takes_for_somebody_elses_is_said_so() {
    let (machine, front) = behind_a_front();
    for (user, device) in [("@other:homeserver.test", "D"), ("", "OTHER")] {
        let account = doctor(&machine).check("account")["message"].clone();
        let (own, _) = account.as_str().unwrap().split_once(", device ").unwrap();
        let user = if user.is_empty() { own } else { user };
        let answer = json!({"user_id": user, "device_id": device});
        let asked = "GET /_matrix/client/v3/account/whoami";
        front.answer(asked, "200 OK", &answer.to_string());
        let told = doctor(&machine);
        assert_eq!(
            (told.code, told.wrong()),
            (5, vec![("login", "homeserver_fault")])
        );
        says(
            told.check("login"),
            "message",
            &format!("{user}, device {device}"),
        );
        assert_eq!(told.check("round_trip")["ok"], Value::Null);
    }
}

#[test]
fn a_homeserver_that_is_down_or_says_nothing_is_one_fault() {
    let (machine, front) = behind_a_front();
    drop(front);
    let told = doctor(&machine);
    let unreachable = vec![("homeserver", "homeserver_unreachable")];
    assert_eq!((told.code, told.wrong()), (5, unreachable.clone()));
    says(
        told.check("homeserver"),
        "help",
        "check this machine's network",
    );
    assert_eq!(told.check("clock")["ok"], Value::Null);
    assert_eq!(told.check("speaker")["ok"], true);
    // It takes requests, and that is all.
    let (machine, server) = at_a_hostile_homeserver();
    server.answer("/versions", silence());
    let told = doctor(&machine);
    assert_eq!((told.code, told.wrong()), (5, unreachable));
}

#[test]
fn clocks_that_differ_by_more_than_calls_tolerate_are_said_to() {
    let (machine, front) = behind_a_front();
    let versions = r#"{"versions":["v1.11"]}"#;
    let dated = |date: &str| {
        let head = format!("200 OK\r\nDate: {date}");
        front.answer("GET /_matrix/client/versions", &head, versions);
    };
    for (date, words) in [
        (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "days ahead of the homeserver's",
        ),
        (
            "Sun, 06 Nov 2094 08:49:37 GMT",
            "days behind the homeserver's",
        ),
    ] {
        dated(date);
        let told = doctor(&machine);
        let wrong = told.wrong();
        // Whose clock is wrong is seen by whether this machine's follows another.
        let (kind, code) = (wrong[0].1, told.code);
        assert!(
            [("clock_wrong", 6), ("homeserver_fault", 5)].contains(&(kind, code)),
            "{wrong:?}"
        );
        assert_eq!((wrong.len(), wrong[0].0), (1, "clock"));
        says(told.check("clock"), "message", words);
    }
    dated("yesterday");
    let told = doctor(&machine);
    assert_eq!((told.code, &told.check("clock")["ok"]), (0, &Value::Null));
}

#[test]
fn keys_that_others_are_not_given_are_missed() {
    let (machine, front) = behind_a_front();
    let upload = "POST /_matrix/client/v3/keys/upload";
    front.answer(upload, "200 OK", r#"{"one_time_key_counts":{}}"#);
    let told = doctor(&machine);
    assert_eq!(
        (told.code, told.wrong()),
        (5, vec![("one_time_keys", "homeserver_fault")])
    );
    assert_eq!(told.check("round_trip")["ok"], Value::Null);
    front.forget_answers();

    let query = "POST /_matrix/client/v3/keys/query";
    front.answer(query, "200 OK", r#"{"device_keys":{}}"#);
    let told = doctor(&machine);
    assert_eq!(told.code, 5);
    assert!(
        told.wrong().contains(&("device_keys", "homeserver_fault")),
        "{:?}",
        told.wrong()
    );
    front.forget_answers();

    // Somebody else's keys under our device's name.
    let account = doctor(&machine).check("account")["message"].clone();
    let (user, device) = account.as_str().unwrap().split_once(", device ").unwrap();
    let keys = json!({"device_keys": {user: {device: {
        "user_id": user, "device_id": device, "algorithms": [],
        "keys": {
            format!("curve25519:{device}"): "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            format!("ed25519:{device}"): "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        },
        "signatures": {},
    }}}});
    front.answer(query, "200 OK", &keys.to_string());
    let told = doctor(&machine);
    assert_eq!(told.code, 3, "{:#?}", told.checks);
    assert!(
        told.wrong().contains(&("device_keys", "key_mismatch")),
        "{:?}",
        told.wrong()
    );
}

#[test]
fn a_message_that_does_not_come_back_is_the_homeservers_fault() {
    let (machine, front) = behind_a_front();
    let send = "PUT /_matrix/client/v3/sendToDevice";
    front.answer(send, "200 OK", "{}");
    let told = doctor(&machine);
    assert_eq!(
        (told.code, told.wrong()),
        (5, vec![("round_trip", "homeserver_fault")])
    );
    says(told.check("round_trip"), "message", "did not deliver it");
}

#[test]
fn beside_a_listener_nothing_is_taken_from_it() {
    let (ada, bo) = User::acquainted();
    let mut listener = ada.talk(&["listen", "--answer", "contacts"]);
    listener.wait_for("ready");
    let told = doctor(&ada.machine);
    assert_eq!((told.code, told.wrong()), (0, Vec::new()));
    says(told.check("round_trip"), "message", "in use by process");
    assert_eq!(told.check("one_time_keys")["ok"], true);
    assert_eq!(told.check("device_keys")["ok"], true);
    let mut caller = bo.talk(&["call", "peer"]);
    listener.wait_for("connected");
    caller.wait_for("connected");
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    assert_eq!(listener.wait_for("ended")["reason"], "remote_hangup");
    listener.order("quit");
    assert_eq!(listener.end().0, 0);
}
