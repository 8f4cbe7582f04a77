//! Who is in which call of a room, as their member events say.

use std::collections::BTreeMap;

use securecall_contact::{DeviceId, MatrixId};
use web_time::Instant;

use super::Participant;
use super::clock::{RoomClock, Sent};
use crate::wire::group_room::{GroupCallId, MemberState, SessionId};

/// The most users of a room whose entries are kept. A mesh of so many is out of reach by far; who comes later is not seen.
pub const MAX_MEMBERS: usize = 500;

/// The users of a room who say that they are in a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Members(BTreeMap<MatrixId, Member>);

#[derive(Clone, Debug)]
struct Member {
    /// Whether the user is in the room: others are in no call of it.
    is_joined: bool,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    call_id: GroupCallId,
    device_id: DeviceId,
    session_id: SessionId,
    until: Instant,
}

impl Members {
    pub(super) fn set(
        &mut self,
        now: Instant,
        clock: &RoomClock,
        user: &MatrixId,
        state: &MemberState,
        (sent, is_joined): (Sent, bool),
    ) {
        let entries = entries(now, clock, sent, state);
        if entries.is_empty() {
            self.0.remove(user);
            return;
        }
        if self.0.len() >= MAX_MEMBERS && !self.0.contains_key(user) {
            self.forget_expired(now);
        }
        if self.0.len() < MAX_MEMBERS || self.0.contains_key(user) {
            self.0.insert(user.clone(), Member { is_joined, entries });
        }
    }

    pub(super) fn set_joined(&mut self, user: &MatrixId, is_joined: bool) {
        if let Some(member) = self.0.get_mut(user) {
            member.is_joined = is_joined;
        }
    }

    /// Who is in a call now.
    pub(super) fn in_call<'a>(
        &'a self,
        call: &'a GroupCallId,
        now: Instant,
    ) -> impl Iterator<Item = Participant> + 'a {
        self.entries_of(call)
            .filter(move |(_, entry)| entry.until > now)
            .map(|(user, entry)| Participant {
                user: user.clone(),
                device_id: entry.device_id.clone(),
                session_id: entry.session_id.clone(),
            })
    }

    /// When the next of those who are in a call is in it no more, if no more is heard.
    pub(super) fn next_expiry(&self, call: &GroupCallId, now: Instant) -> Option<Instant> {
        let all = self.entries_of(call).map(|(_, entry)| entry.until);
        all.filter(|until| *until > now).min()
    }

    fn entries_of<'a>(
        &'a self,
        call: &'a GroupCallId,
    ) -> impl Iterator<Item = (&'a MatrixId, &'a Entry)> {
        let joined = self.0.iter().filter(|(_, member)| member.is_joined);
        let all = joined.flat_map(|(user, member)| member.entries.iter().map(move |it| (user, it)));
        all.filter(move |(_, entry)| entry.call_id == *call)
    }

    fn forget_expired(&mut self, now: Instant) {
        self.0
            .retain(|_, member| member.entries.iter().any(|entry| entry.until > now));
    }
}

/// Those that count.
fn entries(now: Instant, clock: &RoomClock, sent: Sent, state: &MemberState) -> Vec<Entry> {
    let all = state
        .calls()
        .flat_map(|(id, devices)| devices.iter().map(move |it| (id, it)));
    all.filter_map(|(call_id, device)| {
        Some(Entry {
            call_id: call_id.clone(),
            device_id: device.device_id.clone(),
            session_id: device.session_id.clone(),
            until: clock.until(now, sent, device.expires_ms)?,
        })
    })
    .collect()
}
