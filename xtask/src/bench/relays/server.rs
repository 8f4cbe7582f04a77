//! The servers that are loaded, each on one core.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use securecall_interop::free_address;

use crate::shell;

/// The core of servers; the loader has the other.
const CORE: &str = "0";
/// What clients of the relay show.
const SECRET: &str = "a-secret-that-only-this-bench-has";
/// How long coturn may take to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that runs. It ends with this value.
pub(super) struct Server {
    process: Child,
    pub(super) address: SocketAddr,
    /// To whom all calls are.
    pub(super) peer: SocketAddr,
    pub(super) authorization: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// The relay daemon, as entry and exit.
    pub(super) fn relay(program: &Path, directory: &Path) -> Result<Self> {
        let folder = directory.join("relay");
        fs::create_dir_all(&folder)?;
        let settings = folder.join("relay.toml");
        let [address, peer] = [free_address()?, free_address()?];
        let mut init = Command::new(program);
        init.args(["init", "--name", "relay.test", "--config"])
            .arg(&settings);
        shell::output(&mut init).context("`securecall-relay init` fails")?;
        fs::write(folder.join("secret"), SECRET)?;
        let text = format!(
            "role = \"both\"\nname = \"relay.test\"\nlab = true\nlisten = [\"{address}\"]\n\
             [entry]\nrelays = [\"{peer}\"]\n[exit]\naddresses = [\"127.0.0.1\"]\n\
             [access]\nsecret_file = \"secret\"\n"
        );
        fs::write(&settings, text)?;
        let mut process = on_its_core(program)
            .args(["--json", "run", "--config"])
            .arg(&settings)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().context("no standard output")?;
        let mut first = String::new();
        BufReader::new(stdout).read_line(&mut first)?;
        let server = Self {
            process,
            address,
            peer,
            authorization: format!("Bearer {SECRET}"),
        };
        ensure!(first.contains("\"ready\""), "the relay does not start");
        Ok(server)
    }

    /// coturn, which asks for nothing: credentials are looked at in set-up only.
    pub(super) fn coturn(directory: &Path) -> Result<Self> {
        let [address, peer] = [free_address()?, free_address()?];
        let database = directory.join("turndb");
        let process = on_its_core(Path::new("turnserver"))
            .args(["-n", "--no-auth", "--no-tls", "--no-dtls", "--no-cli"])
            .args(["--no-tcp", "--no-tcp-relay", "--allow-loopback-peers"])
            .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"])
            .args(["--listening-port", &address.port().to_string()])
            .args(["--min-port", "40000", "--max-port", "60000"])
            .args(["--relay-threads", "1", "--realm", "bench"])
            // Without simple-log it puts a date behind the name of the file.
            .args(["--simple-log", "--log-file", "/dev/null"])
            .args(["--pidfile", "/dev/null"])
            .arg("--userdb")
            .arg(&database)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("coturn does not start (`cargo xtask setup` installs it)")?;
        let server = Self {
            process,
            address,
            peer,
            authorization: String::new(),
        };
        server.wait_for_stun()?;
        Ok(server)
    }

    fn wait_for_stun(&self) -> Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        // A binding request.
        let mut request = [0; 20];
        request[1] = 1;
        request[4..8].copy_from_slice(&0x2112_A442_u32.to_be_bytes());
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            socket.send_to(&request, self.address)?;
            if socket.recv(&mut [0; 512]).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("coturn does not answer")
    }

    /// The process that is measured.
    pub(super) fn process(&self) -> u32 {
        self.process.id()
    }
}

/// `taskset` becomes the program: the process is the same.
fn on_its_core(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", CORE]).arg(program);
    command
}
