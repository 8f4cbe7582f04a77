//! Which rooms are followed, and what a sync brings of them.

use std::collections::BTreeSet;

use securecall_contact::{MatrixId, RoomId};
use serde::Deserialize;
use tokio::sync::watch;

use super::event::GroupRoomEvent;
use crate::{Account, Incoming, rooms::event::Membership};

/// What is kept of the followed rooms of one answer, in number and in bytes. What is beyond is a gap.
const MAX_EVENTS: usize = 512;
const MAX_EVENTS_SIZE: usize = 4 * 1024 * 1024;

/// The rooms whose group calls are followed.
#[derive(Debug, Default)]
pub(crate) struct Followed(watch::Sender<BTreeSet<RoomId>>);

impl Followed {
    /// The rooms, now and whenever they change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<BTreeSet<RoomId>> {
        self.0.subscribe()
    }

    fn set(&self, room: &RoomId, follow: bool) {
        self.0.send_if_modified(|rooms| match follow {
            true => rooms.insert(room.clone()),
            false => rooms.remove(room),
        });
    }
}

impl Account {
    /// Follows the group calls of a room, or does so no more. While one is followed, the inbox has
    /// [`Incoming::GroupRoom`], [`Incoming::GroupRoomMembership`] and [`Incoming::GroupRoomGap`] of it, and
    /// [`Incoming::CallEvent`] of whoever writes to this device.
    ///
    /// A sync that is under way is asked again at once, so that nothing is missed by who first follows a room and then asks
    /// for its [state](Self::group_room_state).
    pub fn follow_group_room(&self, room: &RoomId, follow: bool) {
        self.syncer().followed().set(room, follow);
    }
}

/// Collects what one answer says of followed rooms.
#[derive(Debug, Default)]
pub(crate) struct FollowedReader {
    news: Vec<Incoming>,
    size: usize,
    events: usize,
    gaps: BTreeSet<RoomId>,
}

impl FollowedReader {
    /// Takes an event of a followed room. Whether we are in it, none of its events says: the first ones that come are older than our
    /// joining it, an invitation among them.
    pub(crate) fn take(&mut self, room: &RoomId, json: &[u8], own: &str) {
        let Some(news) = read(room, json) else {
            return;
        };
        if matches!(&news, Incoming::GroupRoomMembership { user, .. } if user.as_str() == own) {
            return;
        }
        if self.events == MAX_EVENTS || self.size + json.len() > MAX_EVENTS_SIZE {
            return self.note_gap(room);
        }
        self.events += 1;
        self.size += json.len();
        self.news.push(news);
    }

    /// Something of a followed room is missing.
    pub(crate) fn note_gap(&mut self, room: &RoomId) {
        self.gaps.insert(room.clone());
    }

    /// We are in a followed room no more.
    pub(crate) fn note_left(&mut self, room: &RoomId, own: &str) {
        // Of a user whose ID is none of ours nobody asks.
        let Ok(user) = own.parse() else { return };
        self.news.push(Incoming::GroupRoomMembership {
            room: room.clone(),
            user,
            is_in_room: false,
        });
    }

    /// All of it, gaps at the end: what is asked because of them is newer.
    pub(crate) fn finish(self) -> Vec<Incoming> {
        let gaps = self.gaps.into_iter();
        let gaps = gaps.map(|room| Incoming::GroupRoomGap { room });
        self.news.into_iter().chain(gaps).collect()
    }
}

fn read(room: &RoomId, json: &[u8]) -> Option<Incoming> {
    if let Some((user, membership)) = read_member(json) {
        // Whoever is invited was not in the room before and is not now, and the event may be older than their joining it.
        return (membership != Membership::Invited).then(|| Incoming::GroupRoomMembership {
            room: room.clone(),
            user,
            is_in_room: membership == Membership::Joined,
        });
    }
    GroupRoomEvent::read(room, json).map(Incoming::GroupRoom)
}

/// Who has come, gone or been invited, if an event says so.
pub(super) fn read_member(json: &[u8]) -> Option<(MatrixId, Membership)> {
    #[derive(Deserialize)]
    struct Member {
        r#type: String,
        state_key: String,
        content: Content,
    }
    #[derive(Deserialize)]
    struct Content {
        membership: String,
    }
    let Member {
        r#type,
        state_key,
        content,
    } = serde_json::from_slice(json).ok()?;
    let user = (r#type == "m.room.member").then_some(state_key)?;
    Some((user.parse().ok()?, Membership::read(&content.membership)))
}
