//! Checks that the command alone wants the same features of other people's crates as the workspace does.
//!
//! Cargo unites the features that the packages of one build ask for. Where the command alone asks for fewer than the workspace
//! with its tests, the two are different builds of the crate and of all that stands on it: `cargo xtask demo` after
//! `cargo xtask test` would then build matrix-sdk and some 80 more once again.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use serde_json::Value;

use crate::shell;
use crate::workspace::Workspace;

/// Builds that users and CI make beside the workspace's.
const ALONE: &[&[&str]] = &[
    &["--package", "securecall-cli"],
    &["--package", "securecall-cli", "--no-default-features"],
    &[
        "--package",
        "securecall-cli",
        "--package",
        "securecall-relay-daemon",
    ],
];

/// Builds the workspace with its tests, then the command alone, and fails if that built anything of other people's anew.
pub(crate) fn nothing_is_built_twice(workspace: &Workspace) -> Result<()> {
    shell::run(
        workspace
            .cargo()
            .args(["test", "--locked", "--workspace", "--no-run", "--quiet"]),
    )?;
    let messages = shell::output(workspace.cargo().args([
        "build",
        "--locked",
        "--quiet",
        "--package",
        "securecall-cli",
        "--message-format",
        "json",
    ]))
    .context("the command alone does not build")?;
    let again = built_again(&messages);
    if !again.is_empty() {
        bail!(
            "the command alone built these again after the workspace: {}",
            again.join(", ")
        );
    }
    Ok(())
}

/// Other people's packages in cargo's JSON messages that were not fresh.
fn built_again(messages: &str) -> Vec<String> {
    let mut again: Vec<String> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["fresh"] == false)
        .filter_map(|message| message["package_id"].as_str().map(str::to_owned))
        .filter(|id| !id.starts_with("path+"))
        .map(|id| id.rsplit(['#', '/']).next().unwrap_or(&id).to_owned())
        .collect();
    again.sort();
    again.dedup();
    again
}

/// A crate in one version, and each set of features it is built with (host and target may differ).
type Features = BTreeMap<String, BTreeSet<String>>;

/// Compares what `cargo tree` says of each build.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let whole = tree(workspace, &["--workspace", "--edges", "normal,build,dev"])?;
    let mut faults = Vec::new();
    for alone in ALONE {
        let mut arguments = alone.to_vec();
        arguments.extend(["--edges", "normal,build"]);
        faults.extend(differences(&tree(workspace, &arguments)?, &whole));
    }
    faults.sort();
    faults.dedup();
    if !faults.is_empty() {
        bail!(
            "the command alone would build these anew after the workspace:\n  {}\n\
             Ask for the features in apps/cli/Cargo.toml, or do without them in the tests.",
            faults.join("\n  ")
        );
    }
    println!(
        "{} crates have the same features in the command as in the workspace",
        whole.len()
    );
    Ok(())
}

fn tree(workspace: &Workspace, arguments: &[&str]) -> Result<Features> {
    let printed = shell::output(
        workspace
            .cargo()
            .args(["tree", "--locked", "--prefix", "none"])
            .args(["--format", "{p}|{f}"])
            .args(arguments),
    )
    .with_context(|| format!("cargo tree {} fails", arguments.join(" ")))?;
    Ok(features_of(&printed))
}

/// Other people's crates in the output of `cargo tree --prefix none --format {p}|{f}`: ours have their path behind the version.
fn features_of(printed: &str) -> Features {
    let mut features = Features::new();
    for line in printed.lines() {
        let Some((package, list)) = line.trim_end_matches(" (*)").split_once('|') else {
            continue;
        };
        if package.contains("(/") {
            continue;
        }
        features
            .entry(package.to_owned())
            .or_default()
            .insert(list.to_owned());
    }
    features
}

/// One line for each crate that the workspace builds only with other features.
fn differences(alone: &Features, whole: &Features) -> Vec<String> {
    let none = BTreeSet::new();
    alone
        .iter()
        .flat_map(|(package, lists)| {
            let known = whole.get(package).unwrap_or(&none);
            lists.difference(known).map(move |list| {
                let other = known.iter().map(String::as_str).collect::<Vec<_>>();
                format!(
                    "{package}: [{list}] alone, [{}] in the workspace",
                    other.join("] or [")
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_with_other_features_is_named_and_ours_are_not() {
        let alone = features_of(
            "securecall-cli v0.1.0 (/x/apps/cli)|cpal\nzerocopy v0.8.63|simd\nserde v1.0.0|std\n",
        );
        let whole = features_of(
            "securecall-cli v0.1.0 (/x/apps/cli)|cpal,default\nzerocopy v0.8.63|derive,simd\nserde v1.0.0|std (*)\n",
        );
        assert_eq!(
            differences(&alone, &whole),
            ["zerocopy v0.8.63: [simd] alone, [derive,simd] in the workspace"]
        );
        assert!(differences(&whole, &whole).is_empty());
    }

    #[test]
    fn what_is_not_fresh_and_not_ours_was_built_again() {
        let messages = [
            r#"{"package_id":"registry+https://x/index#serde@1.0.0","fresh":true}"#,
            r#"{"package_id":"registry+https://x/index#matrix-sdk@0.18.0","fresh":false}"#,
            r#"{"package_id":"path+file:///x/apps/cli#securecall-cli@0.1.0","fresh":false}"#,
            r#"{"reason":"build-finished","success":true}"#,
        ];
        assert_eq!(built_again(&messages.join("\n")), ["matrix-sdk@0.18.0"]);
    }

    #[test]
    fn one_of_two_sets_of_features_is_enough() {
        let alone = features_of("syn v2.0.0|full");
        let whole = features_of("syn v2.0.0|full\nsyn v2.0.0|full,visit");
        assert!(differences(&alone, &whole).is_empty());
    }
}
