//! A Synapse that a test starts, kills and starts again.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::{
    federation::{Certificate, signing_seed},
    homeserver::{
        Homeserver, HomeserverError, START_PATIENCE, Start, last_lines, wait_until_ready,
    },
    homeserver_config::{HomeserverOptions, Registration, homeserver_yaml, log_yaml, signing_key},
    port::free_port,
    venv::{self, VenvError},
};

/// An orderly stop waits for open requests.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// Runs Synapse for as long as our end of its standard input is open.
const LAUNCHER: &str = include_str!("launcher.py");

/// Why a homeserver does not run.
#[derive(Debug, thiserror::Error)]
pub enum SynapseError {
    /// There is no Python environment to run it in.
    #[error(transparent)]
    Venv(#[from] VenvError),
    /// It ended while starting.
    #[error("synapse ended while it started ({status}):\n{log}")]
    Ended {
        /// The exit status of its process.
        status: ExitStatus,
        /// The last lines it wrote.
        log: String,
    },
    /// It did not answer in time.
    #[error("synapse did not answer within {} s:\n{log}", START_PATIENCE.as_secs())]
    Silent {
        /// The last lines it wrote.
        log: String,
    },
    /// A file, a process or a socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The database could not be written.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
}

/// A homeserver on the loopback interface, with an empty database of its own.
///
/// It ends when this value is dropped, and also when the whole process dies without dropping it.
#[derive(Debug)]
pub struct Synapse {
    options: HomeserverOptions,
    python: PathBuf,
    port: u16,
    process: Option<Process>,
    data: TempDir,
}

#[derive(Debug)]
struct Process {
    child: Child,
    /// Closing it ends the child.
    lifeline: ChildStdin,
}

impl Synapse {
    /// The Python that has Synapse, for a test that starts it with settings of its own. The first time on a machine, installs it.
    ///
    /// # Errors
    ///
    /// When Python is missing, or Synapse cannot be installed.
    pub fn python() -> Result<PathBuf, SynapseError> {
        Ok(venv::SYNAPSE.python()?)
    }

    /// Starts a homeserver and waits until it answers. The first time on a machine, installs it.
    ///
    /// # Errors
    ///
    /// When Python is missing, Synapse cannot be installed, or it does not start.
    pub fn start(options: HomeserverOptions) -> Result<Self, SynapseError> {
        let python = venv::SYNAPSE.python()?;
        let parent = venv::target_directory()?.join("interop");
        let data = tempfile::Builder::new().prefix("run-").tempdir_in(parent)?;
        fs::write(
            data.path().join("signing.key"),
            signing_key(&signing_seed()?),
        )?;
        if options.federation.is_some() {
            Certificate::new()?.write_to(data.path())?;
        }
        fs::write(data.path().join("launcher.py"), LAUNCHER)?;
        fs::write(
            data.path().join("log.yaml"),
            log_yaml(&data.path().join("homeserver.log")),
        )?;

        let mut synapse = Self {
            options,
            python,
            port: free_port()?,
            process: None,
            data,
        };
        synapse.launch()?;
        synapse.admit_token()?;
        Ok(synapse)
    }

    /// Starts again, on the same port and with the same database; stops first if it still runs.
    ///
    /// # Errors
    ///
    /// When it does not come up, for instance because somebody took the port meanwhile.
    pub fn restart(&mut self) -> Result<(), SynapseError> {
        self.stop()?;
        self.launch()
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    ///
    /// When the process cannot be waited for.
    pub fn stop(&mut self) -> Result<(), SynapseError> {
        use std::io::Write as _;

        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        // It may be dead already; waiting tells.
        let _ = process.lifeline.write_all(b".");
        let deadline = Instant::now() + STOP_PATIENCE;
        while process.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                process.child.kill()?;
                process.child.wait()?;
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Ends it at once, as a power cut would.
    ///
    /// # Errors
    ///
    /// When the process cannot be ended or waited for.
    pub fn kill(&mut self) -> Result<(), SynapseError> {
        if let Some(mut process) = self.process.take() {
            process.child.kill()?;
            process.child.wait()?;
        }
        Ok(())
    }

    /// Changes who may make an account, from the next start on.
    pub fn set_registration(&mut self, registration: Registration) {
        self.options.registration = registration;
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The part of its Matrix IDs behind the colon.
    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.options.server_name
    }

    /// Its SQLite file.
    #[must_use]
    pub fn database_path(&self) -> PathBuf {
        self.data.path().join("homeserver.db")
    }

    /// Where it keeps pictures, if it does.
    #[must_use]
    pub fn media_path(&self) -> PathBuf {
        self.data.path().join("media")
    }

    /// Where Synapse writes its log, for whoever looks into a failure.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.data.path().join("homeserver.log")
    }

    /// The id of its process, while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.id())
    }

    fn launch(&mut self) -> Result<(), SynapseError> {
        let data = self.data.path();
        fs::write(
            data.join("homeserver.yaml"),
            homeserver_yaml(&self.options, self.port, data),
        )?;
        let output = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(data.join("output.log"))?;
        let mut child = Command::new(&self.python)
            .arg(data.join("launcher.py"))
            .arg(data)
            .current_dir(data)
            // Whatever the surroundings have set for their own Python, or as a proxy, is not for this one.
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME")
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let lifeline = child
            .stdin
            .take()
            .ok_or_else(|| io::Error::other("no pipe to the child"))?;
        self.process = Some(Process { child, lifeline });
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), SynapseError> {
        let address = self.address();
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        match wait_until_ready(&mut process.child, address)? {
            Start::Ready => Ok(()),
            Start::Ended(status) => {
                self.process = None;
                Err(SynapseError::Ended {
                    status,
                    log: self.last_words(),
                })
            }
            Start::Silent => Err(SynapseError::Silent {
                log: self.last_words(),
            }),
        }
    }

    /// Tells a running server its registration token. Its own way needs an administrator's account; the row does as well.
    fn admit_token(&self) -> Result<(), SynapseError> {
        let Registration::Token(token) = &self.options.registration else {
            return Ok(());
        };
        let database = Connection::open(self.database_path())?;
        database.busy_timeout(Duration::from_secs(10))?;
        database.execute(
            "INSERT INTO registration_tokens (token, uses_allowed, pending, completed, expiry_time) VALUES (?1, NULL, 0, 0, NULL)",
            [token],
        )?;
        Ok(())
    }

    fn last_words(&self) -> String {
        ["output.log", "homeserver.log"]
            .map(|name| last_lines(&self.data.path().join(name), 20))
            .concat()
    }
}

impl Homeserver for Synapse {
    fn address(&self) -> SocketAddr {
        self.address()
    }

    fn server_name(&self) -> &str {
        self.server_name()
    }

    fn databases(&self) -> Vec<PathBuf> {
        vec![self.database_path()]
    }

    fn process_id(&self) -> Option<u32> {
        self.process_id()
    }

    fn log_path(&self) -> PathBuf {
        self.log_path()
    }

    fn set_registration(&mut self, registration: Registration) {
        self.set_registration(registration);
    }

    fn stop(&mut self) -> Result<(), HomeserverError> {
        Ok(self.stop()?)
    }

    fn kill(&mut self) -> Result<(), HomeserverError> {
        Ok(self.kill()?)
    }

    fn restart(&mut self) -> Result<(), HomeserverError> {
        Ok(self.restart()?)
    }
}

impl Drop for Synapse {
    fn drop(&mut self) {
        // Nothing more can be done about a process that will not be ended.
        let _ = self.kill();
    }
}
