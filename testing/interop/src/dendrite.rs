//! A Dendrite that a test starts, kills and starts again.

use std::{
    fs,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    dendrite_config::{DATABASES, arguments, dendrite_yaml, signing_pem},
    federation::{Certificate, signing_seed},
    go_program::{self, GoError},
    homeserver::{
        Homeserver, HomeserverError, START_PATIENCE, Start, last_lines, wait_until_ready,
    },
    homeserver_config::{HomeserverOptions, Registration},
    port::free_port,
    venv::{self, VenvError},
};

/// An orderly stop waits for open requests.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// Runs the program, given after the data directory, for as long as our end of its standard input is open. A line on it asks for
/// the program's end, orderly or not. The end of it means that the test process is gone, however it went: then the data directory
/// goes too.
const LAUNCHER: &str = r#"
data=$1; shift
exec 3<&0
"$@" </dev/null 3<&- & server=$!
(
    read -r word <&3
    case $word in
        stop) kill -TERM $server ;;
        kill) kill -KILL $server ;;
        *) : >"$data/orphaned"; kill -KILL $server ;;
    esac
) & watcher=$!
wait $server; status=$?
kill $watcher 2>/dev/null
if [ -e "$data/orphaned" ]; then rm -rf "$data"; fi
exit $status
"#;

/// Why a homeserver does not run.
#[derive(Debug, thiserror::Error)]
pub enum DendriteError {
    /// It could not be built.
    #[error(transparent)]
    Build(#[from] GoError),
    /// There is no place for its data.
    #[error(transparent)]
    Place(#[from] VenvError),
    /// It ended while starting.
    #[error("dendrite ended while it started ({status}):\n{log}")]
    Ended {
        /// The exit status of its process.
        status: ExitStatus,
        /// The last lines it wrote.
        log: String,
    },
    /// It did not answer in time.
    #[error("dendrite did not answer within {} s:\n{log}", START_PATIENCE.as_secs())]
    Silent {
        /// The last lines it wrote.
        log: String,
    },
    /// A file, a process or a socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It has tables for tokens of registration, and no more.
    #[error("dendrite knows no registration by token")]
    NoTokens,
}

/// A homeserver in Go, with databases of its own: see [`Homeserver`]. It speaks of Matrix v1.2 at most, and has neither sliding
/// sync nor registration by token.
#[derive(Debug)]
pub struct Dendrite {
    options: HomeserverOptions,
    program: PathBuf,
    port: u16,
    process: Option<(Child, ChildStdin)>,
    data: TempDir,
}

impl Dendrite {
    /// The program, for a test that starts it with settings of its own. The first time on a machine, builds it, which takes minutes.
    ///
    /// # Errors
    ///
    /// When Go or a C compiler is missing.
    pub fn program() -> Result<PathBuf, DendriteError> {
        Ok(go_program::DENDRITE.path()?)
    }

    /// Starts a homeserver and waits until it answers. The first time on a machine, builds it, which takes minutes.
    ///
    /// # Errors
    ///
    /// When Go or a C compiler is missing, it does not start, or registration is to be by token.
    pub fn start(options: HomeserverOptions) -> Result<Self, DendriteError> {
        if matches!(options.registration, Registration::Token(_)) {
            return Err(DendriteError::NoTokens);
        }
        let program = go_program::DENDRITE.path()?;
        let parent = venv::target_directory()?.join("interop");
        let data = tempfile::Builder::new().prefix("run-").tempdir_in(parent)?;
        fs::write(
            data.path().join("signing.pem"),
            signing_pem(&signing_seed()?),
        )?;
        if options.federation.is_some() {
            Certificate::new()?.write_to(data.path())?;
        }
        let mut dendrite = Self {
            options,
            program,
            port: free_port()?,
            process: None,
            data,
        };
        dendrite.launch()?;
        Ok(dendrite)
    }

    fn launch(&mut self) -> Result<(), DendriteError> {
        let data = self.data.path();
        fs::write(data.join("dendrite.yaml"), dendrite_yaml(&self.options))?;
        let output = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        let mut child = Command::new("sh")
            .args(["-c", LAUNCHER, "dendrite"])
            .arg(data)
            .arg(&self.program)
            .args(arguments(&self.options, self.port))
            .current_dir(data)
            // Its JetStream has a directory in the place for temporary files, under a name that all share.
            .env("TMPDIR", data)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let lifeline = child
            .stdin
            .take()
            .ok_or_else(|| io::Error::other("no pipe to the child"))?;
        self.process = Some((child, lifeline));
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), DendriteError> {
        let address = self.address();
        let Some((child, _)) = &mut self.process else {
            return Ok(());
        };
        let started = wait_until_ready(child, address)?;
        let log = last_lines(&self.log_path(), 20);
        match started {
            Start::Ready => Ok(()),
            Start::Ended(status) => {
                self.process = None;
                Err(DendriteError::Ended { status, log })
            }
            Start::Silent => Err(DendriteError::Silent { log }),
        }
    }

    /// Ends the process as the launcher understands it, and waits until it has ended.
    fn end(&mut self, word: &str) -> io::Result<()> {
        let Some((mut child, mut lifeline)) = self.process.take() else {
            return Ok(());
        };
        // It may be dead already; waiting tells.
        let _ = writeln!(lifeline, "{word}");
        let deadline = Instant::now() + STOP_PATIENCE;
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(io::Error::other("dendrite does not end"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Homeserver for Dendrite {
    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    fn server_name(&self) -> &str {
        &self.options.server_name
    }

    fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(|(child, _)| child.id())
    }

    fn databases(&self) -> Vec<PathBuf> {
        let data = self.data.path();
        let databases = DATABASES.map(|(section, _)| data.join(format!("{section}.db")));
        // It makes no file for a part that it does not run.
        databases
            .into_iter()
            .filter(|database| Path::exists(database))
            .collect()
    }

    fn log_path(&self) -> PathBuf {
        self.data.path().join("output.log")
    }

    fn set_registration(&mut self, registration: Registration) {
        self.options.registration = registration;
    }

    fn stop(&mut self) -> Result<(), HomeserverError> {
        Ok(self.end("stop")?)
    }

    fn kill(&mut self) -> Result<(), HomeserverError> {
        Ok(self.end("kill")?)
    }

    fn restart(&mut self) -> Result<(), HomeserverError> {
        self.end("stop")?;
        Ok(self.launch()?)
    }
}

impl Drop for Dendrite {
    fn drop(&mut self) {
        // It ends anyway when the lifeline is gone.
        let _ = self.end("kill");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the launcher does with a program that never ends by itself, told this, or nothing.
    fn launched(word: Option<&str>) -> (ExitStatus, bool) {
        let data = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", LAUNCHER, "launcher"])
            .arg(data.path())
            .args(["sleep", "1000"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lifeline = child.stdin.take().unwrap();
        if let Some(word) = word {
            writeln!(lifeline, "{word}").unwrap();
        } else {
            drop(lifeline);
        }
        (child.wait().unwrap(), data.path().exists())
    }

    #[test]
    fn a_server_ends_with_the_process_that_started_it_and_its_data_too() {
        let killed = 128 + 9;
        let ended = |(status, is_kept): (ExitStatus, bool)| (status.code(), is_kept);
        assert_eq!(ended(launched(None)), (Some(killed), false));
        assert_eq!(ended(launched(Some("kill"))), (Some(killed), true));
        assert_eq!(ended(launched(Some("stop"))), (Some(128 + 15), true));
    }
}
