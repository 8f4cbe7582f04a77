//! What a test asks of a homeserver of any kind.

use std::{
    fmt, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use crate::{
    database_snapshot::DatabaseSnapshot,
    dendrite::{Dendrite, DendriteError},
    homeserver_config::{HomeserverOptions, Registration},
    http,
    synapse::{Synapse, SynapseError},
};

/// The homeservers that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomeserverKind {
    /// [`Synapse`].
    Synapse,
    /// [`Dendrite`].
    Dendrite,
}

/// Why a homeserver does not do as the test says.
#[derive(Debug, thiserror::Error)]
pub enum HomeserverError {
    /// It is a Synapse.
    #[error(transparent)]
    Synapse(#[from] SynapseError),
    /// It is a Dendrite.
    #[error(transparent)]
    Dendrite(#[from] DendriteError),
    /// No port or no certificate is to be had for it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A homeserver on the loopback interface, with empty databases of its own. It ends when the value is dropped, and also when
/// the whole process dies without dropping it.
pub trait Homeserver: fmt::Debug + Send + Sync {
    /// Where clients find it.
    fn address(&self) -> SocketAddr;

    /// The part of its Matrix IDs behind the colon.
    fn server_name(&self) -> &str;

    /// Its SQLite files.
    fn databases(&self) -> Vec<PathBuf>;

    /// Where it writes its log, for whoever looks into a failure.
    fn log_path(&self) -> PathBuf;

    /// The id of its process, while it runs.
    fn process_id(&self) -> Option<u32>;

    /// Changes who may make an account, from the next start on.
    fn set_registration(&mut self, registration: Registration);

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    ///
    /// When the process cannot be waited for.
    fn stop(&mut self) -> Result<(), HomeserverError>;

    /// Ends it at once, as a power cut would.
    ///
    /// # Errors
    ///
    /// When the process cannot be ended or waited for.
    fn kill(&mut self) -> Result<(), HomeserverError>;

    /// Starts again, on the same ports and with the same databases; stops first if it still runs.
    ///
    /// # Errors
    ///
    /// When it does not come up, for instance because somebody took a port meanwhile.
    fn restart(&mut self) -> Result<(), HomeserverError>;

    /// `http://127.0.0.1:port`.
    fn base_url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// All that its databases hold now.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    fn snapshot(&self) -> Result<DatabaseSnapshot, rusqlite::Error> {
        DatabaseSnapshot::read_all(&self.databases())
    }
}

impl HomeserverKind {
    /// Starts one of this kind and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it cannot be installed or built, or does not start.
    pub fn start(self, options: HomeserverOptions) -> Result<Box<dyn Homeserver>, HomeserverError> {
        Ok(match self {
            Self::Synapse => Box::new(Synapse::start(options)?),
            Self::Dendrite => Box::new(Dendrite::start(options)?),
        })
    }
}

/// A first start makes some hundred tables; on a busy machine this takes its time.
pub(crate) const START_PATIENCE: Duration = Duration::from_secs(120);

/// How a start went.
pub(crate) enum Start {
    /// It answers.
    Ready,
    /// It has ended instead.
    Ended(ExitStatus),
    /// It has not answered in time.
    Silent,
}

/// Waits until the homeserver of a process answers, or that has ended.
pub(crate) fn wait_until_ready(process: &mut Child, address: SocketAddr) -> io::Result<Start> {
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(Start::Ended(status));
        }
        let answer = http::get_status(address, "/_matrix/client/versions", Duration::from_secs(5));
        if matches!(answer, Ok(200)) {
            return Ok(Start::Ready);
        }
        if Instant::now() > deadline {
            return Ok(Start::Silent);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The end of a log, for an error.
pub(crate) fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines
        .get(lines.len().saturating_sub(count)..)
        .unwrap_or_default();
    tail.iter().map(|line| format!("  {line}\n")).collect()
}
