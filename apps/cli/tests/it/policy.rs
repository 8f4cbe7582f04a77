//! Who may ring, who is blocked, and what calls must be like.

use std::process::Stdio;

use serde_json::Value;

use crate::command::{Machine, end, expect};
use crate::talker::{Talker, User, last};

const A: &str = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

fn contact(machine: &Machine, order: &[&str]) -> Value {
    let mut events = machine.json(&[&["contact"], order].concat());
    assert_eq!(events.len(), 1, "{order:?}: {events:?}");
    events.remove(0)
}

#[test]
fn a_contact_is_blocked_and_stays_so_until_that_is_undone() {
    let (machine, _) = Machine::with_identity();
    let added = contact(&machine, &["add", A, "--name", "Ada"]);
    assert_eq!(
        (&added["blocked"], &added["require"]),
        (&Value::Bool(false), &Value::Null)
    );
    expect(machine.refused(&["call", "Ada"]), 2, "no_account");
    let blocked = contact(&machine, &["block", "ada"]);
    assert_eq!(
        (&blocked["event"], &blocked["name"], &blocked["blocked"]),
        (&"contact".into(), &"Ada".into(), &Value::Bool(true))
    );
    assert_eq!(contact(&machine, &["list"])["blocked"], true);
    assert_eq!(contact(&machine, &["show", "Ada"])["blocked"], true);
    let line = machine.run(&["contact", "list"]).stdout;
    assert!(
        line.ends_with(&format!("\t{A}\tnot verified\tblocked\n")),
        "{line}"
    );
    // By name, by key, and by an address that holds it.
    for who in ["Ada", A, &format!("@sc_{A}:other.example")] {
        let error = expect(machine.refused(&["call", who]), 3, "blocked");
        let help = error["help"].as_str().unwrap();
        assert!(help.contains("`securecall contact unblock`"), "{help}");
    }
    // Whoever is removed, or added again, still does not ring.
    let removed = machine.run(&["contact", "remove", "Ada"]);
    assert!(removed.stderr.contains("Ada stays blocked"), "{removed:?}");
    expect(machine.refused(&["call", A]), 3, "blocked");
    let listed = machine.json(&["contact", "list"]);
    assert_eq!((listed.len(), &listed[0]["count"]), (2, &0.into()));
    assert_eq!(
        (&listed[1]["event"], &listed[1]["id"], &listed[1]["blocked"]),
        (&"person".into(), &A.into(), &Value::Bool(true))
    );
    assert_eq!(contact(&machine, &["add", A])["blocked"], true);
    assert_eq!(contact(&machine, &["unblock", A])["blocked"], false);
    assert_eq!(contact(&machine, &["list"])["blocked"], false);
    expect(machine.refused(&["call", A]), 2, "no_account");
}

#[test]
fn people_who_are_no_contacts_are_blocked_by_id_and_by_account() {
    let (machine, own) = Machine::with_identity();
    for who in [A, "@eve:example.org"] {
        let blocked = contact(&machine, &["block", who]);
        assert_eq!(
            (&blocked["event"], &blocked["blocked"]),
            (&"person".into(), &Value::Bool(true)),
            "{who}"
        );
        expect(machine.refused(&["call", who]), 3, "blocked");
    }
    assert_eq!(
        machine.run(&["contact", "list"]).stdout,
        format!(
            "-\t@sc_{A}:stealthx.tech\t{A}\tno contact\tblocked\n-\t@eve:example.org\t-\tno contact\tblocked\n"
        )
    );
    // Whoever becomes a contact is the same person.
    assert_eq!(
        contact(&machine, &["add", "@eve:example.org"])["blocked"],
        true
    );
    assert_eq!(contact(&machine, &["unblock", "eve"])["blocked"], false);
    assert_eq!(contact(&machine, &["unblock", A])["blocked"], false);
    assert_eq!(contact(&machine, &["show", A])["blocked"], false);
    assert_eq!(
        contact(&machine, &["list"])["matrix_id"],
        "@eve:example.org"
    );
    expect(machine.refused(&["contact", "block", &own]), 2, "usage");
    expect(
        machine.refused(&["contact", "block", "Zoe"]),
        2,
        "unknown_contact",
    );
}

#[test]
fn the_strictest_of_what_is_required_holds() {
    let (machine, _) = Machine::with_identity();
    contact(&machine, &["add", "@bo:example.org", "--name", "Bo"]);
    let called = |option: &[&str], variable: &str| {
        let mut command = machine.command(&[&["--json", "call", "Bo"], option].concat());
        command
            .env("SECURECALL_REQUIRE", variable)
            .stdin(Stdio::null());
        end(&mut command).error().1["kind"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    // Where a call may be placed, the account is what is missing.
    let (low, none, may) = ("tier_too_low", "no_securecall_device", "no_account");
    assert_eq!(called(&[], ""), none);
    assert_eq!(called(&["--require", "any"], "securecall"), low);
    for (required, asked, unasked) in [
        ("securecall", low, low),
        ("any", may, may),
        ("default", may, none),
    ] {
        let bo = contact(&machine, &["require", "Bo", required]);
        let shown = if required == "default" {
            Value::Null
        } else {
            required.into()
        };
        assert_eq!(bo["require"], shown);
        assert_eq!(called(&["--require", "any"], "any"), asked, "{required}");
        assert_eq!(called(&["--require", "securecall"], ""), low);
        assert_eq!(called(&["--require", "any"], ""), asked, "{required}");
        assert_eq!(called(&[], "any"), unasked, "{required}");
    }
    contact(&machine, &["require", "Bo", "securecall"]);
    let line = machine.run(&["contact", "list"]).stdout;
    assert_eq!(
        line,
        "Bo\t@bo:example.org\t-\tno key\trequires securecall\n"
    );
    contact(&machine, &["require", "Bo", "any"]);
    machine.json(&["config", "set", "require", "securecall"]);
    assert_eq!(called(&["--require", "any"], "any"), low);
    expect(
        machine.refused(&["contact", "require", "Bo", "matrix"]),
        2,
        "usage",
    );
    expect(
        machine.refused(&["contact", "require", A, "any"]),
        2,
        "unknown_contact",
    );
}

/// A call of `caller` that the listener refuses, and why.
fn refused_call(caller: &User, listener: &mut Talker) -> Value {
    let mut call = caller.talk(&["call", "peer"]);
    call.wait_for("dialing");
    let refused = listener.wait_for("refused");
    call.order("quit");
    let (_, events) = call.end();
    assert!(
        events.iter().all(|event| event["event"] != "ringing"),
        "{events:?}"
    );
    refused
}

#[test]
fn calls_of_somebody_who_is_blocked_are_told_and_do_not_ring_and_then_they_do() {
    let (ada, bo) = User::acquainted();
    bo.machine.json(&["contact", "block", "peer"]);
    let mut listener = bo.talk(&["listen", "--answer", "auto"]);
    listener.wait_for("ready");
    let refused = refused_call(&ada, &mut listener);
    assert_eq!(
        (&refused["why"], &refused["calls"], &refused["peer"]["name"]),
        (&"blocked".into(), &1.into(), &"peer".into())
    );
    listener.order("call peer");
    assert_eq!(listener.wait_for("error")["kind"], "blocked");
    // It is known within a second, while it listens.
    bo.machine.json(&["contact", "unblock", "peer"]);
    let told = loop {
        listener.order("call peer");
        let told = listener.wait_for_any(&["error", "dialing"]);
        if told["kind"] != "blocked" {
            break told;
        }
    };
    assert_eq!(told["event"], "dialing");
    listener.order("quit");
    let (_, events) = listener.end();
    assert!(
        events.iter().all(|event| event["event"] != "incoming"),
        "{events:?}"
    );
}

#[test]
fn where_nobody_may_ring_calls_are_told_and_do_not_ring() {
    let (ada, bo) = User::acquainted();
    bo.machine.json(&["config", "set", "ring", "nobody"]);
    let mut listener = bo.talk(&["listen", "--answer", "auto"]);
    listener.wait_for("ready");
    let refused = refused_call(&ada, &mut listener);
    assert_eq!(refused["why"], "ring_policy");
    listener.order("quit");
    let warned = listener.end_with_log();
    assert!(
        warned.contains("nobody rings and nobody is answered"),
        "{warned}"
    );
}

#[test]
fn where_contacts_may_ring_they_do() {
    let (ada, bo) = User::acquainted();
    bo.machine.json(&["config", "set", "ring", "contacts"]);
    let mut listener = bo.talk(&["listen", "--answer", "contacts", "--once"]);
    listener.wait_for("ready");
    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("connected");
    listener.wait_for("connected");
    caller.order("hangup");
    let (code, events) = caller.end();
    assert_eq!(
        (code, &last(&events, "ended")["reason"]),
        (0, &"local_hangup".into())
    );
    assert_eq!(listener.end().0, 0);
}
