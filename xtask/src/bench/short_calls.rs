//! Calls of a second, one after the other, to somebody who listens all the time.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::events::Events;
use crate::call::client::Client;
use crate::call::record::{Record, Side};
use crate::call::user::User;

/// A client ends in no time when its call is over; on a busy machine it may take longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for calls and takes them.
pub(super) const LISTEN: [&str; 7] = [
    "listen",
    "--answer",
    "contacts",
    "--mic",
    "tone:440",
    "--speaker",
    "null",
];
/// A call of a second.
const DIAL: [&str; 8] = [
    "call",
    "callee",
    "--duration",
    "1",
    "--mic",
    "tone:300",
    "--speaker",
    "null",
];

/// One who calls again and again, and one who answers at once.
pub(super) struct ShortCalls<'a> {
    caller: &'a User,
    directory: &'a Path,
    /// What both say besides.
    options: &'a [&'a str],
    events: Events,
    _callee: Client,
}

impl<'a> ShortCalls<'a> {
    /// The callee is ready; the logs of both are in the directory. Both commands have these options besides.
    pub(super) fn start(
        [caller, callee]: [&'a User; 2],
        directory: &'a Path,
        options: &'a [&'a str],
    ) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let events = Events::new();
        let log = directory.join("callee.log");
        let callee = callee.start(
            [&LISTEN[..], options].concat(),
            Side::Callee,
            events.sender(),
            &log,
        )?;
        events
            .until(Side::Callee, "ready")
            .with_context(|| format!("its log is {}", log.display()))?;
        Ok(Self {
            caller,
            directory,
            options,
            events,
            _callee: callee,
        })
    }

    /// One call, from the start of the caller's process to its end.
    pub(super) fn call(&self) -> Result<ShortCall> {
        let log = self.directory.join("caller.log");
        let sender = self.events.sender();
        let dial = [&DIAL[..], self.options].concat();
        let mut caller = self.caller.start(dial, Side::Caller, sender, &log)?;
        let mut records = self
            .events
            .until(Side::Callee, "ended")
            .with_context(|| format!("the caller's log is {}", log.display()))?;
        caller.wait(PATIENCE)?.context("the caller does not end")?;
        records.extend(self.events.so_far());
        Ok(ShortCall { records })
    }
}

/// What both said of a call.
pub(super) struct ShortCall {
    records: Vec<Record>,
}

impl ShortCall {
    /// The caller's first event of this name.
    pub(super) fn event(&self, name: &str) -> Result<&Record> {
        let mut records = self.records.iter();
        records
            .find(|record| record.side == Side::Caller && record.name() == name)
            .with_context(|| format!("the caller said nothing of {name}"))
    }

    /// The time from dialing to connected, in ms, by when the bench has read the caller's events; and the kind of path.
    pub(super) fn set_up(&self) -> Result<(f64, String)> {
        let [dialing, connected] = [self.event("dialing")?, self.event("connected")?];
        let took = connected.read_at_ms - dialing.read_at_ms;
        Ok((took, connected.text("route").to_owned()))
    }
}
