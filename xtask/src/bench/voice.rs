//! How voice sounds after a network that loses and delays, beside libwebrtc in Chromium: the same speech, the same losses.

mod chromium_call;
mod condition;
mod judgement;
mod own_call;
mod row;
pub(crate) mod speech;

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
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
    let [ours, theirs, theirs_cbr] = PROGRAMS;
    let mut as_it_comes = Chromium::start(theirs, "", &world, &speech, directory)?;
    let mut same_rate = Chromium::start(theirs_cbr, SAME_RATE, &world, &speech, directory)?;
    let mut rows = Vec::new();
    for condition in conditions {
        println!("{}: calls of {} s", condition.name(), speech.seconds());
        let directories = PROGRAMS.map(|name| directory.join(condition.slug()).join(name));
        for directory in &directories {
            fs::create_dir_all(directory)?;
        }
        // At the same time, each on a link of its own: a machine that is busy for a while is so for all of them.
        let calls = thread::scope(|scope| {
            let browsers = [&mut as_it_comes, &mut same_rate]
                .map(|chromium| scope.spawn(|| chromium.call(*condition, &speech)));
            let own = own_call::hold(&world, *condition, &speech, &directories[0]);
            let [one, other] =
                browsers.map(|call| call.join().unwrap_or_else(|panic| resume_unwind(panic)));
            anyhow::Ok([
                own.with_context(|| format!("no call of {ours}"))?,
                one?,
                other?,
            ])
        })
        .with_context(|| condition.name())?;
        let outcomes =
            judgement::judge(&calls, &speech, &directories).with_context(|| condition.name())?;
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
    while let Some(left) = after.checked_sub(moment.elapsed()) {
        if interrupt::came() {
            bail!("interrupted");
        }
        thread::sleep(left.min(Duration::from_millis(100)));
    }
    Ok(())
}
