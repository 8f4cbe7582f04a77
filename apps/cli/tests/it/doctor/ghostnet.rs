//! Relays of GhostNet, which run as operators run them.

use securecall_interop::GhostNetRelays;
use serde_json::{Value, json};

use super::{AUDIO, Told, doctor, says};
use crate::command::{Machine, end};
use crate::ghostnet::{relays, talker};
use crate::talker::User;

fn doctor_with(machine: &Machine, relays: &GhostNetRelays) -> Told {
    let mut command = machine.command(&[&["--json", "doctor"], &AUDIO[..]].concat());
    command.envs(relays.environment());
    Told::of(&end(&mut command))
}

fn of_name<'a>(told: &'a Told, name: &str) -> Vec<&'a Value> {
    let checks = told.checks.iter();
    checks.filter(|check| check["name"] == name).collect()
}

#[test]
fn relays_that_work_are_said_to_and_no_token_is_spent_on_it() {
    let relays = relays(2);
    let user = User::new();
    let told = doctor_with(&user.machine, &relays);
    assert_eq!((told.code, told.wrong()), (0, vec![]));
    says(told.check("ghostnet"), "message", "2 relays listed");
    says(
        told.check("ghostnet_tokens"),
        "message",
        "no token in stock",
    );
    let tried = of_name(&told, "ghostnet_relay");
    assert_eq!(tried.len(), 2);
    for (check, name) in tried.into_iter().zip(["relay1.test", "relay2.test"]) {
        assert_eq!(check["server"], name);
        says(check, "message", "entry and exit of Operator");
        assert!(check["ms"].is_u64(), "{check}");
    }
    // Whoever listens buys some.
    let mut listening = talker(&user, &relays, &["listen", "--answer", "contacts"]);
    listening.wait_for("ready");
    let stock = || {
        let told = doctor_with(&user.machine, &relays);
        told.check("ghostnet_tokens")["message"].clone()
    };
    let full = json!("20 tokens in stock, and more are sold");
    // Each look takes a while.
    let is_full = (0..100).any(|_| stock() == full);
    assert!(is_full, "no tokens are bought");
    drop(listening);
    assert_eq!([stock(), stock()], [full.clone(), full]);
}

#[test]
fn a_dead_relay_one_with_another_key_and_a_dead_issuer_are_told_apart() {
    let mut relays = relays(3);
    relays.kill("Operator 2");
    relays
        .publish(|list| {
            list["relays"][2]["spki"] = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        })
        .unwrap();
    relays.stop_issuer().unwrap();
    let (machine, _) = Machine::with_identity();
    let told = doctor_with(&machine, &relays);
    assert_eq!(told.code, 5);
    let [well, dead, other] = of_name(&told, "ghostnet_relay")[..] else {
        panic!("{:#?}", told.checks);
    };
    assert_eq!(well["ok"], true, "{well}");
    says(dead, "message", "does not answer");
    says(other, "message", "its key is another");
    says(other, "help", "no call goes through it");
    for check in [dead, other, told.check("ghostnet_tokens")] {
        assert_eq!(
            (&check["ok"], &check["kind"]),
            (&json!(false), &json!("relay_failed"))
        );
    }
    says(
        told.check("ghostnet_tokens"),
        "message",
        "none can be bought",
    );
}

#[test]
fn a_list_that_is_over_or_of_somebody_else_is_refused_and_no_relay_of_it_is_asked() {
    let relays = relays(2);
    let (machine, _) = Machine::with_identity();
    relays
        .publish(|list| {
            list["not_before"] = json!(1_600_000_000);
            list["not_after"] = json!(1_700_000_000);
        })
        .unwrap();
    let told = doctor_with(&machine, &relays);
    assert_eq!(told.code, 5);
    says(told.check("ghostnet"), "message", "valid until 2023-11-14");
    assert!(of_name(&told, "ghostnet_relay").is_empty());

    let mut command = machine.command(&[&["--json", "doctor"], &AUDIO[..]].concat());
    command.envs(relays.environment());
    let other = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    command.env("SECURECALL_GHOSTNET_KEY", other);
    let told = Told::of(&end(&mut command));
    says(
        told.check("ghostnet"),
        "message",
        "not signed by a key that is trusted",
    );
    says(told.check("ghostnet"), "help", "`ghostnet_key`");
    assert!(of_name(&told, "ghostnet_relay").is_empty());
}

#[test]
fn without_relays_all_is_well_unless_every_call_needs_them() {
    let (machine, _) = Machine::with_identity();
    says(
        doctor(&machine).check("ghostnet"),
        "message",
        "is not set up",
    );
    machine.json(&["config", "set", "route", "ghostnet"]);
    let told = doctor(&machine);
    assert_eq!(told.check("ghostnet")["kind"], "no_relay");
    says(
        told.check("ghostnet"),
        "help",
        "`securecall config set ghostnet_directory",
    );
    machine.json(&[
        "config",
        "set",
        "ghostnet_directory",
        "https://relays.example.org/relays.json",
    ]);
    let told = doctor(&machine);
    assert_eq!(told.check("ghostnet")["kind"], "invalid_config");
}
