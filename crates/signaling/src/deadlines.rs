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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can only be had from the clock; the test counts on from it"
    )]
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_deadline_is_set_moved_taken_back_and_comes_once() {
        let (now, second) = (origin(), Duration::from_secs(1));
        let mut deadlines = Deadlines::new();
        assert_eq!((deadlines.next(), deadlines.at('a')), (None, None));
        deadlines.set('a', now + second * 3);
        deadlines.set('a', now + second);
        deadlines.set_if_unset('a', now + second * 5);
        deadlines.set_if_unset('b', now + second * 2);
        deadlines.set('c', now + second * 2);
        assert_eq!(deadlines.next(), Some(now + second));
        assert_eq!(deadlines.at('b'), Some(now + second * 2));
        deadlines.clear('c');
        assert_eq!(
            ['a', 'b', 'c'].map(|timer| deadlines.is_set(timer)),
            [true, true, false]
        );
        assert_eq!(deadlines.take_expired(now), None);
        assert_eq!(deadlines.take_expired(now + second * 2), Some('a'));
        assert_eq!(deadlines.take_expired(now + second * 2), Some('b'));
        assert_eq!(deadlines.take_expired(now + second * 9), None);
        deadlines.set('a', now);
        deadlines.clear_all();
        assert_eq!(deadlines.next(), None);
    }
}
