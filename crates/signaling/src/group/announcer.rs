//! What each leg was told, and when it is told again: what changes, soon, and from time to time once more.

use std::collections::BTreeMap;
use std::time::Duration;

use web_time::Instant;

use super::allowance::{Allowance, Used};
use crate::Membership;

/// The rosters that are told on a leg: the first few at once, for people who come together wait for them to meet. It is less than what
/// is taken of a leg, so that none is refused that comes with others before it.
const ROSTERS: Allowance = Allowance::new(ROSTER_BURST, ROSTER_PAUSE);
/// How many rosters go on a leg in one go.
pub const ROSTER_BURST: u32 = 4;
/// The time between two rosters on a leg after these.
pub const ROSTER_PAUSE: Duration = Duration::from_secs(1);
/// After this time a roster is told again though nothing has changed: one may have been lost.
pub const ROSTER_AGAIN: Duration = Duration::from_secs(15);

#[derive(Debug)]
struct Told {
    members: Vec<Membership>,
    number: u32,
    at: Instant,
    used: Used,
}

/// What each leg that is up was told.
#[derive(Debug)]
pub(super) struct Announcer<L> {
    /// `None`: nothing yet.
    legs: BTreeMap<L, Option<Told>>,
}

impl<L: Copy + Ord> Announcer<L> {
    pub(super) const fn new() -> Self {
        Self {
            legs: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, leg: L) {
        self.legs.insert(leg, None);
    }

    pub(super) fn remove(&mut self, leg: L) {
        self.legs.remove(&leg);
    }

    /// The legs that are to be told this now, with the number of the roster.
    pub(super) fn tell(&mut self, now: Instant, members: &[Membership]) -> Vec<(L, u32)> {
        let mut due = Vec::new();
        for (leg, told) in &mut self.legs {
            if told.as_ref().is_some_and(|it| now < it.due(members)) {
                continue;
            }
            let (number, mut used) = told
                .take()
                .map_or((0, Used::default()), |it| (it.number, it.used));
            ROSTERS.take(now, &mut used);
            let number = number.saturating_add(1);
            *told = Some(Told {
                members: members.to_vec(),
                number,
                at: now,
                used,
            });
            due.push((*leg, number));
        }
        due
    }

    /// When a leg is to be told next, if this is what there is to tell.
    pub(super) fn deadline(&self, members: &[Membership]) -> Option<Instant> {
        self.legs
            .values()
            .filter_map(|told| told.as_ref().map(|it| it.due(members)))
            .min()
    }
}

impl Told {
    fn due(&self, members: &[Membership]) -> Instant {
        if self.members == members {
            self.at + ROSTER_AGAIN
        } else {
            ROSTERS.ready_at(&self.used).unwrap_or(self.at)
        }
    }
}
