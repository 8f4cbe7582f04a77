//! `cargo xtask demo`: an encrypted call between two new users, over a homeserver of our own, with a report.

pub(crate) mod findings;
pub(crate) mod group;
pub(crate) mod measure;
pub(crate) mod observation;
pub(crate) mod report;
pub(crate) mod terminal;
pub(crate) mod voice;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use securecall_interop::{DatabaseSnapshot, GhostNetRelays, RelayPlan, RelayRole};
use serde_json::Value;

use crate::call::conversation::{self, Observer};
use crate::call::interrupt;
use crate::call::record::{Record, Side};
use crate::call::stage::{Build, Program, Stage};
use crate::call::user::User;
use crate::setup;
use crate::workspace::Workspace;
use findings::{Findings, RecordLeft};
use observation::{Lookout, Observation};
use terminal::Progress;

/// `--route`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Route {
    /// From one device to the other.
    Direct,
    /// Through two relays.
    #[value(name = "ghostnet")]
    GhostNet,
}

impl Route {
    /// As the command has it.
    const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::GhostNet => "ghostnet",
        }
    }
}

/// The relays that a person uses: an entry and an exit, each of an operator of its own. Two people who chose the same ones would
/// show less of who sees what.
fn relays_of(program: &Path, side: Side, user: &mut User) -> Result<GhostNetRelays> {
    let plan = |role, name: &str| -> Result<RelayPlan> {
        Ok(RelayPlan::here(role)?.run_by(&format!("the {}'s {name}", side.name())))
    };
    let plans = vec![
        plan(RelayRole::Entry, "entry")?,
        plan(RelayRole::Exit, "exit")?,
    ];
    let relays = GhostNetRelays::start_here(program, plans).context("no relays")?;
    user.learn(relays.environment());
    user.learn([("SECURECALL_ROUTE", Route::GhostNet.name().to_owned())]);
    Ok(relays)
}

/// The relays of both.
fn relays(program: &Path, stage: &mut Stage) -> Result<Vec<GhostNetRelays>> {
    println!("starting an entry and an exit of GhostNet for each, and issuers of tokens");
    Ok(vec![
        relays_of(program, Side::Caller, &mut stage.caller)?,
        relays_of(program, Side::Callee, &mut stage.callee)?,
    ])
}

/// Shows the call as it goes, and looks who has packets with whom.
pub(crate) struct Looking {
    progress: Progress,
    lookout: Lookout,
    /// Who else takes part in the call, and the process of each.
    on_the_way: Vec<(String, u32)>,
}

impl Looking {
    /// From now on.
    pub(crate) fn new(on_the_way: Vec<(String, u32)>) -> Self {
        Self {
            progress: Progress::new(),
            lookout: Lookout::new(),
            on_the_way,
        }
    }

    /// What there was.
    pub(crate) fn seen(self) -> Observation {
        self.lookout.over()
    }
}

/// The processes of relays, by their operators.
fn processes(relays: &[GhostNetRelays]) -> Vec<(String, u32)> {
    let processes = relays.iter().flat_map(|some| {
        some.relays().filter_map(move |(operator, _)| {
            let process = some.process_id(operator)?;
            Some((operator.to_owned(), process))
        })
    });
    processes.collect()
}

impl Observer for Looking {
    fn event(&mut self, record: &Record) {
        self.progress.event(record);
    }

    fn tick(&mut self, processes: [u32; 2]) {
        let people = Side::BOTH.map(|side| (side.name().to_owned(), processes[side.index()]));
        self.lookout.look(&[&people[..], &self.on_the_way].concat());
    }

    fn over(&mut self) {
        self.progress.over();
    }
}

/// Runs the demo and fails, saying why, if anything it promises does not hold.
pub(crate) fn run(workspace: &Workspace, seconds: u32, build: Build, route: Route) -> Result<()> {
    println!("{}\n", terminal::plan(seconds, build));
    setup::calls()?;
    interrupt::catch();
    let directory = fresh(&workspace.root().join("target/demo"))?;
    let (program, relay) = match route {
        Route::Direct => (build.program(workspace)?, None),
        Route::GhostNet => {
            let [program, relay] = build.programs(workspace, [Program::Command, Program::Relay])?;
            (program, Some(relay))
        }
    };
    voice::write_both(workspace, seconds, &directory)?;
    let mut stage = Stage::set(&program, &directory.join("profiles"))?;
    let relays = match &relay {
        None => Vec::new(),
        Some(relay) => relays(relay, &mut stage)?,
    };
    println!("waiting until the homeserver has set up its database");
    let before = stage.settled_database()?;
    println!("calling");
    let mut looking = Looking::new(processes(&relays));
    let call = conversation::hold(stage.people(), &directory, seconds, &mut looking)?;
    let observed = looking.seen();
    let after = DatabaseSnapshot::read(&stage.homeserver.database_path())?;
    stage.homeserver.stop()?;

    let mut setting = vec![
        (
            "command".to_owned(),
            format!(
                "cargo xtask demo --seconds {seconds} --route {}",
                route.name()
            ),
        ),
        ("build of securecall".to_owned(), build.name().to_owned()),
        (
            "homeserver".to_owned(),
            "Synapse with SQLite, on the loopback interface, without federation".to_owned(),
        ),
        (
            "voices".to_owned(),
            "two synthetic speakers, 48 kHz mono, both talking all the time".to_owned(),
        ),
    ];
    let addresses = relays.iter().flat_map(GhostNetRelays::relays);
    setting.extend(addresses.map(|(operator, address)| {
        let role = format!("relay: {operator}");
        (role, format!("{address}, on this machine"))
    }));
    let met = observed.lines().into_iter();
    setting.extend(met.map(|(who, how)| (format!("observed: {who}"), how)));
    let left = left(&before, &after, &[]);
    let findings = Findings::of(route.name(), setting, &call, observed, &directory, left)?;
    let events = call.records.iter();
    write(
        &directory,
        events.map(|it| (it.at_ms(), it.tagged())).collect(),
        &findings.summary(),
        report::page(&findings),
    )?;
    println!("\n{}\n", terminal::summary(&findings));
    println!("report: {}", directory.join("report.html").display());
    let failed = findings.failed();
    if !failed.is_empty() {
        bail!("the demo does not hold: {}", failed.join("; "));
    }
    Ok(())
}

/// Rows that came or changed, sorted by the written list, and by tables that are allowed beside it, each with its reason.
pub(crate) fn left(
    before: &DatabaseSnapshot,
    after: &DatabaseSnapshot,
    besides: &[(&str, &str)],
) -> RecordLeft {
    let mut left = RecordLeft::default();
    for difference in before.compare(after).differences {
        let told = difference.to_string();
        let mut besides = besides.iter();
        match besides.find(|(table, _)| *table == difference.table) {
            Some((_, reason)) => left.allowed.push(format!("{told} ({reason})")),
            None if difference.allowed.is_some() => left.allowed.push(told),
            None => left.outside.push(told),
        }
    }
    left
}

/// Writes what the demo found out. `events`: one a line, with when they were.
pub(crate) fn write(
    directory: &Path,
    mut events: Vec<(f64, String)>,
    summary: &Value,
    page: String,
) -> Result<()> {
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let lines: String = events.into_iter().map(|(_, line)| line + "\n").collect();
    let summary = serde_json::to_string_pretty(summary)? + "\n";
    for (name, content) in [
        ("events.jsonl", lines),
        ("summary.json", summary),
        ("report.html", page),
    ] {
        let path = directory.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The directory, made anew.
pub(crate) fn fresh(directory: &Path) -> Result<PathBuf> {
    if directory.exists() {
        fs::remove_dir_all(directory)
            .with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory.to_path_buf())
}
