//! What is known of rooms between two events in them, so that not every event costs a question.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use securecall_contact::{MatrixId, RoomId};

/// Rooms that something is known of. One call is in one room.
const CAPACITY: usize = 64;

/// Which rooms were not encrypted when we asked, and for whom they were made ready in this run. Whoever comes or goes
/// makes us ask again; that a room *is* encrypted is in the store, and stays.
#[derive(Debug, Default)]
pub(crate) struct RoomMemory {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    plain: HashSet<RoomId>,
    prepared: HashSet<(RoomId, MatrixId)>,
}

impl RoomMemory {
    pub(super) fn is_plain(&self, room: &RoomId) -> bool {
        self.lock().plain.contains(room)
    }

    pub(super) fn note_plain(&self, room: &RoomId) {
        let plain = &mut self.lock().plain;
        if plain.len() >= CAPACITY {
            plain.clear();
        }
        plain.insert(room.clone());
    }

    /// Whether the devices of both were looked for.
    pub(super) fn is_prepared(&self, room: &RoomId, peer: &MatrixId) -> bool {
        let prepared = &self.lock().prepared;
        prepared.contains(&(room.clone(), peer.clone()))
    }

    pub(super) fn note_prepared(&self, room: &RoomId, peer: &MatrixId) {
        let prepared = &mut self.lock().prepared;
        if prepared.len() >= CAPACITY {
            prepared.clear();
        }
        prepared.insert((room.clone(), peer.clone()));
    }

    /// Something has changed in it.
    pub(super) fn forget(&self, room: &RoomId) {
        let mut known = self.lock();
        known.plain.remove(room);
        known.prepared.retain(|(known, _)| known != room);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_can_be_forgotten() {
        let memory = RoomMemory::default();
        let room = |number: usize| format!("!{number}").parse::<RoomId>().unwrap();
        let peer: MatrixId = "@a:b.test".parse().unwrap();
        for number in 0..3 * CAPACITY {
            memory.note_plain(&room(number));
            memory.note_prepared(&room(number), &peer);
            assert!(memory.is_plain(&room(number)));
            assert!(memory.is_prepared(&room(number), &peer));
            let known = memory.lock();
            assert!(known.plain.len() <= CAPACITY && known.prepared.len() <= CAPACITY);
        }
        let last = room(3 * CAPACITY - 1);
        assert!(!memory.is_prepared(&last, &"@c:b.test".parse().unwrap()));
        memory.forget(&last);
        assert!(!memory.is_plain(&last) && !memory.is_prepared(&last, &peer));
        assert!(memory.is_prepared(&room(3 * CAPACITY - 2), &peer));
    }
}
