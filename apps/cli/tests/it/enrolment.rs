//! `register` where a server of enrolment stands beside a homeserver whose registration is closed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use securecall_interop::{Registration, Synapse, SynapseOptions, WebServer};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Machine, expect};

const SECRET: &str = "a-secret-of-a-lab-0123456789";

/// The program, built once.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let program =
        PathBuf::from(env!("CARGO_BIN_EXE_securecall")).with_file_name("securecall-server");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "securecall-server",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success());
    program
});

/// A place: a Synapse, the server beside it, and what stands before both.
struct Place {
    front: WebServer,
    folder: TempDir,
    server: Child,
    _synapse: Synapse,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Place {
    fn new(policy: &str) -> Self {
        use std::io::{BufRead as _, BufReader};

        let synapse = Synapse::start(SynapseOptions {
            registration: Registration::Closed,
            registration_secret: Some(SECRET.to_owned()),
            ..SynapseOptions::default()
        })
        .unwrap();
        let front = WebServer::in_front_of(synapse.address()).unwrap();
        let listen = free_port();
        front.lead("/.well-known/securecall/", listen);
        front.lead("/_securecall/", listen);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("secret"),
            "0123456789abcdef0123456789abcdef",
        )
        .unwrap();
        std::fs::write(folder.path().join("registration_secret"), SECRET).unwrap();
        std::fs::write(
            folder.path().join("server.toml"),
            format!(
                "domain = \"{}\"\nlisten = [\"{listen}\"]\npublic_url = \"{url}\"\nsecret_file = \"secret\"\n\
                 [homeserver]\nkind = \"synapse\"\nurl = \"{}\"\npublic_url = \"{url}\"\nregistration_secret_file = \"registration_secret\"\n\
                 [enrolment]\npolicy = \"{policy}\"\nper_network_per_hour = 1000\n[limits]\nper_network_per_minute = 1000\n",
                synapse.server_name(),
                synapse.base_url(),
                url = front.base_url(),
            ),
        )
        .unwrap();
        let mut server = Command::new(&*PROGRAM)
            .args(["--json", "run", "--config"])
            .arg(folder.path().join("server.toml"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = server.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert!(line.contains("ready"), "{line}");
        Self {
            front,
            folder,
            server,
            _synapse: synapse,
        }
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

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
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
