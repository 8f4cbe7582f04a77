//! `cargo xtask bench`: one table of what is promised and what is measured, from release builds.

mod calls;
mod chromium;
mod engines;
mod events;
mod figure;
mod groups;
mod machine;
mod networks;
mod pictures;
mod relays;
pub(crate) mod resources;
mod short_calls;
mod spread;
mod standard_calls;
mod table;
mod voice;
mod world;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::call::interrupt;
use crate::call::stage::{Build, Stage};
use crate::setup;
use crate::workspace::Workspace;

pub(crate) use self::voice::{Condition, speech::RECORDINGS};

/// Where the table is published.
const PAGE: &str = "docs/performance.md";

/// Measures, prints the table, writes `target/bench.json`, and with `write` the table in the documentation.
/// Calls are those of `program`; without one, of a release build. Voice is measured in these conditions, or in all, and recorded so
/// many times in each.
pub(crate) fn run(
    workspace: &Workspace,
    write: bool,
    only: Option<Part>,
    program: Option<&Path>,
    conditions: &[Condition],
    recordings: u8,
) -> Result<()> {
    let wanted = |part| only.is_none_or(|only| only == part);
    if wanted(Part::Voice) {
        setup::voice()?;
    }
    if [Part::Networks, Part::Voice, Part::Relays]
        .into_iter()
        .any(wanted)
    {
        setup::networks()?;
        // Before anything is measured for minutes: these need root.
        networks::try_out()?;
    } else {
        setup::calls()?;
    }
    if [Part::Groups, Part::Standard].into_iter().any(wanted) {
        setup::page_tests().context("what matrix-js-sdk runs in")?;
    }
    interrupt::catch();
    let mut figures = Vec::new();
    if wanted(Part::Engines) {
        figures.extend(engines::crypto(workspace)?);
        figures.extend(engines::bad_network(workspace)?);
    }
    let program = || match program {
        Some(program) => Ok(program.to_path_buf()),
        None => Build::Release.program(workspace),
    };
    if wanted(Part::Calls) {
        let program = program()?;
        let directory = empty_directory(workspace, "bench")?;
        let stage = Stage::set(&program, &directory.join("profiles"))?;
        figures.extend(calls::set_up(&stage, &directory)?);
        figures.extend(calls::one_long_call(workspace, &stage, &directory)?);
    }
    let mut sections = Vec::new();
    if wanted(Part::Groups) {
        let program = program()?;
        let directory = empty_directory(workspace, "bench-groups")?;
        sections.push(groups::measure(workspace, &program, &directory)?);
    }
    if wanted(Part::Standard) {
        let program = program()?;
        let directory = empty_directory(workspace, "bench-standard")?;
        sections.push(standard_calls::measure(&program, &directory)?);
    }
    if wanted(Part::Networks) {
        let program = program()?;
        let directory = empty_directory(workspace, "bench-networks")?;
        sections.push(networks::measure(&program, &directory)?);
    }
    if wanted(Part::Voice) {
        let program = program()?;
        let directory = empty_directory(workspace, "bench-voice")?;
        sections.push(voice::measure(
            workspace, &program, conditions, recordings, &directory,
        )?);
    }
    if wanted(Part::Relays) {
        let program = program()?;
        let directory = empty_directory(workspace, "bench-relays")?;
        sections.push(relays::measure(workspace, &program, &directory)?);
    }
    if wanted(Part::Pictures) {
        sections.push(pictures::measure(workspace)?);
    }
    let machine = machine::describe();
    let mut all = figures.clone();
    for section in &sections {
        println!("\n{}", section.details_in_columns);
        all.extend(section.figures.iter().cloned());
    }
    println!("\n{}\n{machine}", table::terminal(&all));
    let path = workspace.root().join("target/bench.json");
    fs::create_dir_all(workspace.root().join("target"))?;
    fs::write(&path, table::json(&all, &machine))
        .with_context(|| format!("cannot write {}", path.display()))?;
    if write {
        let page = workspace.root().join(PAGE);
        let mut text = fs::read_to_string(&page).with_context(|| format!("cannot read {PAGE}"))?;
        if only.is_none() {
            let new = table::markdown(&figures, &machine);
            text = table::replace_in(&text, &table::MARKS, &new)?;
        } else {
            text = table::replace_rows(&text, &figures)?;
        }
        for section in &sections {
            text = table::replace_in(&text, section.marks, &section.markdown(&machine))?;
        }
        fs::write(&page, text).with_context(|| format!("cannot write {PAGE}"))?;
        println!("the table in {PAGE} is new");
    }
    Ok(())
}

/// A directory in the checkout's `target`, with nothing in it of an earlier run.
fn empty_directory(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let directory = workspace.root().join("target").join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory)
            .with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}

/// A part of the bench, for those who need no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Cryptography and media, on virtual time.
    Engines,
    /// Real calls over a real homeserver.
    Calls,
    /// Group calls, by us and by matrix-js-sdk.
    Groups,
    /// Standard Matrix calls, by us and by matrix-js-sdk.
    Standard,
    /// Calls from behind NATs, by us and by Chromium.
    Networks,
    /// Voice over networks that lose and delay, by us and by Chromium.
    Voice,
    /// Relays of GhostNet and calls by them, beside coturn.
    Relays,
    /// QR codes in pictures, read by us and by zxing-cpp.
    Pictures,
}
