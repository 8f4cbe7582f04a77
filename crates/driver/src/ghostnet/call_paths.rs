//! The paths of one call through GhostNet.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use securecall_ghostnet::choice::NoRelay;
use securecall_ghostnet::{HostName, UnixTime};
use securecall_randomness::SystemRandomness;
use securecall_relay::{HopRole, TunnelFailure, TunnelPath};

use super::GhostNet;
use crate::clock;

/// The most exits of a call that are tried through one entry. An entry that works with somebody who runs exits could let all others fail,
/// one by one, until it comes to one of theirs: it sees which exit is wanted, and drops what goes there.
const MAX_EXITS_OF_ENTRY: u32 = 3;

/// Chooses the relays of one call, and others for those that fail.
pub(crate) struct CallPaths {
    ghostnet: GhostNet,
    /// The relays that were chosen last.
    carriers: Carriers,
    failed_entries: BTreeSet<HostName>,
    failed_exits: BTreeSet<HostName>,
    /// How many exits have failed behind the entry.
    exits_behind: u32,
    /// Something was paid.
    has_spent: bool,
}

/// The relays that carry a call now, or are tried.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carriers(Arc<Mutex<Option<Carrying>>>);

#[derive(Clone, Debug)]
struct Carrying {
    entry: HostName,
    exit: HostName,
    operators: [String; 2],
}

impl Carriers {
    fn get(&self) -> Option<Carrying> {
        let carrying = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        carrying.clone()
    }

    fn set(&self, carrying: Carrying) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(carrying);
    }

    /// Who runs the entry, and who the exit.
    pub(crate) fn operators(&self) -> Option<[String; 2]> {
        self.get().map(|carrying| carrying.operators)
    }
}

impl CallPaths {
    pub(super) fn new(ghostnet: GhostNet) -> Self {
        Self {
            ghostnet,
            carriers: Carriers::default(),
            failed_entries: BTreeSet::new(),
            failed_exits: BTreeSet::new(),
            exits_behind: 0,
            has_spent: false,
        }
    }

    /// Who carries the call.
    pub(crate) fn carriers(&self) -> Carriers {
        self.carriers.clone()
    }

    /// The next path, after a failure or none.
    pub(crate) fn next(&mut self, after: Option<TunnelFailure>) -> Option<TunnelPath> {
        let now = now();
        let ghostnet = self.ghostnet.clone();
        let mut known = ghostnet.known();
        if let (Some(failure), Some(last)) = (after, self.carriers.get()) {
            if failure.hop == HopRole::Exit {
                self.failed_exits.insert(last.exit);
                self.exits_behind += 1;
            }
            if failure.hop == HopRole::Entry || self.exits_behind >= MAX_EXITS_OF_ENTRY {
                known.guards.failed(&last.entry, now);
                self.failed_entries.insert(last.entry);
                self.exits_behind = 0;
            } else {
                // It was reached, so the entry works.
                known.guards.worked(&last.entry, now);
            }
        }
        let mut choose = |this: &Self| {
            known.choose(
                &this.failed_entries,
                &this.failed_exits,
                now,
                &mut SystemRandomness,
                true,
            )
        };
        let chosen = match choose(self) {
            // It may be our own network that was out: once more from the first.
            Err(NoRelay::EntriesFailed) if !self.failed_entries.is_empty() => {
                self.failed_entries.clear();
                choose(self)
            }
            Err(NoRelay::ExitsFailed) if !self.failed_exits.is_empty() => {
                self.failed_exits.clear();
                choose(self)
            }
            chosen => chosen,
        };
        let chosen = chosen
            .inspect_err(|error| tracing::info!(%error, "no two relays for the call"))
            .ok()?;
        // A token that is sent twice would tie two calls together: first it is out of stock on the disk.
        if !ghostnet.remember(&known) {
            tracing::warn!("what GhostNet must remember cannot be written, so nothing is sent");
            return None;
        }
        if !std::mem::replace(&mut self.has_spent, true) {
            ghostnet.0.carried.fetch_add(1, Ordering::Relaxed);
        }
        self.carriers.set(Carrying {
            entry: chosen.entry,
            exit: chosen.exit,
            operators: chosen.operators,
        });
        Some(chosen.path)
    }
}

impl GhostNet {
    /// The relays have carried a call.
    pub(crate) fn worked(&self, carriers: &Carriers) {
        if let Some(carrying) = carriers.get() {
            self.known().guards.worked(&carrying.entry, now());
        }
    }
}

impl Drop for CallPaths {
    /// The call is over. One that took another route says nothing: whoever sells tokens, or sees us buy, would learn of it.
    fn drop(&mut self) {
        if self.has_spent {
            self.ghostnet.0.carried.fetch_sub(1, Ordering::Relaxed);
            self.ghostnet.0.spent.notify_one();
        }
    }
}

/// The time of day.
pub(super) fn now() -> UnixTime {
    UnixTime::from_secs(clock::unix_us() / 1_000_000)
}
