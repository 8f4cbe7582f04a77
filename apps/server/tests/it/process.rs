//! A server that runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use securecall_interop::{Daemon, WebServer, free_address};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::get;

pub(crate) const DOMAIN: &str = "homeserver.test";

/// The registration secret that all labs here share with their homeservers.
pub(crate) const SECRET: &str = "a-secret-of-a-lab-0123456789";

pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_securecall-server"))
}

/// A homeserver that makes each account that it is asked for, as far as anybody can tell.
pub(crate) fn obliging() -> WebServer {
    let server = WebServer::start().unwrap();
    server.answer(
        "/_matrix/client/versions",
        "200 OK",
        r#"{"versions":["v1.11"]}"#,
    );
    server.answer(
        "GET /_synapse/admin/v1/register",
        "200 OK",
        r#"{"nonce":"n"}"#,
    );
    // It knows no names; this answer has none in it.
    server.answer(
        "POST /_synapse/admin/v1/register",
        "400 Bad Request",
        r#"{"errcode":"M_USER_IN_USE","error":"User ID already taken."}"#,
    );
    server
}

/// From now on it makes administrators, and does what they ask for.
pub(crate) fn obeys_operators(homeserver: &WebServer) {
    let made = format!(r#"{{"user_id":"@operator:{DOMAIN}","access_token":"operator"}}"#);
    homeserver.answer("POST /_synapse/admin/v1/register", "200 OK", &made);
    homeserver.answer("POST /_synapse/admin/v1/deactivate/", "200 OK", "{}");
}

/// Settings, and what they name.
pub(crate) struct Lab {
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) figures: SocketAddr,
}

impl Lab {
    /// Settings with more lines: those before the first `[` are of the top, the others are sections.
    pub(crate) fn new(homeserver: SocketAddr, more: &str) -> Self {
        Self::of_kind("synapse", homeserver, "sqlite:server.db", more)
    }

    pub(crate) fn of_kind(kind: &str, homeserver: SocketAddr, database: &str, more: &str) -> Self {
        let lab = Self {
            folder: tempfile::tempdir().unwrap(),
            address: free_address().unwrap(),
            figures: free_address().unwrap(),
        };
        lab.secret("secret", "0123456789abcdef0123456789abcdef");
        lab.secret("registration_secret", SECRET);
        lab.configure(kind, homeserver, database, more);
        lab
    }

    pub(crate) fn configure(&self, kind: &str, homeserver: SocketAddr, database: &str, more: &str) {
        let text = format!(
            "domain = \"{DOMAIN}\"\nlisten = [\"{}\"]\npublic_url = \"https://{DOMAIN}\"\nsecret_file = \"secret\"\ndrain_seconds = 3\n\
             [database]\nurl = \"{database}\"\n\
             [homeserver]\nkind = \"{kind}\"\nurl = \"http://{homeserver}\"\npublic_url = \"https://matrix.{DOMAIN}\"\n\
             server = \"matrix.{DOMAIN}:443\"\nregistration_secret_file = \"registration_secret\"\n\
             [figures]\nlisten = \"{}\"\n{more}",
            self.address, self.figures
        );
        std::fs::write(self.settings(), text).unwrap();
    }

    /// A change of the settings as they stand.
    pub(crate) fn change(&self, from: &str, to: &str) {
        let settings = std::fs::read_to_string(self.settings()).unwrap();
        assert!(settings.contains(from), "{from} is not in {settings}");
        std::fs::write(self.settings(), settings.replace(from, to)).unwrap();
    }

    /// A file for its owner alone.
    pub(crate) fn secret(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.path("server.toml")
    }

    /// Runs another command, and gives the lines of its JSON.
    pub(crate) fn told(&self, arguments: &[&str]) -> Vec<Value> {
        let (code, lines) = self.ended(arguments);
        assert_eq!(code, 0, "{arguments:?}: {lines:?}");
        lines
    }

    /// The same, however it ends.
    pub(crate) fn ended(&self, arguments: &[&str]) -> (i32, Vec<Value>) {
        let output = command()
            .arg("--json")
            .args(arguments)
            .arg("--config")
            .arg(self.settings())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (output.status.code().unwrap(), lines.collect())
    }

    pub(crate) fn start(self) -> Server {
        self.try_start()
            .unwrap_or_else(|log| panic!("not ready: {log}"))
    }

    /// A server, or why there is none.
    pub(crate) fn try_start(self) -> Result<Server, String> {
        // A file that may not grow is an error then and not the end: a test has full disks by that limit.
        let daemon = Daemon::start(
            Command::new("sh")
                .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
                .arg(env!("CARGO_BIN_EXE_securecall-server"))
                .args(["-vv", "--json", "run", "--config"])
                .arg(self.settings()),
        );
        let daemon = daemon.map_err(|error| error.to_string())?;
        Ok(Server { lab: self, daemon })
    }
}

/// The process. It ends with the test.
pub(crate) struct Server {
    pub(crate) lab: Lab,
    daemon: Daemon,
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.lab.address
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.daemon.process().id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.daemon.process()), signal).unwrap();
    }

    /// One figure.
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let text = get(self.lab.figures, "/metrics").text();
        let prefix = format!("securecall_server_{name} ");
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(&prefix));
        value
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse()
            .unwrap()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.daemon.wait().unwrap()
    }

    /// Ends it at once, and gives its log.
    pub(crate) fn killed(self) -> (String, Lab) {
        (self.daemon.into_log(), self.lab)
    }
}
