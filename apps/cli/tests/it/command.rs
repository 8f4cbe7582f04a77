//! Runs the program and reads what it prints.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A profile in a temporary directory, and how to run the program in it.
pub(crate) struct Machine {
    directory: TempDir,
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Machine {
    /// A machine without a profile.
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A machine whose profile has an identity; gives its ID.
    pub(crate) fn with_identity() -> (Self, String) {
        let machine = Self::new();
        let identity = machine.json(&["id", "new"]);
        let id = identity[0]["id"].as_str().unwrap().to_owned();
        (machine, id)
    }

    /// The profile's directory.
    pub(crate) fn profile(&self) -> PathBuf {
        self.directory.path().join("profile")
    }

    /// A file beside the profile.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The program, in this profile, with a passphrase and without anything of the machine the test runs on. Both ends of a call
    /// are on this machine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare_command();
        command
            .arg("--profile")
            .arg(self.profile())
            .args(arguments)
            .env("SECURECALL_PASSPHRASE", "correct horse")
            .env("SECURECALL_LOOPBACK", "allow");
        command
    }

    /// Runs it without standard input.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        end(self.command(arguments).stdin(Stdio::null()))
    }

    /// Runs it with a text on standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        end_with_input(&mut self.command(arguments), input)
    }

    /// Runs it with `--json`, expects success, gives its events.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let ended = self.run(&[&["--json"], arguments].concat());
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
        ended.events()
    }

    /// Runs it with `--json`, expects failure, gives exit code and the error.
    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str]) -> (i32, Value) {
        self.run(&[&["--json"], arguments].concat()).error()
    }
}

impl Ended {
    /// The events on standard output, each on one line.
    pub(crate) fn events(&self) -> Vec<Value> {
        let parse = |line| {
            serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("not JSON: {line}"))
        };
        let events: Vec<Value> = self.stdout.lines().map(parse).collect();
        for event in &events {
            assert!(
                event["event"].is_string() && event["at_ms"].is_u64(),
                "{event}"
            );
        }
        events
    }

    /// Exit code and the last event, which must be an error that people are told, too.
    #[track_caller]
    pub(crate) fn error(&self) -> (i32, Value) {
        let last = self
            .events()
            .pop()
            .unwrap_or_else(|| panic!("no event: {self:?}"));
        assert_eq!(last["event"], "error", "{self:?}");
        let message = last["message"].as_str().unwrap();
        assert!(
            words(&self.stderr).contains(&words(message)),
            "people are not told: {self:?}"
        );
        assert!(!message.is_empty());
        (self.code, last)
    }
}

/// Expects a failure, as [`Machine::refused`] gives it, to be of a kind; gives the error.
#[track_caller]
pub(crate) fn expect(result: (i32, Value), code: i32, kind: &str) -> Value {
    let (found, error) = result;
    assert_eq!(
        (found, error["kind"].as_str().unwrap()),
        (code, kind),
        "{error}"
    );
    error
}

/// The program without any setting of this machine.
pub(crate) fn bare_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_securecall"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SECURECALL_") {
            command.env_remove(name);
        }
    }
    command
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .env_remove("XDG_RUNTIME_DIR");
    command
}

/// Another program of the workspace, which lies beside the command. Cargo looks whether it is what its sources say: a run of this
/// package's tests alone makes the command anew only. As one of the workspace it has the features that all tests have; alone it would
/// have others, and all it stands on would be built twice.
pub(crate) fn beside(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_securecall")).with_file_name(name);
    let folder = program.parent().and_then(Path::file_name).unwrap();
    let profile = if folder == "debug" {
        OsStr::new("dev")
    } else {
        folder
    };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--workspace", "--bin", name])
        .arg("--profile")
        .arg(profile)
        .status()
        .unwrap();
    assert!(built.success(), "{name} cannot be built");
    program
}

/// Runs a command to its end.
pub(crate) fn end(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a command to its end, with a text on standard input.
pub(crate) fn end_with_input(command: &mut Command, input: &str) -> Ended {
    end_with_bytes(command, input.as_bytes())
}

/// Runs a command to its end, with bytes on standard input.
pub(crate) fn end_with_bytes(command: &mut Command, input: &[u8]) -> Ended {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may end without reading it.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The writing end of a pipe whose reader has gone. A program that another test starts at this moment holds a copy of every open
/// file until it has become that program.
pub(crate) fn pipe_without_reader() -> std::io::PipeWriter {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    #[cfg(unix)]
    {
        let mut end = libc::pollfd {
            fd: std::os::fd::AsRawFd::as_raw_fd(&writer),
            events: 0,
            revents: 0,
        };
        // SAFETY: one pollfd that outlives the call, and an open descriptor.
        let told = unsafe { libc::poll(&raw mut end, 1, 10_000) };
        assert_eq!((told, end.revents), (1, libc::POLLERR));
    }
    writer
}

/// The names of the files in a directory; none if it is not there.
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// An argument as text.
pub(crate) fn text(path: &(impl AsRef<OsStr> + ?Sized)) -> &str {
    path.as_ref().to_str().unwrap()
}

/// A text on one line: people may be told the same on several.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
