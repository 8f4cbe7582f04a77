//! Who offers a leg and has not been named: they wait for their introduction, a few of them, and not for long.

use std::collections::BTreeMap;
use std::time::Duration;

use securecall_contact::SecureCallId;
use web_time::Instant;

use super::allowance::{Allowance, Used};
use crate::MAX_MEMBERS;

/// How long a leg that is offered waits for a member to name who offers it. The member's roster and the invite take different ways.
pub const INTRODUCTION_PATIENCE: Duration = Duration::from_secs(10);
/// The legs of one person that are taken. An honest one pauses longer after a few that fail.
const OFFERS: Allowance = Allowance::new(4, Duration::from_secs(8));
/// The most people whose offers are counted.
const MAX_COUNTED: usize = 64;

/// Offers that wait, and how many were taken.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    until: BTreeMap<SecureCallId, Instant>,
    taken: BTreeMap<SecureCallId, Used>,
}

impl Waiting {
    /// Whether an offer of somebody who is not named may wait.
    pub(super) fn may_wait(&mut self, now: Instant, id: SecureCallId) -> bool {
        if let Some(until) = self.until.get(&id) {
            return now < *until;
        }
        let has_room = self.until.len() < MAX_MEMBERS;
        if has_room {
            self.until.insert(id, now + INTRODUCTION_PATIENCE);
        }
        has_room
    }

    /// Whether an offer of somebody who is named may be taken.
    pub(super) fn may_be_taken(&mut self, now: Instant, id: SecureCallId) -> bool {
        self.until.remove(&id);
        if !self.taken.contains_key(&id) && self.taken.len() >= MAX_COUNTED {
            return false;
        }
        OFFERS.take(now, self.taken.entry(id).or_default())
    }

    /// Who has waited in vain may offer again.
    pub(super) fn expire(&mut self, now: Instant) {
        self.until.retain(|_, until| *until > now);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until.values().min().copied()
    }
}
