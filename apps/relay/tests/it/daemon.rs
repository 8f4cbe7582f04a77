//! A relay that runs.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use securecall_interop::free_address;
use tempfile::TempDir;

/// The secret that all labs here share.
pub(crate) const SECRET: &str = "a-secret-of-a-lab-0123456789";

/// What a client shows.
pub(crate) fn bearer() -> String {
    format!("Bearer {SECRET}")
}

pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_securecall-relay"))
}

/// A folder with settings, certificate and secret.
pub(crate) struct Lab {
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) figures: SocketAddr,
}

impl Lab {
    /// Settings for a relay of both roles, with more or other lines.
    pub(crate) fn new(entry: &str, exit: &str, limits: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lab = Self {
            address: free_address().unwrap(),
            figures: free_address().unwrap(),
            folder,
        };
        let made = command()
            .args(["init", "--name", "relay.test", "--config"])
            .arg(lab.settings())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        std::fs::write(lab.path("secret"), SECRET).unwrap();
        restrict(&lab.path("secret"));
        lab.write("both", entry, exit, limits);
        lab
    }

    pub(crate) fn write(&self, role: &str, entry: &str, exit: &str, limits: &str) {
        let text = format!(
            "role = \"{role}\"\nname = \"relay.test\"\nlab = true\nlisten = [\"{}\"]\ndrain_seconds = 3\n\
             [entry]\n{entry}\n[exit]\n{exit}\n[access]\nsecret_file = \"secret\"\n[limits]\n{limits}\n\
             [figures]\nlisten = \"{}\"\n",
            self.address, self.figures
        );
        std::fs::write(self.settings(), text).unwrap();
    }

    /// No lab any more: what is refused on the Internet is refused here.
    pub(crate) fn on_the_internet(self) -> Self {
        let settings = std::fs::read_to_string(self.settings()).unwrap();
        std::fs::write(self.settings(), settings.replace("lab = true\n", "")).unwrap();
        self
    }

    /// Another name than `relay.test`.
    pub(crate) fn rename(&self, name: &str) {
        let settings = std::fs::read_to_string(self.settings()).unwrap();
        std::fs::write(self.settings(), settings.replace("relay.test", name)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.path("relay.toml")
    }

    pub(crate) fn start(self) -> Daemon {
        let daemon = securecall_interop::Daemon::start(
            command()
                .args(["-vv", "--json", "run", "--config"])
                .arg(self.settings()),
        );
        Daemon {
            daemon: daemon.unwrap_or_else(|error| panic!("{error}")),
            lab: self,
        }
    }
}

/// A relay of both roles that forwards to one address and lends 127.0.0.1.
pub(crate) fn lab(relay: SocketAddr) -> Lab {
    Lab::new(
        &format!("relays = [\"{relay}\"]"),
        "addresses = [\"127.0.0.1\"]",
        "",
    )
}

pub(crate) fn lab_with(limits: &str) -> Lab {
    Lab::new(
        "relays = [\"127.0.0.1:9\"]",
        "addresses = [\"127.0.0.1\"]",
        limits,
    )
}

/// The process. It ends with the test.
pub(crate) struct Daemon {
    pub(crate) lab: Lab,
    daemon: securecall_interop::Daemon,
}

impl Daemon {
    pub(crate) fn address(&self) -> SocketAddr {
        self.lab.address
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.daemon.process()), signal).unwrap();
    }

    /// All figures, as Prometheus gets them.
    pub(crate) fn figures(&self) -> String {
        let mut stream = TcpStream::connect(self.lab.figures).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
        text
    }

    /// One figure.
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let text = self.figures();
        let prefix = format!("securecall_relay_{name} ");
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(&prefix));
        value
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse()
            .unwrap()
    }

    /// Waits until a figure is what it has to become.
    pub(crate) async fn figure_becomes(&self, name: &str, is_right: impl Fn(u64) -> bool) {
        for _ in 0..500 {
            if is_right(self.figure(name)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{name} is {} for ten seconds", self.figure(name));
    }

    /// Has it read anew what it reads on SIGHUP, and waits until it has. Whether it took what it read.
    pub(crate) async fn reload(&self) -> bool {
        let outcomes = [
            "read certificate, directory and keys anew",
            "nothing is read anew",
        ];
        let count = || {
            let log = self.daemon.logged();
            outcomes.map(|outcome| log.matches(outcome).count())
        };
        let before = count();
        self.signal(Signal::HUP);
        for _ in 0..500 {
            let [taken, refused] = count();
            if [taken, refused] != before {
                return taken > before[0];
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nothing is read for ten seconds: {}", self.daemon.logged());
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        for _ in 0..1000 {
            if let Some(status) = self.daemon.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it does not end");
    }

    /// Killed, and its log: it has no time for anything.
    pub(crate) fn stopped(self) -> (String, Lab) {
        (self.daemon.into_log(), self.lab)
    }

    /// Asked to end, as operators do it.
    pub(crate) fn terminated(mut self) -> (String, Lab) {
        self.signal(Signal::TERM);
        self.daemon.wait().unwrap();
        self.stopped()
    }
}

pub(crate) fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A socket on loopback.
pub(crate) fn udp() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// One that tokio waits for.
pub(crate) async fn tokio_udp() -> tokio::net::UdpSocket {
    tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap()
}
