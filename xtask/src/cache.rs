//! Keeps the target directory small: it is shared by all checkouts and outlives them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::workspace::{self, Workspace};

/// What the whole target directory may take.
const LIMIT: u64 = 20_000_000_000;

/// How deep builds are: `fuzz`, a target, a profile.
const MOST_NESTED: usize = 3;

/// What is deleted when the limit is passed and our own crates' artefacts were not enough, least missed first: dependencies of
/// dev builds, which take longest to build and which every run needs, come last.
const LEAST_MISSED: &[&str] = &[
    "debug/incremental",
    "release/incremental",
    "doc",
    "fuzz-corpus",
    "criterion",
    "release",
    "wasm",
    "fuzz",
    "debug",
];

/// Artefacts of our own crates are worth keeping for the working day, no longer: every build writes new ones.
const WORTH_KEEPING: Duration = Duration::from_secs(12 * 3600);

/// What is younger was made by this very run, such as this program, and would be built again before the run ends.
const JUST_MADE: Duration = Duration::from_secs(5 * 60);

/// Drops artefacts of our own crates that no recent build made, or all but those of this run if that is not enough; then whole
/// directories until the limit is kept.
pub(crate) fn tidy(workspace: &Workspace) -> Result<()> {
    let before = size(workspace.target());
    let mut names = own_artefact_names(&workspace::metadata(workspace.root(), &["--no-deps"])?);
    let fuzz = workspace.root().join("fuzz");
    if fuzz.is_dir() {
        names.extend(own_artefact_names(&workspace::metadata(
            &fuzz,
            &["--no-deps"],
        )?));
    }
    let now = SystemTime::now();
    drop_own(workspace.target(), &names, now - WORTH_KEEPING)?;
    if size(workspace.target()) > LIMIT {
        drop_own(workspace.target(), &names, now - JUST_MADE)?;
    }
    for directory in LEAST_MISSED {
        if size(workspace.target()) <= LIMIT {
            break;
        }
        let path = workspace.target().join(directory);
        if path.is_dir() {
            println!("over {} GB: removing {directory}", LIMIT / 1_000_000_000);
            remove(&path)?;
        }
    }
    let after = size(workspace.target());
    println!(
        "target directory: {:.1} GB, {:.1} GB freed",
        gigabytes(after),
        gigabytes(before.saturating_sub(after))
    );
    Ok(())
}

/// Drops artefacts of our own crates that are older than `oldest`, whatever they were built for.
fn drop_own(target: &Path, names: &BTreeSet<String>, oldest: SystemTime) -> Result<()> {
    for profile in builds(target, MOST_NESTED) {
        for directory in ["deps", ".fingerprint", "build", "incremental", "examples"] {
            drop_old(&profile.join(directory), names, oldest)?;
        }
    }
    Ok(())
}

/// Where cargo has built below a directory: `debug`, and what is like it in the target directories of their own that fuzz targets
/// and the web have.
fn builds(directory: &Path, nested: usize) -> Vec<PathBuf> {
    if directory.join(".fingerprint").is_dir() {
        return vec![directory.to_path_buf()];
    }
    let Some(nested) = nested.checked_sub(1) else {
        return Vec::new();
    };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories
        .flat_map(|entry| builds(&entry.path(), nested))
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

/// What files and directories of our own targets start with, before `-` and a hash.
fn own_artefact_names(metadata: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        names.extend(package["name"].as_str().map(str::to_owned));
        for target in package["targets"].as_array().into_iter().flatten() {
            if let Some(name) = target["name"].as_str() {
                names.insert(name.replace('-', "_"));
                names.insert(format!("lib{}", name.replace('-', "_")));
            }
        }
    }
    // Cargo's name for every build script.
    names.remove("build_script_build");
    names
}

fn drop_old(directory: &Path, names: &BTreeSet<String>, oldest: SystemTime) -> Result<()> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let file_name = entry.file_name();
        let ours = is_of(names, &file_name.to_string_lossy());
        let old = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|modified| modified < oldest);
        if ours && old {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether an artefact has one of these names: `it-HASH`, `libit-HASH.rlib`, or debug information, `it-HASH.it.HASH-cgu.0.rcgu.dwo`.
fn is_of(names: &BTreeSet<String>, artefact: &str) -> bool {
    let (stem, _) = artefact.split_once('.').unwrap_or((artefact, ""));
    stem.rsplit_once('-')
        .is_some_and(|(name, _)| names.contains(name))
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

/// Bytes in all files below the directory; what vanishes meanwhile counts nothing.
fn size(directory: &Path) -> u64 {
    let mut total = 0;
    let mut waiting: Vec<PathBuf> = vec![directory.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => waiting.push(entry.path()),
                Ok(metadata) => total += metadata.len(),
                Err(_) => {}
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_old_artefacts_of_ours_go() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "libsecurecall_crypto-0123.rlib",
            "libsha2-0123.rlib",
            "securecall-0123",
            "securecall-0123.securecall.45ab-cgu.0.rcgu.dwo",
            "sha2-0123.sha2.45ab-cgu.0.rcgu.dwo",
        ] {
            fs::write(directory.path().join(name), "x").unwrap();
        }
        let names = own_artefact_names(&json!({"packages": [
            {"name": "securecall-crypto", "targets": [{"name": "securecall_crypto"}]},
            {"name": "securecall-cli", "targets": [{"name": "securecall"}]},
        ]}));
        drop_old(
            directory.path(),
            &names,
            SystemTime::now() - Duration::from_secs(60),
        )
        .unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 5);
        drop_old(
            directory.path(),
            &names,
            SystemTime::now() + Duration::from_secs(60),
        )
        .unwrap();
        let mut left: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        left.sort();
        assert_eq!(
            left,
            ["libsha2-0123.rlib", "sha2-0123.sha2.45ab-cgu.0.rcgu.dwo"]
        );
    }

    #[test]
    fn what_fuzz_targets_and_the_web_have_built_goes_too() {
        let target = tempfile::tempdir().unwrap();
        let profiles = [
            "debug",
            "release",
            "fuzz/x86_64-unknown-linux-gnu/release",
            "wasm/wasm32-unknown-unknown/debug",
        ];
        for profile in profiles {
            for directory in [".fingerprint", "deps"] {
                fs::create_dir_all(target.path().join(profile).join(directory)).unwrap();
            }
            let deps = target.path().join(profile).join("deps");
            fs::write(deps.join("session-0123"), "x").unwrap();
            fs::write(deps.join("libsha2-0123.rlib"), "x").unwrap();
        }
        let names = BTreeSet::from(["session".to_owned()]);
        let now = SystemTime::now();
        drop_own(target.path(), &names, now + Duration::from_secs(60)).unwrap();
        for profile in profiles {
            let left = fs::read_dir(target.path().join(profile).join("deps")).unwrap();
            let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left, ["libsha2-0123.rlib"], "{profile}");
        }
    }

    #[test]
    fn sizes_are_summed_over_subdirectories() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("inner")).unwrap();
        fs::write(directory.path().join("a"), [0; 10]).unwrap();
        fs::write(directory.path().join("inner/b"), [0; 5]).unwrap();
        assert_eq!(size(directory.path()), 15);
    }
}
