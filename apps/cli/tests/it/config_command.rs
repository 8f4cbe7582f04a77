//! `config get`, `set`, `unset` and `list`.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::command::{Machine, end, end_with_input, expect};

const TEXT: &str = "\
# Written by hand.
domain = 'example.org' # home

# Who is answered:
answer = \"ask\"
";

fn written(machine: &Machine) -> String {
    fs::read_to_string(machine.profile().join("config.toml")).unwrap()
}

fn write(machine: &Machine, text: &str) {
    fs::write(machine.profile().join("config.toml"), text).unwrap();
}

/// What holds, and who says so.
fn got(machine: &Machine, key: &str) -> (Value, Value) {
    let mut setting = machine.json(&["config", "get", key]).remove(0);
    assert_eq!(
        (&setting["event"], &setting["key"]),
        (&"setting".into(), &key.into())
    );
    (setting["value"].take(), setting["source"].take())
}

fn is(value: &str, source: &str) -> (Value, Value) {
    (value.into(), source.into())
}

#[test]
fn a_setting_is_set_and_unset_and_all_else_in_the_file_stays() {
    let (machine, _) = Machine::with_identity();
    write(&machine, TEXT);
    assert_eq!(got(&machine, "answer"), is("ask", "file"));
    let set = machine.json(&["config", "set", "answer", "contacts"]);
    assert_eq!((set.len(), &set[0]["value"]), (1, &"contacts".into()));
    assert_eq!(written(&machine), TEXT.replace("\"ask\"", "\"contacts\""));
    machine.json(&["config", "set", "route", "relay"]);
    machine.json(&["config", "set", "mic", "-"]);
    assert_eq!(
        written(&machine),
        format!(
            "{}route = \"relay\"\nmic = \"-\"\n",
            TEXT.replace("\"ask\"", "\"contacts\"")
        )
    );
    assert_eq!(got(&machine, "answer"), is("contacts", "file"));
    let unset = machine.json(&["config", "unset", "answer"]);
    assert_eq!(
        (&unset[0]["value"], &unset[0]["source"]),
        (&"ask".into(), &"default".into())
    );
    machine.json(&["config", "unset", "mic"]);
    machine.json(&["config", "unset", "speaker"]);
    assert_eq!(
        written(&machine),
        format!(
            "{}route = \"relay\"\n",
            TEXT.replace("answer = \"ask\"\n", "")
        )
    );
    assert_eq!(
        machine.run(&["config", "get", "domain"]).stdout,
        "example.org\n"
    );
    assert_eq!(machine.run(&["config", "get", "stun"]).stdout, "");
}

#[test]
fn a_setting_can_be_made_before_there_is_a_profile() {
    let machine = Machine::new();
    machine.json(&["config", "unset", "domain"]);
    assert!(!machine.profile().exists(), "nothing was changed");
    machine.json(&["config", "set", "domain", "example.org"]);
    assert_eq!(written(&machine), "domain = \"example.org\"\n");
    let id = machine.json(&["id", "new"]).remove(0);
    let link = machine.json(&["contact", "share"]).remove(0);
    assert_eq!(
        link["https"],
        format!("https://example.org/add/#{}", id["id"].as_str().unwrap())
    );
}

#[test]
fn what_is_no_key_or_no_value_is_named_with_what_would_do_and_nothing_is_written() {
    let (machine, _) = Machine::with_identity();
    write(&machine, TEXT);
    for order in [
        &["get", "anwser"][..],
        &["set", "anwser", "ask"],
        &["unset", "anwser"],
    ] {
        let error = expect(machine.refused(&[&["config"], order].concat()), 2, "usage");
        assert_eq!(error["message"], "there is no setting 'anwser'");
        let help = error["help"].as_str().unwrap();
        assert!(help.starts_with("did you mean 'answer'?"), "{help}");
        assert!(help.contains("homeserver_turn"), "{help}");
    }
    for (key, value, said) in [
        (
            "answer",
            "never",
            "'answer': 'never' is not one of 'ask', 'contacts', 'auto'",
        ),
        ("mic", "voice.mp3", "names no microphone"),
        ("domain", "https://example.org", "a domain stands alone"),
        (
            "turn",
            "stun:a.example",
            "does not begin with turn: or turns:",
        ),
        ("turn_user", "", "must have 1 to 508 bytes"),
    ] {
        let error = expect(machine.refused(&["config", "set", key, value]), 2, "usage");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(said), "{message}");
    }
    expect(machine.refused(&["config", "set", "answer"]), 2, "usage");
    // Who names none is told where the names are.
    for command in ["get", "set", "unset"] {
        let error = expect(machine.refused(&["config", command]), 2, "usage");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("`securecall config list`"), "{message}");
        let people = machine.run(&["config", command]).stderr;
        assert!(people.contains("`securecall config list`"), "{people}");
    }
    assert_eq!(written(&machine), TEXT);
}

#[test]
fn a_change_never_makes_settings_that_no_command_can_read() {
    let (machine, _) = Machine::with_identity();
    machine.json(&["config", "set", "turn_user", "ada"]);
    let before = written(&machine);
    let refused = machine.refused(&["config", "set", "turn_secret", "swordfish"]);
    let error = expect(refused, 2, "invalid_config");
    assert!(!error.to_string().contains("swordfish"), "{error}");
    assert_eq!(written(&machine), before);
    // One in the environment and one in the file do not go together either.
    let mut command = machine.command(&["--json", "config", "set", "turn_password", "x"]);
    command
        .env("SECURECALL_TURN_SECRET", "swordfish")
        .stdin(Stdio::null());
    write(&machine, "");
    expect(end(&mut command).error(), 2, "invalid_config");
    assert_eq!(written(&machine), "");
}

#[test]
fn a_file_that_is_wrong_is_put_right_step_by_step() {
    let (machine, _) = Machine::with_identity();
    write(&machine, "anwser = 'ask'\nanswer = 'never'\nmic = 48000\n");
    expect(machine.refused(&["id", "show"]), 2, "invalid_config");
    expect(machine.refused(&["config", "list"]), 2, "invalid_config");
    expect(
        machine.refused(&["config", "get", "answer"]),
        2,
        "invalid_config",
    );
    machine.json(&["config", "unset", "anwser"]);
    machine.json(&["config", "set", "answer", "auto"]);
    expect(machine.refused(&["id", "show"]), 2, "invalid_config");
    machine.json(&["config", "set", "mic", "tone:440"]);
    assert_eq!(written(&machine), "answer = \"auto\"\nmic = \"tone:440\"\n");
    machine.json(&["id", "show"]);
    // What is no settings at all is left alone.
    write(&machine, "answer = \n");
    expect(
        machine.refused(&["config", "set", "answer", "ask"]),
        2,
        "invalid_config",
    );
    write(&machine, "[section]\n");
    expect(
        machine.refused(&["config", "set", "answer", "ask"]),
        2,
        "invalid_config",
    );
    assert_eq!(written(&machine), "[section]\n");
}

#[test]
fn a_list_has_every_setting_and_no_secret() {
    let (machine, _) = Machine::with_identity();
    machine.json(&["config", "set", "route", "direct"]);
    let mut command = machine.command(&["--json", "config", "set", "turn_secret"]);
    let set = end_with_input(&mut command, "swordfish\nwhat follows\n");
    assert!(
        set.code == 0 && !set.stdout.contains("swordfish"),
        "{set:?}"
    );
    assert_eq!(
        written(&machine),
        "route = \"direct\"\nturn_secret = \"swordfish\"\n"
    );

    let listed = machine.json(&["config", "list"]);
    let with = |key: &str| listed.iter().find(|setting| setting["key"] == key).unwrap();
    assert_eq!(listed.len(), 20);
    for setting in &listed {
        assert!(setting["about"].as_str().unwrap().len() > 9, "{setting}");
        assert_eq!(
            setting["secret"],
            ["turn_password", "turn_secret", "ghostnet_secret"]
                .contains(&setting["key"].as_str().unwrap())
        );
    }
    assert_eq!(
        (&with("route")["value"], &with("route")["source"]),
        (&"direct".into(), &"file".into())
    );
    assert_eq!(with("domain")["value"], "stealthx.tech");
    assert_eq!(
        (&with("loopback")["value"], &with("loopback")["source"]),
        (&"allow".into(), &"environment".into())
    );
    assert_eq!(
        (
            &with("turn_secret")["value"],
            &with("turn_secret")["source"]
        ),
        (&Value::Null, &"file".into())
    );
    assert_eq!(with("turn_password")["source"], "default");

    let lines = machine.run(&["config", "list"]).stdout;
    assert!(!lines.contains("swordfish"), "{lines}");
    assert_eq!(lines.lines().count(), 20);
    let line = |key: &str| {
        lines
            .lines()
            .find(|line| line.starts_with(&format!("{key}\t")))
            .unwrap()
    };
    assert!(
        line("turn_secret").starts_with("turn_secret\t-\tset\t"),
        "{lines}"
    );
    assert!(
        line("turn_password").starts_with("turn_password\t-\tdefault\t"),
        "{lines}"
    );
    assert!(
        line("answer").starts_with("answer\task\tdefault\t"),
        "{lines}"
    );
    // Whoever asks for it gets it.
    assert_eq!(
        machine.run(&["config", "get", "turn_secret"]).stdout,
        "swordfish\n"
    );
}

#[test]
fn who_sets_what_the_environment_overrides_is_told_so() {
    let (machine, _) = Machine::with_identity();
    let mut command = machine.command(&["--json", "config", "set", "answer", "auto"]);
    command
        .env("SECURECALL_ANSWER", "contacts")
        .stdin(Stdio::null());
    let set = end(&mut command);
    assert_eq!(set.code, 0, "{set:?}");
    assert!(
        set.stderr.contains("SECURECALL_ANSWER is set, and wins"),
        "{set:?}"
    );
    let setting = set.events().remove(0);
    assert_eq!(
        (&setting["value"], &setting["source"]),
        (&"contacts".into(), &"environment".into())
    );
    assert_eq!(written(&machine), "answer = \"auto\"\n");
}

#[test]
fn a_file_that_is_no_text_is_refused_by_what_reads_and_by_what_writes() {
    let (machine, _) = Machine::with_identity();
    let path = machine.profile().join("config.toml");
    fs::write(&path, b"answer = '\xff'\n").unwrap();
    for arguments in [
        &["config", "list"][..],
        &["config", "set", "answer", "ask"],
        &["config", "unset", "answer"],
    ] {
        let refused = machine.run(arguments);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.stderr.contains("UTF-8"), "{refused:?}");
    }
    assert_eq!(fs::read(&path).unwrap(), b"answer = '\xff'\n");
}
