//! Calls through two relays of GhostNet, which run as operators run them.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use securecall_interop::GhostNetRelays;
use serde_json::Value;

use crate::command::beside;
use crate::talker::{Talker, User, last};

const SILENT: [&str; 4] = ["--mic", "tone:440", "--speaker", "null"];

/// The relay daemon.
pub(crate) fn daemon() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| beside("securecall-relay"));
    &PROGRAM
}

pub(crate) fn relays(count: usize) -> GhostNetRelays {
    GhostNetRelays::start(daemon(), count).unwrap()
}

pub(crate) fn talker(user: &User, relays: &GhostNetRelays, arguments: &[&str]) -> Talker {
    let mut command = user
        .machine
        .command(&[&["--json"], arguments, &SILENT].concat());
    command.envs(relays.environment());
    Talker::start(command)
}

#[test]
fn two_people_talk_through_ghostnet() {
    let relays = relays(2);
    let (ada, bo) = User::acquainted();
    let listen = [
        "listen", "--answer", "contacts", "--once", "--route", "ghostnet",
    ];
    let mut callee = talker(&bo, &relays, &listen);
    callee.wait_for("ready");
    let mut caller = talker(&ada, &relays, &["call", "peer", "--route", "ghostnet"]);
    for side in [&mut caller, &mut callee] {
        let [carried, connected] = side.wait_for_each(["relays", "connected"]);
        let operators = [&carried["entry"], &carried["exit"]];
        assert_ne!(operators[0], operators[1]);
        assert_eq!(connected["route"], "ghostnet");
        assert_eq!([&connected["entry"], &connected["exit"]], operators);
    }
    for side in [&mut caller, &mut callee] {
        side.wait_for("first_audio");
    }
    caller.order("hangup");
    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &Value::from("local_hangup"))
    );
    assert_eq!(callee.end().0, 0);
}

#[test]
fn one_of_two_may_take_ghostnet() {
    let relays = relays(2);
    let (ada, bo) = User::acquainted();
    let listen = ["listen", "--answer", "contacts", "--once"];
    let mut callee = talker(&bo, &relays, &listen);
    callee.wait_for("ready");
    let mut caller = talker(&ada, &relays, &["call", "peer", "--route", "ghostnet"]);
    assert_eq!(caller.wait_for("connected")["route"], "ghostnet");
    // What it sees is the exit: an address at a relay of the other.
    let connected = callee.wait_for("connected");
    assert_eq!(connected["route"], "relay");
    assert!(connected["entry"].is_null() && connected["exit"].is_null());
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    assert_eq!(callee.end().0, 0);
}

#[test]
fn without_relays_a_call_by_ghostnet_is_refused_and_no_other_route_stands_in() {
    let (ada, _) = User::acquainted();
    let call = ["--json", "call", "peer", "--route", "ghostnet"];
    let mut caller = Talker::start(ada.machine.command(&[&call[..], &SILENT].concat()));
    let error = caller.wait_for("error");
    assert_eq!(error["kind"], "no_relay");
    assert!(
        error["help"]
            .as_str()
            .unwrap()
            .contains("`ghostnet_directory`"),
        "{error}"
    );
    assert_eq!(caller.end().0, 3);
}

#[test]
fn list_and_key_are_set_one_after_the_other_and_both_are_needed_for_a_call() {
    let (ada, _) = User::acquainted();
    let relays = "https://relays.example.org/relays.json";
    let refused = |missing: &str| {
        let error = ada
            .machine
            .refused(&["call", "peer", "--route", "ghostnet"]);
        let error = crate::command::expect(error, 2, "invalid_config");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(missing), "{message}");
    };
    ada.machine
        .json(&["config", "set", "ghostnet_directory", relays]);
    refused("'ghostnet_key' is not");
    let key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    ada.machine.json(&["config", "set", "ghostnet_key", key]);
    ada.machine.json(&["config", "unset", "ghostnet_directory"]);
    refused("'ghostnet_directory' is not");
}

#[test]
fn one_operator_alone_carries_no_call() {
    let relays = relays(1);
    let (ada, _) = User::acquainted();
    let mut caller = talker(&ada, &relays, &["call", "peer", "--route", "ghostnet"]);
    assert_eq!(caller.wait_for("error")["kind"], "no_relay");
    assert_eq!(caller.end().0, 3);
}

#[test]
fn a_call_goes_on_through_another_exit_when_its_own_dies() {
    let mut relays = relays(3);
    let (ada, bo) = User::acquainted();
    let listen = ["listen", "--answer", "contacts", "--once"];
    let mut callee = talker(&bo, &relays, &listen);
    callee.wait_for("ready");
    let mut caller = talker(&ada, &relays, &["call", "peer", "--route", "ghostnet"]);
    caller.wait_for_each(["relays", "connected"]);
    for side in [&mut caller, &mut callee] {
        side.wait_for("first_audio");
    }
    // Others may carry it by now than when it was connected.
    let first = caller.newest("relays");
    relays.kill(first["exit"].as_str().unwrap());
    // The same may be told again before others carry the call.
    let second = loop {
        let now = caller.wait_for("relays");
        if now["exit"] != first["exit"] {
            break now;
        }
    };
    assert_eq!(second["entry"], first["entry"]);
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    assert_eq!(callee.end().0, 0);
}
