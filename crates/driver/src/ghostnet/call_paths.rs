//! The paths of one call through GhostNet.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use securecall_ghostnet::choice::NoRelay;
use securecall_ghostnet::{HostName, UnixTime};
use securecall_randomness::SystemRandomness;
use securecall_relay::{HopRole, TunnelEvent, TunnelFailure, TunnelId, TunnelOrder, TunnelPath};

use super::GhostNet;
use super::known::Known;
use crate::clock;

/// So many exits may fail behind an entry, one after the other, until it is the entry that is doubted: one that loses what goes to
/// all exits but those of a friend would lead every call to that friend.
const EXITS_BEFORE_DOUBT: u32 = 2;

/// Chooses the relays of one call, and others for those that fail.
pub(crate) struct CallPaths {
    ghostnet: GhostNet,
    carriers: Carriers,
    failed_entries: BTreeSet<HostName>,
    failed_exits: BTreeSet<HostName>,
    /// How many exits have failed behind this entry since one worked.
    exits_in_vain: u32,
    /// Something was paid.
    has_spent: bool,
}

/// The relays that carry a call now, or are tried.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carriers(Arc<Mutex<Vec<Carrying>>>);

/// Two relays that were chosen. Where the first choice takes long there is another one beside it, and either may be the one.
#[derive(Clone, Debug)]
struct Carrying {
    /// What its tunnel is called, once that was ordered.
    tunnel: Option<TunnelId>,
    entry: HostName,
    exit: HostName,
    operators: [String; 2],
    /// The exit had an address for us.
    has_worked: bool,
    /// The tunnel is no more.
    is_over: bool,
}

impl Carriers {
    fn all(&self) -> MutexGuard<'_, Vec<Carrying>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn choose(&self, carrying: Carrying) {
        let mut all = self.all();
        all.retain(|carrying| !carrying.is_over);
        all.push(carrying);
    }

    /// Those that were chosen last.
    fn last(&self) -> Option<Carrying> {
        self.all().last().cloned()
    }

    /// Learns what is ordered of tunnels: what was chosen last is the one that is opened next.
    pub(crate) fn ordered(&self, order: &TunnelOrder) {
        match order {
            TunnelOrder::Open { tunnel, .. } => {
                if let Some(last) = self.all().last_mut() {
                    last.tunnel = Some(*tunnel);
                }
            }
            TunnelOrder::Close(tunnel) => self.change(*tunnel, |it| it.is_over = true),
            TunnelOrder::Datagram { .. } | TunnelOrder::Capsules { .. } => {}
        }
    }

    /// Learns what becomes of tunnels.
    pub(crate) fn happened(&self, tunnel: TunnelId, event: &TunnelEvent<'_>) {
        match event {
            TunnelEvent::Opened { .. } => self.change(tunnel, |it| it.has_worked = true),
            TunnelEvent::Closed(_) => self.change(tunnel, |it| it.is_over = true),
            TunnelEvent::Datagram(_) | TunnelEvent::Capsules(_) => {}
        }
    }

    fn change(&self, tunnel: TunnelId, change: impl FnOnce(&mut Carrying)) {
        let mut all = self.all();
        let mut all = all.iter_mut();
        if let Some(carrying) = all.find(|carrying| carrying.tunnel == Some(tunnel)) {
            change(carrying);
        }
    }

    /// Those whose tunnel is there, the newest if there are two; those that were chosen last if there is none.
    fn working(&self) -> Option<Carrying> {
        let all = self.all();
        let mut working = all.iter().rev().filter(|it| it.has_worked && !it.is_over);
        working.next().or_else(|| all.last()).cloned()
    }

    /// Who runs the entry, and who the exit.
    pub(crate) fn operators(&self) -> Option<[String; 2]> {
        self.working().map(|carrying| carrying.operators)
    }
}

impl CallPaths {
    pub(super) fn new(ghostnet: GhostNet) -> Self {
        Self {
            ghostnet,
            carriers: Carriers::default(),
            failed_entries: BTreeSet::new(),
            failed_exits: BTreeSet::new(),
            exits_in_vain: 0,
            has_spent: false,
        }
    }

    /// Who carries the call.
    pub(crate) fn carriers(&self) -> Carriers {
        self.carriers.clone()
    }

    /// Learns from the path before: it has failed, or takes long.
    fn doubt(
        &mut self,
        known: &mut Known,
        last: Carrying,
        failure: Option<TunnelFailure>,
        now: UnixTime,
    ) {
        if last.has_worked {
            self.exits_in_vain = 0;
        }
        match failure.map(|failure| failure.hop) {
            Some(HopRole::Entry) => {
                known.guards.failed(&last.entry, now);
                self.failed_entries.insert(last.entry);
                self.exits_in_vain = 0;
                return;
            }
            Some(HopRole::Exit) => {
                self.failed_exits.insert(last.exit);
            }
            // Its candidates are gathered once more, that is all.
            None if last.has_worked => return,
            None => {}
        }
        self.exits_in_vain += 1;
        if self.exits_in_vain >= EXITS_BEFORE_DOUBT {
            self.failed_entries.insert(last.entry);
            // It is not said that they were dead.
            self.failed_exits.clear();
            self.exits_in_vain = 0;
        } else if failure.is_some() {
            // It was reached, so the entry works, as far as one exit can tell.
            known.guards.worked(&last.entry, now);
        }
    }

    /// The next path, after a failure or none.
    pub(crate) fn next(&mut self, after: Option<TunnelFailure>) -> Option<TunnelPath> {
        let now = now();
        let ghostnet = self.ghostnet.clone();
        let mut known = ghostnet.known();
        if let Some(last) = self.carriers.last() {
            self.doubt(&mut known, last, after, now);
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
        self.carriers.choose(Carrying {
            tunnel: None,
            entry: chosen.entry,
            exit: chosen.exit,
            operators: chosen.operators,
            has_worked: false,
            is_over: false,
        });
        Some(chosen.path)
    }
}

impl GhostNet {
    /// The relays have carried a call.
    pub(crate) fn worked(&self, carriers: &Carriers) {
        if let Some(carrying) = carriers.working() {
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
