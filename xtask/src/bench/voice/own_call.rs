//! A call of ours, with speech from files and into files.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use securecall_interop::network::{Impairment, Link, NetworkError};
use securecall_quality::read_wav;

use super::speech::Speech;
use super::{COUNTED, Call, Direction, Recording};
use crate::bench::resources::Meter;
use crate::bench::world::World;
use crate::call::conversation::{self, Observer, heard_by, said_by};
use crate::call::record::{Record, Side};

/// Holds one between the two people of the world; what is left of it is in the directory.
pub(super) fn hold(
    world: &World,
    impairment: Impairment,
    speech: &Speech,
    directory: &Path,
) -> Result<Call> {
    for side in Side::BOTH {
        fs::copy(&speech.path, said_by(directory, side))?;
    }
    let link = world.people[Side::Callee.index()].host.link();
    // The line that loses and delays is there before the call begins.
    link.impair_udp(None)?;
    let mut watcher = Watcher {
        link: &link,
        impairment,
        impaired: None,
        meter: Meter::new(COUNTED),
    };
    let conversation =
        conversation::hold(world.users(), directory, speech.seconds(), &mut watcher)?;
    link.impair_udp(None)?;
    watcher.impaired.transpose()?;
    let records = &conversation.records;
    Ok(Call {
        directions: [
            direction(Side::Caller, speech, records, directory)?,
            direction(Side::Callee, speech, records, directory)?,
        ],
        processor: watcher.meter.processor.context("the call was too short")?,
    })
}

fn direction(
    from: Side,
    speech: &Speech,
    records: &[Record],
    directory: &Path,
) -> Result<Direction> {
    let started = |side: Side, field: &str| {
        records
            .iter()
            .filter(|record| record.side == side && record.name() == "audio_started")
            .find_map(|record| Some(record.number(field)? / 1000.0))
            .with_context(|| format!("the {} had no {field}", side.name()))
    };
    let to = from.peer();
    Ok(Direction {
        said: Recording {
            at_ms: started(from, "microphone_at_unix_us")?,
            samples: speech.samples.clone(),
        },
        heard: Recording {
            at_ms: started(to, "speaker_at_unix_us")?,
            samples: read_wav(heard_by(directory, to))?,
        },
    })
}

/// Makes the link as it is to be once the call is connected, and counts processor time.
struct Watcher<'a> {
    link: &'a Link,
    impairment: Impairment,
    impaired: Option<Result<(), NetworkError>>,
    meter: Meter,
}

impl Observer for Watcher<'_> {
    fn event(&mut self, record: &Record) {
        self.meter.event(record);
        if self.impaired.is_none() && record.name() == "connected" {
            self.impaired = Some(self.link.impair_udp(Some(self.impairment)));
        }
    }

    fn tick(&mut self, processes: [u32; 2]) {
        self.meter.tick(processes);
    }
}
