//! What CI runs: `cargo xtask ci` is exactly CI.

use std::env;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use serde_json::{Value, json};

use crate::failed_tests::FailedTests;
use crate::layering;
use crate::setup;
use crate::shell;
use crate::side_by_side::side_by_side;
use crate::test_binary::TestBinary;
use crate::wasm;
use crate::web;
use crate::workspace::{self, Workspace, processors};

/// How many tests of one binary run at a time.
const TEST_THREADS: &str = "RUST_TEST_THREADS";
/// As many at least, where there are fewer processors: those that take long wait, for a call that nobody takes or a path that is
/// not there, and leave a processor to others meanwhile.
const MIN_TEST_THREADS: usize = 4;

/// How many programs of tests that mostly wait run at a time: the command's take as long as all others together.
const WAITING_AT_A_TIME: usize = 2;

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
        run: crate::fuzz::run,
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
    Step {
        name: "selfhost",
        about: "a server of one's own, with workers and on PostgreSQL: three seconds by each way",
        run: selfhost,
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

/// All tests of the crates.
fn test_crates(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    setup::tests()?;
    web::for_crates(workspace).context("what the tests fetch by npm")?;
    let mut command = cargo_test(workspace.cargo());
    command.args(arguments);
    if io::stdout().is_terminal() {
        return shell::run(&mut command);
    }
    let mut failed = FailedTests::default();
    let result = if arguments.is_empty() {
        test_side_by_side(workspace, &mut failed)
    } else {
        shell::run_watched(&mut command, |line| failed.read(line))
    };
    result.with_context(|| failed.to_string())
}

/// Runs the integration tests that mostly wait beside each other, and all other tests, which mostly compute, beside those. The
/// latter take what time the former leave. What tests print is shown when they have ended.
fn test_side_by_side(workspace: &Workspace, failed: &mut FailedTests) -> Result<()> {
    let metadata = workspace::metadata(workspace.root(), &["--no-deps"])?;
    let built = TestBinary::build(&mut cargo_test(workspace.cargo()), &metadata)?;
    let (waiting, computing): (Vec<_>, Vec<_>) = built.into_iter().partition(|it| it.waits);
    let mut units = vec!["--lib", "--bins"];
    // Asked for by kind, they would be built once more for no test.
    units.extend(without_unit_tests(&metadata).flat_map(|name| ["--exclude", name]));
    let compute = || {
        let nice = || workspace.command("nice");
        let integration = computing.iter().map(|it| it.run(with_test_threads(nice())));
        let mut results: Vec<_> = integration.collect();
        results.extend([&units[..], &["--doc"]].map(|targets| {
            let mut nice = nice();
            nice.arg(workspace.cargo().get_program());
            shell::run_whole(cargo_test(nice).args(targets))
        }));
        results
    };
    let (mut results, computed) = thread::scope(|scope| {
        let compute = scope.spawn(compute);
        let waited = side_by_side(&waiting, WAITING_AT_A_TIME, |it| {
            it.run(with_test_threads(workspace.command("env")))
        });
        (waited, compute.join())
    });
    results.extend(computed.map_err(|_| anyhow!("the thread of the tests panicked"))?);
    let mut faults = Vec::new();
    for (said, result) in results {
        said.lines().for_each(|line| failed.read(line));
        faults.extend(result.err().map(|error| format!("{error:#}")));
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("; "));
    }
    Ok(())
}

/// The packages whose manifests say that nothing but integration tests is to be run.
fn without_unit_tests(metadata: &Value) -> impl Iterator<Item = &str> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let has_units = |target: &Value| target["test"] == true && target["kind"] != json!(["test"]);
    packages
        .filter(move |package| {
            let mut targets = package["targets"].as_array().into_iter().flatten();
            !targets.any(has_units)
        })
        .filter_map(|package| package["name"].as_str())
}

/// A `cargo test` of all crates, run by `cargo`.
fn cargo_test(mut cargo: Command) -> Command {
    cargo.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
    with_test_threads(cargo)
}

/// A command that runs tests, so many of a program at a time as is good for them.
fn with_test_threads(mut command: Command) -> Command {
    if env::var_os(TEST_THREADS).is_none() {
        let threads = processors().max(MIN_TEST_THREADS);
        command.env(TEST_THREADS, threads.to_string());
    }
    command
}

/// Runs a place as an operator would. It fails if anything it promises does not hold.
fn selfhost(workspace: &Workspace) -> Result<()> {
    shell::run(
        workspace
            .cargo()
            .args(["xtask", "selfhost", "--workers", "--seconds", "3"]),
    )
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
    fn packages_without_unit_tests_are_known_by_their_manifests() {
        let target = |kind: &str, test: bool| json!({"kind": [kind], "test": test});
        let metadata = json!({"packages": [
            {"name": "quality", "targets": [target("lib", false), target("test", true)]},
            {"name": "crypto", "targets": [target("lib", true), target("test", true)]},
            {"name": "command", "targets": [target("lib", false), target("bin", true)]},
        ]});
        assert_eq!(
            without_unit_tests(&metadata).collect::<Vec<_>>(),
            ["quality"]
        );
    }

    #[test]
    fn tests_that_wait_leave_the_processors_to_others() {
        let command = cargo_test(Command::new("cargo"));
        let set = command.get_envs().find(|(name, _)| *name == TEST_THREADS);
        // Who runs us may have chosen a number.
        let threads = set.map_or_else(
            || env::var(TEST_THREADS).unwrap(),
            |(_, value)| value.unwrap().to_str().unwrap().to_owned(),
        );
        let few = env::var_os(TEST_THREADS).is_none() && threads.parse::<usize>().unwrap() < 4;
        assert!(!few, "{threads}");
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
}
