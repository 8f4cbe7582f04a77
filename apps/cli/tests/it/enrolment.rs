//! `register` where a server of enrolment stands beside a homeserver whose registration is closed.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use securecall_ghostnet::directory::{Directory, DirectorySigningKey, Reach};
use securecall_interop::{Daemon, Registration, Synapse, SynapseOptions, WebServer, free_address};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{Machine, beside, expect};
use crate::talker::Talker;

const SECRET: &str = "a-secret-of-a-lab-0123456789";

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| beside("securecall-server"));

/// A place: a Synapse, the server beside it, and what stands before both.
struct Place {
    front: WebServer,
    folder: TempDir,
    figures: SocketAddr,
    /// Of the issuer of relay tokens: its name, and its key as the list of relays has it.
    issuer: (String, String),
    _server: Daemon,
    _synapse: Synapse,
}

impl Place {
    fn new(policy: &str) -> Self {
        let synapse = Synapse::start(SynapseOptions {
            registration: Registration::Closed,
            registration_secret: Some(SECRET.to_owned()),
            ..SynapseOptions::default()
        })
        .unwrap();
        let front = WebServer::in_front_of(synapse.address()).unwrap();
        let listen = free_address().unwrap();
        front.lead("/.well-known/securecall/", listen);
        front.lead("/_securecall/", listen);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("secret"),
            "0123456789abcdef0123456789abcdef",
        )
        .unwrap();
        std::fs::write(folder.path().join("registration_secret"), SECRET).unwrap();
        let figures = free_address().unwrap();
        let key = folder.path().join("issuer.pem");
        let made = Command::new(&*PROGRAM)
            .args(["--json", "issuer-key"])
            .arg(&key)
            .output()
            .unwrap();
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let issuer = (
            listen.to_string(),
            made["token_key"].as_str().unwrap().to_owned(),
        );
        std::fs::write(
            folder.path().join("server.toml"),
            format!(
                "domain = \"{}\"\nlisten = [\"{listen}\"]\npublic_url = \"{url}\"\nsecret_file = \"secret\"\n\
                 [homeserver]\nkind = \"synapse\"\nurl = \"{}\"\npublic_url = \"{url}\"\nregistration_secret_file = \"registration_secret\"\n\
                 [enrolment]\npolicy = \"{policy}\"\nper_network_per_hour = 1000\n[limits]\nper_network_per_minute = 1000\n\
                 [issuer]\nname = \"{listen}\"\nkeys = [{{ file = \"issuer.pem\", not_after = 4000000000 }}]\n\
                 [figures]\nlisten = \"{figures}\"\n",
                synapse.server_name(),
                synapse.base_url(),
                url = front.base_url(),
            ),
        )
        .unwrap();
        let server = Daemon::start(
            Command::new(&*PROGRAM)
                .args(["--json", "run", "--config"])
                .arg(folder.path().join("server.toml")),
        );
        Self {
            front,
            folder,
            figures,
            issuer,
            _server: server.unwrap(),
            _synapse: synapse,
        }
    }

    /// One figure of the server.
    fn figure(&self, name: &str) -> u64 {
        let mut stream = TcpStream::connect(self.figures).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let prefix = format!("securecall_server_{name} ");
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(&prefix));
        value.unwrap().trim().parse().unwrap()
    }

    /// Waits until a figure is what it has to become.
    #[expect(
        clippy::disallowed_methods,
        reason = "a figure is looked at until it is right"
    )]
    fn figure_becomes(&self, name: &str, is_right: impl Fn(u64) -> bool) {
        for _ in 0..3_000 {
            if is_right(self.figure(name)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{name} is {} for a minute", self.figure(name));
    }

    fn told(&self, arguments: &[&str]) -> Value {
        let output = Command::new(&*PROGRAM)
            .arg("--json")
            .args(arguments)
            .arg("--config")
            .arg(self.folder.path().join("server.toml"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .next()
            .map(|line| serde_json::from_str(line).unwrap())
            .unwrap_or_default()
    }
}

/// A list of two relays that take this issuer's tokens, and the key that has signed it. Nobody is at the relays.
fn relay_list(place: &Place) -> (PathBuf, String) {
    let (issuer, token_key) = &place.issuer;
    let relay = |number: u8, pin: &str| {
        json!({
            "name": format!("relay{number}.test"),
            "addresses": [format!("127.0.0.1:{number}")],
            "role": "both",
            "operator": format!("Operator {number}"),
            "spki": pin,
            "issuers": [issuer],
        })
    };
    let payload = json!({
        "version": 1,
        "serial": 1,
        "not_before": 0,
        "not_after": 4_000_000_000_u64,
        "issuers": [{
            "name": issuer,
            "token_key": token_key,
            "not_before": 0,
            "not_after": 4_000_000_000_u64,
        }],
        "relays": [
            relay(1, "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="),
            relay(2, "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="),
        ],
    });
    let key =
        DirectorySigningKey::from_base64("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
    let signed = Directory::sign(payload.to_string().as_bytes(), &key, Reach::Lab).unwrap();
    let file = place.folder.path().join("relays.json");
    std::fs::write(&file, signed).unwrap();
    (file, key.public().to_string())
}

#[test]
fn an_account_is_enrolled_and_the_phrase_restores_it() {
    let place = Place::new("open");
    let url = place.front.base_url();
    let first = Machine::new();
    let identity = first.json(&["id", "new"]).remove(0);
    let phrase = identity["phrase"].as_str().unwrap().to_owned();
    let account = first.json(&["register", "--homeserver", &url]).remove(0);
    let id = identity["id"].as_str().unwrap();
    assert_eq!(account["matrix_id"], format!("@sc_{id}:homeserver.test"));
    let second = Machine::new();
    assert_eq!(second.run_with_input(&["id", "restore"], &phrase).code, 0);
    let again = second.json(&["register", "--homeserver", &url]).remove(0);
    assert_eq!(again["matrix_id"], account["matrix_id"]);
    assert_ne!(again["device_id"], account["device_id"]);
    // Shut out.
    place.told(&["user", "disable", id]);
    let third = Machine::new();
    assert_eq!(third.run_with_input(&["id", "restore"], &phrase).code, 0);
    expect(
        third.refused(&["register", "--homeserver", &url]),
        5,
        "login_refused",
    );
}

#[test]
fn whoever_is_not_invited_is_told_what_to_do() {
    let place = Place::new("invitation");
    let url = place.front.base_url();
    let (machine, _) = Machine::with_identity();
    let register = |token: &[&str]| {
        let mut arguments = vec!["register", "--homeserver", &url];
        arguments.extend(token);
        machine.refused(&arguments)
    };
    expect(register(&[]), 5, "token_refused");
    expect(register(&["--token", "abcd-efgh"]), 5, "token_refused");
    expect(register(&["--token", "not a code!"]), 5, "token_refused");
    let invitation = place.told(&["invite", "new"]);
    let code = invitation["code"].as_str().unwrap();
    machine.json(&["register", "--homeserver", &url, "--token", code]);
}

#[test]
fn whoever_waits_is_let_in_when_the_owner_has_approved() {
    let place = Place::new("approval");
    let url = place.front.base_url();
    let (machine, id) = Machine::with_identity();
    for _ in 0..2 {
        expect(
            machine.refused(&["register", "--homeserver", &url]),
            5,
            "awaiting_approval",
        );
    }
    place.told(&["user", "approve", &id]);
    machine.json(&["register", "--homeserver", &url]);
}

#[test]
fn a_closed_server_is_a_closed_homeserver() {
    let place = Place::new("closed");
    let url = place.front.base_url();
    let (machine, _) = Machine::with_identity();
    expect(
        machine.refused(&["register", "--homeserver", &url]),
        5,
        "registration_closed",
    );
}

#[test]
fn a_server_that_lies_gets_no_account_made_and_no_password() {
    let place = Place::new("open");
    let url = place.front.base_url();
    let (machine, _) = Machine::with_identity();
    let challenge = |key: &str| {
        let body = format!(
            r#"{{"version":1,"challenge":"{}","key":"{key}","server_name":"homeserver.test"}}"#,
            "A".repeat(54)
        );
        place.front.answer("/enrolment/challenge", "200 OK", &body);
    };
    let register = || machine.refused(&["register", "--homeserver", &url]);
    // A key of low order; then one that nobody has; then no challenge at all.
    challenge(&"A".repeat(43));
    expect(register(), 5, "homeserver_fault");
    let told = |what: &str| {
        let requests = place.front.requests();
        requests
            .iter()
            .filter(|it| it.line.starts_with("POST") && it.body.contains(what))
            .count()
    };
    assert_eq!(
        told("Sc1-"),
        0,
        "nothing was proven, so no password was told"
    );
    place
        .front
        .answer("/enrolment/challenge", "200 OK", "<html>");
    expect(register(), 5, "homeserver_fault");
    place.front.answer("/enrolment/challenge", "500 Oops", "");
    expect(register(), 5, "homeserver_unreachable");
    // A document that leads elsewhere is none; the homeserver itself is closed.
    place.front.answer(
        "/.well-known/securecall/server.json",
        "200 OK",
        r#"{"version":1,"enrolment":"https://elsewhere.test/enrolment"}"#,
    );
    expect(register(), 5, "registration_closed");
    place.front.forget_answers();
    machine.json(&["register", "--homeserver", &url]);
}

#[test]
fn relay_tokens_are_bought_of_ones_own_server_as_its_user_and_nobody_else_is_told_who_asks() {
    let place = Place::new("open");
    let url = place.front.base_url();
    let (machine, _) = Machine::with_identity();
    machine.json(&["register", "--homeserver", &url]);
    let doctor = machine.run(&["--json", "doctor"]).events();
    let checked = doctor.iter().find(|event| event["name"] == "homeserver");
    let said = checked.unwrap()["message"].as_str().unwrap();
    assert!(
        said.ends_with("beside it offers enrolment, relay tokens"),
        "{said}"
    );

    let (list, key) = relay_list(&place);
    let listener = || {
        let mut command =
            machine.command(&["--json", "listen", "--mic", "tone:440", "--speaker", "null"]);
        command.env("SECURECALL_GHOSTNET_DIRECTORY", &list);
        command.env("SECURECALL_GHOSTNET_KEY", &key);
        Talker::start(command)
    };
    let open_ids = || {
        let requests = place.front.requests();
        let asked = requests
            .iter()
            .filter(|it| it.line.contains("/openid/request_token"));
        asked.count()
    };
    // The homeserver's host names no issuer: the one of the list is not told who asks, and sells nothing.
    let nothing = r#"{"version":1}"#;
    place
        .front
        .answer("/.well-known/securecall/server.json", "200 OK", nothing);
    let stranger = listener();
    place.figure_becomes("tokens_total{outcome=\"refused\"}", |refused| refused > 0);
    drop(stranger);
    assert_eq!(open_ids(), 0);
    assert_eq!(place.figure("tokens_total{outcome=\"issued\"}"), 0);

    place.front.forget_answers();
    let user = listener();
    place.figure_becomes("tokens_total{outcome=\"issued\"}", |issued| issued == 20);
    drop(user);
    assert_eq!(open_ids(), 1);
}
