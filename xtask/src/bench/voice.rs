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
use self::row::{Outcome, Row};
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

/// Measures calls in these conditions, or in all if none is named: so many recordings in each.
pub(super) fn measure(
    workspace: &Workspace,
    program: &Path,
    conditions: &[Condition],
    recordings: u8,
    directory: &Path,
) -> Result<table::Section> {
    let conditions = match conditions {
        [] => &Condition::ALL,
        named => named,
    };
    println!("making a network: two people of each program next to each other, and a homeserver");
    let speech = Speech::write(workspace, &directory.join("speech.wav"))?;
    let world = World::new(Place::Internet, program, directory)?;
    let [_, theirs, theirs_cbr] = PROGRAMS;
    let mut bench = Bench {
        chromium: [
            Chromium::start(theirs, "", &world, &speech, directory)?,
            Chromium::start(theirs_cbr, SAME_RATE, &world, &speech, directory)?,
        ],
        world,
        speech,
        directory,
    };
    let rows = conditions
        .iter()
        .map(|condition| {
            let row = bench.row(*condition, recordings);
            row.with_context(|| condition.name())
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(table::Section {
        marks: &MARKS,
        figures: row::figures(&rows)?,
        details: row::details(&rows, recordings),
        details_in_columns: row::details_in_columns(&rows),
    })
}

/// All that hold calls, and what they say.
struct Bench<'a> {
    /// They end before the world in which they are.
    chromium: [Chromium; 2],
    world: World,
    speech: Speech,
    directory: &'a Path,
}

impl Bench<'_> {
    fn row(&mut self, condition: Condition, recordings: u8) -> Result<Row> {
        let mut recorded = Vec::new();
        for recording in 0..recordings {
            println!(
                "{}, {} of {recordings}: calls of {} s",
                condition.name(),
                recording + 1,
                self.speech.seconds()
            );
            let outcomes = self.record(condition, recording)?;
            let row = Row {
                condition,
                outcomes,
            };
            println!("{}", row.in_columns());
            recorded.push(outcomes);
        }
        Row::of(condition, &recorded)
    }

    /// Holds a call of each program, and judges it.
    fn record(&mut self, condition: Condition, recording: u8) -> Result<[Outcome; PROGRAMS.len()]> {
        let of_recording = self
            .directory
            .join(condition.slug())
            .join(format!("{}", recording + 1));
        let directories = PROGRAMS.map(|name| of_recording.join(name));
        for directory in &directories {
            fs::create_dir_all(directory)?;
        }
        let impairment = condition.impairment(recording);
        let (world, speech) = (&self.world, &self.speech);
        // At the same time, each on a link of its own: a machine that is busy for a while is so for all of them.
        let calls = thread::scope(|scope| {
            let browsers = self
                .chromium
                .each_mut()
                .map(|chromium| scope.spawn(|| chromium.call(impairment, speech)));
            let own = own_call::hold(world, impairment, speech, &directories[0]);
            let [one, other] =
                browsers.map(|call| call.join().unwrap_or_else(|panic| resume_unwind(panic)));
            anyhow::Ok([
                own.with_context(|| format!("no call of {}", PROGRAMS[0]))?,
                one?,
                other?,
            ])
        })?;
        judgement::judge(&calls, speech, &directories)
    }
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
