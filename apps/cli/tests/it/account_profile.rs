//! `account show`, `name`, `avatar`: what others are shown of an account, at a real homeserver.

use std::path::Path;
use std::process::Stdio;

use securecall_interop::{Synapse, SynapseOptions};
use serde_json::Value;

use crate::command::{Machine, bare_command, end, expect, text};
use crate::talker::User;

/// All pictures that a homeserver keeps.
fn kept(directory: &Path) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(kept(&path)),
            false => files.push(std::fs::read(path).unwrap()),
        }
    }
    files
}

#[test]
fn a_name_is_set_shown_and_removed_while_the_account_waits_for_calls() {
    let ada = User::new();
    let mut listener = ada.talk(&["listen"]);
    listener.wait_for("ready");
    let set = ada
        .machine
        .run(&["--json", "account", "name", "  Ada Lovelace ✨ "]);
    assert_eq!(set.code, 0, "{set:?}");
    assert!(
        set.stderr.contains("the name is public") && set.stderr.contains(&ada.matrix_id),
        "{set:?}"
    );
    let event = set.events().remove(0);
    assert_eq!(
        (&event["event"], &event["matrix_id"], &event["display_name"]),
        (
            &Value::from("public_profile"),
            &Value::from(ada.matrix_id.as_str()),
            &Value::from("Ada Lovelace ✨")
        )
    );
    assert_eq!(event["avatar"], Value::Null);
    for arguments in [&["account", "show"][..], &["account", "name"]] {
        let shown = ada.machine.run(arguments);
        let line = format!("{}\tAda Lovelace ✨\t-\n", ada.matrix_id);
        assert_eq!((shown.code, &shown.stdout), (0, &line));
        assert_eq!(shown.stderr, "", "nothing becomes public by a look");
    }
    // A name may look like an option.
    let dash = ada.machine.json(&["account", "name", "-a-"]).remove(0);
    assert_eq!(dash["display_name"], "-a-");
    let cleared = ada.machine.run(&["account", "name", "--clear"]);
    assert_eq!(cleared.stdout, format!("{}\t-\t-\n", ada.matrix_id));
    assert_eq!(cleared.stderr, "");
    listener.order("quit");
    assert_eq!(listener.end().0, 0);
}

#[test]
fn a_name_that_is_none_is_refused_before_anything_is_asked() {
    let machine = Machine::new();
    for (name, why) in [
        ("", "empty"),
        ("  ", "empty"),
        (&"x".repeat(257), "at most 256 characters"),
        ("Ada\nLovelace", "cannot be in a display name"),
        ("Ada\u{202e}", "cannot be in a display name"),
        ("A\u{200b}da", "cannot be in a display name"),
    ] {
        // There is neither a profile nor a passphrase.
        let mut command = bare_command();
        let profile = machine.profile();
        command.args([
            "--json",
            "--profile",
            text(&profile),
            "account",
            "name",
            name,
        ]);
        let error = expect(end(command.stdin(Stdio::null())).error(), 2, "usage");
        assert!(error["message"].as_str().unwrap().contains(why), "{error}");
        assert!(error["help"].is_string(), "{error}");
    }
    expect(
        machine.refused(&["account", "name", "Ada", "--clear"]),
        2,
        "usage",
    );
    let (machine, _) = Machine::with_identity();
    for arguments in [&["name", "Ada"][..], &["show"], &["avatar", "--clear"]] {
        let arguments = [&["account"], arguments].concat();
        expect(machine.refused(&arguments), 2, "no_account");
    }
}

#[test]
fn a_picture_is_given_to_the_homeserver_without_what_its_file_says_besides() {
    let options = SynapseOptions {
        media: true,
        ..SynapseOptions::default()
    };
    let synapse = Synapse::start(options).unwrap();
    let ada = User::of(&synapse);
    let png = ada.machine.file("ada.png", "");
    ada.machine.json(&["contact", "share", "--png", text(&png)]);
    let secret = b"Somewhere 7, first floor";
    let plain = std::fs::read(&png).unwrap();
    std::fs::write(&png, [&plain, &secret[..]].concat()).unwrap();

    let set = ada
        .machine
        .run(&["--json", "account", "avatar", text(&png)]);
    assert_eq!(set.code, 0, "{set:?}");
    assert!(set.stderr.contains("the picture is public"), "{set:?}");
    let event = set.events().remove(0);
    let address = event["avatar"].as_str().unwrap();
    let of_the_server = format!("mxc://{}/", synapse.server_name());
    assert!(address.starts_with(&of_the_server), "{event}");
    let shown = ada.machine.json(&["account", "show"]).remove(0);
    assert_eq!(shown["avatar"], address);
    let kept: Vec<_> = kept(&synapse.media_path());
    assert!(kept.iter().any(|file| file.starts_with(b"\x89PNG")));
    for file in &kept {
        assert!(!file.windows(secret.len()).any(|bytes| bytes == secret));
    }

    let cleared = ada
        .machine
        .json(&["account", "avatar", "--clear"])
        .remove(0);
    assert_eq!(cleared["avatar"], Value::Null);
}

#[test]
fn what_is_no_picture_goes_nowhere() {
    let ada = User::new();
    let machine = &ada.machine;
    let (png, svg) = (machine.file("a.png", ""), machine.file("a.svg", ""));
    let share = ["contact", "share", "--png", text(&png), "--svg", text(&svg)];
    machine.json(&share);
    let whole = std::fs::read(&png).unwrap();
    let cut = machine.file("cut.png", &whole[..whole.len() / 2]);
    let empty = machine.file("empty.png", "");
    let words = machine.file("words.png", "no picture at all");
    for (path, kind, why) in [
        (text(&svg), "invalid_picture", "an SVG picture"),
        (text(&cut), "invalid_picture", "the file ends early"),
        (text(&empty), "invalid_picture", "the file is empty"),
        (text(&words), "invalid_picture", "a text"),
        ("nowhere.png", "invalid_file", "there is no file"),
        ("/", "invalid_file", "is a directory"),
    ] {
        let error = expect(machine.refused(&["account", "avatar", path]), 2, kind);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(why) && message.contains(path), "{error}");
        let help = error["help"].as_str().unwrap();
        assert!(!help.contains("QR"), "{help}");
    }
    for wrong in [&["avatar"][..], &["avatar", "a.png", "--clear"]] {
        let wrong = [&["account"], wrong].concat();
        expect(machine.refused(&wrong), 2, "usage");
    }
    // This one keeps no pictures, and says so in its own words.
    let error = expect(
        machine.refused(&["account", "avatar", text(&png)]),
        5,
        "homeserver_fault",
    );
    assert!(error["message"].as_str().unwrap().contains("refused"));
    assert_eq!(machine.json(&["account", "show"])[0]["avatar"], Value::Null);
}
