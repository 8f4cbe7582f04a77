//! An account at a homeserver that is no Synapse.

use std::process::Stdio;

use securecall_interop::{
    Coturn, CoturnUsers, Dendrite, Homeserver, HomeserverOptions, Registration,
};

use super::Servers;
use crate::command::{Machine, end, expect};
use crate::talker::User;

fn dendrite() -> &'static dyn Homeserver {
    let [dendrite, _] = Servers::OneDendrite.shared();
    dendrite
}

#[test]
fn an_account_is_made_shared_and_removed_and_the_identity_stays() {
    let user = User::of(dendrite());
    let url = dendrite().base_url();
    let register = ["register", "--homeserver", &url];
    expect(user.machine.refused(&register), 2, "account_exists");
    user.machine.json(&["logout"]);
    expect(user.machine.refused(&["logout"]), 2, "no_account");
    assert_eq!(user.machine.json(&register)[0]["matrix_id"], user.matrix_id);
    let second = user.second_device(dendrite());
    assert_eq!(second.matrix_id, user.matrix_id);
}

#[test]
fn a_wrong_password_is_refused() {
    let (machine, _) = Machine::with_identity();
    let url = dendrite().base_url();
    let other = format!("@somebody:{}", dendrite().server_name());
    let mut login = machine.command(&["--json", "login", "--homeserver", &url, "--user", &other]);
    login
        .env("SECURECALL_PASSWORD", "wrong")
        .stdin(Stdio::null());
    expect(end(&mut login).error(), 5, "login_refused");
}

#[test]
fn registration_may_be_closed() {
    let closed = Dendrite::start(HomeserverOptions {
        registration: Registration::Closed,
        ..HomeserverOptions::default()
    })
    .unwrap();
    let (machine, _) = Machine::with_identity();
    let url = closed.base_url();
    let register = ["register", "--homeserver", &url];
    expect(machine.refused(&register), 5, "registration_closed");
}

#[test]
fn doctor_finds_nothing_wrong_and_tries_the_relay_that_it_names() {
    let (coturn, dendrite) = with_relay();
    let user = User::of(&dendrite);
    let audio = ["--mic", "tone:440", "--speaker", "null"];
    let told = user
        .machine
        .run(&[&["--json", "doctor"], &audio[..]].concat());
    let checks = told.events();
    assert_eq!(told.code, 0, "{checks:#?}");
    let is_fine = |name: &str| {
        checks
            .iter()
            .any(|check| check["name"] == name && check["ok"] == true)
    };
    for name in [
        "homeserver",
        "login",
        "device_keys",
        "one_time_keys",
        "round_trip",
        "relays",
    ] {
        assert!(is_fine(name), "{name}: {checks:#?}");
    }
    let relay = format!("turn:{}", coturn.address());
    assert!(
        checks.iter().any(|check| check["server"]
            .as_str()
            .is_some_and(|server| server.starts_with(&relay))),
        "{checks:#?}"
    );
}

#[test]
fn two_people_talk_by_the_relay_that_it_names() {
    let (_coturn, dendrite) = with_relay();
    let (ada, bo) = User::acquainted_at([&dendrite, &dendrite]);
    let by_relay = ["--route", "relay"];
    let listen = ["listen", "--answer", "contacts", "--once"];
    let mut callee = bo.talk(&[&listen[..], &by_relay].concat());
    callee.wait_for("ready");
    let mut caller = ada.talk(&[&["call", "peer"], &by_relay[..]].concat());
    for talker in [&mut caller, &mut callee] {
        assert_eq!(talker.wait_for("connected")["route"], "relay");
        talker.wait_for("first_audio");
    }
    caller.order("hangup");
    assert_eq!((caller.end().0, callee.end().0), (0, 0));
}

/// A Dendrite that names a TURN server, and makes credentials for it.
fn with_relay() -> (Coturn, Dendrite) {
    let coturn = Coturn::start(
        CoturnUsers::SharedSecret("a secret of both".to_owned()),
        &[],
    )
    .unwrap();
    let dendrite = Dendrite::start(HomeserverOptions {
        turn: coturn.named(),
        ..HomeserverOptions::default()
    })
    .unwrap();
    (coturn, dendrite)
}
