//! Programs of this workspace that run until they are told to end, and say so when they are ready.

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use serde_json::Value;

/// What a program has written to standard error so far.
pub(crate) type Log = Arc<Mutex<Vec<u8>>>;

/// Why a program is not there.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// It does not start, or a pipe to it failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It has ended, or its first line is not that it is ready.
    #[error("it is not ready: {said}")]
    NotReady {
        /// That line, and its log.
        said: String,
    },
}

/// A program whose first line on standard output is a JSON object of type `ready`. It ends when this value is dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    ready: Value,
    log: Log,
    reader: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Starts a program, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It does not start, or says something else.
    pub fn start(command: &mut Command) -> Result<Self, DaemonError> {
        Self::start_by(command, Command::spawn)
    }

    /// The same where something else is to start it.
    pub(crate) fn start_by(
        command: &mut Command,
        spawn: impl FnOnce(&mut Command) -> io::Result<Child>,
    ) -> Result<Self, DaemonError> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn(command)?;
        let pipes = child.stdout.take().zip(child.stderr.take());
        let mut daemon = Self {
            child,
            ready: Value::Null,
            log: Log::default(),
            reader: None,
        };
        let (stdout, mut stderr) = pipes.ok_or_else(|| io::Error::other("no pipes to it"))?;
        let into = Arc::clone(&daemon.log);
        daemon.reader = Some(thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut piece) {
                lock(&into).extend_from_slice(piece.get(..length).unwrap_or_default());
            }
        }));
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        // What it writes further on must not fill the pipe.
        thread::spawn(move || io::copy(&mut stdout, &mut io::sink()));
        daemon.ready = serde_json::from_str(&line).unwrap_or_default();
        if daemon.ready["type"] == "ready" {
            return Ok(daemon);
        }
        // Whoever says something else ends by itself.
        daemon.child.wait()?;
        Err(DaemonError::NotReady {
            said: format!("{line}{}", daemon.into_log()),
        })
    }

    /// What it said when it was ready.
    #[must_use]
    pub fn ready(&self) -> &Value {
        &self.ready
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Child {
        &self.child
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    ///
    /// When the process cannot be asked.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// When the process cannot be waited for.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }

    /// Ends it at once: it has no time for anything.
    ///
    /// # Errors
    ///
    /// When the process cannot be ended or waited for.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// What it has logged so far.
    #[must_use]
    pub fn logged(&self) -> String {
        String::from_utf8_lossy(&lock(&self.log)).into_owned()
    }

    /// All that it has logged, once it has ended.
    #[must_use]
    pub fn into_log(mut self) -> String {
        // Who still runs would be waited for without end.
        let _ = self.kill();
        if let Some(reader) = self.reader.take() {
            // It cannot panic.
            let _ = reader.join();
        }
        self.logged()
    }

    /// What it logs, also after its end.
    pub(crate) fn log(&self) -> Log {
        Arc::clone(&self.log)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Nothing more can be done about a process that will not be ended.
        let _ = self.kill();
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Daemon, DaemonError> {
        Daemon::start(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn a_program_that_is_ready_runs_until_it_is_ended_and_its_log_is_whole() {
        let mut daemon =
            shell(r#"echo '{"type":"ready","at":7}'; echo one >&2; exec sleep 1000"#).unwrap();
        assert_eq!(daemon.ready()["at"], 7);
        assert!(daemon.try_wait().unwrap().is_none());
        let daemon_that_ends =
            shell(r#"echo '{"type":"ready"}'; echo one >&2; echo two >&2"#).map(|mut daemon| {
                assert!(daemon.wait().unwrap().success());
                daemon.into_log()
            });
        assert_eq!(daemon_that_ends.unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_program_that_says_something_else_or_nothing_is_not_ready_and_why_is_told() {
        for script in ["echo no; echo why >&2", "echo why >&2; exit 3"] {
            let error = shell(script).unwrap_err().to_string();
            assert!(error.contains("why"), "{error}");
        }
    }
}
