//! How a profile is sealed: profiles of earlier versions, passphrases of other systems, and what a changed file may ask for.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::command::{Machine, end, expect};

/// Two profiles as version 1 of the store wrote them, with the passphrases "correct horse" and, in decomposed characters, "café au
/// lait". Both have the identity of BIP-39's phrase "zoo … zoo vote".
const VERSION_1: &str = include_str!("profiles/version_1.json");
const VERSION_1_DECOMPOSED: &str = include_str!("profiles/version_1_decomposed.json");
/// The same identity, sealed as version 2 with the passphrase "correct horse" and 32 MiB.
const VERSION_2_WEAK: &str = include_str!("profiles/version_2_weak.json");
const ID: &str = "f3xtzhruzv42dogsi4ii43i67dlb7z2tuymuqbhv5z2pvzovampu6vqb";

const COMPOSED: &str = "caf\u{e9} au lait";
const DECOMPOSED: &str = "cafe\u{301} au lait";

/// The version in which profiles are written.
pub(crate) const NEWEST: u32 = 4;

fn machine_with(store: &str) -> Machine {
    let machine = Machine::new();
    fs::create_dir(machine.profile()).unwrap();
    fs::write(store_of(&machine), store).unwrap();
    machine
}

fn store_of(machine: &Machine) -> PathBuf {
    machine.profile().join("profile.json")
}

fn read(machine: &Machine) -> Value {
    serde_json::from_str(&fs::read_to_string(store_of(machine)).unwrap()).unwrap()
}

/// `id show` with this passphrase: the ID, or the kind of the error.
fn shown(machine: &Machine, passphrase: &str) -> String {
    let mut command = machine.command(&["--json", "id", "show"]);
    let ended = end(command
        .env("SECURECALL_PASSPHRASE", passphrase)
        .stdin(Stdio::null()));
    let event = ended.events().pop().unwrap();
    let field = if ended.code == 0 { "id" } else { "kind" };
    event[field].as_str().unwrap().to_owned()
}

#[test]
fn a_profile_of_version_1_is_opened_and_sealed_as_new_ones_are() {
    let machine = machine_with(VERSION_1);
    assert_eq!(shown(&machine, "battery staple"), "wrong_passphrase");
    assert_eq!(read(&machine)["securecall_profile"], 1, "nothing happened");
    assert_eq!(shown(&machine, "correct horse"), ID);
    let sealed = read(&machine);
    assert_eq!(sealed["securecall_profile"], NEWEST);
    assert_eq!(sealed["source"]["memory_kib"], 64 * 1024);
    assert_eq!(sealed["source"]["passes"], 3);
    assert_ne!(sealed["source"]["salt"], "050b34767036187d804d6a90adfdb4ad");
    let contacts = machine.json(&["contact", "list"]);
    assert_eq!(contacts[0]["name"], "Ben");
    assert_eq!(shown(&machine, "battery staple"), "wrong_passphrase");
    assert_eq!(read(&machine), sealed, "it is done once");
}

#[test]
fn a_profile_of_version_2_that_was_sealed_with_less_is_sealed_anew_too() {
    let machine = machine_with(VERSION_2_WEAK);
    assert_eq!(read(&machine)["source"]["memory_kib"], 32 * 1024);
    assert_eq!(shown(&machine, "correct horse"), ID);
    let sealed = read(&machine);
    assert_eq!(sealed["source"]["memory_kib"], 64 * 1024);
    assert_eq!(sealed["securecall_profile"], NEWEST);
    assert_eq!(shown(&machine, "correct horse"), ID);
    assert_eq!(read(&machine), sealed, "it is done once");
}

#[test]
fn processes_that_open_a_profile_of_version_1_at_once_lose_nothing() {
    let machine = machine_with(VERSION_1);
    let ids = ["@bo:example.org", "@cy:example.org", "@di:example.org"];
    let add = |id: &str| {
        let mut command = machine.command(&["contact", "add", id]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().unwrap()
    };
    let children: Vec<_> = ids.map(add).into_iter().collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(machine.json(&["contact", "list"]).len(), 1 + ids.len());
    assert_eq!(shown(&machine, "correct horse"), ID);
}

#[test]
fn a_new_profile_is_sealed_with_64_mib_and_3_passes() {
    let (machine, _) = Machine::with_identity();
    let source = &read(&machine)["source"];
    assert_eq!(
        (&source["memory_kib"], &source["passes"]),
        (&json!(65536), &json!(3))
    );
}

#[test]
fn a_profile_that_cannot_be_sealed_anew_opens_as_it_is() {
    let machine = machine_with(VERSION_1);
    // Whatever is in the way of writing: a full disk, say.
    let in_the_way = machine.profile().join("profile.new");
    fs::create_dir(&in_the_way).unwrap();
    assert_eq!(shown(&machine, "correct horse"), ID);
    assert_eq!(fs::read_to_string(store_of(&machine)).unwrap(), VERSION_1);
    fs::remove_dir(in_the_way).unwrap();
    assert_eq!(shown(&machine, "correct horse"), ID);
    assert_eq!(read(&machine)["securecall_profile"], NEWEST);
}

#[test]
fn the_same_word_from_another_keyboard_opens_the_profile() {
    for (made_with, opened_with) in [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)] {
        let machine = Machine::new();
        let mut command = machine.command(&["id", "new"]);
        let made = end(command
            .env("SECURECALL_PASSPHRASE", made_with)
            .stdin(Stdio::null()));
        assert_eq!(made.code, 0);
        assert_eq!(shown(&machine, opened_with).len(), ID.len());
        assert_eq!(shown(&machine, "cafe au lait"), "wrong_passphrase");
    }
}

#[test]
fn a_profile_made_with_decomposed_characters_still_opens_and_then_with_composed_ones_too() {
    let machine = machine_with(VERSION_1_DECOMPOSED);
    assert_eq!(shown(&machine, DECOMPOSED), ID);
    assert_eq!(shown(&machine, COMPOSED), ID);
}

#[test]
fn a_store_that_asks_for_too_much_is_damaged_and_nothing_is_spent_on_it() {
    for (field, value) in [
        ("memory_kib", u32::MAX),
        ("memory_kib", 512 * 1024 + 1),
        ("passes", u32::MAX),
        ("passes", 17),
        ("passes", 0),
    ] {
        let mut store: Value = serde_json::from_str(VERSION_1).unwrap();
        store["source"][field] = json!(value);
        let machine = machine_with(&store.to_string());
        expect(machine.refused(&["id", "show"]), 6, "damaged_store");
    }
    let machine = machine_with(VERSION_1);
    let store = fs::File::options()
        .write(true)
        .open(store_of(&machine))
        .unwrap();
    store.set_len(17 << 20).unwrap();
    expect(machine.refused(&["id", "show"]), 6, "damaged_store");
}

#[test]
fn a_store_that_says_it_is_of_another_version_does_not_open() {
    for (text, version) in [(VERSION_1, 2), (VERSION_1, 3), (VERSION_2_WEAK, 3)] {
        let mut store: Value = serde_json::from_str(text).unwrap();
        store["securecall_profile"] = json!(version);
        let machine = machine_with(&store.to_string());
        expect(machine.refused(&["id", "show"]), 6, "damaged_store");
    }
}

#[test]
fn a_passphrase_file_without_end_is_refused() {
    let machine = Machine::new();
    let mut command = machine.command(&["--json", "id", "new"]);
    command
        .env("SECURECALL_PASSPHRASE_FILE", "/dev/zero")
        .stdin(Stdio::null());
    expect(end(&mut command).error(), 2, "invalid_file");
}
