//! Figures of the engines alone: criterion's benches and the media engine on virtual time.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::figure::{Figure, Target};
use crate::shell;
use crate::workspace::Workspace;

/// Names in `benches/`.
const HANDSHAKE: &str = "handshake, both sides together";
const FRAME: &str = "frame: seal + open of 80 bytes, keys included";

/// Seeds of what runs on virtual time; the worst counts.
const SEEDS: [&str; 3] = ["1", "2", "3"];

/// Runs the criterion benches and the allocation count.
pub(super) fn crypto(workspace: &Workspace) -> Result<Vec<Figure>> {
    let bench = |arguments: &[&str]| {
        let mut command = workspace.cargo();
        command.args([
            "bench",
            "--locked",
            "--quiet",
            "--package",
            "securecall-benches",
            "--bench",
        ]);
        command.args(arguments);
        command
    };
    shell::run(&mut bench(&["crypto", "--", "--noplot"]))?;
    let criterion = workspace.target().join("criterion");
    let allocations =
        shell::output(&mut bench(&["allocations"])).context("the allocation count fails")?;
    let allocations: f64 = allocations
        .parse()
        .context("the allocation count is no number")?;
    Ok(vec![
        Figure {
            what: "handshake, both sides together".to_owned(),
            target: Target::AtMost(1.0),
            measured: median_ns(&criterion, HANDSHAKE)? / 1e6,
            unit: "ms",
            digits: 2,
        },
        Figure {
            what: "seal + open of one 80-byte frame, key derivation included".to_owned(),
            target: Target::AtMost(2.6),
            measured: median_ns(&criterion, FRAME)? / 1e3,
            unit: "µs",
            digits: 2,
        },
        Figure {
            what: "allocations in 5,000 frames sealed and opened".to_owned(),
            target: Target::AtMost(0.0),
            measured: allocations,
            unit: "",
            digits: 0,
        },
    ])
}

/// Criterion's median of the bench with that name, in nanoseconds.
fn median_ns(criterion: &Path, name: &str) -> Result<f64> {
    // Directories are named by criterion's own rules, so each is asked for its bench's name.
    for entry in
        fs::read_dir(criterion).with_context(|| format!("cannot read {}", criterion.display()))?
    {
        let new = entry?.path().join("new");
        let Ok(benchmark) = fs::read_to_string(new.join("benchmark.json")) else {
            continue;
        };
        let benchmark: Value = serde_json::from_str(&benchmark)?;
        if benchmark["full_id"] != name {
            continue;
        }
        let estimates: Value =
            serde_json::from_str(&fs::read_to_string(new.join("estimates.json"))?)?;
        return estimates["median"]["point_estimate"]
            .as_f64()
            .with_context(|| format!("criterion has no median of {name:?}"));
    }
    bail!("no bench is called {name:?}")
}

/// A minute of speech over a network that loses 10 % and adds 0 to 40 ms.
pub(super) fn bad_network(workspace: &Workspace) -> Result<Vec<Figure>> {
    let runs = runs_of(workspace, "netem_call")?;
    let figure = |what: &str, target: Target, field: &str, factor: f64, unit, digits| {
        Ok(Figure {
            what: format!("10 % loss, 0–40 ms extra delay: {what}"),
            target,
            measured: worst(&runs, field, target)? * factor,
            unit,
            digits,
        })
    };
    [
        figure(
            "playout delay, 95th percentile",
            Target::AtMost(120.0),
            "playout_delay_p95_ms",
            1.0,
            "ms",
            0,
        ),
        figure(
            "frames concealed without FEC",
            Target::AtMost(10.0),
            "concealed_without_fec_fraction",
            100.0,
            "%",
            1,
        ),
        figure(
            "longest gap",
            Target::AtMost(60.0),
            "longest_gap_ms",
            1.0,
            "ms",
            0,
        ),
        figure("STOI", Target::AtLeast(0.85), "stoi", 1.0, "", 3),
    ]
    .into_iter()
    .collect()
}

/// What an example of `securecall-media` prints, on virtual time, for each seed.
pub(super) fn runs_of(workspace: &Workspace, example: &str) -> Result<Vec<Value>> {
    let cargo = |what: &[&str]| {
        let mut command = workspace.cargo();
        command.args(what).args(["--locked", "--release"]);
        command.args(["--package", "securecall-media", "--example", example]);
        command
    };
    // To build it takes minutes the first time, and is seen: what the runs say is read.
    shell::run(&mut cargo(&["build"]))?;
    let run = |seed| {
        let mut command = cargo(&["run", "--quiet"]);
        command.arg(seed);
        println!("$ {}", shell::line(&command));
        let printed = shell::output(&mut command);
        let printed = printed.with_context(|| format!("the scenario {example} fails"))?;
        serde_json::from_str(&printed)
            .with_context(|| format!("the scenario {example} prints no JSON"))
    };
    SEEDS.into_iter().map(run).collect()
}

/// The value of all runs that is farthest from the good side of the target.
pub(super) fn worst(runs: &[Value], field: &str, target: Target) -> Result<f64> {
    let values: Option<Vec<f64>> = runs.iter().map(|run| run[field].as_f64()).collect();
    let values = values.with_context(|| format!("a run has no {field}"))?;
    let worst = match target {
        Target::AtMost(_) => values.into_iter().reduce(f64::max),
        Target::AtLeast(_) => values.into_iter().reduce(f64::min),
    };
    worst.context("there were no runs")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_worst_run_counts() {
        let runs = [
            json!({"stoi": 0.9, "gap": 20}),
            json!({"stoi": 0.87, "gap": 40}),
        ];
        assert_eq!(worst(&runs, "stoi", Target::AtLeast(0.85)).unwrap(), 0.87);
        assert_eq!(worst(&runs, "gap", Target::AtMost(60.0)).unwrap(), 40.0);
        assert!(worst(&runs, "delay", Target::AtMost(60.0)).is_err());
    }

    #[test]
    fn a_bench_is_found_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        for (folder, name, median) in [("a", "one", 5.0), ("b", "two, with a comma", 7.5)] {
            let new = directory.path().join(folder).join("new");
            fs::create_dir_all(&new).unwrap();
            fs::write(
                new.join("benchmark.json"),
                json!({"full_id": name}).to_string(),
            )
            .unwrap();
            fs::write(
                new.join("estimates.json"),
                json!({"median": {"point_estimate": median}}).to_string(),
            )
            .unwrap();
        }
        assert_eq!(
            median_ns(directory.path(), "two, with a comma").unwrap(),
            7.5
        );
        assert!(median_ns(directory.path(), "three").is_err());
    }
}
