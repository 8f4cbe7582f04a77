//! STUN and TURN servers of the settings and of the homeserver.

use std::process::Stdio;

use securecall_interop::{Coturn, CoturnUsers};
use serde_json::{Value, json};

use super::{AUDIO, Told, behind_a_front, doctor, says};
use crate::command::end;
use crate::talker::User;

#[test]
fn a_relay_that_works_is_told_from_one_that_refuses_us() {
    let secret = "a secret of both";
    let users = CoturnUsers::SharedSecret(secret.to_owned());
    let coturn = Coturn::start(users, &[]).unwrap();
    let user = User::new();
    let run = |secret: &str| {
        let mut command = user
            .machine
            .command(&[&["--json", "doctor"], &AUDIO[..]].concat());
        let address = coturn.address();
        command
            .env(
                "SECURECALL_TURN",
                format!("turn:{address} turn:{address}?transport=tcp"),
            )
            .env("SECURECALL_TURN_SECRET", secret)
            .stdin(Stdio::null());
        Told::of(&end(&mut command))
    };
    let relays = |told: &Told| -> Vec<Value> {
        let relays = told.checks.iter().filter(|check| check["name"] == "relay");
        relays.cloned().collect()
    };
    let told = run(secret);
    assert_eq!(
        (told.code, told.wrong()),
        (0, Vec::new()),
        "{:#?}",
        told.checks
    );
    let address = coturn.address();
    let servers: Vec<Value> = relays(&told)
        .iter()
        .map(|it| it["server"].clone())
        .collect();
    assert_eq!(
        servers,
        [
            format!("turn:{address}"),
            format!("turn:{address}?transport=tcp")
        ]
    );
    for relay in relays(&told) {
        says(&relay, "server", "turn:127.0.0.1:");
        says(&relay, "message", "granted 127.0.0.1:");
        assert!(relay["ms"].is_u64());
    }
    says(
        told.check("relays"),
        "message",
        "2 TURN servers of the settings",
    );
    assert_eq!(told.check("nat")["ok"], true);
    let told = run("another secret");
    assert_eq!(
        (told.code, told.wrong()),
        (5, vec![("relay", "relay_failed"); 2])
    );
    says(&relays(&told)[0], "help", "turn_secret");
}

#[test]
fn the_homeservers_relay_is_tried_with_its_credentials_and_what_is_read_on_the_way_is_said() {
    let users = CoturnUsers::Static {
        username: "ada@homeserver".to_owned(),
        password: "secret".to_owned(),
    };
    let coturn = Coturn::start(users, &[]).unwrap();
    let (machine, front) = behind_a_front();
    let offer = |password: &str| {
        let body = json!({
            "username": "ada@homeserver",
            "password": password,
            "uris": [format!("turn:{}?transport=udp", coturn.address()), "turn:"],
            "ttl": 120,
        });
        let asked = "GET /_matrix/client/v3/voip/turnServer";
        front.answer(asked, "200 OK", &body.to_string());
    };
    offer("secret");
    let told = doctor(&machine);
    assert_eq!(
        (told.code, told.wrong()),
        (0, Vec::new()),
        "{:#?}",
        told.checks
    );
    says(
        told.check("relays"),
        "message",
        "1 TURN server of the homeserver; credentials last 2 min",
    );
    says(told.check("relays"), "help", "'turn:'");
    says(told.check("relay"), "message", "granted 127.0.0.1:");
    offer("another");
    let told = doctor(&machine);
    assert_eq!(
        (told.code, told.wrong()),
        (5, vec![("relay", "relay_failed")])
    );
    says(told.check("relay"), "help", "turn_shared_secret");
}
