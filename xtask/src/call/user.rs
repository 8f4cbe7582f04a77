//! A new user: a profile, an account, a contact link.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;

/// Protects the profiles of the demo; there is nothing in them worth more.
const PASSPHRASE: &str = "a passphrase for profiles that live a minute";

/// Somebody with a profile of their own.
pub(crate) struct User {
    program: PathBuf,
    profile: PathBuf,
}

impl User {
    /// A user with a new identity and a new account on the homeserver.
    pub(crate) fn register(program: &Path, profile: &Path, homeserver: &str) -> Result<Self> {
        let user = Self {
            program: program.to_path_buf(),
            profile: profile.to_path_buf(),
        };
        fs::create_dir_all(profile)
            .with_context(|| format!("cannot make {}", profile.display()))?;
        user.ask(["id", "new"])?;
        user.ask(["register", "--homeserver", homeserver])?;
        Ok(user)
    }

    /// The user's contact link.
    pub(crate) fn share(&self) -> Result<String> {
        let link = self.ask(["contact", "share"])?;
        let link = link["deep_link"]
            .as_str()
            .context("`contact share` printed no deep_link")?;
        Ok(link.to_owned())
    }

    /// Takes somebody's contact link into the contacts.
    pub(crate) fn add(&self, link: &str, name: &str) -> Result<()> {
        self.ask(["contact", "add", link, "--name", name]).map(drop)
    }

    /// A `securecall --json` command line of this user.
    pub(crate) fn command<I: AsRef<OsStr>>(
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
            // Both ends of its calls are on this machine.
            .env("SECURECALL_LOOPBACK", "allow")
            .env_remove("SECURECALL_PASSPHRASE_FILE");
        command
    }

    /// Runs a command that prints one object and ends.
    fn ask<const N: usize>(&self, arguments: [&str; N]) -> Result<Value> {
        let mut command = self.command(arguments);
        let line = shell::line(&command);
        let output = command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("`{line}` does not start"))?;
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
