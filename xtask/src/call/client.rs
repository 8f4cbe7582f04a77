//! A running `securecall` process: its events in, commands out, stopped by its id.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::call::record::{Record, Side};

/// A client hangs up and ends within 2 s of a signal; a busy machine gets some more.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// One process of one user. Dropping it stops the process.
pub(crate) struct Client {
    child: Child,
    /// Held open: a client whose stdin is closed has nobody to command it.
    stdin: Option<ChildStdin>,
    reader: Option<JoinHandle<()>>,
}

impl Client {
    /// Has the command started by `spawn`; each event goes to `events`, stderr to `log`.
    pub(crate) fn start(
        mut command: Command,
        spawn: impl FnOnce(&mut Command) -> Result<Child>,
        side: Side,
        events: Sender<Record>,
        log: &Path,
    ) -> Result<Self> {
        let log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = spawn(&mut command).with_context(|| {
            format!("{} does not start", command.get_program().to_string_lossy())
        })?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("the client has no stdout")?;
        let reader = thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                if let Some(record) = Record::read_now(side, &line)
                    && events.send(record).is_err()
                {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            stdin,
            reader: Some(reader),
        })
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Orders something.
    pub(crate) fn order(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("the client has no stdin")?;
        writeln!(stdin, "{line}").context("the client takes no orders")
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot wait for the client")
    }

    /// Waits for it to end by itself; `None` if it does not.
    pub(crate) fn wait(&mut self, patience: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended()? {
                // What it said last is read before the caller goes on.
                if let Some(reader) = self.reader.take() {
                    let _ = reader.join();
                }
                return Ok(Some(status));
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to hang up and end, and sees to it that it does.
    pub(crate) fn stop(&mut self) -> Result<Option<ExitStatus>> {
        if let Some(status) = self.ended()? {
            return Ok(Some(status));
        }
        self.signal(libc::SIGTERM);
        let status = self.wait(STOP_PATIENCE)?;
        if status.is_none() {
            self.child.kill().context("cannot end the client")?;
            return self.wait(STOP_PATIENCE);
        }
        Ok(status)
    }

    fn signal(&self, signal: libc::c_int) {
        if let Ok(id) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: kill has no memory effects; the child is ours and not waited for yet, so the id is its own.
            unsafe {
                libc::kill(id, signal);
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Best effort: there is nobody left to tell.
        let _ = self.stop();
    }
}
