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
    let call = ["--json", "call", "peer", "--route", "relay"];
    let mut caller = talker(&ada, &coturn, &[&call[..], SILENT].concat());
    assert_eq!(caller.wait_for("connected")["route"], "relay");
    assert_eq!(callee.wait_for("connected")["route"], "relay");
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
            "set 'turn_user' and 'turn_password', or 'turn_secret'",
        ),
        ("SECURECALL_TURN", "turn.example.org", "begins with neither"),
        (
            "SECURECALL_STUN",
            "turn:turn.example.org",
            "does not begin with stun:",
        ),
        (
            "SECURECALL_TURN_SECRET",
            "swordfish",
            "'turn' names no server",
        ),
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

#[test]
fn settings_that_nothing_more_can_put_right_are_refused_by_every_command() {
    let machine = crate::command::Machine::new();
    let list = |variables: &[(&str, &str)]| {
        let mut command = machine.command(&["--json", "contact", "list"]);
        command.envs(variables.iter().copied());
        crate::command::end(&mut command)
    };
    let secret = ("SECURECALL_TURN_SECRET", "swordfish");
    let refused = list(&[secret, ("SECURECALL_TURN_USER", "ada")]);
    assert_eq!(refused.code, 2, "{refused:?}");
    let error = refused.events().remove(0);
    assert_eq!(error["kind"], "invalid_config");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("leave 'turn_user' out, or 'turn_secret'"),
        "{message}"
    );
    assert!(!message.contains("swordfish"), "{message}");
    let too_long = "a".repeat(509);
    for (key, value) in [
        ("SECURECALL_TURN_USER", too_long.as_str()),
        ("SECURECALL_TURN_PASSWORD", too_long.as_str()),
    ] {
        let refused = list(&[(key, value)]);
        assert_eq!(refused.code, 2, "{refused:?}");
        let message = refused.events()[0]["message"].to_string();
        assert!(
            message.contains(key) && !message.contains("aaaa"),
            "{message}"
        );
    }
    // One after the other, the rest can still come.
    for alone in [
        secret,
        ("SECURECALL_TURN_USER", "ada"),
        ("SECURECALL_TURN_PASSWORD", "swordfish"),
        ("SECURECALL_TURN", "turn:turn.example.org"),
    ] {
        let said = list(&[alone]);
        assert!(!format!("{said:?}").contains("invalid_config"), "{said:?}");
    }
}

/// By no option of either side, and though the one who is called answers everybody.
#[test]
fn people_who_are_no_contacts_of_each_other_talk_by_relay() {
    let coturn = coturn();
    let (ada, bo) = (User::new(), User::new());
    let listen = ["--json", "listen", "--answer", "auto", "--once"];
    let mut callee = talker(&bo, &coturn, &[&listen[..], SILENT].concat());
    callee.wait_for("ready");
    let call = ["--json", "call", &bo.matrix_id];
    let mut caller = talker(&ada, &coturn, &[&call[..], SILENT].concat());
    assert_eq!(caller.wait_for("connected")["route"], "relay");
    let connected = callee.wait_for("connected");
    assert_eq!(
        (&connected["route"], &connected["peer"]["name"]),
        (&Value::from("relay"), &Value::Null)
    );
    for side in [&mut caller, &mut callee] {
        side.wait_for("first_audio");
    }
    caller.order("hangup");
    assert_eq!((caller.end().0, callee.end().0), (0, 0));
}

#[test]
fn without_a_relay_of_their_own_a_stranger_is_called_directly_or_not_at_all() {
    let coturn = coturn();
    let (ada, bo) = (User::new(), User::new());
    let call = ["--json", "call", &bo.matrix_id];
    let mut refused = Talker::start(ada.machine.command(&[&call[..], SILENT].concat()));
    let error = refused.wait_for("error");
    assert_eq!(error["kind"], "no_relay");
    let help = error["help"].as_str().unwrap();
    for way_out in ["contact add", "`turn`", "--route direct"] {
        assert!(help.contains(way_out), "{help}");
    }
    assert_eq!(refused.end().0, 3);

    // The other side still tells nothing but the relay's address.
    let listen = ["--json", "listen", "--answer", "auto", "--once"];
    let mut callee = talker(&bo, &coturn, &[&listen[..], SILENT].concat());
    callee.wait_for("ready");
    let directly = [&call[..], &["--route", "direct"], SILENT].concat();
    let mut caller = Talker::start(ada.machine.command(&directly));
    caller.wait_for("connected");
    assert_eq!(callee.wait_for("connected")["route"], "relay");
    for side in [&mut caller, &mut callee] {
        side.wait_for("first_audio");
    }
    caller.order("hangup");
    assert_eq!((caller.end().0, callee.end().0), (0, 0));
}

const SILENT: &[&str] = &["--mic", "tone:300", "--speaker", "null"];
