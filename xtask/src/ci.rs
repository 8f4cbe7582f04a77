//! What CI runs: `cargo xtask ci` is exactly CI.

use std::fs;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use serde_json::{Value, json};

use crate::failed_tests::FailedTests;
use crate::layering;
use crate::setup;
use crate::shell;
use crate::wasm;
use crate::web;
use crate::workspace::Workspace;

/// One thing CI checks.
struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace) -> Result<()>,
}

/// Cheap to expensive.
const STEPS: &[Step] = &[
    Step {
        name: "setup",
        about: "install what is missing",
        run: setup::everything,
    },
    Step {
        name: "cache",
        about: "drop old artefacts, keep the cache under 20 GB",
        run: crate::cache::tidy,
    },
    Step {
        name: "fmt",
        about: "formatting of the workspace and of fuzz/",
        run: fmt,
    },
    Step {
        name: "layering",
        about: "imports point down only, PURE crates are pure",
        run: layering::check,
    },
    Step {
        name: "features",
        about: "the command alone is the same build as in the workspace",
        run: crate::features::check,
    },
    Step {
        name: "deny",
        about: "licences and sources of all dependencies, offline",
        run: deny,
    },
    Step {
        name: "wasm",
        about: "PURE crates build for wasm32",
        run: wasm::build,
    },
    Step {
        name: "clippy",
        about: "clippy over all targets, warnings denied",
        run: clippy,
    },
    Step {
        name: "no-sound",
        about: "the command builds without sound cards",
        run: without_sound_cards,
    },
    Step {
        name: "doc",
        about: "documentation builds, warnings denied",
        run: doc,
    },
    Step {
        name: "web",
        about: "the landing page: types, build, tests in Chromium",
        run: web::test,
    },
    Step {
        name: "fuzz",
        about: "every fuzz target runs for three seconds",
        run: fuzz,
    },
    Step {
        name: "test",
        about: "all tests of the crates",
        run: |workspace| test_crates(workspace, &[]),
    },
    Step {
        name: "demo",
        about: "a call of five seconds over a real homeserver, its summary checked",
        run: demo,
    },
];

/// How a step went.
struct Outcome {
    name: &'static str,
    took: Duration,
    error: Option<anyhow::Error>,
}

/// Names the steps.
pub(crate) fn list() {
    for Step { name, about, .. } in STEPS {
        println!("{name:<10} {about}");
    }
}

/// Runs the named steps, or all; goes on after a failure, so that one run tells all that is wrong.
pub(crate) fn run(workspace: &Workspace, names: &[String]) -> Result<()> {
    if let Some(unknown) = names
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != **name))
    {
        bail!("no step is called {unknown}; `cargo xtask ci --list` names them");
    }
    let mut outcomes = Vec::new();
    for step in STEPS {
        if !names.is_empty() && !names.iter().any(|name| name == step.name) {
            continue;
        }
        println!("\n━━━ {}: {}", step.name, step.about);
        let started = Instant::now();
        let error = (step.run)(workspace).err();
        if let Some(error) = &error {
            println!("✗ {}: {error:#}", step.name);
        }
        outcomes.push(Outcome {
            name: step.name,
            took: started.elapsed(),
            error,
        });
    }
    println!("\n{}", table(&outcomes));
    let failed: Vec<&str> = failures(&outcomes).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn failures(outcomes: &[Outcome]) -> impl Iterator<Item = &'static str> + '_ {
    outcomes
        .iter()
        .filter(|outcome| outcome.error.is_some())
        .map(|outcome| outcome.name)
}

/// The closing table; a failure says how to see it alone.
fn table(outcomes: &[Outcome]) -> String {
    let mut lines = Vec::new();
    for Outcome { name, took, error } in outcomes {
        let seconds = took.as_secs();
        let time = format!("{}:{:02}", seconds / 60, seconds % 60);
        lines.push(match error {
            None => format!("  ok      {name:<10} {time:>6}"),
            Some(error) => {
                let error = format!("{error:#}");
                let reason = error.lines().next().unwrap_or_default();
                format!("  FAILED  {name:<10} {time:>6}  {reason}\n                             alone: cargo xtask ci {name}")
            }
        });
    }
    let total: u64 = outcomes.iter().map(|outcome| outcome.took.as_secs()).sum();
    lines.push(format!(
        "          {:<10} {:>6}",
        "total",
        format!("{}:{:02}", total / 60, total % 60)
    ));
    lines.join("\n")
}

fn fmt(workspace: &Workspace) -> Result<()> {
    shell::run(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    let manifest = workspace.root().join("fuzz/Cargo.toml");
    if manifest.is_file() {
        shell::run(workspace.cargo().args([
            "fmt",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--check",
        ]))?;
    }
    Ok(())
}

fn deny(workspace: &Workspace) -> Result<()> {
    // cargo-deny reads the sources of all platforms' dependencies; offline it can only read what is fetched.
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        if !workspace.root().join(manifest).is_file() {
            continue;
        }
        shell::run(workspace.cargo().args([
            "fetch",
            "--locked",
            "--quiet",
            "--manifest-path",
            manifest,
        ]))?;
        shell::run(workspace.command("cargo-deny").args([
            "--offline",
            "--locked",
            "--log-level",
            "error",
            "--manifest-path",
            manifest,
            "--config",
            "deny.toml",
            "check",
            "--hide-inclusion-graph",
            "licenses",
            "sources",
            "bans",
        ]))?;
    }
    Ok(())
}

fn clippy(workspace: &Workspace) -> Result<()> {
    shell::run(workspace.cargo().args([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn without_sound_cards(workspace: &Workspace) -> Result<()> {
    shell::run(workspace.cargo().args([
        "clippy",
        "--locked",
        "--package",
        "securecall-cli",
        "--no-default-features",
        "--",
        "-D",
        "warnings",
    ]))
}

fn doc(workspace: &Workspace) -> Result<()> {
    shell::run(
        workspace
            .cargo()
            .args(["doc", "--locked", "--no-deps", "--workspace"])
            .env("RUSTDOCFLAGS", "-Dwarnings"),
    )
}

/// Runs every target of fuzz/ for three seconds on its committed corpus, with the compiler in use and no sanitizer.
fn fuzz(workspace: &Workspace) -> Result<()> {
    let manifest = workspace.root().join("fuzz/Cargo.toml");
    if !manifest.is_file() {
        bail!("fuzz/Cargo.toml is missing");
    }
    let targets = fuzz_targets(&workspace.root().join("fuzz/fuzz_targets"))?;
    let directory = workspace.target().join("fuzz");
    let mut failed = Vec::new();
    for target in &targets {
        let run = |workspace: &Workspace| {
            let mut command = workspace.command("cargo-fuzz");
            command
                .args(["fuzz", "run", "--sanitizer", "none", "--target-dir"])
                .arg(&directory)
                .arg(target);
            // What the fuzzer finds on the way is for its user to keep, not for CI to leave in the corpus.
            let found = workspace.target().join("fuzz-corpus").join(target);
            if found.is_dir() {
                fs::remove_dir_all(&found)
                    .with_context(|| format!("cannot remove {}", found.display()))?;
            }
            let committed = workspace.root().join("fuzz/corpus").join(target);
            fs::create_dir_all(&found)
                .with_context(|| format!("cannot make {}", found.display()))?;
            command.arg(found);
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
            shell::run(&mut command)
        };
        // One run tells of all targets that fail, not of the first only.
        if let Err(error) = run(workspace) {
            println!("✗ fuzz target {target}: {error:#}");
            failed.push(target.as_str());
        }
    }
    if !failed.is_empty() {
        bail!("fuzz targets failed: {}", failed.join(", "));
    }
    println!("{} fuzz targets ran", targets.len());
    Ok(())
}

fn fuzz_targets(directory: &Path) -> Result<Vec<String>> {
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

/// Installs what the tests need, then runs them all: the landing page's, then the crates'. With arguments, which are
/// `cargo test`'s, only the crates'.
pub(crate) fn test(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let page = if arguments.is_empty() {
        web::test(workspace).context("the landing page's tests")
    } else {
        Ok(())
    };
    let crates = test_crates(workspace, arguments);
    match (page, crates) {
        (Err(page), Err(crates)) => bail!("{page:#}; {crates:#}"),
        (page, crates) => page.and(crates),
    }
}

/// All tests of the crates, in one `cargo test`.
fn test_crates(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    setup::tests()?;
    web::for_crates(workspace).context("what the tests fetch by npm")?;
    let mut command = workspace.cargo();
    command
        .args(["test", "--locked", "--workspace", "--no-fail-fast"])
        .args(arguments);
    if std::io::stdout().is_terminal() {
        return shell::run(&mut command);
    }
    let mut failed = FailedTests::default();
    shell::run_watched(&mut command, |line| failed.read(line)).with_context(|| failed.to_string())
}

/// Runs the demo as a user would, then reads what it says of itself. After the tests it must start at once.
fn demo(workspace: &Workspace) -> Result<()> {
    crate::features::nothing_is_built_twice(workspace)?;
    shell::run(workspace.cargo().args(["xtask", "demo", "--seconds", "5"]))?;
    let path = workspace.root().join("target/demo/summary.json");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let summary: Value = serde_json::from_str(&text).context("summary.json is no JSON")?;
    let faults = summary_faults(&summary);
    if !faults.is_empty() {
        bail!("summary.json: {}", faults.join(", "));
    }
    Ok(())
}

/// What a summary says that it must not.
fn summary_faults(summary: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for (field, wanted) in [
        ("passed", json!(true)),
        ("tier", json!("securecall")),
        ("safety_words_equal", json!(true)),
        ("rows_left", json!(0)),
        ("exit_codes", json!([0, 0])),
    ] {
        if summary[field] != wanted {
            faults.push(format!("{field} is {}, not {wanted}", summary[field]));
        }
    }
    if summary["safety_words"]
        .as_array()
        .is_none_or(|words| words.len() != 4)
    {
        faults.push("there are not four safety words".to_owned());
    }
    for field in ["connected_ms", "first_audio_ms"] {
        if summary[field].as_f64().is_none() {
            faults.push(format!("{field} is missing"));
        }
    }
    let directions = summary["directions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if directions.len() != 2 {
        faults.push("there are not two directions".to_owned());
    }
    for direction in directions {
        for field in ["mouth_to_ear_ms", "loss", "stoi"] {
            if direction[field].as_f64().is_none() {
                faults.push(format!("{field} from {} is missing", direction["from"]));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_says_how_to_see_it_alone() {
        let outcomes = [
            Outcome {
                name: "fmt",
                took: Duration::from_secs(3),
                error: None,
            },
            Outcome {
                name: "doc",
                took: Duration::from_secs(61),
                error: Some(anyhow::anyhow!("`cargo doc` ended with 101")),
            },
        ];
        let table = table(&outcomes);
        assert!(table.contains("ok      fmt"), "{table}");
        assert!(
            table.contains("FAILED  doc          1:01  `cargo doc` ended with 101"),
            "{table}"
        );
        assert!(table.contains("alone: cargo xtask ci doc"), "{table}");
        assert_eq!(failures(&outcomes).collect::<Vec<_>>(), ["doc"]);
    }

    #[test]
    fn the_summary_of_a_good_call_has_no_fault_and_a_spoilt_one_has() {
        let mut summary = crate::demo::findings::tests::sample().summary();
        assert_eq!(summary_faults(&summary), Vec::<String>::new());
        summary["rows_left"] = json!(2);
        summary["directions"][1]["stoi"] = Value::Null;
        assert_eq!(
            summary_faults(&summary),
            ["rows_left is 2, not 0", "stoi from \"callee\" is missing"]
        );
    }

    #[test]
    fn fuzz_targets_are_the_files_in_their_directory() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["contact_link.rs", "frame.rs", "notes.md"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        assert_eq!(
            fuzz_targets(directory.path()).unwrap(),
            ["contact_link", "frame"]
        );
    }

    #[test]
    fn a_fuzz_directory_without_targets_is_a_failure() {
        let directory = tempfile::tempdir().unwrap();
        assert!(fuzz_targets(directory.path()).is_err());
    }
}
