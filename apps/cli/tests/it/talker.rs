//! A user with an account, and a `call` or `listen` of theirs that runs while the test looks on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use securecall_interop::{Homeserver, Synapse, SynapseOptions};
use serde_json::Value;

use crate::command::Machine;

/// How long the test waits for something that will not come.
const PATIENCE: Duration = Duration::from_secs(120);

/// The homeserver of all tests that need but an open one. It ends with the test process.
pub(crate) fn homeserver() -> &'static Synapse {
    static HOMESERVER: OnceLock<Synapse> = OnceLock::new();
    HOMESERVER.get_or_init(|| Synapse::start(SynapseOptions::default()).unwrap())
}

/// A user with an identity and an account.
pub(crate) struct User {
    pub(crate) machine: Machine,
    pub(crate) id: String,
    phrase: String,
    pub(crate) matrix_id: String,
}

impl User {
    /// A new user of [`homeserver`].
    pub(crate) fn new() -> Self {
        Self::of(homeserver())
    }

    /// A new user of a homeserver that allows it.
    pub(crate) fn of(homeserver: &dyn Homeserver) -> Self {
        Self::registered_by(|machine| register(machine, homeserver))
    }

    /// A new user, for whose machine somebody runs `register`; the event `account` comes of it.
    pub(crate) fn registered_by(register: impl FnOnce(&Machine) -> Value) -> Self {
        let machine = Machine::new();
        let identity = machine.json(&["id", "new"]).remove(0);
        let field = |name: &str| identity[name].as_str().unwrap().to_owned();
        let account = register(&machine);
        Self::with_account(machine, field("id"), field("phrase"), &account)
    }

    fn with_account(machine: Machine, id: String, phrase: String, account: &Value) -> Self {
        let matrix_id = account["matrix_id"].as_str().unwrap().to_owned();
        Self {
            machine,
            id,
            phrase,
            matrix_id,
        }
    }

    /// Another device of the same user.
    pub(crate) fn second_device(&self, homeserver: &dyn Homeserver) -> Self {
        let machine = Machine::new();
        let restored = machine.run_with_input(&["id", "restore"], &self.phrase);
        assert_eq!(restored.code, 0, "{restored:?}");
        let account = register(&machine, homeserver);
        Self::with_account(machine, self.id.clone(), self.phrase.clone(), &account)
    }

    /// Two users who know each other, as `peer`.
    pub(crate) fn acquainted() -> (Self, Self) {
        Self::acquainted_at([homeserver(), homeserver()])
    }

    /// The same, each of a homeserver of their own.
    pub(crate) fn acquainted_at([here, there]: [&dyn Homeserver; 2]) -> (Self, Self) {
        let (ada, bo) = (Self::of(here), Self::of(there));
        ada.add(&bo, "peer");
        bo.add(&ada, "peer");
        (ada, bo)
    }

    pub(crate) fn add(&self, other: &Self, name: &str) {
        let link = other.machine.json(&["contact", "share"]).remove(0);
        self.machine.json(&[
            "contact",
            "add",
            link["deep_link"].as_str().unwrap(),
            "--name",
            name,
        ]);
    }

    /// Runs `call` or `listen` with a tone for a voice.
    pub(crate) fn talk(&self, arguments: &[&str]) -> Talker {
        let audio = ["--mic", "tone:440", "--speaker", "null"];
        self.start(&[arguments, &audio].concat())
    }

    /// Runs a command whose events the test follows.
    pub(crate) fn start(&self, arguments: &[&str]) -> Talker {
        Talker::start(self.machine.command(&[&["--json"], arguments].concat()))
    }
}

fn register(machine: &Machine, homeserver: &dyn Homeserver) -> Value {
    let register = ["register", "--homeserver", &homeserver.base_url()];
    machine.json(&register).remove(0)
}

/// A running `call` or `listen`.
pub(crate) struct Talker {
    child: Child,
    stdin: Option<ChildStdin>,
    events: Receiver<Value>,
    seen: Vec<Value>,
    stderr: Option<JoinHandle<String>>,
}

impl Talker {
    /// Starts a command that prints events.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_by(command, |command| command.spawn().unwrap())
    }

    /// The same, somewhere else.
    pub(crate) fn start_by(
        mut command: Command,
        spawn: impl FnOnce(&mut Command) -> Child,
    ) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn(&mut command);
        let (sender, events) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            events,
            seen: Vec::new(),
            stderr: Some(stderr),
        }
    }

    /// The next event of this name; others before it are passed over.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, name: &str) -> Value {
        self.wait_for_any(&[name])
    }

    /// The next event of one of these names; others before it are passed over.
    #[track_caller]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test that waits for ever says nothing, and a call tells its figures each second"
    )]
    pub(crate) fn wait_for_any(&mut self, names: &[&str]) -> Value {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let left = give_up_at.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) => {
                    self.seen.push(event.clone());
                    if names.iter().any(|name| event["event"] == *name) {
                        return event;
                    }
                }
                Err(reason) => {
                    if reason == RecvTimeoutError::Timeout {
                        let _ = self.child.kill();
                    }
                    let told = self.told();
                    panic!(
                        "none of {names:?} ({reason}) after {:#?}, {told}",
                        self.seen
                    );
                }
            }
        }
    }

    /// An event of each of these names, in whatever order they come; others are passed over. Of those that come again meanwhile, the
    /// newest.
    #[track_caller]
    pub(crate) fn wait_for_each<const N: usize>(&mut self, names: [&str; N]) -> [Value; N] {
        let mut found = [const { None }; N];
        while found.iter().any(Option::is_none) {
            let event = self.wait_for_any(&names);
            let name = names.iter().position(|name| event["event"] == *name);
            found[name.unwrap()] = Some(event);
        }
        found.map(Option::unwrap)
    }

    /// The newest event of this name of all that have come.
    #[track_caller]
    pub(crate) fn newest(&mut self, name: &str) -> Value {
        self.so_far();
        last(&self.seen, name)
    }

    /// The events that are there already and were not waited for.
    pub(crate) fn so_far(&mut self) -> Vec<Value> {
        let events: Vec<Value> = self.events.try_iter().collect();
        self.seen.extend(events.iter().cloned());
        events
    }

    /// Orders something.
    pub(crate) fn order(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Sends a signal.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: libc::c_int) {
        let process = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: a signal to a child that has not been waited for, so that its id is still its own.
        let sent = unsafe { libc::kill(process, signal) };
        assert_eq!(sent, 0);
    }

    /// Waits for the end; gives the exit code and the events not waited for.
    pub(crate) fn end(mut self) -> (i32, Vec<Value>) {
        let rest: Vec<Value> = self.events.iter().collect();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, rest)
    }

    /// Waits for the end; gives the exit code and all events, also those that were waited for.
    pub(crate) fn end_with_all(mut self) -> (i32, Vec<Value>) {
        let seen = std::mem::take(&mut self.seen);
        let (code, rest) = self.end();
        (code, [seen, rest].concat())
    }

    /// Waits for the end; gives what was written to standard error.
    pub(crate) fn end_with_log(mut self) -> String {
        while self.events.recv().is_ok() {}
        self.child.wait().unwrap();
        self.told()
    }

    /// The process.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    fn told(&mut self) -> String {
        self.stderr
            .take()
            .map(|stderr| stderr.join().unwrap())
            .unwrap_or_default()
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last event of this name.
#[track_caller]
pub(crate) fn last(events: &[Value], name: &str) -> Value {
    let found = events.iter().rev().find(|event| event["event"] == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {events:#?}"))
        .clone()
}
