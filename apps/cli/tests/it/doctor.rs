//! `doctor`: what it finds, what it says, and what it leaves alone.

use std::process::Stdio;
use std::thread;

use securecall_interop::{Answer, HostileHomeserver, WebServer};
use serde_json::Value;

use crate::command::{Ended, Machine, end};
use crate::talker::homeserver;

mod ghostnet;
mod homeserver;
mod hostile;
mod networks;
mod profile;
mod relays;
#[cfg(feature = "cpal")]
mod sound;
mod terminal;

/// What there is on every machine.
const AUDIO: [&str; 4] = ["--mic", "tone:440", "--speaker", "null"];

fn doctor(machine: &Machine) -> Told {
    Told::of(&machine.run(&[&["--json", "doctor"], &AUDIO[..]].concat()))
}

#[track_caller]
fn says(check: &Value, field: &str, words: &str) {
    let text = check[field].as_str().unwrap_or_default();
    assert!(text.contains(words), "{words:?} is not in {check}");
}

/// Somebody whose homeserver has something in front of it that can answer in its place.
fn behind_a_front() -> (Machine, WebServer) {
    let front = WebServer::in_front_of(homeserver().address()).unwrap();
    let (machine, _) = Machine::with_identity();
    machine.json(&["register", "--homeserver", &front.base_url()]);
    (machine, front)
}

/// Somebody whose homeserver does as it likes. It knows whose the login is.
fn at_a_hostile_homeserver() -> (Machine, HostileHomeserver) {
    let server = HostileHomeserver::start().unwrap();
    let (machine, _) = Machine::with_identity();
    let (url, user) = (server.base_url(), "@victim:homeserver.test");
    let mut login = machine.command(&["login", "--homeserver", &url, "--user", user]);
    login.env("SECURECALL_PASSWORD", "password");
    assert_eq!(end(login.stdin(Stdio::null())).code, 0);
    server.answer("/whoami", whoami());
    (machine, server)
}

fn whoami() -> Answer {
    let us = r#"{"user_id":"@victim:homeserver.test","device_id":"HOSTILE"}"#;
    Answer::json("200 OK", &[], us)
}

/// An answer that never comes.
fn silence() -> Answer {
    Answer::written(|_| {
        loop {
            thread::park();
        }
    })
}

/// What a run of it has told.
struct Told {
    code: i32,
    checks: Vec<Value>,
}

impl Told {
    fn of(ended: &Ended) -> Self {
        let checks = ended.events();
        for check in &checks {
            let is_told = |name: &str| check.get(name).is_some();
            let fields = ["name", "ok", "kind", "server", "message", "help", "ms"];
            assert!(fields.into_iter().all(is_told), "{check}");
            assert_eq!(check["event"], "check", "{check}");
            assert_eq!(check["ok"] == false, check["kind"].is_string(), "{check}");
        }
        Self {
            code: ended.code,
            checks,
        }
    }

    /// The only check of this name.
    #[track_caller]
    fn check(&self, name: &str) -> &Value {
        let mut named = self.checks.iter().filter(|check| check["name"] == name);
        let check = named.next().unwrap_or_else(|| panic!("no {name}"));
        assert!(named.next().is_none(), "{:#?}", self.checks);
        check
    }

    /// What is wrong, and why.
    fn wrong(&self) -> Vec<(&str, &str)> {
        let wrong = self.checks.iter().filter(|check| check["ok"] == false);
        wrong
            .map(|check| {
                let text = |field: &str| check[field].as_str().unwrap();
                (text("name"), text("kind"))
            })
            .collect()
    }

    /// What could not be checked.
    fn not_checked(&self) -> Vec<&str> {
        let left = self.checks.iter().filter(|check| check["ok"].is_null());
        left.map(|check| check["name"].as_str().unwrap()).collect()
    }
}
