//! The entries that this user keeps for weeks.

use std::collections::BTreeSet;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{below, draw, entries, no_relay::NoRelay, why_no_pair};
use crate::directory::{Directory, Families, Relay};
use crate::host_name::HostName;
use crate::time::UnixTime;

/// The most entries that are kept: the first is used, the others if it is silent. Who could make entries silent one by one would lead
/// the user to one of their own, if there were no bound.
pub const MAX_GUARDS: usize = 3;

const WEEK: u64 = 7 * 24 * 3_600;
/// How long a guard is kept: so long, and a random time up to the longest, so that nobody knows when.
const MIN_LIFETIME: u64 = 4 * WEEK;
const MAX_LIFETIME: u64 = 8 * WEEK;
/// A guard that was silent for so long, while another worked, is replaced.
const GIVEN_UP_AFTER: u64 = 3 * 24 * 3_600;
/// The longest serialized form.
const MAX_STATE: usize = 4 * 1024;

/// The entries of this user, to be kept in the sealed profile: who knows them can wait there.
#[derive(Debug, Default)]
pub struct Guards {
    guards: Vec<Guard>,
    /// When any of them last worked.
    worked_at: UnixTime,
}

#[derive(Debug)]
struct Guard {
    name: HostName,
    until: UnixTime,
    /// Since when it is silent, as far as is known.
    failing_since: Option<UnixTime>,
}

impl Guards {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            guards: Vec::new(),
            worked_at: UnixTime::from_secs(0),
        }
    }

    /// The entry for a call: the first that is kept and is not in `failed`, those that were silent in this call. Another is drawn if
    /// there is room for one. The state is to be stored afterwards.
    pub fn entry<'a, R: CryptoRng + ?Sized>(
        &mut self,
        directory: &'a Directory,
        ours: Families,
        failed: &BTreeSet<HostName>,
        now: UnixTime,
        rng: &mut R,
    ) -> Result<&'a Relay, NoRelay> {
        let allowed: Vec<_> = entries(directory, ours).collect();
        if allowed.is_empty() {
            return Err(why_no_pair(directory, ours));
        }
        self.drop_ended(directory, now);
        let find = |name: &HostName| allowed.iter().find(|relay| relay.name == *name);
        let kept = self.guards.iter().filter(|g| !failed.contains(&g.name));
        if let Some(relay) = kept.filter_map(|guard| find(&guard.name)).next() {
            return Ok(relay);
        }
        // Guards that the families of this network do not reach do not count: they are kept for the next.
        let reached = self
            .guards
            .iter()
            .filter(|g| find(&g.name).is_some())
            .count();
        let is_new = |relay: &&&Relay| {
            !failed.contains(&relay.name) && self.guards.iter().all(|g| g.name != relay.name)
        };
        let others: Vec<_> = allowed.iter().filter(is_new).collect();
        let drawn = match reached < MAX_GUARDS && self.guards.len() < 2 * MAX_GUARDS {
            true => draw(&others, rng),
            false => None,
        };
        let relay = **drawn.ok_or(NoRelay::EntriesFailed)?;
        let lifetime = MIN_LIFETIME + below(MAX_LIFETIME - MIN_LIFETIME + 1, rng);
        self.guards.push(Guard {
            name: relay.name.clone(),
            until: now.plus(lifetime),
            failing_since: None,
        });
        Ok(relay)
    }

    /// It carried a call.
    pub fn worked(&mut self, name: &HostName, now: UnixTime) {
        if let Some(guard) = self.find_mut(name) {
            guard.failing_since = None;
            self.worked_at = now;
        }
    }

    /// It was silent.
    pub fn failed(&mut self, name: &HostName, now: UnixTime) {
        if let Some(guard) = self.find_mut(name) {
            guard.failing_since.get_or_insert(now);
        }
    }

    fn find_mut(&mut self, name: &HostName) -> Option<&mut Guard> {
        self.guards.iter_mut().find(|guard| guard.name == *name)
    }

    /// Drops what has left the directory or may be no entry any more, what is over, and what was silent for long. If none worked since,
    /// it is our own network that is down, and no guard's fault.
    fn drop_ended(&mut self, directory: &Directory, now: UnixTime) {
        let worked_at = self.worked_at;
        self.guards.retain(|guard| {
            let is_entry = directory
                .relay(&guard.name)
                .is_some_and(|relay| relay.role.is_entry());
            let is_silent = guard.failing_since.is_some_and(|since| {
                since.secs_until(worked_at) > 0 && since.secs_until(now) >= GIVEN_UP_AFTER
            });
            // A clock that was wrong must not keep a guard for years.
            let is_over = guard.until <= now || guard.until > now.plus(MAX_LIFETIME);
            is_entry && !is_silent && !is_over
        });
    }

    /// For the sealed profile.
    pub fn to_bytes(&self) -> Vec<u8> {
        let guards = self.guards.iter().map(|guard| WireGuard {
            name: guard.name.to_string(),
            until: guard.until.as_secs(),
            failing_since: guard.failing_since.map(UnixTime::as_secs),
        });
        let wire = Wire {
            guards: guards.collect(),
            worked_at: self.worked_at.as_secs(),
        };
        // Texts and numbers can always be written.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// As [`to_bytes`](Self::to_bytes) wrote it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GuardStateError> {
        if bytes.len() > MAX_STATE {
            return Err(GuardStateError);
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(|_| GuardStateError)?;
        if wire.guards.len() > 2 * MAX_GUARDS {
            return Err(GuardStateError);
        }
        let guards = wire.guards.into_iter().map(|guard| {
            Ok(Guard {
                name: HostName::parse(&guard.name).map_err(|_| GuardStateError)?,
                until: UnixTime::from_secs(guard.until),
                failing_since: guard.failing_since.map(UnixTime::from_secs),
            })
        });
        Ok(Self {
            guards: guards.collect::<Result<_, _>>()?,
            worked_at: UnixTime::from_secs(wire.worked_at),
        })
    }
}

#[derive(Deserialize, Serialize)]
struct Wire {
    guards: Vec<WireGuard>,
    worked_at: u64,
}

#[derive(Deserialize, Serialize)]
struct WireGuard {
    name: String,
    until: u64,
    failing_since: Option<u64>,
}

/// Bytes are no state of guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a state of guards")]
pub struct GuardStateError;
