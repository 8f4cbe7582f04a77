//! `id new`, `id show`, `id restore`.

use std::process::Stdio;

use serde_json::Value;

use crate::command::{Machine, files, pipe_without_reader};

#[test]
fn a_new_identity_has_an_id_and_a_phrase_and_is_shown_again() {
    let machine = Machine::new();
    let new = machine.json(&["id", "new"]);
    assert_eq!(new.len(), 1);
    assert_eq!(new[0]["event"], "identity");
    let id = new[0]["id"].as_str().unwrap();
    assert_eq!(id.len(), 56);
    assert_eq!(new[0]["phrase"].as_str().unwrap().split(' ').count(), 24);

    let shown = machine.json(&["id", "show"]);
    assert_eq!(shown[0]["id"], id);
    assert_eq!(shown[0].get("phrase"), None);
    assert_eq!(machine.run(&["id", "show"]).stdout, format!("{id}\n"));
}

#[test]
fn without_a_terminal_the_phrase_is_one_line_below_the_id() {
    let machine = Machine::new();
    let ended = machine.run(&["id", "new"]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{ended:?}");
    assert_eq!(lines[1].split(' ').count(), 24);
}

#[test]
fn the_phrase_brings_the_identity_back() {
    let machine = Machine::new();
    let new = machine.json(&["id", "new"]).remove(0);
    let phrase = new["phrase"].as_str().unwrap();
    let other = Machine::new();
    let written_otherwise = format!("  {}\n", phrase.to_uppercase().replace(' ', "\n"));
    let id = new["id"].as_str().unwrap();
    let numbered: String = phrase
        .split(' ')
        .enumerate()
        .map(|(index, word)| format!("{}. {word}\r\n", index + 1))
        .collect();
    // As it was printed, with the mark of an editor; numbered; with commas; and as JSON.
    let below_its_id = format!("\u{feff}{id}\n{phrase}\n");
    let with_commas = phrase.replace(' ', ", ");
    let as_json = new.to_string();
    for input in [
        phrase,
        &written_otherwise,
        &below_its_id,
        &numbered,
        &with_commas,
        &as_json,
        phrase,
    ] {
        let ended = other.run_with_input(&["--json", "id", "restore"], input);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(ended.events()[0]["id"], new["id"]);
        assert!(!ended.stdout.contains("phrase"));
    }
}

#[test]
fn a_wrong_phrase_is_named_by_what_is_wrong_and_nothing_is_written() {
    let machine = Machine::new();
    let good = ["abandon"; 23].join(" ") + " art";
    for (phrase, said) in [
        ("", "expected 24 words, got 0"),
        ("abandon ability", "expected 24 words, got 2"),
        (
            &good.replacen("abandon", "abandonned", 3),
            "word 1 is not in the word list",
        ),
        (&["abandon"; 24].join(" "), "the words do not fit together"),
    ] {
        let (code, error) = machine
            .run_with_input(&["--json", "id", "restore"], phrase)
            .error();
        assert_eq!((code, &error["kind"]), (2, &Value::from("invalid_phrase")));
        assert!(error["message"].as_str().unwrap().contains(said), "{error}");
    }
    assert!(files(&machine.profile()).is_empty());
    assert_eq!(machine.run_with_input(&["id", "restore"], &good).code, 0);
}

#[test]
fn an_identity_is_never_overwritten() {
    let (machine, id) = Machine::with_identity();
    let (code, error) = machine.refused(&["id", "new"]);
    assert_eq!((code, &error["kind"]), (2, &Value::from("identity_exists")));
    assert!(error["message"].as_str().unwrap().contains(&id));
    let other_phrase = ["abandon"; 23].join(" ") + " art";
    let (code, error) = machine
        .run_with_input(&["--json", "id", "restore"], &other_phrase)
        .error();
    assert_eq!((code, &error["kind"]), (2, &Value::from("identity_exists")));
    assert_eq!(machine.json(&["id", "show"])[0]["id"], id);
}

#[test]
fn an_identity_whose_phrase_nobody_could_read_is_not_made() {
    let machine = Machine::new();
    let status = machine
        .command(&["id", "new"])
        .stdin(Stdio::null())
        .stdout(pipe_without_reader())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(6));
    let (code, error) = machine.refused(&["id", "show"]);
    assert_eq!((code, &error["kind"]), (2, &Value::from("no_identity")));
    machine.json(&["id", "new"]);
}

#[test]
fn commands_that_need_an_identity_say_how_to_make_one() {
    let machine = Machine::new();
    let id = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";
    for arguments in [
        vec!["id", "show"],
        vec!["contact", "share"],
        vec!["contact", "list"],
        vec!["contact", "add", id],
        vec!["call", id],
        vec!["listen"],
        vec!["register", "--homeserver", "https://example.org"],
        vec!["logout"],
    ] {
        let (code, error) = machine.refused(&arguments);
        assert_eq!(
            (code, &error["kind"]),
            (2, &Value::from("no_identity")),
            "{arguments:?}"
        );
        assert!(
            error["help"]
                .as_str()
                .unwrap()
                .contains("securecall id new")
        );
    }
    assert!(files(&machine.profile()).is_empty());
}
