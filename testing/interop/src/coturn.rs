//! A TURN server that operators run: coturn.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::homeserver_config::TurnServers;
#[cfg(target_os = "linux")]
use crate::network::Host;
use crate::pem::pem;
use crate::port::free_port;

/// On a busy machine a start takes its time.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// The names that its certificate holds.
const NAMES: [&str; 2] = ["localhost", "turn.example.org"];
/// Runs the program for as long as our end of its standard input is open, so that it ends with us however that comes.
const LIFELINE: &str =
    r#"turnserver "$@" </dev/null & server=$!; read -r _; kill -9 $server; wait $server"#;

/// The tables of its users' database, as Debian's package brings them.
const SCHEMA: &str = "/usr/share/coturn/schema.sql";

/// Why coturn does not run.
#[derive(Debug, thiserror::Error)]
pub enum CoturnError {
    /// It is not installed, or a file or socket failed.
    #[error("coturn does not start (`cargo xtask setup` installs it): {0}")]
    Io(#[from] io::Error),
    /// No certificate could be made.
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    /// The users' database could not be made.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// It did not answer in time.
    #[error("coturn did not answer within {} s:\n{log}", START_PATIENCE.as_secs())]
    Silent {
        /// What it wrote.
        log: String,
    },
}

/// Whom a server serves.
#[derive(Clone, Debug)]
pub enum CoturnUsers {
    /// One user with a password.
    Static {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// Whoever has credentials made with this secret, as homeservers make them.
    SharedSecret(String),
}

/// A TURN server on the loopback interface, over UDP and TCP on one port and over TLS on another. It ends when this value is
/// dropped, and also when the whole process dies without dropping it.
#[derive(Debug)]
pub struct Coturn {
    place: Place,
    ip: IpAddr,
    port: u16,
    tls_port: u16,
    users: CoturnUsers,
    extra: Vec<String>,
    certificate: Vec<u8>,
    data: TempDir,
    process: Option<(Child, ChildStdin)>,
}

/// Where a server runs.
#[derive(Debug)]
enum Place {
    /// On this machine's loopback interface.
    Here,
    /// At a host of a network of its own.
    #[cfg(target_os = "linux")]
    Host(Host),
}

impl Place {
    fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        match self {
            Self::Here => command.spawn(),
            #[cfg(target_os = "linux")]
            Self::Host(host) => host.spawn(command).map_err(io::Error::other),
        }
    }

    fn run<T: Send>(&self, job: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        match self {
            Self::Here => job(),
            #[cfg(target_os = "linux")]
            Self::Host(host) => host.enter(job).map_err(io::Error::other)?,
        }
    }
}

impl Coturn {
    /// Starts a server with these lines of configuration on top, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it is not installed or does not start.
    pub fn start(users: CoturnUsers, extra: &[&str]) -> Result<Self, CoturnError> {
        let ports = (free_port()?, free_port()?);
        Self::begin(Place::Here, Ipv4Addr::LOCALHOST.into(), ports, users, extra)
    }

    /// The same at a host of a network, at port 443 for UDP and TCP, and 5349 for TLS.
    ///
    /// # Errors
    ///
    /// When it is not installed or does not start.
    #[cfg(target_os = "linux")]
    pub fn start_at(host: Host, users: CoturnUsers, extra: &[&str]) -> Result<Self, CoturnError> {
        Self::start_at_ports(host, (443, 5349), users, extra)
    }

    /// The same at port 3478 for UDP and TCP, and 443 for TLS, as operators set it up.
    ///
    /// # Errors
    ///
    /// When it is not installed or does not start.
    #[cfg(target_os = "linux")]
    pub fn start_with_tls_at_443(
        host: Host,
        users: CoturnUsers,
        extra: &[&str],
    ) -> Result<Self, CoturnError> {
        Self::start_at_ports(host, (3478, 443), users, extra)
    }

    #[cfg(target_os = "linux")]
    fn start_at_ports(
        host: Host,
        ports: (u16, u16),
        users: CoturnUsers,
        extra: &[&str],
    ) -> Result<Self, CoturnError> {
        // Without a way to everywhere, one packet for a private address ends a whole allocation. This one leads nowhere.
        let mut route = Command::new("ip");
        route.args(["route", "replace", "default", "via", "203.0.113.253"]);
        host.run(&mut route).map_err(io::Error::other)?;
        let address = host.address();
        Self::begin(Place::Host(host), address, ports, users, extra)
    }

    fn begin(
        place: Place,
        ip: IpAddr,
        (port, tls_port): (u16, u16),
        users: CoturnUsers,
        extra: &[&str],
    ) -> Result<Self, CoturnError> {
        let data = tempfile::Builder::new().prefix("coturn-").tempdir()?;
        let pair = rcgen::generate_simple_self_signed(NAMES.map(str::to_owned))?;
        fs::write(
            data.path().join("cert.pem"),
            pem("CERTIFICATE", pair.cert.der()),
        )?;
        fs::write(
            data.path().join("key.pem"),
            pem("PRIVATE KEY", &pair.signing_key.serialize_der()),
        )?;
        // A database of the system's own may not be readable, and one without tables refuses everybody.
        let users_database = Connection::open(data.path().join("users.sqlite"))?;
        users_database.execute_batch(&fs::read_to_string(SCHEMA)?)?;
        let mut coturn = Self {
            place,
            ip,
            port,
            tls_port,
            users,
            extra: extra.iter().map(|line| (*line).to_owned()).collect(),
            certificate: pair.cert.der().to_vec(),
            data,
            process: None,
        };
        coturn.launch()?;
        Ok(coturn)
    }

    /// Where it listens, for UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        (self.ip, self.port).into()
    }

    /// Where it listens for TLS; its names are `localhost` and `turn.example.org`.
    pub fn tls_address(&self) -> SocketAddr {
        (self.ip, self.tls_port).into()
    }

    /// As a homeserver names it that shares its secret: over UDP, with credentials that are good for an hour. `None` where it has users
    /// of its own.
    pub fn named(&self) -> Option<TurnServers> {
        let CoturnUsers::SharedSecret(secret) = &self.users else {
            return None;
        };
        Some(TurnServers {
            uris: vec![format!("turn:{}?transport=udp", self.address())],
            shared_secret: secret.clone(),
            ttl_seconds: 3600,
        })
    }

    /// The certificate that it shows, which nobody has signed but itself, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The same certificate as a text.
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// Ends it at once, as a crash does: it tells nobody, and forgets everything.
    ///
    /// # Errors
    ///
    /// When the process cannot be waited for.
    pub fn stop(&mut self) -> Result<(), CoturnError> {
        if let Some((mut child, lifeline)) = self.process.take() {
            drop(lifeline);
            child.wait()?;
        }
        Ok(())
    }

    /// Starts it again on the same ports, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn restart(&mut self) -> Result<(), CoturnError> {
        self.stop()?;
        self.launch()
    }

    fn launch(&mut self) -> Result<(), CoturnError> {
        let file = self.data.path().join("turnserver.conf");
        fs::write(&file, self.configuration())?;
        let log = fs::File::create(self.data.path().join("log"))?;
        let mut command = Command::new("sh");
        command
            .args(["-c", LIFELINE, "coturn", "-c"])
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = self.place.spawn(&mut command)?;
        let lifeline = child
            .stdin
            .take()
            .ok_or_else(|| io::Error::other("the lifeline is not there"))?;
        self.process = Some((child, lifeline));
        let deadline = Instant::now() + START_PATIENCE;
        while !self.answers()? {
            if Instant::now() > deadline {
                let log = fs::read_to_string(self.data.path().join("log")).unwrap_or_default();
                self.stop()?;
                return Err(CoturnError::Silent { log });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn configuration(&self) -> String {
        let Self {
            ip, port, tls_port, ..
        } = self;
        let directory = self.data.path().display();
        let mut text = format!(
            "listening-ip={ip}\nrelay-ip={ip}\nlistening-port={port}\ntls-listening-port={tls_port}\n\
             realm=example.org\nfingerprint\nno-cli\nallow-loopback-peers\nno-dtls\n\
             cert={directory}/cert.pem\npkey={directory}/key.pem\nuserdb={directory}/users.sqlite\n\
             pidfile={directory}/pid\nlog-file=stdout\nsimple-log\n"
        );
        // Writing to a text does not fail.
        let _ = match &self.users {
            CoturnUsers::Static { username, password } => {
                writeln!(text, "lt-cred-mech\nuser={username}:{password}")
            }
            CoturnUsers::SharedSecret(secret) => {
                writeln!(text, "use-auth-secret\nstatic-auth-secret={secret}")
            }
        };
        for line in &self.extra {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// Whether it answers a STUN binding request, and takes TCP connections on both ports.
    fn answers(&self) -> io::Result<bool> {
        let (address, tls_address) = (self.address(), self.tls_address());
        self.place.run(move || {
            let socket = UdpSocket::bind((address.ip(), 0))?;
            socket.set_read_timeout(Some(Duration::from_millis(200)))?;
            let request = *b"\x00\x01\x00\x00\x21\x12\xa4\x42coturn ready";
            socket.send_to(&request, address)?;
            let answered = socket.recv_from(&mut [0; 512]).is_ok();
            Ok(answered
                && TcpStream::connect(address).is_ok()
                && TcpStream::connect(tls_address).is_ok())
        })
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        // It ends anyway when the lifeline is gone.
        let _ = self.stop();
    }
}
