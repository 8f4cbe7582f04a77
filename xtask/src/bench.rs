//! `cargo xtask bench`: one table of what is promised and what is measured, from release builds.

mod calls;
mod engines;
mod figure;
mod machine;
mod pictures;
mod resources;
mod table;

use std::fs;

use anyhow::{Context as _, Result};

use crate::call::interrupt;
use crate::call::stage::{Build, Stage};
use crate::setup;
use crate::workspace::Workspace;

/// Where the table is published.
const PAGE: &str = "docs/performance.md";

/// Measures, prints the table, writes `target/bench.json`, and with `write` the table in the documentation.
pub(crate) fn run(workspace: &Workspace, write: bool, only: Option<Part>) -> Result<()> {
    setup::calls()?;
    interrupt::catch();
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut figures = Vec::new();
    if wanted(Part::Engines) {
        figures.extend(engines::crypto(workspace)?);
        figures.extend(engines::bad_network(workspace)?);
    }
    if wanted(Part::Calls) {
        let program = Build::Release.program(workspace)?;
        let directory = workspace.root().join("target/bench");
        if directory.exists() {
            fs::remove_dir_all(&directory)
                .with_context(|| format!("cannot remove {}", directory.display()))?;
        }
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        let stage = Stage::set(&program, &directory.join("profiles"))?;
        figures.extend(calls::set_up(&stage, &directory)?);
        figures.extend(calls::one_long_call(workspace, &stage, &directory)?);
    }
    let pictures = wanted(Part::Pictures)
        .then(|| pictures::measure(workspace))
        .transpose()?;
    let machine = machine::describe();
    let mut all = figures.clone();
    if let Some(pictures) = &pictures {
        println!("\n{}", pictures.terminal());
        all.extend(pictures.figures.iter().cloned());
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
        if let Some(pictures) = &pictures {
            text = table::replace_in(&text, &pictures::MARKS, &pictures.section(&machine))?;
        }
        fs::write(&page, text).with_context(|| format!("cannot write {PAGE}"))?;
        println!("the table in {PAGE} is new");
    }
    Ok(())
}

/// A part of the bench, for those who need no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Cryptography and media, on virtual time.
    Engines,
    /// Real calls over a real homeserver.
    Calls,
    /// QR codes in pictures, read by us and by zxing-cpp.
    Pictures,
}
