//! Checks that imports point down only, by the table of `ARCHITECTURE.md`, and that PURE crates are pure.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;
use crate::workspace::{self, Workspace};

/// Every package of the workspace, top to bottom, and those of ours it may import.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "securecall-cli",
        &[
            "securecall-driver",
            "securecall-profile",
            "securecall-audio-device",
            "securecall-matrix",
            "securecall-ghostnet",
            "securecall-contact-qr",
            "securecall-contact",
            "securecall-crypto",
        ],
    ),
    (
        "securecall-relay-daemon",
        &[
            "securecall-daemon",
            "securecall-ghostnet",
            "securecall-relay",
            "securecall-randomness",
        ],
    ),
    (
        "securecall-server",
        &[
            "securecall-daemon",
            "securecall-ghostnet",
            "securecall-contact",
            "securecall-crypto",
            "securecall-randomness",
        ],
    ),
    ("securecall-daemon", &["securecall-ghostnet"]),
    (
        "securecall-profile",
        &[
            "securecall-matrix",
            "securecall-ghostnet",
            "securecall-randomness",
            "securecall-contact-qr",
            "securecall-contact",
            "securecall-crypto",
        ],
    ),
    (
        "securecall-driver",
        &[
            "securecall-session",
            "securecall-media",
            "securecall-matrix",
            "securecall-relay-client",
            "securecall-ghostnet",
            "securecall-relay",
            "securecall-audio-device",
            "securecall-randomness",
            "securecall-contact",
            "securecall-crypto",
        ],
    ),
    ("securecall-matrix", &["securecall-contact"]),
    ("securecall-relay-client", &["securecall-relay"]),
    ("securecall-ghostnet", &["securecall-relay"]),
    ("securecall-relay", &[]),
    ("securecall-audio-device", &[]),
    ("securecall-randomness", &[]),
    ("securecall-media", &["securecall-opus"]),
    ("securecall-opus", &[]),
    (
        "securecall-session",
        &[
            "securecall-signaling",
            "securecall-contact",
            "securecall-crypto",
        ],
    ),
    ("securecall-signaling", &["securecall-contact"]),
    ("securecall-contact-qr", &["securecall-contact"]),
    ("securecall-contact", &["securecall-crypto"]),
    ("securecall-crypto", &[]),
    (
        "securecall-testkit",
        &[
            "securecall-session",
            "securecall-signaling",
            "securecall-contact",
            "securecall-crypto",
            "securecall-netem",
        ],
    ),
    ("securecall-freed-memory", &[]),
    ("securecall-interop", &[]),
    ("securecall-netem", &[]),
    (
        "securecall-pictures",
        &["securecall-contact", "securecall-crypto"],
    ),
    ("securecall-quality", &[]),
    ("securecall-benches", &[]),
    ("xtask", &["securecall-interop", "securecall-quality"]),
    // fuzz/ is a workspace of its own, so that it never builds the Matrix crates.
    (
        "securecall-fuzz",
        &[
            "securecall-session",
            "securecall-signaling",
            "securecall-contact-qr",
            "securecall-contact",
            "securecall-crypto",
            "securecall-media",
            "securecall-audio-device",
            "securecall-ghostnet",
            "securecall-relay",
        ],
    ),
];

/// What any package may import for its own tests, benches and examples, on top of its arrows.
const FOR_TESTS: &[&str] = &[
    "securecall-freed-memory",
    "securecall-interop",
    "securecall-netem",
    "securecall-pictures",
    "securecall-quality",
    "securecall-testkit",
];

/// What the benches may import beyond that: the engines they measure.
const FOR_BENCHES: &[&str] = &[
    "securecall-crypto",
    "securecall-contact",
    "securecall-signaling",
    "securecall-session",
    "securecall-media",
];

/// What the tests of the peers may import: what we read and write is shown to those whose it is.
const FOR_PEERS: &[&str] = &["securecall-signaling"];

/// No async runtime, socket, file, clock, thread or randomness of their own; built for wasm32 in CI.
pub(crate) const PURE: &[&str] = &[
    "securecall-crypto",
    "securecall-contact",
    "securecall-contact-qr",
    "securecall-signaling",
    "securecall-session",
    "securecall-relay",
    "securecall-ghostnet",
];

/// Crates that do I/O, read clocks, start threads or make randomness: nowhere below a PURE crate.
const IMPURE: &[&str] = &[
    "async-io",
    "async-std",
    "chrono",
    "cpal",
    "dimpl",
    "fastrand",
    "getrandom",
    "hound",
    "instant",
    "libc",
    "matrix-sdk-common",
    "matrix-sdk-crypto",
    "matrix-sdk-sqlite",
    "mio",
    "opusic-sys",
    "rand",
    "rayon",
    "reqwest",
    "rusqlite",
    "smol",
    "socket2",
    "str0m",
    "tempfile",
    "time",
    "tokio",
];

/// Generators that keep their state in memory: whoever steals it knows the keys of earlier and later calls. Tests may have them;
/// the product asks the operating system for each draw.
const GENERATORS: &[&str] = &[
    "fastrand",
    "oorandom",
    "rand",
    "rand_chacha",
    "rand_hc",
    "rand_pcg",
    "rand_xoshiro",
];

/// An impure crate below a PURE one that is never reached, with the reason.
const NEVER_REACHED: &[(&str, &str)] = &[
    // rxing stamps the results of its readers with the time; only the functions below those readers are called.
    ("securecall-contact-qr", "chrono"),
];

/// An import of ours by ours.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Arrow {
    from: String,
    to: String,
    /// Only for tests, benches and examples.
    dev: bool,
}

/// Reads the imports from `cargo metadata`, of the workspace and of fuzz/, and fails on each the table does not allow.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut faults = Vec::new();
    let mut packages = 0;
    let mut arrows = 0;
    let fuzz = workspace.root().join("fuzz");
    let mut roots = vec![workspace.root().to_path_buf()];
    roots.extend(fuzz.join("Cargo.toml").is_file().then_some(fuzz));
    for root in roots {
        let metadata = workspace::metadata(&root, &["--no-deps"])?;
        let names = packages_of(&metadata)?;
        let found = arrows_of(&metadata)?;
        faults.extend(unknown_packages(&names));
        faults.extend(forbidden(&found));
        faults.extend(generators(&metadata)?);
        packages += names.len();
        arrows += found.len();
    }
    for pure in PURE {
        let tree = shell::output(workspace.cargo().args([
            "tree",
            "--package",
            pure,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--locked",
        ]))
        .with_context(|| format!("cargo tree fails for {pure}"))?;
        faults.extend(impurities(pure, &tree));
    }
    if !faults.is_empty() {
        bail!(
            "layering:\n  {}\nThe table is in xtask/src/layering.rs; the reasons are in ARCHITECTURE.md.",
            faults.join("\n  ")
        );
    }
    println!(
        "{packages} packages, {arrows} imports of ours by ours: all point down; {} PURE crates are pure",
        PURE.len()
    );
    Ok(())
}

fn packages_of(metadata: &Value) -> Result<Vec<String>> {
    metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?
        .iter()
        .map(|package| {
            let name = package["name"].as_str().context("a package has no name")?;
            Ok(name.to_owned())
        })
        .collect()
}

/// Imports of packages in the same repository: those given by path.
fn arrows_of(metadata: &Value) -> Result<Vec<Arrow>> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let mut arrows = Vec::new();
    for package in packages {
        let from = package["name"].as_str().context("a package has no name")?;
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if dependency["path"].is_null() {
                continue;
            }
            let to = dependency["name"]
                .as_str()
                .context("a dependency has no name")?;
            arrows.push(Arrow {
                from: from.to_owned(),
                to: to.to_owned(),
                dev: dependency["kind"] == "dev",
            });
        }
    }
    Ok(arrows)
}

/// One line for each generator that a product crate (one in crates/ or apps/) imports for more than its tests.
fn generators(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let mut faults = Vec::new();
    for package in packages {
        let (Some(name), Some(manifest)) =
            (package["name"].as_str(), package["manifest_path"].as_str())
        else {
            bail!("a package has no name or no manifest");
        };
        if !(manifest.contains("/crates/") || manifest.contains("/apps/")) {
            continue;
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let imported = dependency["name"].as_str().unwrap_or_default();
            if GENERATORS.contains(&imported) && dependency["kind"] != "dev" {
                faults.push(format!(
                    "{name} may not import {imported}: its state could be stolen"
                ));
            }
        }
    }
    Ok(faults)
}

fn unknown_packages(names: &[String]) -> Vec<String> {
    names
        .iter()
        .filter(|name| allowed(name).is_none())
        .map(|name| format!("package {name} is not in the table"))
        .collect()
}

/// One line for each arrow the table does not allow.
fn forbidden(arrows: &[Arrow]) -> Vec<String> {
    arrows
        .iter()
        .filter(|arrow| {
            let Arrow { from, to, dev } = arrow;
            let to = to.as_str();
            let by_table = allowed(from).is_some_and(|list| list.contains(&to));
            let for_tests = *dev && FOR_TESTS.contains(&to);
            let for_benches = *dev && from == "securecall-benches" && FOR_BENCHES.contains(&to);
            let for_peers = *dev && from == "securecall-interop" && FOR_PEERS.contains(&to);
            !(by_table || for_tests || for_benches || for_peers)
        })
        .map(|Arrow { from, to, dev }| {
            let kind = if *dev { " in its tests" } else { "" };
            format!("{from} may not import {to}{kind}")
        })
        .collect()
}

fn allowed(from: &str) -> Option<&'static [&'static str]> {
    ARROWS
        .iter()
        .find(|(name, _)| *name == from)
        .map(|(_, list)| *list)
}

/// One line for each impure crate in the output of `cargo tree --prefix none --format {p}`.
fn impurities(pure: &str, tree: &str) -> Vec<String> {
    let names: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    IMPURE
        .iter()
        .filter(|impure| names.contains(**impure) && !NEVER_REACHED.contains(&(pure, **impure)))
        .map(|impure| {
            format!("{pure} is PURE but depends on {impure}: see `cargo tree -p {pure} -e normal -i {impure}`")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arrow(from: &str, to: &str, dev: bool) -> Arrow {
        Arrow {
            from: from.to_owned(),
            to: to.to_owned(),
            dev,
        }
    }

    #[test]
    fn an_arrow_down_is_allowed_and_an_arrow_up_is_named() {
        let down = arrow("securecall-session", "securecall-crypto", false);
        let up = arrow("securecall-crypto", "securecall-session", false);
        assert!(forbidden(&[down]).is_empty());
        assert_eq!(
            forbidden(&[up]),
            ["securecall-crypto may not import securecall-session"]
        );
    }

    #[test]
    fn the_media_engine_knows_nothing_of_ours() {
        let to_crypto = arrow("securecall-media", "securecall-crypto", false);
        assert_eq!(forbidden(&[to_crypto]).len(), 1);
    }

    #[test]
    fn test_helpers_are_for_tests_only() {
        let in_tests = arrow("securecall-media", "securecall-netem", true);
        let in_product = arrow("securecall-media", "securecall-netem", false);
        assert!(forbidden(&[in_tests]).is_empty());
        assert_eq!(forbidden(&[in_product]).len(), 1);
    }

    #[test]
    fn only_the_tests_of_the_peers_know_what_we_read_and_write() {
        let in_tests = arrow("securecall-interop", "securecall-signaling", true);
        let in_peers = arrow("securecall-interop", "securecall-signaling", false);
        assert!(forbidden(&[in_tests]).is_empty());
        assert_eq!(forbidden(&[in_peers]).len(), 1);
    }

    #[test]
    fn tests_do_not_lift_the_order_of_layers() {
        let up = arrow("securecall-contact", "securecall-driver", true);
        assert_eq!(
            forbidden(&[up]),
            ["securecall-contact may not import securecall-driver in its tests"]
        );
    }

    #[test]
    fn a_package_that_is_not_in_the_table_is_a_fault() {
        let names = ["securecall-crypto".to_owned(), "securecall-new".to_owned()];
        assert_eq!(
            unknown_packages(&names),
            ["package securecall-new is not in the table"]
        );
    }

    #[test]
    fn arrows_are_the_path_dependencies_of_cargo_metadata() {
        let metadata = json!({"packages": [{
            "name": "securecall-contact",
            "dependencies": [
                {"name": "securecall-crypto", "path": "/x/crates/crypto", "kind": null},
                {"name": "sha2", "kind": null},
                {"name": "securecall-testkit", "path": "/x/testing/testkit", "kind": "dev"},
            ],
        }]});
        assert_eq!(
            arrows_of(&metadata).unwrap(),
            [
                arrow("securecall-contact", "securecall-crypto", false),
                arrow("securecall-contact", "securecall-testkit", true),
            ]
        );
    }

    #[test]
    fn a_generator_with_a_state_is_for_tests_only() {
        let package = |folder: &str, kind: Value| {
            json!({
                "name": "securecall-driver",
                "manifest_path": format!("/x/{folder}/driver/Cargo.toml"),
                "dependencies": [{"name": "rand_chacha", "kind": kind}, {"name": "rand_core", "kind": null}],
            })
        };
        let faults = |package| generators(&json!({ "packages": [package] })).unwrap();
        assert_eq!(
            faults(package("crates", Value::Null)),
            ["securecall-driver may not import rand_chacha: its state could be stolen"]
        );
        assert!(faults(package("crates", json!("dev"))).is_empty());
        assert!(faults(package("testing", Value::Null)).is_empty());
    }

    #[test]
    fn a_clock_below_a_pure_crate_is_named_by_its_whole_name() {
        let tree =
            "securecall-crypto v0.1.0 (/x)\nrand_core v0.10.0\ntokio v1.50.0\ntime-core v1.0.0";
        let faults = impurities("securecall-crypto", tree);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].contains("depends on tokio"), "{}", faults[0]);
    }

    #[test]
    fn an_excuse_holds_for_one_crate_alone() {
        let tree = "rxing v0.9.3\nchrono v0.4.45";
        assert!(impurities("securecall-contact-qr", tree).is_empty());
        assert_eq!(impurities("securecall-contact", tree).len(), 1);
    }

    #[test]
    fn the_table_has_no_cycle() {
        // Top to bottom: nothing may import what stands above it, test helpers and chores aside.
        for (index, (name, list)) in ARROWS.iter().enumerate() {
            for to in *list {
                let position = ARROWS.iter().position(|(other, _)| other == to);
                let below = position.is_some_and(|position| position > index);
                let is_test_side = [
                    "securecall-testkit",
                    "securecall-pictures",
                    "xtask",
                    "securecall-fuzz",
                ]
                .contains(name);
                assert!(below || is_test_side, "{name} -> {to}");
            }
        }
    }
}
