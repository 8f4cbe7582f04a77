//! Calls through TURN servers, as settings and options say.

use securecall_interop::{Coturn, CoturnUsers};
use serde_json::Value;

use crate::talker::{Talker, User, last};

const SECRET: &str = "a secret of both";

fn coturn() -> Coturn {
    Coturn::start(CoturnUsers::SharedSecret(SECRET.to_owned()), &[]).unwrap()
}

fn talker(user: &User, coturn: &Coturn, arguments: &[&str]) -> Talker {
    let mut command = user.machine.command(arguments);
    command
        .env("SECURECALL_TURN", format!("turn:{}", coturn.address()))
        .env("SECURECALL_TURN_SECRET", SECRET);
    Talker::start(command)
}

#[test]
fn two_people_talk_by_relay() {
    let coturn = coturn();
    let (ada, bo) = User::acquainted();
    let listen = [
        "--json", "listen", "--answer", "contacts", "--once", "--route", "relay",
    ];
    let mut callee = talker(&bo, &coturn, &[&listen[..], SILENT].concat());
    callee.wait_for("ready");
    let call = [
        "--json",
        "call",
        "peer",
        "--route",
        "relay",
        "--duration",
        "1.5",
    ];
    let mut caller = talker(&ada, &coturn, &[&call[..], SILENT].concat());
    assert_eq!(caller.wait_for("connected")["route"], "relay");
    assert_eq!(callee.wait_for("connected")["route"], "relay");
    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &Value::from("local_hangup"))
    );
    assert_eq!(callee.end().0, 0);
}

#[test]
fn a_call_by_relay_without_one_is_refused_and_says_what_to_do() {
    let (ada, _) = User::acquainted();
    let call = ["--json", "call", "peer", "--route", "relay"];
    let mut caller = Talker::start(ada.machine.command(&[&call[..], SILENT].concat()));
    let error = caller.wait_for("error");
    assert_eq!(error["kind"], "no_relay");
    assert!(
        error["help"].as_str().unwrap().contains("`turn`"),
        "{error}"
    );
    assert_eq!(caller.end().0, 3);
}

#[test]
fn servers_without_credentials_and_texts_that_are_no_server_are_refused_before_anything_else() {
    let (ada, _) = User::acquainted();
    for (name, value, said) in [
        (
            "SECURECALL_TURN",
            "turn:turn.example.org",
            "'turn' needs 'turn_user'",
        ),
        ("SECURECALL_TURN", "turn.example.org", "begins with neither"),
        (
            "SECURECALL_STUN",
            "turn:turn.example.org",
            "does not begin with stun:",
        ),
        ("SECURECALL_TURN_SECRET", "swordfish", "'turn' names none"),
    ] {
        let call = ["--json", "call", "peer"];
        let mut command = ada.machine.command(&[&call[..], SILENT].concat());
        command.env(name, value);
        let mut caller = Talker::start(command);
        let error = caller.wait_for("error");
        assert_eq!(error["kind"], "invalid_config", "{name}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(said), "{message}");
        assert!(!message.contains("swordfish"), "{message}");
        assert_eq!(caller.end().0, 2, "{name}");
    }
}

const SILENT: &[&str] = &["--mic", "tone:300", "--speaker", "null"];
