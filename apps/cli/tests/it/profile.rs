//! The profile: its key, its locks, damage.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::command::{Machine, bare_command, end, end_with_input, expect, files, text};
use crate::profile_key::NEWEST;

#[test]
fn without_any_key_nothing_is_written() {
    let machine = Machine::new();
    let mut command = bare_command();
    command
        .args(["--json", "--profile", text(&machine.profile()), "id", "new"])
        .stdin(Stdio::null());
    let error = expect(end(&mut command).error(), 6, "no_key");
    assert!(
        error["help"]
            .as_str()
            .unwrap()
            .contains("SECURECALL_PASSPHRASE_FILE")
    );
    assert!(files(&machine.profile()).is_empty());
    let mut command = bare_command();
    command.args([
        "--json",
        "--profile",
        text(&machine.profile()),
        "id",
        "restore",
    ]);
    let phrase = ["abandon"; 23].join(" ") + " art";
    expect(end_with_input(&mut command, &phrase).error(), 6, "no_key");
    assert!(files(&machine.profile()).is_empty());
}

#[test]
fn an_existing_profile_without_its_passphrase_stays_closed() {
    let (machine, _) = Machine::with_identity();
    let mut command = bare_command();
    command
        .args([
            "--json",
            "--profile",
            text(&machine.profile()),
            "id",
            "show",
        ])
        .stdin(Stdio::null());
    expect(end(&mut command).error(), 6, "no_key");
}

#[test]
fn a_keyring_that_is_not_there_is_passed_over_quietly() {
    let machine = Machine::new();
    let mut command = bare_command();
    command
        .args(["--json", "--profile", text(&machine.profile()), "id", "new"])
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
        .stdin(Stdio::null());
    let ended = end(&mut command);
    expect(ended.error(), 6, "no_key");
    assert_eq!(ended.stderr.matches("error").count(), 1, "{ended:?}");
}

#[test]
fn no_secret_is_readable_in_the_profile() {
    let machine = Machine::new();
    let new = machine.json(&["id", "new"]).remove(0);
    machine.json(&[
        "contact",
        "add",
        "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab",
        "--name",
        "Secret Friend",
    ]);
    for name in files(&machine.profile()) {
        let bytes = fs::read(machine.profile().join(&name)).unwrap();
        let content = String::from_utf8_lossy(&bytes);
        for secret in [
            new["id"].as_str().unwrap(),
            "Secret Friend",
            "dwh7yhpe",
            "correct horse",
        ] {
            assert!(!content.contains(secret), "{secret} in {name}");
        }
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_profile() {
    use std::os::unix::fs::PermissionsExt as _;
    let (machine, _) = Machine::with_identity();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&machine.profile()), 0o700);
    for name in files(&machine.profile()) {
        assert_eq!(mode(&machine.profile().join(&name)), 0o600, "{name}");
    }
}

#[test]
fn a_wrong_passphrase_is_told_from_a_damaged_store() {
    let (machine, _) = Machine::with_identity();
    let mut command = machine.command(&["--json", "id", "show"]);
    command
        .env("SECURECALL_PASSPHRASE", "battery staple")
        .stdin(Stdio::null());
    expect(end(&mut command).error(), 6, "wrong_passphrase");

    let store = machine.profile().join("profile.json");
    let good = fs::read_to_string(&store).unwrap();
    let mut value: Value = serde_json::from_str(&good).unwrap();
    let sealed = value["sealed"].as_str().unwrap().to_owned();
    let flipped = if sealed.as_bytes()[60] == b'A' {
        "B"
    } else {
        "A"
    };
    value["sealed"] = json!(format!("{}{flipped}{}", &sealed[..60], &sealed[61..]));
    let cut = &good[..good.len() / 2];
    for damaged in [
        value.to_string().as_str(),
        cut,
        "",
        "\0\0\0",
        "{}",
        "[]",
        &good.replace("\"sealed\"", "\"saeled\""),
    ] {
        fs::write(&store, damaged).unwrap();
        let error = expect(machine.refused(&["id", "show"]), 6, "damaged_store");
        assert!(error["help"].as_str().unwrap().contains("id restore"));
        // Nothing is made in its place.
        expect(machine.refused(&["id", "new"]), 6, "damaged_store");
        assert_eq!(fs::read_to_string(&store).unwrap(), damaged);
    }
    fs::write(&store, good).unwrap();
    machine.json(&["id", "show"]);
}

#[test]
fn a_newer_store_is_refused_and_left_alone() {
    let (machine, _) = Machine::with_identity();
    let store = machine.profile().join("profile.json");
    let mut value: Value = serde_json::from_str(&fs::read_to_string(&store).unwrap()).unwrap();
    value["securecall_profile"] = json!(NEWEST + 1);
    value["something"] = json!("new");
    fs::write(&store, value.to_string()).unwrap();
    for arguments in [["id", "show"], ["id", "new"], ["contact", "list"]] {
        let error = expect(machine.refused(&arguments), 6, "newer_store");
        assert!(
            error["help"]
                .as_str()
                .unwrap()
                .starts_with("update securecall")
        );
    }
    assert_eq!(fs::read_to_string(&store).unwrap(), value.to_string());
}

#[test]
fn the_passphrase_file_wins_and_its_line_break_does_not_count() {
    let machine = Machine::new();
    let file = machine.file("passphrase", "correct horse\n");
    let mut command = machine.command(&["--json", "id", "new"]);
    command
        .env("SECURECALL_PASSPHRASE_FILE", &file)
        .env("SECURECALL_PASSPHRASE", "something else")
        .stdin(Stdio::null());
    assert_eq!(end(&mut command).code, 0);
    machine.json(&["id", "show"]);
}

#[test]
fn a_passphrase_that_is_missing_or_empty_is_said_so() {
    let machine = Machine::new();
    let empty = machine.file("empty", "\n");
    let missing = machine.profile().join("nowhere");
    for (path, kind) in [(&empty, "invalid_config"), (&missing, "invalid_file")] {
        let mut command = machine.command(&["--json", "id", "new"]);
        command
            .env("SECURECALL_PASSPHRASE_FILE", path)
            .stdin(Stdio::null());
        let error = expect(end(&mut command).error(), 2, kind);
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .starts_with("SECURECALL_PASSPHRASE_FILE")
        );
        // Somebody who has set it once and forgotten is not left with the name of a file.
        let help = error["help"].as_str().unwrap_or_default();
        assert!(help.contains("leave the variable out"), "{help}");
    }
    let mut command = machine.command(&["--json", "id", "new"]);
    command
        .env("SECURECALL_PASSPHRASE", "")
        .stdin(Stdio::null());
    expect(end(&mut command).error(), 2, "invalid_config");
    assert!(files(&machine.profile()).is_empty());
}

#[test]
fn a_profile_that_cannot_be_written_is_said_so() {
    let machine = Machine::new();
    let file = machine.file("file", "");
    let directory = file.join("profile");
    let mut command = bare_command();
    command
        .args(["--json", "--profile", text(&directory), "id", "new"])
        .env("SECURECALL_PASSPHRASE", "x")
        .stdin(Stdio::null());
    expect(end(&mut command).error(), 6, "storage_failed");
}

#[test]
fn a_profile_below_a_file_is_refused_with_the_name_of_the_file() {
    let mut command = bare_command();
    command.args(["--profile", "/dev/null", "id", "show"]);
    let refused = end(command.stdin(Stdio::null()));
    assert_eq!(refused.code, 6, "{refused:?}");
    let said = "error: /dev/null is not a directory";
    assert!(refused.stderr.contains(said), "{refused:?}");
}

#[test]
fn the_profile_directory_may_come_from_the_environment() {
    let (machine, id) = Machine::with_identity();
    let mut command = bare_command();
    command
        .args(["id", "show"])
        .env("SECURECALL_PROFILE", machine.profile())
        .env("SECURECALL_PASSPHRASE", "correct horse")
        .stdin(Stdio::null());
    assert_eq!(end(&mut command).stdout, format!("{id}\n"));
}

#[test]
fn two_processes_that_change_the_profile_at_once_lose_nothing() {
    let (machine, _) = Machine::with_identity();
    let ids = [
        "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab",
        "@bo:example.org",
        "@cy:example.org",
        "@di:example.org",
    ];
    let add = |id: &str| {
        machine
            .command(&["contact", "add", id])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = ids.map(add).into_iter().collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(machine.json(&["contact", "list"]).len(), ids.len());
}
