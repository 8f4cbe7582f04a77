//! Mutants: one guard or figure of the code changed at a time; a test must notice (`docs/testing.md`).

use anyhow::{Result, bail};

use crate::setup;
use crate::shell;
use crate::workspace::Workspace;

/// The crates whose guards the security rests on.
const CRATES: [&str; 3] = [
    "securecall-crypto",
    "securecall-signaling",
    "securecall-session",
];

/// What a run without arguments is about: small, and each guard in it has a test of its own.
const SHORT: [&str; 2] = ["--package=securecall-signaling", "--file=glare.rs"];

/// Runs cargo-mutants with the arguments of the user, which say what of the code (`-p CRATE`, `-f FILE`, `--shard 1/20`).
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    setup::mutants(workspace)?;
    let directory = workspace.target().join("mutants");
    let mut command = workspace.command("cargo-mutants");
    command
        .args(["mutants", "--no-shuffle", "--jobs=1", "--output"])
        .arg(&directory);
    if arguments.is_empty() {
        command.args(SHORT);
        println!(
            "a short run; others: cargo xtask mutants -p {} -f FILE --shard 1/20",
            CRATES.join("|")
        );
    } else {
        command.args(arguments);
    }
    if let Err(error) = shell::run(&mut command) {
        bail!(
            "{error:#}; what survived is in {}: a test is missing, or docs/testing.md says why there is none",
            directory.join("mutants.out/missed.txt").display()
        );
    }
    Ok(())
}
