//! Contacts that are renamed, verified by what the other person shows or reads aloud, or during a call.

use serde_json::Value;

use crate::command::{Machine, expect, text};
use crate::pseudo_terminal::PseudoTerminal;
use crate::talker::User;

const A: &str = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

fn verified(machine: &Machine, index: usize) -> Value {
    machine.json(&["contact", "list"])[index]["verified"].clone()
}

#[test]
fn a_contact_is_verified_by_what_they_show_or_read_aloud_and_by_nothing_else() {
    let (ada, ada_id) = Machine::with_identity();
    let (eve, eve_id) = Machine::with_identity();
    let (bo, _) = Machine::with_identity();
    let (shown, other) = (bo.file("ada.png", ""), bo.file("eve.png", ""));
    ada.json(&["contact", "share", "--png", text(&shown)]);
    eve.json(&["contact", "share", "--png", text(&other)]);
    bo.json(&["contact", "add", &ada_id, "--name", "Ada"]);

    for proof in [["--qr", text(&other)], ["--id", &eve_id]] {
        let refused = bo.refused(&[&["contact", "verify", "Ada"], &proof[..]].concat());
        let error = expect(refused, 3, "key_mismatch");
        assert!(
            error["message"].as_str().unwrap().contains(&eve_id),
            "{error}"
        );
        assert_eq!(verified(&bo, 0), false);
    }
    let mistyped = format!("{}a", &ada_id[..55]);
    expect(
        bo.refused(&["contact", "verify", "Ada", "--id", &mistyped]),
        2,
        "invalid_id",
    );
    expect(bo.refused(&["contact", "verify", "Ada"]), 2, "usage");
    expect(
        bo.refused(&["contact", "verify", "Eve", "--id", &eve_id]),
        2,
        "unknown_contact",
    );

    let aloud: String = ada_id
        .to_uppercase()
        .as_bytes()
        .chunks(4)
        .map(|group| format!("{} ", String::from_utf8_lossy(group)))
        .collect();
    let invisible = format!("\u{feff}{}\u{200b}{}", &ada_id[..9], &ada_id[9..]);
    for proof in [
        ["--qr", text(&shown)],
        ["--id", &ada_id],
        ["--id", &aloud],
        ["--id", &invisible],
    ] {
        let done = bo.json(&[&["contact", "verify", "Ada"], &proof[..]].concat());
        assert_eq!(done[0]["verified"], true);
        assert_eq!(verified(&bo, 0), true);
        assert_eq!(
            bo.json(&["contact", "unverify", "Ada"])[0]["verified"],
            false
        );
    }
}

#[test]
fn an_account_without_a_key_can_never_be_verified() {
    let (machine, _) = Machine::with_identity();
    let added = machine
        .json(&["contact", "add", "@bo:example.org"])
        .remove(0);
    assert_eq!(
        (&added["id"], &added["verified"]),
        (&Value::Null, &Value::from(false))
    );
    expect(
        machine.refused(&["contact", "verify", "bo", "--id", A]),
        2,
        "key_unknown",
    );
    let shown = machine.run(&["contact", "list"]).stdout;
    assert!(shown.ends_with("\t-\tno key\n"), "{shown}");
}

#[test]
fn a_new_name_is_kept_and_a_taken_or_deceiving_one_is_refused() {
    let (machine, _) = Machine::with_identity();
    machine.json(&["contact", "add", A, "--name", "Ada"]);
    machine.json(&["contact", "add", "@bo:example.org"]);
    assert_eq!(
        machine.json(&["contact", "rename", "ada", "Ada L"])[0]["name"],
        "Ada L"
    );
    expect(
        machine.refused(&["contact", "rename", "bo", "ADA L"]),
        2,
        "name_in_use",
    );
    expect(machine.refused(&["contact", "rename", "bo", A]), 2, "usage");
    expect(
        machine.refused(&["contact", "rename", "bo", "\u{202e}"]),
        2,
        "usage",
    );
    expect(
        machine.refused(&["contact", "rename", "Eve", "x"]),
        2,
        "unknown_contact",
    );
    // In another case it is still the same name.
    assert_eq!(
        machine.json(&["contact", "rename", "ada l", "ADA L"])[0]["name"],
        "ADA L"
    );
}

#[test]
fn the_key_of_a_known_name_or_account_is_not_replaced() {
    let (machine, _) = Machine::with_identity();
    let (_, other) = Machine::with_identity();
    machine.json(&[
        "contact",
        "add",
        &format!("securecall://contact/{A}?mxid=@ada:example.org&name=Ada"),
    ]);
    machine.json(&["contact", "verify", "Ada", "--id", A]);
    for query in [
        "name=Ada",
        "name=ada",
        "mxid=@ada:example.org",
        "mxid=@ada:example.org&name=Other",
    ] {
        let link = format!("securecall://contact/{other}?{query}");
        let error = expect(
            machine.refused(&["contact", "add", &link]),
            3,
            "key_mismatch",
        );
        assert!(error["help"].as_str().unwrap().contains("ask"), "{error}");
    }
    let contacts = machine.json(&["contact", "list"]);
    assert_eq!(
        (contacts.len(), &contacts[0]["id"], &contacts[0]["verified"]),
        (1, &Value::from(A), &Value::from(true))
    );
}

#[test]
fn the_safety_words_of_a_call_verify_a_contact() {
    let (ada, bo) = User::acquainted();
    let mut callee = bo.talk(&["listen", "--answer", "contacts", "--once"]);
    callee.wait_for("ready");
    let mut caller = ada.talk(&["call", "peer"]);
    caller.order("verify");
    // Not before there are words to compare.
    assert_eq!(caller.wait_for("error")["kind"], "not_now");
    let connected = caller.wait_for("connected");
    assert_eq!(connected["peer"]["verified"], false);
    callee.wait_for("connected");
    caller.order("verify");
    let contact = caller.wait_for("contact");
    assert_eq!(
        (&contact["id"], &contact["verified"]),
        (&Value::from(bo.id.as_str()), &Value::from(true))
    );
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    assert_eq!(callee.end().0, 0);
    assert_eq!(verified(&ada.machine, 0), true);
    assert_eq!(
        verified(&bo.machine, 0),
        false,
        "each side compares for itself"
    );

    // The next call says so, and at a terminal the key is there for it.
    let mut callee = bo.talk(&["listen", "--answer", "contacts", "--once"]);
    callee.wait_for("ready");
    let audio = ["--mic", "null", "--speaker", "null"];
    let mut caller = PseudoTerminal::run(
        ada.machine
            .command(&[&["call", "peer"], &audio[..]].concat()),
    );
    caller.wait_for("✓ verified");
    let shown = caller.wait_for("Safety words");
    assert!(!shown.contains("words are the same"), "{shown}");
    // A call that is hung up before this side is connected, too, is missed.
    let connected = callee.wait_for("connected");
    caller.press("q");
    assert_eq!(caller.end().0, 0);
    assert_eq!(callee.end().0, 0);
    assert_eq!(connected["peer"]["verified"], false);
}

#[test]
fn at_a_terminal_v_verifies_after_the_words_were_compared() {
    let (ada, bo) = User::acquainted();
    let mut callee = bo.talk(&["listen", "--answer", "contacts", "--once"]);
    callee.wait_for("ready");
    let audio = ["--mic", "null", "--speaker", "null"];
    let mut caller = PseudoTerminal::run(
        ada.machine
            .command(&[&["call", "peer"], &audio[..]].concat()),
    );
    caller.wait_for("words are the same");
    callee.wait_for("connected");
    assert_eq!(verified(&ada.machine, 0), false);
    caller.press("v");
    caller.wait_for("✓ verified");
    caller.press("q");
    assert_eq!(caller.end().0, 0);
    assert_eq!(callee.end().0, 0);
    assert_eq!(verified(&ada.machine, 0), true);
}

#[test]
fn a_stranger_is_not_verified_by_a_call() {
    let (ada, bo) = (User::new(), User::new());
    let mut callee = bo.talk(&["listen", "--answer", "auto", "--route", "direct"]);
    callee.wait_for("ready");
    let mut caller = ada.talk(&["call", &bo.matrix_id, "--route", "direct"]);
    caller.wait_for("connected");
    caller.order("verify");
    assert_eq!(caller.wait_for("error")["kind"], "not_now");
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    callee.order("quit");
    assert_eq!(callee.end().0, 0);
}
