//! Group calls of rooms, between homeserver and endpoint: a room is followed, its state is read, and what the sync tells meanwhile waits
//! until that is there, so that nothing older is taken for news.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use securecall_contact::{MatrixId, RoomId};
use securecall_matrix::{Account, GroupRoomEventType, RoomError};
use securecall_session::{
    GroupRoomError, GroupRoomEvent, GroupRoomEventKind, GroupRoomState, NamedConference,
};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use web_time::Instant;

use super::handle::{RoomCallError, RoomCallOrder};
use crate::clock;

/// What waits for the state of a room, at most: beyond that the state is read once more.
const MAX_HELD: usize = 256;
/// How far apart the state of a room is read anew, however often it is said that something was missed.
const READ_APART: Duration = Duration::from_secs(5);

/// What answers the order to join a call.
pub(super) type Reply = oneshot::Sender<Result<NamedConference, RoomCallError>>;

/// Something that the sync told of a room.
#[derive(Debug)]
pub(super) enum RoomInput {
    Event(GroupRoomEvent),
    Membership(MatrixId, bool),
}

/// What came of a question.
pub(super) enum Done {
    /// The room that is to be joined.
    Found(
        RoomCallOrder,
        Reply,
        Result<(RoomId, GroupRoomState), RoomError>,
    ),
    /// The state of a room, which was to be read anew.
    State(RoomId, Result<GroupRoomState, RoomError>),
}

/// The rooms whose group calls are followed, or are about to be.
#[derive(Default)]
pub(super) struct GroupRooms {
    tasks: JoinSet<Done>,
    rooms: BTreeMap<RoomId, Followed>,
    /// A room is looked for: which it is is not known yet, so what is told of any waits.
    is_joining: bool,
}

#[derive(Default)]
struct Followed {
    /// Its state is being read.
    is_asked: bool,
    /// It is to be read once more, after that.
    is_stale: bool,
    asked_at: Option<Instant>,
    held: VecDeque<RoomInput>,
}

impl Followed {
    /// Its state is to be read: when that may be.
    fn asks_at(&mut self, now: Instant) -> Instant {
        let earliest = self.asked_at.map_or(now, |at| (at + READ_APART).max(now));
        self.is_asked = true;
        self.asked_at = Some(earliest);
        earliest
    }
}

impl GroupRooms {
    /// Finds a room, has it followed, and reads what stands in it.
    pub(super) fn join(&mut self, account: &Account, order: RoomCallOrder, reply: Reply) {
        let account = account.clone();
        self.is_joining = true;
        self.tasks.spawn(async move {
            let found = find(&account, &order.room).await;
            Done::Found(order, reply, found)
        });
    }

    /// Takes what the sync tells of a room; gives it back if it may be handed in now.
    pub(super) fn take(&mut self, room: &RoomId, input: RoomInput) -> Option<RoomInput> {
        let is_held = |it: &Followed| it.is_asked;
        if !self.is_joining && !self.rooms.get(room).is_some_and(is_held) {
            return Some(input);
        }
        let followed = self.rooms.entry(room.clone()).or_default();
        if followed.held.len() >= MAX_HELD {
            followed.is_stale = true;
        } else {
            followed.held.push_back(input);
        }
        None
    }

    /// Something of a room was missed.
    pub(super) fn gap(&mut self, account: &Account, room: RoomId) {
        let followed = self.rooms.entry(room.clone()).or_default();
        if self.is_joining || followed.is_asked {
            followed.is_stale = true;
        } else {
            self.read(account, room);
        }
    }

    /// What has waited for the state of a room, which is there now.
    pub(super) fn answered(&mut self, room: &RoomId) -> VecDeque<RoomInput> {
        let Some(followed) = self.rooms.get_mut(room) else {
            return VecDeque::new();
        };
        followed.is_asked = false;
        std::mem::take(&mut followed.held)
    }

    /// Reads the state of a room once more, if something was missed while it was read.
    pub(super) fn read_again(&mut self, account: &Account, room: &RoomId) {
        if let Some(followed) = self.rooms.get_mut(room)
            && std::mem::take(&mut followed.is_stale)
        {
            self.read(account, room.clone());
        }
    }

    /// Whether a room is looked for. One at a time.
    pub(super) const fn is_joining(&self) -> bool {
        self.is_joining
    }

    /// The room that was looked for is known, or is none. Gives the rooms of which something has waited for that.
    pub(super) fn found(&mut self, room: Option<&RoomId>) -> Vec<RoomId> {
        self.is_joining = false;
        if let Some(room) = room {
            self.rooms.entry(room.clone()).or_default();
        }
        let waited = self.rooms.iter().filter(|(_, it)| !it.is_asked);
        waited.map(|(room, _)| room.clone()).collect()
    }

    /// Nobody needs to know more of rooms that are of no use any more.
    pub(super) fn keep(&mut self, account: &Account, is_of_use: impl Fn(&RoomId) -> bool) {
        if self.is_joining {
            return;
        }
        self.rooms.retain(|room, _| {
            let stays = is_of_use(room);
            if !stays {
                account.follow_group_room(room, false);
            }
            stays
        });
    }

    /// The next thing that is done; for ever while nothing is. Nothing is lost if the wait is cut short.
    pub(super) async fn next(&mut self) -> Done {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(done)) => return done,
                Some(Err(error)) => {
                    tracing::error!(%error, "a task about a group call in a room failed inside");
                }
                None => std::future::pending().await,
            }
        }
    }

    fn read(&mut self, account: &Account, room: RoomId) {
        let Some(followed) = self.rooms.get_mut(&room) else {
            return;
        };
        let earliest = followed.asks_at(clock::now());
        let account = account.clone();
        self.tasks.spawn(async move {
            clock::sleep_until(Some(earliest)).await;
            let state = account.group_room_state(&room).await;
            Done::State(room, state.map(|it| known_state(&it)))
        });
    }
}

async fn find(account: &Account, name: &str) -> Result<(RoomId, GroupRoomState), RoomError> {
    let room = account.room_named(name).await?;
    // First, so that nothing is missed between the two.
    account.follow_group_room(&room, true);
    match account.group_room_state(&room).await {
        Ok(state) => Ok((room, known_state(&state))),
        Err(error) => {
            account.follow_group_room(&room, false);
            Err(error)
        }
    }
}

fn known_state(state: &securecall_matrix::GroupRoomState) -> GroupRoomState {
    GroupRoomState {
        events: state.events.iter().map(known_event).collect(),
        joined: state.joined.clone(),
        people: state.members,
        is_encrypted: state.is_encrypted,
        is_public: state.is_public,
        homeserver_ms: state.homeserver_ms,
    }
}

/// A state event, as the endpoint takes it.
pub(super) fn known_event(event: &securecall_matrix::GroupRoomEvent) -> GroupRoomEvent {
    GroupRoomEvent {
        sender: event.sender.clone(),
        kind: match event.event_type {
            GroupRoomEventType::Call => GroupRoomEventKind::Call,
            GroupRoomEventType::Member => GroupRoomEventKind::Member,
        },
        state_key: event.state_key.clone(),
        content: event.content.clone(),
        sent_ms: event.sent_ms,
        age_ms: event.age_ms,
    }
}

/// Why the call of a room that was looked for is not joined.
pub(super) fn not_found(error: RoomError) -> RoomCallError {
    tracing::info!(%error, "the room of a group call is not there");
    match error {
        RoomError::NotFound => RoomCallError::NoSuchRoom,
        RoomError::Server(error) => RoomCallError::Server(error),
        _ => RoomCallError::NotAllowed,
    }
}

impl From<GroupRoomError> for RoomCallError {
    fn from(error: GroupRoomError) -> Self {
        match error {
            GroupRoomError::Refused(error) => Self::Refused(error),
            GroupRoomError::MediaServer => Self::MediaServer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomId {
        format!("!{name}:example.org").parse().unwrap()
    }

    fn somebody() -> RoomInput {
        RoomInput::Membership("@a:example.org".parse().unwrap(), true)
    }

    #[test]
    fn what_is_told_while_a_room_is_looked_for_waits_whatever_room_it_is_of() {
        let (ours, other) = (room("ours"), room("other"));
        let mut rooms = GroupRooms::default();
        assert!(rooms.take(&ours, somebody()).is_some());
        rooms.is_joining = true;
        for it in [&ours, &other, &ours] {
            assert!(rooms.take(it, somebody()).is_none());
        }
        let waited = rooms.found(Some(&ours));
        assert_eq!(waited, [other.clone(), ours.clone()]);
        assert_eq!(rooms.answered(&ours).len(), 2);
        assert_eq!(rooms.answered(&other).len(), 1);
        assert!(rooms.take(&ours, somebody()).is_some());
    }

    #[test]
    fn what_is_told_while_the_state_is_read_waits_and_what_is_too_much_has_it_read_again() {
        let ours = room("ours");
        let mut rooms = GroupRooms::default();
        rooms.found(Some(&ours));
        let now = clock::now();
        let asks_at = |rooms: &mut GroupRooms| rooms.rooms.get_mut(&ours).unwrap().asks_at(now);
        assert_eq!(asks_at(&mut rooms), now);
        for _ in 0..=MAX_HELD {
            assert!(rooms.take(&ours, somebody()).is_none());
        }
        assert_eq!(rooms.answered(&ours).len(), MAX_HELD);
        assert!(rooms.rooms[&ours].is_stale);
        // A homeserver may say again and again that something was missed.
        assert_eq!(asks_at(&mut rooms), now + READ_APART);
        assert_eq!(asks_at(&mut rooms), now + READ_APART * 2);
    }
}
