//! What the programs of measured calls say, as it comes.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::call::interrupt;
use crate::call::record::{Record, Side};

/// For a first sync or a call of a second, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The events of all programs of a measurement.
pub(super) struct Events {
    sender: Sender<Record>,
    receiver: Receiver<Record>,
}

impl Events {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { sender, receiver }
    }

    /// Where a program's events go.
    pub(super) fn sender(&self) -> Sender<Record> {
        self.sender.clone()
    }

    /// The next event, if one comes soon. What a program calls an error is one.
    pub(super) fn next(&self) -> Result<Option<Record>> {
        if interrupt::came() {
            bail!("interrupted");
        }
        let record = self.receiver.recv_timeout(Duration::from_millis(100)).ok();
        if let Some(record) = &record
            && record.name() == "error"
        {
            bail!("the {} said {}", record.side.name(), record.event);
        }
        Ok(record)
    }

    /// All events up to the first of that side and name.
    pub(super) fn until(&self, side: Side, name: &str) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let Some(record) = self.next()? else {
                continue;
            };
            let is_it = record.side == side && record.name() == name;
            records.push(record);
            if is_it {
                return Ok(records);
            }
        }
        bail!(
            "no {name} from the {} within {} s",
            side.name(),
            PATIENCE.as_secs()
        );
    }

    /// All that have come meanwhile.
    pub(super) fn so_far(&self) -> impl Iterator<Item = Record> {
        self.receiver.try_iter()
    }
}
