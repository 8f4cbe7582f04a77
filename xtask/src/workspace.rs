//! Where things are: the checkout, the target directory, the pinned tools.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The checkout this xtask was built from, and the directories beside it.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    tools: PathBuf,
}

impl Workspace {
    /// Asks cargo where the target directory is.
    pub(crate) fn find() -> Result<Self> {
        // Cargo sets this when it runs us; the compiled-in value may be of another checkout that shares the target directory.
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .context("xtask has no parent directory")?
            .to_path_buf();
        let metadata = metadata(&root, &["--no-deps"])?;
        let target = metadata["target_directory"]
            .as_str()
            .context("cargo metadata names no target directory")?
            .into();
        Ok(Self {
            root,
            target,
            tools: cache_directory()?.join("tools"),
        })
    }

    /// The checkout's root directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target directory, which may be shared with other checkouts.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Where pinned cargo tools are installed.
    pub(crate) fn tools(&self) -> &Path {
        &self.tools
    }

    /// A command of the cargo that runs us, in the checkout.
    pub(crate) fn cargo(&self) -> Command {
        self.command(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
    }

    /// A command in the checkout, with the pinned tools first in `PATH`.
    pub(crate) fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command.current_dir(&self.root);
        let path = env::var_os("PATH").unwrap_or_default();
        let tools = self.tools.join("bin");
        if let Ok(joined) = env::join_paths(std::iter::once(tools).chain(env::split_paths(&path))) {
            command.env("PATH", joined);
        }
        // What cargo told us about xtask is not about what we start: ring, for one, is built anew where that has changed.
        for (variable, _) in env::vars_os() {
            if is_about_a_package(&variable) {
                command.env_remove(variable);
            }
        }
        command
    }
}

/// Whether cargo sets this variable for a program that it runs, to tell of the program's package.
fn is_about_a_package(variable: &OsStr) -> bool {
    let variable = variable.to_string_lossy();
    ["CARGO_MANIFEST_", "CARGO_PKG_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
}

/// How many processors there are for this process.
pub(crate) fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// `cargo metadata` of the workspace at `root`.
pub(crate) fn metadata(root: &Path, arguments: &[&str]) -> Result<Value> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
        .args(["metadata", "--format-version", "1"])
        .args(arguments)
        .current_dir(root)
        .output()
        .context("cargo metadata does not start")?;
    if !output.status.success() {
        bail!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata prints no JSON")
}

/// The project's directory in the user's cache: shared by all checkouts of a user.
fn cache_directory() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(base.join("securecall"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_says_of_our_package_is_told_from_what_is_asked_of_cargo() {
        let about = |variable: &str| is_about_a_package(OsStr::new(variable));
        assert!(about("CARGO_MANIFEST_DIR") && about("CARGO_PKG_VERSION_MAJOR"));
        assert!(!about("CARGO_TARGET_DIR") && !about("CARGO") && !about("CARGO_INCREMENTAL"));
    }
}
