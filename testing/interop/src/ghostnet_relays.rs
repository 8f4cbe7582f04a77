//! Relays of GhostNet on this machine, with the list that names them and an issuer of the tokens they take.

use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, thread};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::port::free_port;

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

/// Relays on the loopback interface, each of an operator of its own and able to be entry and exit, and an issuer. All end when
/// this value is dropped.
#[derive(Debug)]
pub struct GhostNetRelays {
    program: PathBuf,
    folder: TempDir,
    relays: Vec<LabRelay>,
    issuer: Process,
    key: String,
}

/// One of them.
#[derive(Debug)]
struct LabRelay {
    name: String,
    operator: String,
    address: SocketAddr,
    pin: String,
    process: Option<Process>,
}

/// A program that ends with its handle.
#[derive(Debug)]
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl GhostNetRelays {
    /// Starts so many relays with the program of that name, and waits until they are ready.
    ///
    /// # Errors
    ///
    /// The program is not there, or says that something is wrong.
    pub fn start(program: &Path, count: usize) -> Result<Self, GhostNetRelaysError> {
        let folder = tempfile::tempdir()?;
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let issuer_at = address(free_port()?);
        let issuer_name = issuer_at.to_string();
        let (issuer, sells) = start(
            Command::new(program)
                .args(["--json", "issuer", "--name", &issuer_name])
                .args(["--listen", &issuer_name])
                .arg("--key")
                .arg(folder.path().join("issuer.pem")),
        )?;
        let mut relays = Vec::new();
        for number in 1..=count {
            let name = format!("relay{number}.test");
            let home = folder.path().join(&name);
            fs::create_dir(&home)?;
            let mut init = Command::new(program);
            init.args(["--json", "init", "--name", &name, "--config"])
                .arg(home.join("relay.toml"));
            let made = output(&mut init)?;
            relays.push(LabRelay {
                operator: format!("Operator {number}"),
                address: address(free_port()?),
                pin: made["pin"].as_str().unwrap_or_default().to_owned(),
                process: None,
                name,
            });
        }
        let key_file = folder.path().join("directory.key");
        let mut show_key = Command::new(program);
        show_key
            .args(["--json", "directory", "key", "--key"])
            .arg(&key_file);
        let key = output(&mut show_key)?["public"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let mut all = Self {
            program: program.to_owned(),
            folder,
            relays,
            issuer,
            key,
        };
        all.sign(&sells, &issuer_name)?;
        for index in 0..count {
            all.run(index)?;
        }
        Ok(all)
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
            (
                "SECURECALL_GHOSTNET_DIRECTORY",
                self.directory().display().to_string(),
            ),
            ("SECURECALL_GHOSTNET_KEY", self.key.clone()),
        ]
    }

    /// Whose they are, and where.
    pub fn relays(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.relays
            .iter()
            .map(|relay| (relay.operator.as_str(), relay.address))
    }

    /// Ends the relay of an operator without a word.
    pub fn kill(&mut self, operator: &str) {
        let mut relays = self.relays.iter_mut();
        if let Some(relay) = relays.find(|relay| relay.operator == operator) {
            relay.process = None;
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
        fs::write(&path, list.to_string())?;
        let mut sign = Command::new(&self.program);
        sign.args(["--json", "directory", "sign", "--lab", "--payload"])
            .arg(&path)
            .arg("--key")
            .arg(self.folder.path().join("directory.key"))
            .arg("--out")
            .arg(self.directory());
        output(&mut sign).map(drop)
    }

    /// Ends the issuer: no more tokens can be bought.
    pub fn stop_issuer(&mut self) -> io::Result<()> {
        self.issuer.0.kill()?;
        self.issuer.0.wait().map(drop)
    }

    fn sign(&self, sells: &Value, issuer: &str) -> Result<(), GhostNetRelaysError> {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = since.as_secs();
        let relays: Vec<Value> = self
            .relays
            .iter()
            .map(|relay| {
                json!({
                    "name": relay.name,
                    "addresses": [relay.address.to_string()],
                    "role": "both",
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
        let path = self.folder.path().join("payload.json");
        fs::write(&path, payload.to_string())?;
        let mut sign = Command::new(&self.program);
        sign.args(["--json", "directory", "sign", "--lab", "--payload"])
            .arg(&path)
            .arg("--key")
            .arg(self.folder.path().join("directory.key"))
            .arg("--out")
            .arg(self.directory());
        output(&mut sign).map(drop)
    }

    fn run(&mut self, index: usize) -> Result<(), GhostNetRelaysError> {
        let directory = self.directory();
        let relay = &mut self.relays[index];
        let settings = self.folder.path().join(&relay.name).join("relay.toml");
        let text = format!(
            "role = \"both\"\nname = \"{}\"\nlab = true\nlisten = [\"{}\"]\n\
             [directory]\nfile = {:?}\nkeys = [\"{}\"]\n\
             [exit]\naddresses = [\"127.0.0.1\"]\n",
            relay.name,
            relay.address,
            directory.display().to_string(),
            self.key,
        );
        fs::write(&settings, text)?;
        let (process, _) = start(
            Command::new(&self.program)
                .args(["--json", "run", "--config"])
                .arg(&settings),
        )?;
        relay.process = Some(process);
        Ok(())
    }
}

/// Starts a program, and waits for its first line.
fn start(command: &mut Command) -> Result<(Process, Value), GhostNetRelaysError> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().map(BufReader::<ChildStdout>::new);
    let errors = child.stderr.take().map(BufReader::<ChildStderr>::new);
    let process = Process(child);
    let mut line = String::new();
    if let Some(mut out) = out {
        out.read_line(&mut line)?;
        // What it writes further on must not fill the pipe.
        thread::spawn(move || io::copy(&mut out, &mut io::sink()));
    }
    let said: Value = serde_json::from_str(&line).unwrap_or_default();
    if said["type"] != "ready" {
        let lines = errors.into_iter().flat_map(|errors| errors.lines());
        let errors: Vec<String> = lines.map_while(Result::ok).take(20).collect();
        return Err(GhostNetRelaysError::Refused {
            command: words(command),
            said: format!("{line}{}", errors.join("\n")),
        });
    }
    if let Some(mut errors) = errors {
        thread::spawn(move || io::copy(&mut errors, &mut io::sink()));
    }
    Ok((process, said))
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
