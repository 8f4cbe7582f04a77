//! Programs that a test starts, and the files they are started with.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use securecall_interop::free_port;
use serde_json::Value;
use tempfile::TempDir;

/// On a busy machine a start takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a program for as long as our end of its standard input is open, so that it ends with us however that comes.
const LIFELINE: &str =
    r#""$@" </dev/null & program=$!; read -r _; kill -9 $program; wait $program"#;

/// A place of `init --lab`.
pub(super) struct Place {
    folder: TempDir,
    pub(super) homeserver_port: u16,
    pub(super) server_port: u16,
}

impl Place {
    /// What `init` makes of these options.
    pub(super) fn new(options: &[&str]) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            homeserver_port: free_port().unwrap(),
            server_port: free_port().unwrap(),
        };
        let output = place.init(options);
        assert!(output.status.success(), "{output:?}");
        fs::create_dir_all(place.path("state")).unwrap();
        place
    }

    pub(super) fn init(&self, options: &[&str]) -> Output {
        self.command(&["init", "--domain", "place.test", "--lab"])
            .args(["--homeserver-port", &self.homeserver_port.to_string()])
            .args(["--server-port", &self.server_port.to_string()])
            .args(options)
            .output()
            .unwrap()
    }

    /// The command with this place's settings.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_securecall-server"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.path("server.toml"))
            .stdin(Stdio::null());
        command
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Exit code and findings of `doctor`, and what else it said.
    pub(super) fn doctor(&self, options: &[&str]) -> Diagnosis {
        Diagnosis::of(self.command(&["doctor", "--json"]).args(options))
    }

    pub(super) fn homeserver(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.homeserver_port))
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

/// A program that ends with the test.
pub(super) struct Running {
    child: Child,
    lifeline: Option<ChildStdin>,
    log: PathBuf,
}

impl Running {
    /// Starts a program in a folder; what it writes is put there.
    pub(super) fn start(folder: &Path, name: &str, command: &[&str]) -> Self {
        let log = folder.join(format!("{name}.output"));
        let file = fs::File::create(&log).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", LIFELINE, name])
            .args(command)
            .current_dir(folder)
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME")
            .stdin(Stdio::piped())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let lifeline = child.stdin.take();
        Self {
            child,
            lifeline,
            log,
        }
    }

    pub(super) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until something is so.
    #[expect(clippy::disallowed_methods, reason = "it is looked at until it is so")]
    pub(super) fn wait_until(&self, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "not in time: {}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until a homeserver answers there.
    pub(super) fn wait_for_homeserver(&self, address: SocketAddr) {
        self.wait_until(|| {
            ask(address, "GET", "/_matrix/client/versions", &[], "")
                .is_some_and(|answer| answer.0 == 200)
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.child.wait();
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
