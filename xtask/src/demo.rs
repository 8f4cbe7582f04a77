//! `cargo xtask demo`: an encrypted call between two new users, over a homeserver of our own, with a report.

pub(crate) mod findings;
pub(crate) mod measure;
pub(crate) mod observation;
pub(crate) mod report;
mod terminal;
pub(crate) mod voice;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use securecall_interop::{DatabaseSnapshot, GhostNetRelays, RelayPlan, RelayRole};

use crate::call::conversation::{self, Observer, said_by};
use crate::call::interrupt;
use crate::call::record::{Record, Side};
use crate::call::stage::{Build, Stage};
use crate::call::user::User;
use crate::setup;
use crate::workspace::Workspace;
use findings::{Findings, RecordLeft, View};
use observation::Lookout;
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
fn relays(workspace: &Workspace, build: Build, stage: &mut Stage) -> Result<Vec<GhostNetRelays>> {
    let program = build.relay(workspace)?;
    println!("starting an entry and an exit of GhostNet for each, and issuers of tokens");
    Ok(vec![
        relays_of(&program, Side::Caller, &mut stage.caller)?,
        relays_of(&program, Side::Callee, &mut stage.callee)?,
    ])
}

/// Shows the call as it goes, and looks who has packets with whom.
struct Looking {
    progress: Progress,
    lookout: Lookout,
    relays: Vec<(String, u32)>,
}

impl Looking {
    fn new(relays: &[GhostNetRelays]) -> Self {
        let processes = relays.iter().flat_map(|some| {
            some.relays().filter_map(move |(operator, _)| {
                let process = some.process_id(operator)?;
                Some((operator.to_owned(), process))
            })
        });
        Self {
            progress: Progress::new(),
            lookout: Lookout::new(),
            relays: processes.collect(),
        }
    }
}

impl Observer for Looking {
    fn event(&mut self, record: &Record) {
        self.progress.event(record);
    }

    fn tick(&mut self, processes: [u32; 2]) {
        let people = Side::BOTH.map(|side| (side.name().to_owned(), processes[side.index()]));
        self.lookout.look(&[&people[..], &self.relays].concat());
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
    let program = build.program(workspace)?;
    for side in Side::BOTH {
        voice::write(workspace, side, seconds, &said_by(&directory, side))?;
    }
    let mut stage = Stage::set(&program, &directory.join("profiles"))?;
    let relays = match route {
        Route::Direct => Vec::new(),
        Route::GhostNet => relays(workspace, build, &mut stage)?,
    };
    println!("waiting until the homeserver has set up its database");
    let before = stage.settled_database()?;
    println!("calling");
    let mut looking = Looking::new(&relays);
    let call = conversation::hold(stage.people(), &directory, seconds, &mut looking)?;
    let observed = looking.lookout.over();
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
    let views = Side::BOTH.map(|side| View::of(side, &call.records, call.exit_codes[side.index()]));
    let findings = Findings {
        route: route.name(),
        setting,
        marks: findings::marks(&call.records),
        views,
        observed,
        directions: measure::directions(&call.records, &directory)?,
        left: left(&before, &after),
        seconds: measure::seconds_connected(&call.records),
    };
    write(&directory, &findings, &call.records)?;
    println!("\n{}\n", terminal::summary(&findings));
    println!("report: {}", directory.join("report.html").display());
    let failed: Vec<String> = findings
        .checks()
        .iter()
        .filter(|check| !check.holds)
        .map(|check| format!("{} ({})", check.what, check.found))
        .collect();
    if !failed.is_empty() {
        bail!("the demo does not hold: {}", failed.join("; "));
    }
    Ok(())
}

/// Rows that came or changed, sorted by the written list.
fn left(before: &DatabaseSnapshot, after: &DatabaseSnapshot) -> RecordLeft {
    let mut left = RecordLeft::default();
    for difference in before.compare(after).differences {
        let list = if difference.allowed.is_some() {
            &mut left.allowed
        } else {
            &mut left.outside
        };
        list.push(difference.to_string());
    }
    left
}

fn write(directory: &Path, findings: &Findings, records: &[Record]) -> Result<()> {
    let mut sorted: Vec<&Record> = records.iter().collect();
    sorted.sort_by(|a, b| a.at_ms().total_cmp(&b.at_ms()));
    let lines: String = sorted.iter().map(|record| record.tagged() + "\n").collect();
    let summary = serde_json::to_string_pretty(&findings.summary())? + "\n";
    for (name, content) in [
        ("events.jsonl", lines),
        ("summary.json", summary),
        ("report.html", report::page(findings)),
    ] {
        let path = directory.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The directory, made anew.
fn fresh(directory: &Path) -> Result<PathBuf> {
    if directory.exists() {
        fs::remove_dir_all(directory)
            .with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory.to_path_buf())
}
