//! One table of deadlines, each with a reason.

use std::collections::BTreeMap;

use web_time::Instant;

/// The deadlines of one state machine, by the reason to wake up.
#[derive(Clone, Debug)]
pub struct Deadlines<T> {
    at: BTreeMap<T, Instant>,
}

impl<T: Ord + Copy> Deadlines<T> {
    /// No deadlines.
    pub const fn new() -> Self {
        Self {
            at: BTreeMap::new(),
        }
    }

    /// Sets, or moves, a deadline.
    pub fn set(&mut self, timer: T, at: Instant) {
        self.at.insert(timer, at);
    }

    /// Sets a deadline unless it is set already.
    pub fn set_if_unset(&mut self, timer: T, at: Instant) {
        self.at.entry(timer).or_insert(at);
    }

    /// Takes a deadline back.
    pub fn clear(&mut self, timer: T) {
        self.at.remove(&timer);
    }

    /// Takes all deadlines back.
    pub fn clear_all(&mut self) {
        self.at.clear();
    }

    /// Takes one deadline that has passed, the earliest first.
    pub fn take_expired(&mut self, now: Instant) -> Option<T> {
        let (&timer, _) = self
            .at
            .iter()
            .filter(|(_, at)| **at <= now)
            .min_by_key(|(_, at)| **at)?;
        self.at.remove(&timer);
        Some(timer)
    }

    /// Whether a deadline is set.
    pub fn is_set(&self, timer: T) -> bool {
        self.at.contains_key(&timer)
    }

    /// When a deadline is, if it is set.
    pub fn at(&self, timer: T) -> Option<Instant> {
        self.at.get(&timer).copied()
    }

    /// When to wake up next.
    pub fn next(&self) -> Option<Instant> {
        self.at.values().min().copied()
    }
}

impl<T: Ord + Copy> Default for Deadlines<T> {
    fn default() -> Self {
        Self::new()
    }
}
