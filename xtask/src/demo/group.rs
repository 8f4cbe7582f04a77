//! `cargo xtask demo --people N`: several new users in one sealed call, and who heard whom.

mod findings;
mod report;
mod turns;

use anyhow::{Context as _, Result, bail};
use securecall_interop::{DatabaseSnapshot, Synapse, SynapseOptions};

use crate::call::group::{self, GroupConversation, Member};
use crate::call::interrupt;
use crate::call::record::Record;
use crate::call::stage::{Build, settled};
use crate::demo::{fresh, left, write};
use crate::setup;
use crate::workspace::Workspace;
use findings::Findings;
pub(crate) use turns::Turns;

/// Runs the demo and fails, saying why, if anything it promises does not hold.
pub(crate) fn run(workspace: &Workspace, people: usize, seconds: u32, build: Build) -> Result<()> {
    let turns = Turns::of(people, seconds);
    println!(
        "What is going to happen:\n  \
         1. Whatever is missing on this machine is installed (Debian and Ubuntu packages).\n  \
         2. cargo builds securecall ({}).\n  \
         3. A homeserver (Synapse) of the demo's own starts.\n  \
         4. {people} new users hold a group call of {} s, in which one after the other speaks, and a report says who heard whom.\n",
        build.name(),
        turns.seconds()
    );
    setup::calls()?;
    interrupt::catch();
    let directory = fresh(&workspace.root().join("target/demo"))?;
    let program = build.program(workspace)?;
    println!("starting a homeserver");
    let mut homeserver = Synapse::start(SynapseOptions::default()).context("no homeserver")?;
    let profiles = directory.join("profiles");
    let members = group::acquainted(&program, &profiles, &homeserver.base_url(), people)?;
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    turns.write(workspace, &names, &directory)?;
    println!("waiting until the homeserver has set up its database");
    let read = || Ok(DatabaseSnapshot::read(&homeserver.database_path())?);
    let before = settled(read)?;
    println!("calling");
    let call = group::hold(&members, &directory, turns.seconds(), &mut progress)?;
    let after = DatabaseSnapshot::read(&homeserver.database_path())?;
    homeserver.stop()?;
    let findings = Findings::of(
        &turns,
        &members,
        &call,
        &directory,
        left(&before, &after, &[]),
    )?;
    write(
        &directory,
        events(&members, &call),
        &findings.json(),
        report::page(&findings),
    )?;
    println!("\n{}\n", findings.summary());
    println!("report: {}", directory.join("report.html").display());
    let failed = findings.failed();
    if !failed.is_empty() {
        bail!("the demo does not hold: {}", failed.join("; "));
    }
    Ok(())
}

/// Says what is worth saying of an event, as it comes.
fn progress(who: &str, record: &Record) {
    let peer = record.event["peer"]["name"].as_str().unwrap_or_default();
    let said = match record.name() {
        "incoming" => format!("has a call from {peer}"),
        "member_joined" => format!("is connected with {peer}"),
        "member_left" => format!("sees {peer} gone: {}", record.text("why")),
        "member_no_path" => format!("has no path to {peer}"),
        "conference_ended" => format!("has left: {}", record.text("reason")),
        "error" => format!("ERROR {}: {}", record.text("kind"), record.text("message")),
        _ => return,
    };
    println!("  {who} {said}");
}

/// Everybody's events, each with when it was and whose it is.
fn events(members: &[Member], call: &GroupConversation) -> Vec<(f64, String)> {
    let all = members.iter().zip(&call.records);
    all.flat_map(|(member, records)| {
        records.iter().map(|record| {
            let mut event = record.event.clone();
            event["process"] = member.name.as_str().into();
            (record.at_ms(), event.to_string())
        })
    })
    .collect()
}
