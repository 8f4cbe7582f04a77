//! `config.toml`, the environment, and their order.

use std::fs;
use std::process::Stdio;

use crate::command::{Machine, end, expect};

const A: &str = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

#[test]
fn the_domain_is_for_addresses_that_name_none() {
    let (machine, id) = Machine::with_identity();
    fs::write(
        machine.profile().join("config.toml"),
        "domain = \"example.org\"\n",
    )
    .unwrap();
    assert_eq!(
        machine.json(&["contact", "add", A])[0]["matrix_id"],
        format!("@sc_{A}:example.org")
    );
    let link = machine.json(&["contact", "share"]).remove(0);
    assert_eq!(link["https"], format!("https://example.org/add/#{id}"));
}

#[test]
fn the_environment_wins_over_the_file() {
    let (machine, _) = Machine::with_identity();
    fs::write(
        machine.profile().join("config.toml"),
        "domain = \"file.example\"\n",
    )
    .unwrap();
    let mut command = machine.command(&["--json", "contact", "add", A]);
    command
        .env("SECURECALL_DOMAIN", "environment.example")
        .stdin(Stdio::null());
    assert_eq!(
        end(&mut command).events()[0]["matrix_id"],
        format!("@sc_{A}:environment.example")
    );
}

#[test]
fn what_is_wrong_in_the_file_is_named() {
    let (machine, _) = Machine::with_identity();
    for (text, said) in [
        ("anwser = \"ask\"", "unknown key 'anwser'"),
        (
            "answer = \"never\"",
            "'never' is not one of 'ask', 'contacts', 'auto'",
        ),
        ("mic = \"voice.mp3\"", "names no microphone"),
        ("mic = 48000", "'mic' must be a text in quotes"),
        ("domain = \"exa mple\"", "cannot be in a server name"),
        (
            "route = \"elsewhere\"",
            "'elsewhere' is not one of 'direct', 'relay', 'ghostnet'",
        ),
        ("domain = \n", "line 1"),
    ] {
        fs::write(machine.profile().join("config.toml"), text).unwrap();
        let error = expect(machine.refused(&["id", "show"]), 2, "invalid_config");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(said) && message.contains("config.toml"),
            "{message}"
        );
    }
    fs::write(machine.profile().join("config.toml"), "anwser = \"ask\"").unwrap();
    let error = expect(machine.refused(&["id", "show"]), 2, "invalid_config");
    assert!(
        error["help"]
            .as_str()
            .unwrap()
            .starts_with("did you mean 'answer'?")
    );
}

#[test]
fn what_is_wrong_in_the_environment_is_named() {
    let (machine, _) = Machine::with_identity();
    let mut command = machine.command(&["--json", "id", "show"]);
    command
        .env("SECURECALL_ANSWER", "maybe")
        .stdin(Stdio::null());
    let error = expect(end(&mut command).error(), 2, "invalid_config");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("SECURECALL_ANSWER: ")
    );
}
