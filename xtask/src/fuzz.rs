//! Short runs of all fuzz targets: CI shows that they work. To find something takes longer runs, by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::shell;
use crate::workspace::{Workspace, processors};

/// Runs every target of fuzz/ for three seconds on its committed corpus, with the compiler in use and no sanitizer.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let manifest = workspace.root().join("fuzz/Cargo.toml");
    if !manifest.is_file() {
        bail!("fuzz/Cargo.toml is missing");
    }
    let targets = targets(&workspace.root().join("fuzz/fuzz_targets"))?;
    // All at once: cargo then links as many at a time as there are processors.
    shell::run(&mut cargo_fuzz(workspace, "build"))?;
    // One run tells of all targets that fail, not of the first only.
    let failed = failed(&targets, processors(), |target| {
        run_target(workspace, target)
    });
    if !failed.is_empty() {
        bail!("fuzz targets failed: {}", failed.join(", "));
    }
    println!("{} fuzz targets ran", targets.len());
    Ok(())
}

fn cargo_fuzz(workspace: &Workspace, what: &str) -> Command {
    let mut command = workspace.command("cargo-fuzz");
    command
        .args(["fuzz", what, "--sanitizer", "none", "--target-dir"])
        .arg(workspace.target().join("fuzz"));
    command
}

fn run_target(workspace: &Workspace, target: &str) -> Result<()> {
    let mut command = cargo_fuzz(workspace, "run");
    command.arg(target).arg(empty_corpus(workspace, target)?);
    let committed = workspace.root().join("fuzz/corpus").join(target);
    if committed.is_dir() {
        command.arg(committed);
    }
    command.args([
        "--",
        "-max_total_time=3",
        "-rss_limit_mb=4096",
        "-verbosity=0",
        "-print_final_stats=1",
    ]);
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
    let (next, failed) = (Mutex::new(targets.iter()), Mutex::new(Vec::new()));
    let next = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(target) = next() {
            if let Err(error) = run(target) {
                println!("✗ fuzz target {target}: {error:#}");
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.push(target.clone());
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_a_time.max(1) {
            scope.spawn(work);
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
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
    use std::sync::Condvar;
    use std::time::Duration;

    use super::*;

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

    #[test]
    fn as_many_run_at_a_time_as_are_said() {
        let targets = ["a", "b"].map(str::to_owned);
        let (running, changed) = (Mutex::new(0), Condvar::new());
        let failed = failed(&targets, 2, |target| {
            let mut running = running.lock().unwrap();
            *running += 1;
            changed.notify_all();
            let patience = Duration::from_secs(60);
            let waited = changed.wait_timeout_while(running, patience, |running| *running < 2);
            if waited.unwrap().1.timed_out() {
                bail!("{target} ran alone");
            }
            Ok(())
        });
        assert_eq!(failed, Vec::<String>::new());
    }
}
