//! A place with the program under test, and what its `doctor` says.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

/// On a busy machine an answer takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// A place of the program under test. What cannot be had of it fails the test.
pub(super) struct Place(securecall_interop::Place);

impl Place {
    /// What `init` makes of these options.
    pub(super) fn new(options: &[&str]) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_securecall-server"));
        Self(securecall_interop::Place::new(program, options).unwrap())
    }

    pub(super) fn init(&self, options: &[&str]) -> Output {
        self.0.init(options).unwrap()
    }

    pub(super) fn read(&self, name: &str) -> String {
        self.0.read(name).unwrap()
    }

    /// Exit code and findings of `doctor`, and what else it said.
    pub(super) fn doctor(&self, options: &[&str]) -> Diagnosis {
        Diagnosis::of(self.command(&["doctor", "--json"]).args(options))
    }
}

impl Deref for Place {
    type Target = securecall_interop::Place;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// What `doctor` says.
#[derive(Debug)]
pub(super) struct Diagnosis {
    pub(super) code: i32,
    pub(super) lines: Vec<Value>,
}

impl Diagnosis {
    /// Of a homeserver that is no place of ours.
    pub(super) fn of_stranger(kind: &str, settings: &str, address: SocketAddr) -> Self {
        let url = format!("http://{address}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_securecall-server"));
        command
            .args(["doctor", "--json", "--homeserver", kind])
            .args(["--homeserver-config", settings, "--url", &url])
            .args(["--config", "/nowhere/server.toml"]);
        Self::of(&mut command)
    }

    pub(super) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        Self {
            code: output.status.code().unwrap(),
            lines: lines.collect(),
        }
    }

    /// Places and names of the findings.
    pub(super) fn names(&self) -> Vec<String> {
        let findings = self.of_type("finding");
        findings
            .map(|finding| {
                let text = |key: &str| finding[key].as_str().unwrap().to_owned();
                assert!(!text("keeps").is_empty() && !text("change").is_empty());
                format!("{}: {}", text("place"), text("name"))
            })
            .collect()
    }

    /// These are among the findings.
    #[track_caller]
    pub(super) fn has_all(&self, wanted: &[&str]) {
        let names = self.names();
        for name in wanted {
            assert!(
                names.iter().any(|found| found == name),
                "{name}: {names:#?}"
            );
        }
    }

    pub(super) fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |line| line["type"] == kind)
    }

    pub(super) fn looked_at(&self) -> Vec<String> {
        let summary = self.of_type("summary").next().unwrap();
        let places = summary["looked_at"].as_array().unwrap().iter();
        places
            .map(|place| place.as_str().unwrap().to_owned())
            .collect()
    }
}

/// One request without TLS, in the HTTP that knows no chunks; status and body. `None` where nobody answers.
pub(super) fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split_whitespace().nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status, body.to_owned()))
}
