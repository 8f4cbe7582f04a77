//! The order in which checks are told, whatever the order in which they come.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Check;
use super::names::Name;
use super::teller::Told;

/// Checks that wait for others that are told before them.
#[derive(Debug, Default)]
pub(super) struct Order {
    waiting: BTreeMap<Name, Vec<Check>>,
    complete: BTreeSet<Name>,
    /// How many of [`Name::ALL`] are through.
    through: usize,
}

impl Order {
    /// Takes what has come, and gives what can be told now.
    pub(super) fn take(&mut self, told: Told) -> Vec<Check> {
        match told {
            Told::Check(check) => self.waiting.entry(check.name).or_default().push(check),
            Told::Complete(name) => {
                self.complete.insert(name);
            }
        }
        let mut ready = Vec::new();
        while let Some(name) = Name::ALL.get(self.through) {
            // Of several of a name, the last to come may be the first to be told.
            if !self.complete.contains(name) {
                break;
            }
            let mut checks = self.waiting.remove(name).unwrap_or_default();
            checks.sort_by_key(|check| check.place);
            ready.extend(checks);
            self.through += 1;
        }
        ready
    }

    /// Of what more may come.
    pub(super) fn pending(&self) -> Vec<Name> {
        let names = Name::ALL.iter().copied();
        names.filter(|name| !self.complete.contains(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(checks: &[Check]) -> Vec<(Name, usize)> {
        let name = |check: &Check| (check.name, check.place);
        checks.iter().map(name).collect()
    }

    #[test]
    fn what_comes_first_is_not_told_first() {
        let mut order = Order::default();
        let mut told = Vec::new();
        let relay = |place| Told::Check(Check::good(Name::Relay, "x").at(place));
        told.extend(order.take(relay(2)));
        told.extend(order.take(relay(0)));
        for name in Name::ALL.iter().rev().filter(|name| **name != Name::Relay) {
            told.extend(order.take(Told::Check(Check::good(*name, "x"))));
            told.extend(order.take(Told::Complete(*name)));
        }
        // All before it, which were complete when the first of them was.
        let before: Vec<_> = Name::ALL.iter().map(|name| (*name, 0)).collect();
        let (before, after) = before.split_at(Name::Relay as usize);
        assert_eq!(names(&told), before);
        assert_eq!(order.pending(), [Name::Relay]);
        assert!(order.take(relay(1)).is_empty());
        let rest = order.take(Told::Complete(Name::Relay));
        let mut expected = vec![(Name::Relay, 0), (Name::Relay, 1), (Name::Relay, 2)];
        expected.extend(&after[1..]);
        assert_eq!(names(&rest), expected);
        assert!(order.pending().is_empty());
    }
}
