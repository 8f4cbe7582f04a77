//! Relays and clients of RFC 9298 by other people: masque-go.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use data_encoding::BASE64;
use tempfile::TempDir;

use crate::{
    go_program::{self, GoError},
    pem::pem,
};

/// On a busy machine a start takes its time.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Why masque-go does not run.
#[derive(Debug, thiserror::Error)]
pub enum MasqueGoError {
    /// It could not be built.
    #[error(transparent)]
    Build(#[from] GoError),
    /// No certificate could be made.
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    /// A file or a process failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It said nothing in time, or what makes no sense: this.
    #[error("masque-go does not start: {0:?}")]
    Silent(Option<String>),
}

/// A relay that leads everybody to every address, on the loopback interface. It has no bound flows and asks for no authorization. It
/// ends with this value, or with the process.
#[derive(Debug)]
pub struct MasqueGoRelay {
    address: SocketAddr,
    certificate: Vec<u8>,
    spki: Vec<u8>,
    _process: Process,
    _data: TempDir,
}

impl MasqueGoRelay {
    /// Starts a relay with a certificate for `name`. The first time on a machine, builds it.
    ///
    /// # Errors
    ///
    /// When it cannot be built or does not start.
    pub fn start(name: &str) -> Result<Self, MasqueGoError> {
        let data = tempfile::tempdir()?;
        let made = rcgen::generate_simple_self_signed([name.to_owned()])?;
        let certificate = made.cert.der().to_vec();
        let (file, key_file) = (data.path().join("certificate"), data.path().join("key"));
        fs::write(&file, pem("CERTIFICATE", &certificate))?;
        fs::write(
            &key_file,
            pem("PRIVATE KEY", &made.signing_key.serialize_der()),
        )?;
        let mut command = Command::new(go_program::MASQUE_GO.path()?);
        command.arg("relay").arg(file).arg(key_file);
        let (process, lines) = Process::start(&mut command)?;
        let said = lines.recv_timeout(START_PATIENCE).ok();
        let port = said.as_deref().and_then(|line| line.parse::<u16>().ok());
        let port = port.ok_or(MasqueGoError::Silent(said))?;
        Ok(Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            certificate,
            spki: rcgen::PublicKeyData::subject_public_key_info(&made.signing_key),
            _process: process,
            _data: data,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its certificate, in DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The SubjectPublicKeyInfo of its key, in DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }
}

/// What a client asks a relay for.
#[derive(Clone, Copy, Debug)]
pub struct MasqueGoRequest<'a> {
    /// The relay, by a name that its certificate has, or an address.
    pub relay: &'a str,
    /// Its certificate, in DER.
    pub certificate: &'a [u8],
    /// The value of the field `authorization`.
    pub authorization: &'a str,
    /// Where to.
    pub target: SocketAddr,
}

/// A client with one CONNECT-UDP flow through a relay. It ends with this value, or with the process.
#[derive(Debug)]
pub struct MasqueGoClient {
    status: u16,
    received: Receiver<String>,
    process: Process,
    _data: TempDir,
}

impl MasqueGoClient {
    /// Asks a relay for a flow and waits for the answer. The first time on a machine, builds the client.
    ///
    /// # Errors
    ///
    /// When it cannot be built, or gets no answer at all.
    pub fn ask(request: &MasqueGoRequest<'_>) -> Result<Self, MasqueGoError> {
        let data = tempfile::tempdir()?;
        let file = data.path().join("certificate");
        fs::write(&file, pem("CERTIFICATE", request.certificate))?;
        let path = "/.well-known/masque/udp/{target_host}/{target_port}/";
        let mut command = Command::new(go_program::MASQUE_GO.path()?);
        command
            .arg("client")
            .arg(format!("https://{}{path}", request.relay))
            .arg(file)
            .args([request.authorization, &request.target.to_string()]);
        let (process, received) = Process::start(&mut command)?;
        let said = received.recv_timeout(START_PATIENCE).ok();
        let status = said.as_deref().and_then(|line| line.parse().ok());
        let status = status.ok_or(MasqueGoError::Silent(said))?;
        Ok(Self {
            status,
            received,
            process,
            _data: data,
        })
    }

    /// What the relay has answered.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Sends a UDP payload through the flow.
    ///
    /// # Errors
    ///
    /// When the client has ended.
    pub fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        writeln!(self.process.input, "{}", BASE64.encode(payload))
    }

    /// The next UDP payload that comes back; `None` if there is none in time, or the flow has ended.
    pub fn receive(&self, patience: Duration) -> Option<Vec<u8>> {
        match self.received.recv_timeout(patience) {
            Ok(line) => BASE64.decode(line.as_bytes()).ok(),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }
}

/// A process that ends with us: its standard input does.
#[derive(Debug)]
struct Process {
    child: Child,
    input: ChildStdin,
}

impl Process {
    fn start(command: &mut Command) -> io::Result<(Self, Receiver<String>)> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the process has no pipes"));
        };
        let (tell, lines) = channel();
        thread::spawn(move || tell_lines(output, &tell));
        Ok((Self { child, input }, lines))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tell_lines(output: ChildStdout, tell: &Sender<String>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if tell.send(line).is_err() {
            return;
        }
    }
}
