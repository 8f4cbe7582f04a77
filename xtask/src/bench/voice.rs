//! How voice sounds after a network that loses and delays, beside libwebrtc in Chromium: the same speech, the same losses.

mod chromium_call;
mod condition;
mod judgement;
mod own_call;
mod row;
pub(crate) mod speech;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use self::chromium_call::Chromium;
pub(crate) use self::condition::Condition;
use self::row::Row;
use self::speech::Speech;
use super::table;
use super::world::{Place, World};
use crate::call::interrupt;
use crate::workspace::Workspace;

/// Where the section is, in the page of performance.
const MARKS: table::Marks = table::Marks {
    begin: "<!-- cargo xtask bench --write: voice begin -->",
    end: "<!-- cargo xtask bench --write: voice end -->",
};
/// Who calls, in the order of the columns.
const PROGRAMS: [&str; 3] = ["securecall", "chromium", "chromium-cbr"];
/// What Opus in Chromium is asked for, to send as ours does: all packets of one size, at this bit rate (RFC 7587, section 6.1).
const SAME_RATE: &str = "maxaveragebitrate=32000;cbr=1";
/// When counting of processor time begins and ends, after `connected`.
const COUNTED: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(40)];

/// One call of one program.
struct Call {
    /// From caller to callee, and back.
    directions: [Direction; 2],
    /// Percent of a core that each client took.
    processor: [f64; 2],
}

/// What one side said, and what the other one heard of it.
struct Direction {
    said: Recording,
    heard: Recording,
}

/// Sound at 48 kHz.
struct Recording {
    /// When the first sample was said or heard, in Unix ms.
    at_ms: f64,
    samples: Vec<f32>,
}

/// Measures calls in these conditions; in all of them, if none is named.
pub(super) fn measure(
    workspace: &Workspace,
    program: &Path,
    conditions: &[Condition],
    directory: &Path,
) -> Result<table::Section> {
    let conditions = match conditions {
        [] => &Condition::ALL,
        named => named,
    };
    println!("making a network: two people of each program next to each other, and a homeserver");
    let speech = Speech::write(workspace, &directory.join("speech.wav"))?;
    let world = World::new(Place::Internet, program, directory)?;
    let as_it_comes = Chromium::start(PROGRAMS[1], "", &world, &speech, directory)?;
    let same_rate = Chromium::start(PROGRAMS[2], SAME_RATE, &world, &speech, directory)?;
    let mut rows = Vec::new();
    for condition in conditions {
        println!("{}: calls of {} s", condition.name(), speech.seconds());
        let place = |name: &str| -> Result<PathBuf> {
            let place = directory.join(condition.slug()).join(name);
            fs::create_dir_all(&place)?;
            Ok(place)
        };
        // One after the other: what one program takes of the processor is no part of another's delay.
        let [ours, theirs, theirs_cbr] = PROGRAMS;
        let calls = [
            own_call::hold(&world, *condition, &speech, &place(ours)?)
                .context("no call of ours")?,
            as_it_comes.call(*condition, &speech)?,
            same_rate.call(*condition, &speech)?,
        ];
        let places = [place(ours)?, place(theirs)?, place(theirs_cbr)?];
        let outcomes = judgement::judge(&calls, &speech, &places)
            .with_context(|| format!("{}: nothing to compare", condition.name()))?;
        let row = Row {
            condition: *condition,
            outcomes,
        };
        println!("{}", row.in_columns());
        rows.push(row);
    }
    Ok(table::Section {
        marks: &MARKS,
        figures: row::figures(&rows)?,
        details: row::details(&rows),
        details_in_columns: row::details_in_columns(&rows),
    })
}

/// Waits until so long after a moment, unless somebody interrupts.
fn wait_until(moment: Instant, after: Duration) -> Result<()> {
    while moment.elapsed() < after {
        if interrupt::came() {
            bail!("interrupted");
        }
        thread::sleep((after.saturating_sub(moment.elapsed())).min(Duration::from_millis(100)));
    }
    Ok(())
}
