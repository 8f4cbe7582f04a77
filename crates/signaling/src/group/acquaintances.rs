//! Whom we know ourselves: where we called them, or they called us from, and who brought them.

use std::collections::BTreeMap;

use securecall_contact::SecureCallId;

use crate::Person;

/// How we came to know somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// We asked them in.
    Ours,
    /// They were there before us, or came by themselves: who asked us in.
    Theirs,
    /// The invite that asked us in named them.
    Introduced,
}

/// Everybody with whom there was a leg, or who was introduced by the invite that asked us in.
#[derive(Debug, Default)]
pub(super) struct Acquaintances {
    known: BTreeMap<SecureCallId, (Person, Origin)>,
}

impl Acquaintances {
    /// Remembers somebody. Whom we asked in goes on to be that.
    pub(super) fn know(&mut self, person: Person, origin: Origin) {
        let id = person.id();
        let origin = match self.known.get(&id) {
            Some((_, Origin::Ours)) => Origin::Ours,
            _ => origin,
        };
        self.known.insert(id, (person, origin));
    }

    pub(super) fn person(&self, id: SecureCallId) -> Option<&Person> {
        self.known.get(&id).map(|(person, _)| person)
    }

    pub(super) fn origin(&self, id: SecureCallId) -> Option<Origin> {
        self.known.get(&id).map(|(_, origin)| *origin)
    }

    pub(super) fn forget(&mut self, id: SecureCallId) {
        self.known.remove(&id);
    }
}
