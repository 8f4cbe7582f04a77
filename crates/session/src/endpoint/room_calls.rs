//! Which call an event of a room is for, and which invites were taken lately.

use std::collections::BTreeMap;
use std::time::Duration;

use securecall_contact::{MatrixId, RoomId};
use securecall_signaling::WireCallId;
use securecall_signaling::wire::room::MAX_LIFETIME;
use web_time::Instant;

use crate::call_handle::CallHandle;

/// How long an invite is remembered: as long as any may ring.
const REMEMBERED: Duration = MAX_LIFETIME;
/// The most invites that are remembered, and of one account: a stranger's, or that of somebody the user knows.
const CAPACITY: usize = 256;
const CAPACITY_OF_STRANGER: usize = 16;
const CAPACITY_OF_KNOWN: usize = 64;

/// The calls in rooms. Peers choose the IDs, so a call is found only together with its room.
#[derive(Default)]
pub(super) struct RoomCalls {
    by_id: BTreeMap<(RoomId, WireCallId), CallHandle>,
    taken: BTreeMap<(RoomId, WireCallId), Taken>,
}

struct Taken {
    sender: MatrixId,
    is_stranger: bool,
    until: Instant,
}

/// Why an invite is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// It was taken before.
    Again,
    /// There is no room for more of it.
    Full,
}

impl RoomCalls {
    pub(super) fn find(&self, room: &RoomId, id: &WireCallId) -> Option<CallHandle> {
        self.by_id.get(&(room.clone(), id.clone())).copied()
    }

    pub(super) fn has_one_in(&self, room: &RoomId) -> bool {
        self.by_id.keys().any(|(of, _)| of == room)
    }

    pub(super) fn insert(&mut self, room: RoomId, id: WireCallId, call: CallHandle) {
        self.by_id.insert((room, id), call);
    }

    /// Forgets the calls that are not kept.
    pub(super) fn retain(&mut self, keep: impl Fn(CallHandle) -> bool) {
        self.by_id.retain(|_, call| keep(*call));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Remembers an invite, so that it rings once however often it comes, and one account, or many, can have us ring only so often.
    pub(super) fn take(
        &mut self,
        now: Instant,
        (room, id): (&RoomId, &WireCallId),
        sender: &MatrixId,
        is_stranger: bool,
    ) -> Result<(), NotTaken> {
        let key = (room.clone(), id.clone());
        self.taken.retain(|_, it| it.until > now);
        if self.taken.contains_key(&key) {
            return Err(NotTaken::Again);
        }
        let of_sender = |it: &&Taken| it.sender == *sender;
        let capacity = if is_stranger {
            CAPACITY_OF_STRANGER
        } else {
            CAPACITY_OF_KNOWN
        };
        if self.taken.values().filter(of_sender).count() >= capacity {
            return Err(NotTaken::Full);
        }
        if self.taken.len() >= CAPACITY && !self.make_room(is_stranger) {
            return Err(NotTaken::Full);
        }
        let taken = Taken {
            sender: sender.clone(),
            is_stranger,
            until: now + REMEMBERED,
        };
        self.taken.insert(key, taken);
        Ok(())
    }

    /// Whether an invite of this ID is remembered: whatever comes of its call is no news of one to come.
    pub(super) fn was_taken(&self, room: &RoomId, id: &WireCallId) -> bool {
        self.taken.contains_key(&(room.clone(), id.clone()))
    }

    /// A contact takes the place of the stranger who came first.
    fn make_room(&mut self, is_stranger: bool) -> bool {
        let strangers = self.taken.iter().filter(|(_, it)| it.is_stranger);
        let oldest = strangers.min_by_key(|(_, it)| it.until);
        let oldest = oldest.map(|(key, _)| key.clone());
        match oldest {
            Some(key) if !is_stranger => self.taken.remove(&key).is_some(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_is_taken_once_and_memory_is_bounded_for_one_and_for_all() {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let now = Instant::now();
        let room: RoomId = "!room:example.org".parse().unwrap();
        let id = |n: usize| WireCallId::parse(&n.to_string()).unwrap();
        let user = |n: usize| format!("@u{n}:example.org").parse::<MatrixId>().unwrap();
        let mut calls = RoomCalls::default();
        let mut take = |n: usize, who: usize, stranger: bool, at: Instant| {
            calls.take(at, (&room, &id(n)), &user(who), stranger)
        };
        assert_eq!(take(0, 0, true, now), Ok(()));
        assert_eq!(take(0, 0, true, now), Err(NotTaken::Again));
        for n in 1..CAPACITY_OF_STRANGER {
            assert_eq!(take(n, 0, true, now), Ok(()));
        }
        assert_eq!(take(99, 0, true, now), Err(NotTaken::Full));
        for n in CAPACITY_OF_STRANGER..CAPACITY {
            assert_eq!(take(n, n, true, now), Ok(()));
        }
        assert_eq!(take(1000, 1000, true, now), Err(NotTaken::Full));
        assert_eq!(take(1000, 1000, false, now), Ok(()));
        assert_eq!(take(1001, 1001, true, now + REMEMBERED), Ok(()));
        // Somebody the user knows may try more often, and not without end.
        let mut calls = RoomCalls::default();
        let mut take = |n: usize| calls.take(now, (&room, &id(n)), &user(0), false);
        for n in 0..CAPACITY_OF_KNOWN {
            assert_eq!(take(n), Ok(()));
        }
        assert_eq!(take(1000), Err(NotTaken::Full));
    }
}
