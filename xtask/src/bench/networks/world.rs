//! The networks in which calls are timed: two people, each behind a NAT of their own, whose ways to the internet are slow,
//! and in the internet a homeserver and a TURN server.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use securecall_interop::network::{Delay, Host, Nat, Network};
use securecall_interop::{Coturn, CoturnUsers, Synapse, SynapseOptions, TlsFront};
use serde_json::{Value, json};

use crate::call::record::Side;
use crate::shell;

/// How long each packet takes longer between a person and the internet, each way.
const WAY: Duration = Duration::from_millis(20);
/// One name and password for all.
const TURN_USER: &str = "bench";
/// There is nothing behind it.
const TURN_PASSWORD: &str = "a password of nobody";
/// Protects the profiles, which live as long as the bench runs.
const PASSPHRASE: &str = "a passphrase for profiles that live a minute";

/// All that calls need in one network.
pub(super) struct World {
    pub(super) people: [Person; 2],
    /// Where what the pages say of their calls is passed on.
    pub(super) signaling_host: Host,
    coturn: Coturn,
    _homeserver: Synapse,
    _door: TlsFront,
    /// The last, so that what runs in it is stopped before.
    _network: Network,
}

impl World {
    /// Makes a network in which both people are behind NATs of this kind.
    pub(super) fn new(nat: Nat, program: &Path, directory: &Path) -> Result<Self> {
        let network = Network::new()?;
        let internet = network.internet();
        let users = CoturnUsers::Static {
            username: TURN_USER.to_owned(),
            password: TURN_PASSWORD.to_owned(),
        };
        let coturn = Coturn::start_at(internet.host("turn")?, users, &[])?;
        let homeserver = Synapse::start(SynapseOptions::default()).context("no homeserver")?;
        let server = internet.host("homeserver")?;
        let door = TlsFront::with_names(homeserver.address(), &[&server.address().to_string()])?;
        server.forward((server.address(), 443).into(), door.address())?;
        let authority = directory.join("authority.pem");
        fs::write(&authority, door.certificate_pem())?;
        let url = format!("https://{}", server.address());

        let person = |side: Side| -> Result<Person> {
            let home = internet.nat(side.name(), nat)?;
            let host = home.host(&format!("{}host", side.name()))?;
            let delay = Delay {
                least: WAY,
                jitter: Duration::ZERO,
            };
            host.link().set_delay(delay, 1)?;
            let person = Person {
                host,
                program: program.to_path_buf(),
                profile: directory.join(side.name()),
                turn: coturn.address(),
            };
            person.register(&url, &authority)?;
            Ok(person)
        };
        let [caller, callee] = [person(Side::Caller)?, person(Side::Callee)?];
        caller.add(&callee, Side::Callee)?;
        callee.add(&caller, Side::Caller)?;
        Ok(Self {
            people: [caller, callee],
            signaling_host: internet.host("signaling")?,
            coturn,
            _homeserver: homeserver,
            _door: door,
            _network: network,
        })
    }

    /// The same servers for an `RTCPeerConnection`.
    pub(super) fn ice_servers(&self) -> Value {
        let address = self.coturn.address();
        json!([
            {"urls": format!("stun:{address}")},
            {
                "urls": format!("turn:{address}?transport=udp"),
                "username": TURN_USER,
                "credential": TURN_PASSWORD,
            },
        ])
    }
}

/// Somebody with a profile of their own, at a host.
pub(super) struct Person {
    pub(super) host: Host,
    program: PathBuf,
    profile: PathBuf,
    turn: SocketAddr,
}

impl Person {
    /// A `securecall --json` command line.
    pub(super) fn command<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--profile")
            .arg(&self.profile)
            .arg("--json")
            .args(arguments)
            .env("SECURECALL_PASSPHRASE", PASSPHRASE)
            .env("SECURECALL_TURN", format!("turn:{}", self.turn))
            .env("SECURECALL_TURN_USER", TURN_USER)
            .env("SECURECALL_TURN_PASSWORD", TURN_PASSWORD)
            .env_remove("SECURECALL_PASSPHRASE_FILE");
        command
    }

    fn register(&self, homeserver: &str, authority: &Path) -> Result<()> {
        fs::create_dir_all(&self.profile)?;
        self.ask(&["id".as_ref(), "new".as_ref()])?;
        let register = ["register", "--homeserver", homeserver, "--ca-file"];
        let mut arguments: Vec<&OsStr> = register.map(OsStr::new).to_vec();
        arguments.push(authority.as_os_str());
        self.ask(&arguments).map(drop)
    }

    fn add(&self, other: &Self, side: Side) -> Result<()> {
        let shared = other.ask(&["contact".as_ref(), "share".as_ref()])?;
        let link = shared["deep_link"]
            .as_str()
            .context("`contact share` printed no deep_link")?;
        let add = ["contact", "add", link, "--name", side.name()];
        self.ask(&add.map(OsStr::new)).map(drop)
    }

    /// Runs a command that prints one object and ends.
    fn ask(&self, arguments: &[&OsStr]) -> Result<Value> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null());
        let line = shell::line(&command);
        let Output {
            status,
            stdout,
            stderr,
        } = self.host.run(&mut command)?;
        let printed = String::from_utf8_lossy(&stdout);
        if !status.success() {
            let said = String::from_utf8_lossy(&stderr);
            bail!("`{line}` ended with {status}:\n{printed}{said}");
        }
        serde_json::from_str(printed.lines().next().unwrap_or_default())
            .with_context(|| format!("`{line}` printed no JSON object: {printed:?}"))
    }
}
