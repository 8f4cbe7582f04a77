//! A new user: a profile, an account, a contact link.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use anyhow::{Context, Result, bail};
use securecall_interop::network::{Host, Names};
use serde_json::Value;

use crate::call::client::Client;
use crate::call::record::{Record, Side};
use crate::shell;

/// Protects the profiles of the demo; there is nothing in them worth more.
const PASSPHRASE: &str = "a passphrase for profiles that live a minute";

/// Somebody with a profile of their own.
pub(crate) struct User {
    program: PathBuf,
    profile: PathBuf,
    /// What each command finds in its environment.
    environment: Vec<(&'static str, String)>,
    /// Where commands run; without one, as they are, on this machine.
    host: Option<Arc<Host>>,
    /// What they know there of names; without any, what this machine knows.
    names: Option<Arc<Names>>,
}

impl User {
    /// Somebody on this machine, whose calls stay there.
    pub(crate) fn new(program: &Path, profile: &Path) -> Self {
        Self {
            program: program.to_path_buf(),
            profile: profile.to_path_buf(),
            environment: vec![("SECURECALL_LOOPBACK", "allow".to_owned())],
            host: None,
            names: None,
        }
    }

    /// What each command of this person finds in its environment beside that.
    pub(crate) fn learn(&mut self, variables: impl IntoIterator<Item = (&'static str, String)>) {
        self.environment.extend(variables);
    }

    /// From now on commands of this person know these names, and no other.
    pub(crate) fn know(&mut self, names: Arc<Names>) {
        self.names = Some(names);
    }

    /// The same person at a host of a network, with an environment for that.
    pub(crate) fn at(self, host: Arc<Host>, environment: Vec<(&'static str, String)>) -> Self {
        Self {
            environment,
            host: Some(host),
            ..self
        }
    }

    /// Makes an identity, and an account on the homeserver: with a certificate of this authority, where the system's do not do.
    pub(crate) fn register(&self, homeserver: &str, authority: Option<&Path>) -> Result<()> {
        fs::create_dir_all(&self.profile)
            .with_context(|| format!("cannot make {}", self.profile.display()))?;
        self.ask(["id", "new"])?;
        let mut arguments = vec![
            OsStr::new("register"),
            "--homeserver".as_ref(),
            homeserver.as_ref(),
        ];
        if let Some(authority) = authority {
            arguments.extend(["--ca-file".as_ref(), authority.as_os_str()]);
        }
        self.ask(arguments).map(drop)
    }

    /// Makes an identity, and takes an account that is there already.
    pub(crate) fn log_in(&self, homeserver: &str, matrix_id: &str, password: &str) -> Result<()> {
        fs::create_dir_all(&self.profile)
            .with_context(|| format!("cannot make {}", self.profile.display()))?;
        self.ask(["id", "new"])?;
        let arguments = ["login", "--homeserver", homeserver, "--user", matrix_id];
        let mut command = self.command(arguments);
        command.env("SECURECALL_PASSWORD", password);
        self.finish(&mut command).map(drop)
    }

    /// Starts a command where this person is; each event goes to `events`, stderr to `log`.
    pub(crate) fn start<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
        side: Side,
        events: Sender<Record>,
        log: &Path,
    ) -> Result<Client> {
        let spawn = |command: &mut Command| {
            Ok(match &self.host {
                Some(host) => host.spawn(command)?,
                None => command.spawn()?,
            })
        };
        Client::start(self.command(arguments), spawn, side, events, log)
    }

    /// The user's SecureCall ID.
    #[cfg(target_os = "linux")]
    pub(crate) fn id(&self) -> Result<String> {
        let shown = self.ask(["id", "show"])?;
        let id = shown["id"].as_str().context("`id show` printed no id")?;
        Ok(id.to_owned())
    }

    /// The user's contact link.
    pub(crate) fn share(&self) -> Result<String> {
        let link = self.ask(["contact", "share"])?;
        let link = link["deep_link"]
            .as_str()
            .context("`contact share` printed no deep_link")?;
        Ok(link.to_owned())
    }

    /// The same, with a name for those who take it.
    pub(crate) fn share_as(&self, name: &str) -> Result<String> {
        let link = self.ask(["contact", "share", "--name", name])?;
        let link = link["deep_link"]
            .as_str()
            .context("`contact share` printed no deep_link")?;
        Ok(link.to_owned())
    }

    /// Takes several contact links into the contacts, under the names that stand in them.
    pub(crate) fn add_all<'a>(&self, links: impl Iterator<Item = &'a str>) -> Result<()> {
        let arguments = ["contact", "add"].into_iter().chain(links);
        self.ask(arguments).map(drop)
    }

    /// Takes somebody's contact link into the contacts.
    pub(crate) fn add(&self, link: &str, name: &str) -> Result<()> {
        self.ask(["contact", "add", link, "--name", name]).map(drop)
    }

    /// A `securecall --json` command line of this user.
    fn command<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--profile")
            .arg(&self.profile)
            .arg("--json")
            .args(arguments)
            .env("SECURECALL_PASSPHRASE", PASSPHRASE)
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .env_remove("SECURECALL_PASSPHRASE_FILE");
        match &self.names {
            Some(names) => names.known_to(&command),
            None => command,
        }
    }

    /// Runs a command that prints one object and ends.
    fn ask<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Result<Value> {
        self.finish(&mut self.command(arguments))
    }

    fn finish(&self, command: &mut Command) -> Result<Value> {
        command.stdin(Stdio::null());
        let line = shell::line(command);
        let output = match &self.host {
            Some(host) => host.run(command)?,
            None => command
                .output()
                .with_context(|| format!("`{line}` does not start"))?,
        };
        if !output.status.success() {
            bail!(
                "`{line}` ended with {}:\n{}{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let first = String::from_utf8_lossy(&output.stdout);
        let first = first.lines().next().unwrap_or_default();
        serde_json::from_str(first)
            .with_context(|| format!("`{line}` printed no JSON object: {first:?}"))
    }
}
