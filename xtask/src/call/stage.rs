//! What a call needs before it can be placed: the program, a homeserver, two users who know each other.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use securecall_interop::{DatabaseSnapshot, Synapse, SynapseOptions};

use crate::call::interrupt;
use crate::call::record::Side;
use crate::call::user::User;
use crate::shell;
use crate::workspace::Workspace;

/// A new homeserver works through its schema's background updates for a while.
const SETTLE_PATIENCE: Duration = Duration::from_secs(180);

/// How the program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    /// As for the tests.
    Dev,
    /// As for users; figures come from this one.
    Release,
}

impl Build {
    /// Cargo's name for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }

    /// Builds the `securecall` command and says where it is.
    pub(crate) fn program(self, workspace: &Workspace) -> Result<PathBuf> {
        self.build(workspace, &["securecall-cli"], "securecall")
    }

    /// Builds the relay daemon and says where it is. Beside the command: alone it asks for fewer features of what both stand on, which
    /// would be built once more.
    pub(crate) fn relay(self, workspace: &Workspace) -> Result<PathBuf> {
        let packages = ["securecall-cli", "securecall-relay-daemon"];
        self.build(workspace, &packages, "securecall-relay")
    }

    fn build(self, workspace: &Workspace, packages: &[&str], program: &str) -> Result<PathBuf> {
        let mut build = workspace.cargo();
        build.args(["build", "--locked", "--profile", self.name()]);
        for package in packages {
            build.args(["--package", package]);
        }
        shell::run(&mut build)?;
        let directory = match self {
            Self::Dev => "debug",
            Self::Release => "release",
        };
        Ok(workspace.target().join(directory).join(program))
    }
}

/// A homeserver of our own and two new users on it who have each other as contacts, named `caller` and `callee`.
pub(crate) struct Stage {
    pub(crate) homeserver: Synapse,
    pub(crate) caller: User,
    pub(crate) callee: User,
}

impl Stage {
    /// Starts the homeserver, registers both users in fresh profiles and swaps their contact links.
    pub(crate) fn set(program: &Path, profiles: &Path) -> Result<Self> {
        println!(
            "starting a homeserver (Synapse; the first time on a machine, installing it takes a minute or two)"
        );
        let homeserver = Synapse::start(SynapseOptions::default()).context("no homeserver")?;
        if profiles.exists() {
            fs::remove_dir_all(profiles)
                .with_context(|| format!("cannot remove {}", profiles.display()))?;
        }
        println!("making two users");
        let register = |side: Side| {
            let user = User::new(program, &profiles.join(side.name()));
            user.register(&homeserver.base_url(), None)
                .with_context(|| format!("the {} has no account", side.name()))?;
            anyhow::Ok(user)
        };
        let caller = register(Side::Caller)?;
        let callee = register(Side::Callee)?;
        println!("swapping contact links");
        caller.add(&callee.share()?, Side::Callee.name())?;
        callee.add(&caller.share()?, Side::Caller.name())?;
        Ok(Self {
            homeserver,
            caller,
            callee,
        })
    }

    /// Both users, the caller first.
    pub(crate) const fn people(&self) -> [&User; 2] {
        [&self.caller, &self.callee]
    }

    /// The homeserver's database once it has done with itself, so that what comes later comes from a call.
    pub(crate) fn settled_database(&self) -> Result<DatabaseSnapshot> {
        let deadline = Instant::now() + SETTLE_PATIENCE;
        loop {
            let snapshot = DatabaseSnapshot::read(&self.homeserver.database_path())?;
            if snapshot.row_count("background_updates").unwrap_or(0) == 0 {
                return Ok(snapshot);
            }
            if interrupt::came() {
                bail!("interrupted");
            }
            if Instant::now() > deadline {
                bail!(
                    "the homeserver's background updates did not end within {} s",
                    SETTLE_PATIENCE.as_secs()
                );
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}
