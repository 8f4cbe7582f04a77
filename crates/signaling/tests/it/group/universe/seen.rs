//! What the users of the devices were told, and what is so.

use std::collections::BTreeSet;

use securecall_contact::SecureCallId;
use securecall_signaling::{ConferenceId, Person};

use super::{Call, Seen, Stage, Universe};

impl Universe {
    pub(super) fn note(
        &mut self,
        device: usize,
        person: &Person,
        seen: Seen,
        by: Option<Option<SecureCallId>>,
    ) {
        let number = self.number_of(person.id());
        let by = by.map(|by| by.map(|id| self.number_of(id)));
        let it = &mut self.devices[device];
        it.seen.insert(number, seen);
        if let Some(by) = by {
            it.brought.insert(number, by);
        }
    }

    /// The devices that are in a conference.
    pub(in crate::group) fn members_of(&self, id: ConferenceId) -> BTreeSet<usize> {
        let is_in = |it: &usize| {
            let mesh = self.devices[*it].mesh.as_ref();
            mesh.is_some_and(|mesh| mesh.conference() == id)
        };
        (0..self.devices.len()).filter(is_in).collect()
    }

    /// Whom a device sees in, in this way.
    pub(in crate::group) fn sees(&self, device: usize, how: Seen) -> BTreeSet<u8> {
        let seen = self.devices[device].seen.iter();
        seen.filter(|(_, it)| **it == how)
            .map(|(number, _)| *number)
            .collect()
    }

    /// All of these are in with all others of these, and everybody knows it and nobody else.
    pub(in crate::group) fn assert_all_in(&self, people: &[u8]) {
        for number in people {
            let device = (0..self.devices.len())
                .find(|it| self.number(*it) == *number && self.devices[*it].mesh.is_some())
                .unwrap_or_else(|| panic!("{number} is in no conference"));
            let others: BTreeSet<u8> = people.iter().copied().filter(|it| it != number).collect();
            assert_eq!(
                self.sees(device, Seen::Joined),
                others,
                "as {number} sees it"
            );
            assert_eq!(
                self.devices[device].seen.len(),
                others.len(),
                "as {number} sees it"
            );
            let words: Vec<u8> = people
                .iter()
                .copied()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            assert_eq!(self.devices[device].words, words, "the words of {number}");
        }
    }

    /// Whether a leg between a device and some device of a person works at this moment.
    pub(in crate::group) fn hears(&self, device: usize, number: u8) -> bool {
        self.calls.values().any(|call| {
            let ends = self.ends(call);
            let other = ends.into_iter().flatten().find(|it| *it != device);
            ends.contains(&Some(device))
                && other.is_some_and(|it| self.number(it) == number)
                && matches!(call.stage, Stage::Up(_))
                && !self.is_silent(call)
        })
    }

    /// How many legs are up.
    pub(in crate::group) fn legs_up(&self) -> usize {
        let is_up = |call: &&Call| matches!(call.stage, Stage::Up(_)) && !self.is_silent(call);
        self.calls.values().filter(is_up).count()
    }
}
