//! Short runs of all fuzz targets: CI shows that they work. To find something takes longer runs, by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;
use crate::side_by_side::side_by_side;
use crate::workspace::{Workspace, processors};

/// Runs every target of fuzz/ for three seconds on its committed corpus, with the compiler in use and no sanitizer.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let manifest = workspace.root().join("fuzz/Cargo.toml");
    if !manifest.is_file() {
        bail!("fuzz/Cargo.toml is missing");
    }
    let targets = targets(&workspace.root().join("fuzz/fuzz_targets"))?;
    let built = build(workspace)?;
    // One run tells of all targets that fail, not of the first only.
    let failed = failed(&targets, processors(), |target| {
        run_target(workspace, &built, target)
    });
    if !failed.is_empty() {
        bail!("fuzz targets failed: {}", failed.join(", "));
    }
    println!("{} fuzz targets ran", targets.len());
    Ok(())
}

/// Builds all at once: cargo then links as many at a time as there are processors. Gives the directory they are in.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let host = shell::output(Command::new("rustc").arg("-vV"))
        .and_then(|version| version.lines().find_map(host_of).map(str::to_owned))
        .context("rustc does not say what this machine is")?;
    let directory = workspace.target().join("fuzz");
    let mut command = workspace.command("cargo-fuzz");
    command
        .args(["fuzz", "build", "--sanitizer", "none", "--target", &host])
        .arg("--target-dir")
        .arg(&directory);
    shell::run(&mut command)?;
    Ok(directory.join(host).join("release"))
}

/// The machine, if this line of `rustc -vV` tells it.
fn host_of(line: &str) -> Option<&str> {
    line.strip_prefix("host: ")
}

/// Runs what is built: `cargo fuzz run` would have cargo look through all crates again, for each target a second.
fn run_target(workspace: &Workspace, built: &Path, target: &str) -> Result<()> {
    // As `cargo fuzz run` has it.
    let artifacts = workspace.root().join("fuzz/artifacts").join(target);
    fs::create_dir_all(&artifacts)
        .with_context(|| format!("cannot make {}", artifacts.display()))?;
    let mut command = workspace.command(built.join(target));
    command
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([
            "-max_total_time=3",
            "-rss_limit_mb=4096",
            "-verbosity=0",
            "-print_final_stats=1",
        ])
        .arg(empty_corpus(workspace, target)?);
    let committed = workspace.root().join("fuzz/corpus").join(target);
    if committed.is_dir() {
        command.arg(committed);
    }
    shell::run_whole(&mut command).1
}

/// What the fuzzer finds on the way is for its user to keep, not for CI to leave in the corpus.
fn empty_corpus(workspace: &Workspace, target: &str) -> Result<PathBuf> {
    let found = workspace.target().join("fuzz-corpus").join(target);
    if found.is_dir() {
        fs::remove_dir_all(&found).with_context(|| format!("cannot remove {}", found.display()))?;
    }
    fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    Ok(found)
}

/// The targets that fail, of which so many run at a time: each keeps one processor busy.
fn failed(
    targets: &[String],
    at_a_time: usize,
    run: impl Fn(&str) -> Result<()> + Sync,
) -> Vec<String> {
    let results = side_by_side(targets, at_a_time, |target| {
        run(target).map_err(|error| {
            println!("✗ fuzz target {target}: {error:#}");
            target.clone()
        })
    });
    let mut failed: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    failed.sort();
    failed
}

fn targets(directory: &Path) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(stem) = path.file_stem()
        {
            targets.push(stem.to_string_lossy().into_owned());
        }
    }
    targets.sort();
    if targets.is_empty() {
        bail!("{} holds no target", directory.display());
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn the_machine_is_the_one_that_rustc_names() {
        let version =
            "rustc 1.95.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0";
        let host = version.lines().find_map(host_of);
        assert_eq!(host, Some("x86_64-unknown-linux-gnu"));
    }

    #[test]
    fn fuzz_targets_are_the_files_in_their_directory() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["contact_link.rs", "frame.rs", "notes.md"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        assert_eq!(
            targets(directory.path()).unwrap(),
            ["contact_link", "frame"]
        );
    }

    #[test]
    fn a_fuzz_directory_without_targets_is_a_failure() {
        let directory = tempfile::tempdir().unwrap();
        assert!(targets(directory.path()).is_err());
    }

    #[test]
    fn every_target_runs_and_all_that_fail_are_named() {
        let targets = ["a", "b", "c", "d", "e"].map(str::to_owned);
        let ran = Mutex::new(Vec::new());
        let failed = failed(&targets, 2, |target| {
            ran.lock().unwrap().push(target.to_owned());
            if ["d", "b"].contains(&target) {
                bail!("it crashed");
            }
            Ok(())
        });
        assert_eq!(failed, ["b", "d"]);
        let mut ran = ran.into_inner().unwrap();
        ran.sort();
        assert_eq!(ran, targets);
    }
}
