//! The legs: at most one that is up with each person, and one that may become it.

use std::collections::BTreeMap;
use std::time::Duration;

use securecall_contact::SecureCallId;
use web_time::Instant;

use crate::MAX_MEMBERS;

/// How long nothing may be heard on a leg until it counts as none.
pub const SILENCE: Duration = Duration::from_secs(15);

/// The most people with whom there may be legs.
pub(super) const MAX_OTHERS: usize = MAX_MEMBERS - 1;

/// A leg that works.
#[derive(Clone, Copy, Debug)]
pub(super) struct Up<L> {
    pub(super) leg: L,
    pub(super) since: Instant,
    /// When something was last heard on it, if that is too long ago.
    silent_since: Option<Instant>,
}

/// Why a leg is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// We ask somebody in.
    AsksIn,
    /// We call somebody because members say that they are in. By itself it says nothing of that.
    Meets,
    /// They call us.
    Theirs,
}

/// A leg that is being made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coming<L> {
    /// `None`: a call was ordered, and not placed yet.
    pub(super) leg: Option<L>,
    pub(super) purpose: Purpose,
}

#[derive(Clone, Copy, Debug)]
struct Pair<L> {
    up: Option<Up<L>>,
    coming: Option<Coming<L>>,
}

impl<L: Copy> Pair<L> {
    fn placed(self) -> impl Iterator<Item = L> {
        let coming = self.coming.and_then(|it| it.leg);
        let up = self.up.map(|it| it.leg);
        up.into_iter().chain(coming)
    }
}

/// What a leg was that is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Was {
    /// It was up since then, and something was heard on it until then, if not until now.
    Up {
        since: Instant,
        silent_since: Option<Instant>,
    },
    /// It was being made.
    Coming,
}

/// All legs. Nobody has none in it, and there are never legs with more than [`MAX_OTHERS`] people.
#[derive(Debug)]
pub(super) struct Legs<L> {
    pairs: BTreeMap<SecureCallId, Pair<L>>,
}

impl<L: Copy + Ord> Legs<L> {
    pub(super) const fn new() -> Self {
        Self {
            pairs: BTreeMap::new(),
        }
    }

    /// Whether a leg with this person would be within the bound.
    pub(super) fn has_room_for(&self, id: SecureCallId) -> bool {
        self.pairs.contains_key(&id) || self.pairs.len() < MAX_OTHERS
    }

    /// Notes a leg that is being made in place of another such, which comes back if it was placed.
    pub(super) fn comes(&mut self, id: SecureCallId, coming: Coming<L>) -> Option<L> {
        let pair = self.pairs.entry(id).or_insert(Pair {
            up: None,
            coming: None,
        });
        pair.coming.replace(coming).and_then(|it| it.leg)
    }

    /// The leg that is being made works. Comes back: with whom, and the leg that worked so far.
    pub(super) fn connected(&mut self, now: Instant, leg: L) -> Option<(SecureCallId, Option<L>)> {
        let (id, pair) = self
            .pairs
            .iter_mut()
            .find(|(_, pair)| pair.coming.and_then(|it| it.leg) == Some(leg))?;
        pair.coming = None;
        let up = Up {
            leg,
            since: now,
            silent_since: None,
        };
        Some((*id, pair.up.replace(up).map(|old| old.leg)))
    }

    /// Takes a leg out. Comes back: with whom it was, and what it was.
    pub(super) fn take(&mut self, leg: L) -> Option<(SecureCallId, Was)> {
        let id = self.person_of(leg)?;
        let pair = self.pairs.get_mut(&id)?;
        let was = match (pair.up, pair.coming) {
            (Some(up), _) if up.leg == leg => {
                pair.up = None;
                Was::Up {
                    since: up.since,
                    silent_since: up.silent_since,
                }
            }
            (_, Some(_)) => {
                pair.coming = None;
                Was::Coming
            }
            _ => return None,
        };
        self.prune(id);
        Some((id, was))
    }

    /// A call that was ordered is not placed.
    pub(super) fn take_order(&mut self, id: SecureCallId) -> bool {
        let Some(pair) = self.pairs.get_mut(&id) else {
            return false;
        };
        let is_ordered = pair.coming.is_some_and(|it| it.leg.is_none());
        if is_ordered {
            pair.coming = None;
            self.prune(id);
        }
        is_ordered
    }

    fn prune(&mut self, id: SecureCallId) {
        self.pairs
            .retain(|it, pair| *it != id || pair.up.is_some() || pair.coming.is_some());
    }

    /// The legs with somebody: one that works, and one that is being made.
    pub(super) fn with(&self, id: SecureCallId) -> Vec<L> {
        let pair = self.pairs.get(&id).copied().into_iter();
        pair.flat_map(Pair::placed).collect()
    }

    /// All legs, to end them.
    pub(super) fn take_all(&mut self) -> Vec<L> {
        let pairs = std::mem::take(&mut self.pairs).into_values();
        pairs.flat_map(Pair::placed).collect()
    }

    /// Nothing has been heard on a leg since then.
    pub(super) fn silent(&mut self, leg: L, since: Instant) {
        if let Some(up) = self.up_mut(leg) {
            up.silent_since.get_or_insert(since);
        }
    }

    /// Something is heard on it again.
    pub(super) fn heard(&mut self, leg: L) {
        if let Some(up) = self.up_mut(leg) {
            up.silent_since = None;
        }
    }

    fn up_mut(&mut self, leg: L) -> Option<&mut Up<L>> {
        self.pairs
            .values_mut()
            .filter_map(|pair| pair.up.as_mut())
            .find(|up| up.leg == leg)
    }

    /// A leg that has been silent for too long.
    pub(super) fn given_up(&self, now: Instant) -> Option<L> {
        let mut silences = self.silences();
        let (leg, _) = silences.find(|(_, since)| *since + SILENCE <= now)?;
        Some(leg)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.silences().map(|(_, since)| since + SILENCE).min()
    }

    fn silences(&self) -> impl Iterator<Item = (L, Instant)> {
        self.up()
            .filter_map(|(_, up)| Some((up.leg, up.silent_since?)))
    }

    /// With whom a leg is.
    pub(super) fn person_of(&self, leg: L) -> Option<SecureCallId> {
        let has = |pair: &Pair<L>| {
            pair.up.is_some_and(|it| it.leg == leg)
                || pair.coming.and_then(|it| it.leg) == Some(leg)
        };
        self.pairs.iter().find(|(_, it)| has(it)).map(|(id, _)| *id)
    }

    pub(super) fn up_with(&self, id: SecureCallId) -> Option<Up<L>> {
        self.pairs.get(&id)?.up
    }

    pub(super) fn coming_with(&self, id: SecureCallId) -> Option<Coming<L>> {
        self.pairs.get(&id)?.coming
    }

    /// The legs that work.
    pub(super) fn up(&self) -> impl Iterator<Item = (SecureCallId, Up<L>)> {
        self.pairs
            .iter()
            .filter_map(|(id, pair)| Some((*id, pair.up?)))
    }

    /// Everybody with whom there is a leg, or is going to be one.
    pub(super) fn people(&self) -> impl Iterator<Item = SecureCallId> {
        self.pairs.keys().copied()
    }
}

impl<L> Up<L> {
    /// Whether something has been heard lately.
    pub(super) const fn is_heard(&self) -> bool {
        self.silent_since.is_none()
    }
}
