//! What `init` writes, and what it leaves alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::process::{Diagnosis, Place};

/// Each file with what became of it.
fn states(output: &std::process::Output) -> Vec<(String, String)> {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let files = lines.filter(|line| line["type"] == "file");
    files
        .map(|file| {
            let text = |key: &str| file[key].as_str().unwrap().to_owned();
            (text("path"), text("state"))
        })
        .collect()
}

#[test]
fn a_second_run_changes_nothing_and_an_edited_file_is_left_alone() {
    let place = Place::new(&[]);
    let secrets = [
        "secret",
        "registration_secret",
        "turn_secret",
        "signing.key",
    ];
    let before = secrets.map(|name| place.read(name));
    let again = states(&place.init(&["--json"]));
    assert!(again.len() > 12, "{again:?}");
    assert!(again.iter().all(|(_, state)| state == "same"), "{again:?}");
    assert_eq!(secrets.map(|name| place.read(name)), before);

    let edited = place.path("synapse/log.yaml");
    fs::write(&edited, "root: {level: ERROR}\n").unwrap();
    // Another address: coturn's settings change, the log's do not.
    let after = states(&place.init(&["--json", "--address", "198.51.100.7"]));
    let state = |name: &str| {
        let file = after.iter().find(|(path, _)| path.ends_with(name));
        file.unwrap().1.clone()
    };
    assert_eq!(state("coturn/turnserver.conf"), "renewed");
    assert_eq!(state("relay/relay.toml"), "renewed");
    assert_eq!(state("synapse/log.yaml"), "kept");
    assert!(
        place
            .read("coturn/turnserver.conf")
            .contains("\nexternal-ip=198.51.100.7\n")
    );
    assert_eq!(
        fs::read_to_string(&edited).unwrap(),
        "root: {level: ERROR}\n"
    );

    fs::write(place.path("coturn/turnserver.conf"), "mine\n").unwrap();
    let after = states(&place.init(&["--json", "--address", "198.51.100.8"]));
    let file = after
        .iter()
        .find(|(path, _)| path.ends_with("turnserver.conf"));
    assert_eq!(file.unwrap().1, "edited");
    assert_eq!(place.read("coturn/turnserver.conf"), "mine\n");
    assert!(
        place
            .read("coturn/turnserver.conf.new")
            .contains("198.51.100.8")
    );
}

#[test]
fn secrets_and_what_holds_them_are_for_their_owner_alone() {
    for options in [["--homeserver", "synapse"], ["--homeserver", "dendrite"]] {
        let place = Place::new(&options);
        let words = ["registration_secret", "turn_secret", "secret"].map(|name| place.read(name));
        let mut pending = vec![place.path("")];
        let mut count = 0;
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                if words.iter().any(|word| text.contains(word.trim()))
                    || text.contains("PRIVATE KEY")
                {
                    assert_eq!(mode, 0o600, "{}", path.display());
                    count += 1;
                }
            }
        }
        assert!(count >= 4, "{count}");
    }
}

#[test]
fn the_settings_of_the_server_and_of_the_relay_are_understood_by_their_programs() {
    let place = Place::new(&["--address", "198.51.100.7"]);
    // `doctor` reads server.toml first; what it says of the rest does not matter here.
    let diagnosis = place.doctor(&["--url", "http://127.0.0.1:1"]);
    assert_eq!(diagnosis.looked_at(), ["settings", "turn", "proxy"]);
    let relay: toml::Table = place.read("relay/relay.toml").parse().unwrap();
    assert_eq!(relay["role"].as_str(), Some("both"));
    assert_eq!(relay["exit"]["addresses"][0].as_str(), Some("198.51.100.7"));
    assert_eq!(relay["exit"]["ports"][0].as_integer(), Some(57_344));
}

#[test]
fn what_cannot_be_is_refused_and_nothing_is_written() {
    let place = Place::new(&[]);
    let before = place.read("init.json");
    for options in [
        ["--domain", "other.test"],
        ["--domain", "UPPER"],
        ["--address", "somewhere"],
        ["--server-port", "0"],
    ] {
        let output = place.command(&["init"]).args(options).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}");
    }
    assert_eq!(place.read("init.json"), before);
    // Nobody is there to be asked.
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("deep/server.toml");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_securecall-server"))
        .arg("init")
        .arg("--config")
        .arg(&settings)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!folder.path().join("deep").exists());
}

#[test]
fn a_doctor_who_is_shown_nothing_does_not_say_that_all_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("server.toml");
    let doctor = |options: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_securecall-server"));
        command.args(["--json", "doctor", "--homeserver", "synapse", "--config"]);
        Diagnosis::of(command.arg(&settings).args(options))
    };
    let diagnosis = doctor(&[]);
    assert_eq!(diagnosis.code, 2, "{diagnosis:?}");
    assert_eq!(diagnosis.looked_at(), [""; 0]);
    // A folder without settings is not one in which nothing is set.
    let empty = folder.path().to_str().unwrap();
    let diagnosis = doctor(&["--homeserver-config", empty]);
    assert_eq!(diagnosis.code, 2, "{diagnosis:?}");
    assert_eq!(diagnosis.names(), [""; 0]);
}
