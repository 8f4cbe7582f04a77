//! The profile, and all of it where all is well.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::{AUDIO, Told, doctor, says};
use crate::command::{Machine, end};
use crate::talker::User;

/// What is told at least once, in this order.
const NAMES: [&str; 17] = [
    "profile",
    "config",
    "identity",
    "account",
    "homeserver",
    "clock",
    "login",
    "device_keys",
    "one_time_keys",
    "round_trip",
    "relays",
    "ghostnet",
    "nat",
    "ipv6",
    "microphone",
    "speaker",
    "link_handler",
];

#[test]
fn all_is_well_and_stays_so() {
    let user = User::new();
    for _ in 0..2 {
        let told = doctor(&user.machine);
        assert_eq!(
            (told.code, told.wrong()),
            (0, Vec::new()),
            "{:#?}",
            told.checks
        );
        let names: Vec<&str> = told
            .checks
            .iter()
            .map(|check| check["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, NAMES);
        says(told.check("identity"), "message", &user.id);
        says(told.check("account"), "message", &user.matrix_id);
        says(told.check("homeserver"), "message", "with Matrix v1.");
        assert!(told.check("round_trip")["ms"].is_u64());
        says(told.check("microphone"), "message", "-12 dBFS");
        // Nobody names a server, which is well within one network.
        says(told.check("relays"), "message", "within one network");
        says(told.check("relays"), "help", "docs/networks.md");
        assert_eq!(told.check("nat")["ok"], Value::Null);
    }
    // What a call needs is as it was.
    let mut listener = user.talk(&["listen"]);
    listener.wait_for("ready");
    listener.order("quit");
    assert_eq!(listener.end().0, 0);
}

#[test]
fn what_is_not_there_yet_is_said_with_the_command_that_makes_it_and_the_rest_is_checked() {
    let nobody = Machine::new();
    let told = doctor(&nobody);
    assert_eq!(
        (told.code, told.wrong()),
        (2, vec![("identity", "no_identity")])
    );
    says(told.check("identity"), "help", "securecall id new");
    assert_eq!(told.check("account")["ok"], Value::Null);
    assert_eq!(told.check("microphone")["ok"], true);
    assert!(!nobody.profile().exists(), "nothing is made");

    let (machine, _) = Machine::with_identity();
    let told = doctor(&machine);
    assert_eq!(
        (told.code, told.wrong()),
        (2, vec![("account", "no_account")])
    );
    says(told.check("account"), "help", "securecall register");
    // From `homeserver` to `nat`; of GhostNet the settings alone can say that there is none.
    let left = NAMES[4..13].iter().filter(|name| **name != "ghostnet");
    assert_eq!(told.not_checked(), left.copied().collect::<Vec<_>>());
}

#[test]
fn a_profile_that_others_can_look_into_is_named_and_left_as_it_is() {
    let (machine, _) = Machine::with_identity();
    let rights = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    let profile = machine.profile();
    rights(&profile, 0o755);
    let told = doctor(&machine);
    assert_eq!(told.code, 6);
    assert!(told.wrong().contains(&("profile", "storage_failed")));
    says(told.check("profile"), "help", "chmod 700");
    assert_eq!(
        fs::metadata(&profile).unwrap().permissions().mode() & 0o777,
        0o755
    );
    rights(&profile, 0o700);
    rights(&profile.join("profile.json"), 0o644);
    says(doctor(&machine).check("profile"), "help", "chmod 600");
    rights(&profile.join("profile.json"), 0o600);
    assert_eq!(doctor(&machine).check("profile")["ok"], true);
}

/// Whoever is told to close a directory of the system, with the rights to do it, has a machine that is broken.
#[test]
fn nobody_is_told_to_close_what_is_not_a_profile() {
    let (machine, _) = Machine::with_identity();
    let profile = machine.profile();
    fs::write(profile.join("letter.txt"), "of somebody").unwrap();
    fs::set_permissions(&profile, Permissions::from_mode(0o755)).unwrap();
    let told = doctor(&machine);
    assert_eq!(told.code, 6);
    let check = told.check("profile");
    says(check, "message", "holds more than a profile");
    says(check, "help", "--profile DIR");
    assert!(
        !check["help"].as_str().unwrap().contains("chmod"),
        "{check}"
    );

    let (machine, _) = Machine::with_identity();
    fs::remove_dir_all(machine.profile()).unwrap();
    fs::write(machine.profile(), "a file").unwrap();
    fs::set_permissions(machine.profile(), Permissions::from_mode(0o644)).unwrap();
    let told = doctor(&machine);
    let check = told.check("profile");
    says(check, "message", "is no directory");
    assert!(
        !check["help"].as_str().unwrap().contains("chmod"),
        "{check}"
    );
}

#[test]
fn settings_that_are_wrong_do_not_keep_the_rest_from_being_checked() {
    let user = User::new();
    let config = user.machine.profile().join("config.toml");
    for (text, words) in [
        ("anwser = 'ask'", "unknown key 'anwser'"),
        ("turn = 'turn:turn.example.org'", "which need credentials"),
    ] {
        fs::write(&config, text).unwrap();
        let told = doctor(&user.machine);
        assert_eq!(
            (told.code, told.wrong()),
            (2, vec![("config", "invalid_config")])
        );
        says(told.check("config"), "message", words);
        assert_eq!(told.check("round_trip")["ok"], true);
        for left in ["relays", "stun", "relay", "nat"] {
            assert_eq!(told.check(left)["ok"], Value::Null);
            says(told.check(left), "message", "config.toml");
        }
    }
    fs::write(&config, "route = 'relay'").unwrap();
    let told = doctor(&user.machine);
    assert_eq!((told.code, told.wrong()), (3, vec![("relays", "no_relay")]));
}

#[test]
fn what_a_library_thinks_of_a_message_to_oneself_is_not_shown_with_what_this_program_does() {
    let user = User::new();
    let ended = user
        .machine
        .run(&[&["-v", "--json", "doctor"], &AUDIO[..]].concat());
    assert_eq!(Told::of(&ended).check("round_trip")["ok"], true);
    assert!(!ended.stderr.contains("matrix_sdk"), "{ended:?}");
}

#[test]
fn a_wrong_passphrase_is_named() {
    let (machine, _) = Machine::with_identity();
    let mut command = machine.command(&[&["--json", "doctor"], &AUDIO[..]].concat());
    command
        .env("SECURECALL_PASSPHRASE", "another")
        .stdin(Stdio::null());
    let told = Told::of(&end(&mut command));
    assert_eq!(
        (told.code, told.wrong()),
        (6, vec![("identity", "wrong_passphrase")])
    );
}
