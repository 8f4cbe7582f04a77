//! What npm fetches: the landing page of contact links, `apps/web/add`, which Vite builds and Chromium tests; and
//! matrix-js-sdk, with which the tests of the crates send chat messages.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::setup;
use crate::shell;
use crate::workspace::Workspace;

/// Builds the page into `apps/web/add/dist/`, and says where it is.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    setup::page()?;
    let page = Package::page(workspace);
    page.install()?;
    page.script("build")?;
    let built = page.directory.join("dist/index.html");
    println!("built: {}", built.display());
    Ok(built)
}

/// Checks the types, builds the page and runs all its tests; the pictures they take are in `target/web/`.
pub(crate) fn test(workspace: &Workspace) -> Result<()> {
    setup::page_tests()?;
    let page = Package::page(workspace);
    page.install()?;
    for script in ["check", "build", "test"] {
        page.script(script)?;
    }
    Ok(())
}

/// What the tests of the crates need: the page, to take pictures of it, and matrix-js-sdk.
pub(crate) fn for_crates(workspace: &Workspace) -> Result<()> {
    setup::page_tests()?;
    let page = Package::page(workspace);
    page.install()?;
    page.script("build")?;
    Package::matrix_js_sdk(workspace).install()
}

/// A package of ours with a lock file.
struct Package<'a> {
    workspace: &'a Workspace,
    directory: PathBuf,
}

impl<'a> Package<'a> {
    fn page(workspace: &'a Workspace) -> Self {
        Self {
            workspace,
            directory: workspace.root().join("apps/web/add"),
        }
    }

    fn matrix_js_sdk(workspace: &'a Workspace) -> Self {
        Self {
            workspace,
            directory: workspace.root().join("testing/interop/matrix-js-sdk"),
        }
    }

    /// Fetches exactly what the lock file names, unless that is there. No package's own scripts run.
    fn install(&self) -> Result<()> {
        let lock = fs::read(self.directory.join("package-lock.json"))
            .context("cannot read package-lock.json")?;
        let installed = self.directory.join("node_modules/.installed-lock.json");
        if fs::read(&installed).is_ok_and(|installed| installed == lock) {
            return Ok(());
        }
        shell::run(self.npm().args([
            "ci",
            "--include=dev",
            "--ignore-scripts",
            "--prefer-offline",
        ]))?;
        fs::write(&installed, lock).with_context(|| format!("cannot write {}", installed.display()))
    }

    fn script(&self, name: &str) -> Result<()> {
        shell::run(self.npm().args(["run", "--silent", name]))
    }

    fn npm(&self) -> Command {
        let mut command = self.workspace.command("npm");
        command.current_dir(&self.directory);
        // Vite takes `CI` for a terminal with colours.
        if !io::stdout().is_terminal() {
            command.env("NO_COLOR", "1");
        }
        command
    }
}
