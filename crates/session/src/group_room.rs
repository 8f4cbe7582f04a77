//! What is known of the group calls of a room, as the homeserver tells it, and how one is joined (`docs/protocol/group-rooms.md`).

use securecall_contact::{DeviceId, MatrixId, RoomId};

use crate::command::CallError;
use crate::config::CallOptions;

/// The group call of a room is to be joined; if there is none, one begins.
#[derive(Clone, Debug)]
pub struct GroupRoomOrder {
    /// We have joined it.
    pub room: RoomId,
    /// What its 1:1 calls say may be read, and changed, by the servers on the way. Else it goes encrypted by Olm, and nothing else counts.
    pub in_clear: bool,
    /// Our microphone is muted from the beginning.
    pub muted: bool,
    /// Of each leg.
    pub options: CallOptions,
    /// What the homeserver has just said of it.
    pub state: GroupRoomState,
}

/// What stands in a room about its group calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRoomState {
    /// Of all calls, and of all who are in one.
    pub events: Vec<GroupRoomEvent>,
    /// Who of those who sent one has joined the room.
    pub joined: Vec<MatrixId>,
    /// How many people have joined it, us included.
    pub people: usize,
    /// Its messages are encrypted. State events, which say who is in a call, never are.
    pub is_encrypted: bool,
    /// Anybody may join it.
    pub is_public: bool,
    /// What the homeserver's clock shows, in Unix ms, if it says so.
    pub homeserver_ms: Option<u64>,
}

/// A state event about a group call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRoomEvent {
    /// Who sent it, as the homeserver tells it.
    pub sender: MatrixId,
    /// What it is about.
    pub kind: GroupRoomEventKind,
    /// The call, or the user.
    pub state_key: String,
    /// As JSON.
    pub content: String,
    /// `origin_server_ts`.
    pub sent_ms: u64,
    /// `unsigned.age`, if it was there.
    pub age_ms: Option<i64>,
}

/// What a state event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupRoomEventKind {
    /// A call.
    Call,
    /// In which calls a user is.
    Member,
}

/// An event of a 1:1 call that came from a device.
#[derive(Clone, Copy, Debug)]
pub struct InboundDeviceEvent<'a> {
    /// The sender, as the homeserver tells it.
    pub sender: &'a MatrixId,
    /// The device that encrypted it by Olm; `None`: it came in clear.
    pub proven: Option<&'a DeviceId>,
    /// The type, within the encryption.
    pub event_type: &'a str,
    /// The content, as JSON.
    pub content: &'a str,
}

/// Why the group call of a room is not joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupRoomError {
    /// No call can be placed now, or none of this tier or route.
    #[error(transparent)]
    Refused(#[from] CallError),
    /// The sound of the call that there is goes over a media server, as with Element Call.
    #[error("the call of this room goes over a media server, and such calls are not supported")]
    MediaServer,
}
