//! `register`, `login`, `logout` against a real homeserver.

use std::process::Stdio;

use securecall_interop::{Registration, Synapse, SynapseOptions, TlsFront};
use serde_json::Value;

use crate::command::{Machine, end, expect, text};
use crate::talker::{User, homeserver};

#[test]
fn an_account_is_made_shared_and_removed_and_the_identity_stays() {
    let user = User::new();
    let url = homeserver().base_url();
    assert_eq!(
        user.matrix_id,
        format!("@sc_{}:{}", user.id, homeserver().server_name())
    );
    let link = user.machine.json(&["contact", "share"]).remove(0);
    let server = homeserver().server_name();
    assert_eq!(
        link["deep_link"],
        format!("securecall://contact/{}?server={server}", user.id)
    );
    expect(
        user.machine.refused(&["register", "--homeserver", &url]),
        2,
        "account_exists",
    );

    let removed = user.machine.json(&["logout"]).remove(0);
    assert_eq!(
        (&removed["event"], &removed["matrix_id"]),
        (
            &Value::from("account"),
            &Value::from(user.matrix_id.clone())
        )
    );
    expect(user.machine.refused(&["logout"]), 2, "no_account");
    assert_eq!(user.machine.json(&["id", "show"])[0]["id"], user.id);
    // The same account again: it exists, and the identity has its password.
    assert_eq!(
        user.machine.json(&["register", "--homeserver", &url])[0]["matrix_id"],
        user.matrix_id
    );
}

#[test]
fn the_phrase_alone_restores_the_account_on_a_second_device() {
    let first = Machine::new();
    let phrase = first.json(&["id", "new"])[0]["phrase"]
        .as_str()
        .unwrap()
        .to_owned();
    let url = homeserver().base_url();
    let account = first.json(&["register", "--homeserver", &url]).remove(0);
    let second = Machine::new();
    assert_eq!(second.run_with_input(&["id", "restore"], &phrase).code, 0);
    let again = second.json(&["register", "--homeserver", &url]).remove(0);
    assert_eq!(again["matrix_id"], account["matrix_id"]);
    assert_ne!(again["device_id"], account["device_id"]);
    let third = Machine::new();
    assert_eq!(third.run_with_input(&["id", "restore"], &phrase).code, 0);
    let user = account["matrix_id"].as_str().unwrap();
    assert_eq!(
        third.json(&["login", "--homeserver", &url, "--user", user])[0]["matrix_id"],
        user
    );
}

#[test]
fn a_wrong_password_is_refused() {
    let user = User::new();
    let (machine, _) = Machine::with_identity();
    let url = homeserver().base_url();
    let other = format!("@somebody:{}", homeserver().server_name());
    let arguments = ["--json", "login", "--homeserver", &url, "--user", &other];
    let by_input = machine.run_with_input(&arguments, "wrong\n");
    expect(by_input.error(), 5, "login_refused");
    let mut by_variable = machine.command(&arguments);
    by_variable
        .env("SECURECALL_PASSWORD", "wrong")
        .stdin(Stdio::null());
    expect(end(&mut by_variable).error(), 5, "login_refused");
    // Somebody else's address is not even tried.
    expect(
        machine.refused(&["login", "--homeserver", &url, "--user", &user.matrix_id]),
        3,
        "key_mismatch",
    );
}

#[test]
fn registration_may_need_a_token_or_be_closed() {
    let registration = Registration::Token("letmein".to_owned());
    let mut synapse = Synapse::start(SynapseOptions {
        registration,
        ..SynapseOptions::default()
    })
    .unwrap();
    let (machine, _) = Machine::with_identity();
    let url = synapse.base_url();
    let error = expect(
        machine.refused(&["register", "--homeserver", &url]),
        5,
        "token_refused",
    );
    assert!(error["help"].as_str().unwrap().contains("--token"));
    expect(
        machine.refused(&["register", "--homeserver", &url, "--token", "wrong"]),
        5,
        "token_refused",
    );
    let mut by_variable = machine.command(&["--json", "register", "--homeserver", &url]);
    by_variable
        .env("SECURECALL_TOKEN", "letmein")
        .stdin(Stdio::null());
    assert_eq!(end(&mut by_variable).code, 0);
    let (second, _) = Machine::with_identity();
    second.json(&["register", "--homeserver", &url, "--token", "letmein"]);
    synapse.set_registration(Registration::Closed);
    synapse.stop().unwrap();
    synapse.restart().unwrap();
    let (late, _) = Machine::with_identity();
    expect(
        late.refused(&["register", "--homeserver", &url]),
        5,
        "registration_closed",
    );
}

#[test]
fn a_certificate_must_be_vouched_for() {
    let front = TlsFront::start(homeserver().address()).unwrap();
    let (machine, _) = Machine::with_identity();
    let url = front.base_url();
    expect(
        machine.refused(&["register", "--homeserver", &url]),
        3,
        "certificate_refused",
    );
    let empty = machine.file("empty.pem", "");
    let with_empty = ["register", "--homeserver", &url, "--ca-file", text(&empty)];
    expect(machine.refused(&with_empty), 2, "invalid_file");
    let authority = machine.file("authority.pem", front.certificate_pem());
    machine.json(&[
        "register",
        "--homeserver",
        &url,
        "--ca-file",
        text(&authority),
    ]);
    // It is remembered with the account.
    std::fs::remove_file(&authority).unwrap();
    machine.json(&["logout"]);
}
