//! What a link, a message or a picture may change of somebody who is known: nothing unasked, and no key at all without a person.

use serde_json::Value;

use crate::command::{Machine, expect, text};
use crate::desktop::Desktop;
use crate::pseudo_terminal::PseudoTerminal;

const A: &str = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";
const B: &str = "bnx4yyvsjcz2eur2lh4ololqz64k2vliophkyekjz6mx7ja2ej7osaib";

/// Ada is verified and at a.example, Bo has no key.
fn machine() -> Machine {
    let (machine, _) = Machine::with_identity();
    let ada = format!("securecall://contact/{A}?server=a.example");
    machine.json(&["contact", "add", &ada, "--name", "Ada"]);
    machine.json(&["contact", "verify", "Ada", "--id", A]);
    machine.json(&["contact", "add", "@bo:b.example", "--name", "Bo"]);
    machine
}

fn moved() -> String {
    format!("securecall://contact/{A}?server=c.example")
}

fn keyed() -> String {
    format!("securecall://contact/{B}?mxid=@bo:b.example")
}

/// Name, key, Matrix ID and mark of all contacts.
fn book(machine: &Machine) -> Vec<Value> {
    let contacts = machine.json(&["contact", "list"]).into_iter();
    contacts
        .map(|contact| {
            ["name", "id", "matrix_id", "verified"]
                .map(|field| contact[field].clone())
                .into_iter()
                .collect()
        })
        .collect()
}

#[test]
fn an_address_is_not_changed_unasked_and_the_option_says_what_it_was() {
    let machine = machine();
    let before = book(&machine);
    let in_a_message = format!("I have moved: {}, greetings", moved());
    for arguments in [
        &["contact", "add", &moved()][..],
        &["contact", "add", &in_a_message],
        &["contact", "add", "@cy:c.example", &moved()],
        &["open", &moved()],
    ] {
        let error = expect(machine.refused(arguments), 2, "needs_terminal");
        let message = error["message"].as_str().unwrap();
        for part in [":a.example", ":c.example", "verified"] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(book(&machine), before, "{arguments:?}");
    }
    let changed = machine.run(&["--json", "contact", "add", "--change-address", &moved()]);
    assert!(
        changed.stderr.contains(":a.example") && changed.stderr.contains("still verified"),
        "{changed:?}"
    );
    let event = &changed.events()[0];
    assert_eq!(event["matrix_id"], format!("@sc_{A}:c.example"));
    assert_eq!(event["verified"], true);
    assert_eq!(event["previous"]["matrix_id"], format!("@sc_{A}:a.example"));
    assert_eq!(event["previous"]["id"], A);
    // The same again changes nothing.
    let same = machine.json(&["contact", "add", &moved()]).remove(0);
    assert_eq!(same["previous"], Value::Null);
}

#[test]
fn no_option_gives_a_contact_a_key() {
    let machine = machine();
    let before = book(&machine);
    let in_a_message = format!("my new link: {}", keyed());
    for arguments in [
        &["contact", "add", &keyed()][..],
        &["contact", "add", "--change-address", &keyed()],
        &[
            "contact",
            "add",
            "--change-address",
            &keyed(),
            "--name",
            "Bo",
        ],
        &["contact", "add", &in_a_message],
        &["open", &keyed()],
    ] {
        let error = expect(machine.refused(arguments), 2, "needs_terminal");
        assert!(
            error["message"].as_str().unwrap().contains("bnx4 yyvs"),
            "{error}"
        );
        assert_eq!(book(&machine), before, "{arguments:?}");
    }
}

#[test]
fn two_links_in_one_message_do_not_do_together_what_neither_may() {
    let machine = machine();
    let before = book(&machine);
    // The first is new, and the second gives it a key.
    let message = format!("@cy:c.example and securecall://contact/{B}?mxid=@cy:c.example");
    expect(
        machine.refused(&["contact", "add", &message]),
        2,
        "needs_terminal",
    );
    // The key of one contact at the account of another.
    let both = format!("securecall://contact/{A}?mxid=@bo:b.example");
    let stolen = ["contact", "add", "--change-address", &both];
    expect(machine.refused(&stolen), 3, "key_mismatch");
    assert_eq!(book(&machine), before);
}

#[test]
fn a_picture_changes_nobody_unasked() {
    let (ada, ada_id) = Machine::with_identity();
    let (bo, _) = Machine::with_identity();
    let known = format!("securecall://contact/{ada_id}?server=a.example");
    bo.json(&["contact", "add", &known, "--name", "Ada"]);
    let picture = bo.file("code.png", "");
    ada.json(&["contact", "share", "--png", text(&picture)]);
    let before = book(&bo);
    expect(
        bo.refused(&["contact", "add", text(&picture)]),
        2,
        "needs_terminal",
    );
    assert_eq!(book(&bo), before);
}

#[test]
fn a_person_is_shown_from_what_to_what_and_no_answer_is_no() {
    let machine = machine();
    let before = book(&machine);
    for (command, link) in [
        ("open", moved()),
        ("open", keyed()),
        ("add", moved()),
        ("add", keyed()),
    ] {
        let arguments: &[&str] = match command {
            "open" => &["open", &link],
            _ => &["contact", "add", &link],
        };
        for answer in ["\n", "n\n"] {
            let mut asked = PseudoTerminal::run(machine.command(arguments));
            let shown = asked.wait_for("[y/N]");
            let parts = match link == moved() {
                true => [":a.example", ":c.example"],
                false => ["no key is known for @bo:b.example", "bnx4 yyvs"],
            };
            assert!(parts.iter().all(|part| shown.contains(part)), "{shown}");
            asked.press(answer);
            assert_eq!(asked.end().0, 0);
            assert_eq!(book(&machine), before);
        }
    }
    for link in [moved(), keyed()] {
        let mut asked = PseudoTerminal::run(machine.command(&["contact", "add", &link]));
        asked.wait_for("[y/N]");
        asked.press("y\n");
        assert_eq!(asked.end().0, 0);
    }
    let after = book(&machine);
    assert_eq!(after[0][2], format!("@sc_{A}:c.example"));
    assert_eq!(after[0][3], true);
    assert_eq!(after[1][1], B);
    assert_eq!(after[1][3], false);
}

#[test]
fn a_new_name_for_somebody_known_is_asked_about_at_a_terminal() {
    let machine = machine();
    let rename = ["contact", "add", A, "--name", "Bea"];
    let mut asked = PseudoTerminal::run(machine.command(&rename));
    asked.wait_for("Rename Ada to Bea?");
    asked.press("n\n");
    assert_eq!(asked.end().0, 0);
    assert_eq!(book(&machine)[0][0], "Ada");
    // Scripts give a name on purpose.
    let renamed = machine.json(&rename).remove(0);
    assert_eq!(renamed["previous"]["name"], "Ada");
}

#[test]
fn a_dialog_asks_about_a_change_and_its_default_is_no() {
    let open = ["open", "--desktop", &moved()];
    let machine = machine();
    let before = book(&machine);
    let nobody = Desktop::new();
    nobody.program("x-terminal-emulator", 1);
    assert_eq!(nobody.run(&machine, &open).code, 2);
    let cancels = Desktop::new();
    cancels.program("zenity", 1);
    assert_eq!(cancels.run(&machine, &open).code, 0);
    let asked = cancels.asked("zenity").join("\n");
    for part in [":a.example", ":c.example", "--default-cancel"] {
        assert!(asked.contains(part), "{asked}");
    }
    assert_eq!(book(&machine), before);
    let agrees = Desktop::new();
    agrees.program("zenity", 0);
    assert_eq!(agrees.run(&machine, &open).code, 0);
    assert!(agrees.asked("zenity").join("\n").contains("is @sc_"));
    assert_eq!(book(&machine)[0][2], format!("@sc_{A}:c.example"));
}
