//! Relays of GhostNet on this machine, with the list that names them and an issuer of the tokens they take.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, io};
#[cfg(target_os = "linux")]
use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::daemon::{Daemon, DaemonError, Log, lock};
#[cfg(target_os = "linux")]
use crate::network::Host;
use crate::port::free_address;
#[cfg(target_os = "linux")]
use crate::{TlsFront, WebServer};

/// How long the list may be used, in seconds.
const VALIDITY: u64 = 7 * 24 * 3600;

/// Why there are no relays.
#[derive(Debug, thiserror::Error)]
pub enum GhostNetRelaysError {
    /// The program is not there, or a file or socket failed.
    #[error("relays do not start: {0}")]
    Io(#[from] io::Error),
    /// The program refuses.
    #[error("`securecall-relay {command}` fails: {said}")]
    Refused {
        /// With these words after its name.
        command: String,
        /// What it wrote.
        said: String,
    },
}

/// What a relay may be used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayRole {
    /// The first of two.
    Entry,
    /// The second.
    Exit,
    /// Either.
    Both,
}

impl RelayRole {
    /// As lists and settings have it.
    const fn name(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Exit => "exit",
            Self::Both => "both",
        }
    }
}

/// A relay that the list is to name.
#[derive(Debug)]
pub struct RelayPlan {
    operator: Option<String>,
    role: RelayRole,
    address: SocketAddr,
    runs: Runs,
}

/// Who runs a relay.
#[derive(Debug)]
enum Runs {
    /// The daemon, which lends these addresses.
    Daemon(Ground, Vec<IpAddr>),
    /// Somebody else, whose key this is the pin of.
    Stranger(String),
}

/// Where a program runs.
#[derive(Clone, Debug)]
enum Ground {
    /// On this machine's loopback interface.
    Here,
    /// At a host of a network of its own.
    #[cfg(target_os = "linux")]
    Host(Arc<Host>),
}

impl Ground {
    fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        match self {
            Self::Here => command.spawn(),
            #[cfg(target_os = "linux")]
            Self::Host(host) => host.spawn(command).map_err(io::Error::other),
        }
    }
}

impl RelayPlan {
    /// A daemon on the loopback interface.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub fn here(role: RelayRole) -> io::Result<Self> {
        let address = free_address()?;
        Ok(Self {
            operator: None,
            role,
            address,
            runs: Runs::Daemon(Ground::Here, vec![address.ip()]),
        })
    }

    /// A daemon at an address of a host, at port 443. Of addresses it lends this one, and the host's first one of IPv6.
    #[cfg(target_os = "linux")]
    pub fn at(host: &Arc<Host>, ip: IpAddr, role: RelayRole) -> Self {
        let lent = [Some(ip), host.ipv6_address().map(IpAddr::from)];
        Self {
            operator: None,
            role,
            address: SocketAddr::new(ip, 443),
            runs: Runs::Daemon(
                Ground::Host(Arc::clone(host)),
                lent.into_iter().flatten().collect(),
            ),
        }
    }

    /// Of an operator of this name; those without one are `Operator 1`, and so on.
    #[must_use]
    pub fn run_by(self, operator: &str) -> Self {
        Self {
            operator: Some(operator.to_owned()),
            ..self
        }
    }

    /// A relay that somebody else runs, with the pin of its key.
    pub fn of_somebody(role: RelayRole, address: SocketAddr, pin: &str) -> Self {
        Self {
            operator: None,
            role,
            address,
            runs: Runs::Stranger(pin.to_owned()),
        }
    }
}

/// Relays with a list that names them, each of an operator of its own, and an issuer. All end when this value is dropped.
#[derive(Debug)]
pub struct GhostNetRelays {
    program: PathBuf,
    folder: TempDir,
    relays: Vec<LabRelay>,
    issuer: Daemon,
    key: String,
    #[cfg(target_os = "linux")]
    shop: Option<Shop>,
}

/// One of them.
#[derive(Debug)]
struct LabRelay {
    name: String,
    operator: String,
    pin: String,
    plan: RelayPlan,
    daemon: Option<Daemon>,
    log: Log,
}

/// Where tokens are sold and the list is to be had, by https.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Shop {
    web: WebServer,
    front: TlsFront,
}

/// The name of the issuer in a network, and of whoever has the list there.
#[cfg(target_os = "linux")]
const SHOP: &str = "shop.example.org";
/// Where the issuer listens there, and figures are.
#[cfg(target_os = "linux")]
const ISSUER_PORT: u16 = 8787;
const FIGURES_PORT: u16 = 9464;

impl GhostNetRelays {
    /// Starts so many relays on the loopback interface with the program of that name, each able to be entry and exit, and waits until
    /// they are ready.
    ///
    /// # Errors
    ///
    /// The program is not there, or says that something is wrong.
    pub fn start(program: &Path, count: usize) -> Result<Self, GhostNetRelaysError> {
        let plans = (0..count).map(|_| RelayPlan::here(RelayRole::Both));
        Self::start_here(program, plans.collect::<io::Result<_>>()?)
    }

    /// The same with these relays, in a lab on this machine.
    ///
    /// # Errors
    ///
    /// The program is not there, or says that something is wrong.
    pub fn start_here(program: &Path, plans: Vec<RelayPlan>) -> Result<Self, GhostNetRelaysError> {
        let issuer_at = free_address()?;
        let name = issuer_at.to_string();
        let mut all = Self::begin(program, plans, &Ground::Here, issuer_at, &name)?;
        all.sign(&name)?;
        all.run_all()?;
        Ok(all)
    }

    /// The same in a network, as on the Internet: no relay is one of a lab. At `shop` are the issuer and the list, by https under the
    /// name [`shop_name`](Self::shop_name).
    ///
    /// # Errors
    ///
    /// The program is not there, or says that something is wrong.
    #[cfg(target_os = "linux")]
    pub fn start_in(
        program: &Path,
        plans: Vec<RelayPlan>,
        shop: &Arc<Host>,
    ) -> Result<Self, GhostNetRelaysError> {
        let issuer_at = SocketAddr::from((Ipv4Addr::LOCALHOST, ISSUER_PORT));
        let ground = Ground::Host(Arc::clone(shop));
        let mut all = Self::begin(program, plans, &ground, issuer_at, SHOP)?;
        let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 443));
        let opened = shop.enter(|| {
            let web = WebServer::in_front_of(issuer_at)?;
            let front = TlsFront::start_at(everywhere, web.address(), &[SHOP])?;
            io::Result::Ok(Shop { web, front })
        });
        all.shop = Some(opened.map_err(io::Error::other)??);
        all.sign(SHOP)?;
        if let Some(shop) = &all.shop {
            let list = fs::read_to_string(all.directory())?;
            shop.web.answer("GET /relays.json", "200 OK", &list);
        }
        all.run_all()?;
        Ok(all)
    }

    fn begin(
        program: &Path,
        plans: Vec<RelayPlan>,
        ground: &Ground,
        issuer_at: SocketAddr,
        issuer_name: &str,
    ) -> Result<Self, GhostNetRelaysError> {
        let folder = tempfile::tempdir()?;
        let issuer = start(
            ground,
            Command::new(program)
                .args(["--json", "issuer", "--name", issuer_name])
                .args(["--listen", &issuer_at.to_string()])
                .arg("--key")
                .arg(folder.path().join("issuer.pem")),
        )?;
        let mut relays = Vec::new();
        for (number, plan) in (1..).zip(plans) {
            let name = format!("relay{number}.test");
            let home = folder.path().join(&name);
            fs::create_dir(&home)?;
            let pin = match &plan.runs {
                Runs::Stranger(pin) => pin.clone(),
                Runs::Daemon(..) => {
                    let mut init = Command::new(program);
                    init.args(["--json", "init", "--name", &name, "--config"])
                        .arg(home.join("relay.toml"));
                    let made = output(&mut init)?;
                    made["pin"].as_str().unwrap_or_default().to_owned()
                }
            };
            relays.push(LabRelay {
                operator: match &plan.operator {
                    Some(operator) => operator.clone(),
                    None => format!("Operator {number}"),
                },
                pin,
                plan,
                daemon: None,
                log: Log::default(),
                name,
            });
        }
        let mut show_key = Command::new(program);
        show_key
            .args(["--json", "directory", "key", "--key"])
            .arg(folder.path().join("directory.key"));
        let key = output(&mut show_key)?["public"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        Ok(Self {
            program: program.to_owned(),
            folder,
            relays,
            issuer,
            key,
            #[cfg(target_os = "linux")]
            shop: None,
        })
    }

    /// The file with the signed list.
    pub fn directory(&self) -> PathBuf {
        self.folder.path().join("relays.json")
    }

    /// The key that signs it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The settings of a client that uses these relays: variables of the environment.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("SECURECALL_GHOSTNET_DIRECTORY", self.place()),
            ("SECURECALL_GHOSTNET_KEY", self.key.clone()),
        ]
    }

    /// Where clients find the list.
    fn place(&self) -> String {
        #[cfg(target_os = "linux")]
        if self.shop.is_some() {
            return format!("https://{SHOP}/relays.json");
        }
        self.directory().display().to_string()
    }

    /// The name of whoever sells tokens and has the list, in a network.
    #[cfg(target_os = "linux")]
    pub const fn shop_name() -> &'static str {
        SHOP
    }

    /// The certificate of that name, for clients to believe.
    #[cfg(target_os = "linux")]
    pub fn shop_certificate_pem(&self) -> &str {
        self.shop
            .as_ref()
            .map_or("", |shop| shop.front.certificate_pem())
    }

    /// Whose they are, and where.
    pub fn relays(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.relays
            .iter()
            .map(|relay| (relay.operator.as_str(), relay.plan.address))
    }

    /// Ends the relay of an operator without a word.
    pub fn kill(&mut self, operator: &str) {
        let mut relays = self.relays.iter_mut();
        if let Some(relay) = relays.find(|relay| relay.operator == operator) {
            relay.daemon = None;
        }
    }

    /// Publishes another list, with the next number. The relays go on with the one that they have read.
    ///
    /// # Errors
    ///
    /// It is one that readers would refuse whatever the time is.
    pub fn publish(&self, change: impl FnOnce(&mut Value)) -> Result<(), GhostNetRelaysError> {
        let path = self.folder.path().join("payload.json");
        let mut list: Value = serde_json::from_slice(&fs::read(&path)?).unwrap_or_default();
        list["serial"] = (list["serial"].as_u64().unwrap_or_default() + 1).into();
        change(&mut list);
        self.sign_list(&list)
    }

    /// The process of an operator's relay; `None` if it does not run.
    pub fn process_id(&self, operator: &str) -> Option<u32> {
        let daemon = self.relay(operator)?.daemon.as_ref();
        daemon.map(|daemon| daemon.process().id())
    }

    /// What an operator's relay has logged so far; all that there is to be logged, where it runs at a host.
    pub fn log(&self, operator: &str) -> Vec<u8> {
        let relay = self.relay(operator);
        relay.map_or_else(Vec::new, |relay| lock(&relay.log).clone())
    }

    /// Where an operator's relay has its files.
    pub fn home(&self, operator: &str) -> Option<PathBuf> {
        let relay = self.relay(operator)?;
        Some(self.folder.path().join(&relay.name))
    }

    /// The figures of an operator's relay at a host, as Prometheus would get them.
    ///
    /// # Errors
    ///
    /// It does not answer, or is not at a host.
    #[cfg(target_os = "linux")]
    pub fn figures(&self, operator: &str) -> io::Result<String> {
        let ground = self.relay(operator).map(|relay| &relay.plan.runs);
        let Some(Runs::Daemon(Ground::Host(host), _)) = ground else {
            return Err(io::Error::other("no relay at a host"));
        };
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, FIGURES_PORT));
        let mut stream = host.tcp_stream(at).map_err(io::Error::other)?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: relay\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Ends the issuer: no more tokens can be bought.
    pub fn stop_issuer(&mut self) -> io::Result<()> {
        self.issuer.kill()
    }

    fn relay(&self, operator: &str) -> Option<&LabRelay> {
        let mut relays = self.relays.iter();
        relays.find(|relay| relay.operator == operator)
    }

    /// Whether all is as on the Internet.
    fn is_lab(&self) -> bool {
        #[cfg(target_os = "linux")]
        if self.shop.is_some() {
            return false;
        }
        true
    }

    fn sign(&self, issuer: &str) -> Result<(), GhostNetRelaysError> {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = since.as_secs();
        let sells = self.issuer.ready();
        let relays: Vec<Value> = self
            .relays
            .iter()
            .map(|relay| {
                json!({
                    "name": relay.name,
                    "addresses": [relay.plan.address.to_string()],
                    "role": relay.plan.role.name(),
                    "operator": relay.operator,
                    "spki": relay.pin,
                    "issuers": [issuer],
                })
            })
            .collect();
        let payload = json!({
            "version": 1,
            "serial": 1,
            "not_before": now - 60,
            "not_after": now + VALIDITY,
            "issuers": [{
                "name": issuer,
                "token_key": sells["token_key"],
                "not_before": now - 60,
                "not_after": sells["not_after"],
            }],
            "relays": relays,
        });
        self.sign_list(&payload)
    }

    /// Signs a list, and has it where clients read it.
    fn sign_list(&self, list: &Value) -> Result<(), GhostNetRelaysError> {
        let path = self.folder.path().join("payload.json");
        fs::write(&path, list.to_string())?;
        let mut sign = Command::new(&self.program);
        sign.args(["--json", "directory", "sign"]);
        if self.is_lab() {
            sign.arg("--lab");
        }
        sign.arg("--payload")
            .arg(&path)
            .arg("--key")
            .arg(self.folder.path().join("directory.key"))
            .arg("--out")
            .arg(self.directory());
        output(&mut sign).map(drop)
    }

    fn run_all(&mut self) -> Result<(), GhostNetRelaysError> {
        (0..self.relays.len()).try_for_each(|index| self.run(index))
    }

    fn run(&mut self, index: usize) -> Result<(), GhostNetRelaysError> {
        let (directory, is_lab) = (self.directory(), self.is_lab());
        let relay = &mut self.relays[index];
        let Runs::Daemon(ground, lent) = &relay.plan.runs else {
            return Ok(());
        };
        let settings = self.folder.path().join(&relay.name).join("relay.toml");
        let lent: Vec<String> = lent.iter().map(|ip| format!("\"{ip}\"")).collect();
        let mut text = format!(
            "role = \"{}\"\nname = \"{}\"\nlab = {is_lab}\nlisten = [\"{}\"]\n\
             [directory]\nfile = {:?}\nkeys = [\"{}\"]\n\
             [exit]\naddresses = [{}]\n",
            relay.plan.role.name(),
            relay.name,
            relay.plan.address,
            directory.display().to_string(),
            self.key,
            lent.join(", "),
        );
        let mut run = Command::new(&self.program);
        if !is_lab {
            // A host of its own has the port free, and whoever asks for all that is logged is to find nothing.
            text += &format!("[figures]\nlisten = \"127.0.0.1:{FIGURES_PORT}\"\n");
            run.arg("-vv");
        }
        fs::write(&settings, text)?;
        run.args(["--json", "run", "--config"]).arg(&settings);
        let daemon = start(ground, &mut run)?;
        relay.log = daemon.log();
        relay.daemon = Some(daemon);
        Ok(())
    }
}

/// Starts a program, and waits until it is ready.
fn start(ground: &Ground, command: &mut Command) -> Result<Daemon, GhostNetRelaysError> {
    Daemon::start_by(command, |command| ground.spawn(command)).map_err(|error| match error {
        DaemonError::Io(error) => error.into(),
        DaemonError::NotReady { said } => GhostNetRelaysError::Refused {
            command: words(command),
            said,
        },
    })
}

/// Runs a program to its end, and gives its one line.
fn output(command: &mut Command) -> Result<Value, GhostNetRelaysError> {
    let done = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&done.stdout);
    match serde_json::from_str(said.trim()) {
        Ok(value) if done.status.success() => Ok(value),
        _ => Err(GhostNetRelaysError::Refused {
            command: words(command),
            said: format!("{said}{}", String::from_utf8_lossy(&done.stderr)),
        }),
    }
}

fn words(command: &Command) -> String {
    let words: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    words.join(" ")
}
