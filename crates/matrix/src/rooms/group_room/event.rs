//! State events of group calls, as a homeserver hands them out.
//!
//! Sans-IO and without any of this crate's other types, so that it can be fuzzed without them.

use securecall_contact::{MatrixId, RoomId};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// Longest ID of a call. <https://spec.matrix.org/v1.16/client-server-api/#size-limits>
const MAX_STATE_KEY: usize = 255;

/// What a state event of a group call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupRoomEventType {
    /// A call; its state key is the call's ID.
    Call,
    /// In which calls a user is; its state key is the user.
    Member,
}

impl GroupRoomEventType {
    /// The type on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "org.matrix.msc3401.call",
            Self::Member => "org.matrix.msc3401.call.member",
        }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        [Self::Call, Self::Member]
            .into_iter()
            .find(|it| it.as_str() == text)
    }
}

/// A state event of a group call. All of it is the homeserver's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRoomEvent {
    /// Where.
    pub room: RoomId,
    /// Who sent it; of a member event the user whose it is, for only they can.
    pub sender: MatrixId,
    /// What it is about.
    pub event_type: GroupRoomEventType,
    /// Visible ASCII characters, 1 to 255; of a member event the sender.
    pub state_key: String,
    /// A JSON object, as it came.
    pub content: String,
    /// When it was sent, in Unix ms, by the clock of the sender's homeserver.
    pub sent_ms: u64,
    /// How long ago that was, in ms, by our homeserver's clock, if it says so. Below zero where the sender's is ahead.
    pub age_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    sender: String,
    state_key: String,
    origin_server_ts: u64,
    #[serde(borrow)]
    content: &'a RawValue,
    #[serde(borrow, default)]
    unsigned: Option<&'a RawValue>,
}

impl GroupRoomEvent {
    /// Reads an event. Nothing, if it is of another type, or not as such an event should be: a member event whose sender is
    /// not its state key, above all.
    pub(crate) fn read(room: &RoomId, json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Type {
            r#type: String,
        }
        #[derive(Deserialize)]
        struct Unsigned {
            age: Option<Value>,
        }
        let Type { r#type } = serde_json::from_slice(json).ok()?;
        let event_type = GroupRoomEventType::read(&r#type)?;
        let Envelope {
            sender,
            state_key,
            origin_server_ts: sent_ms,
            content,
            unsigned,
        } = serde_json::from_slice(json).ok()?;
        let is_key = (1..=MAX_STATE_KEY).contains(&state_key.len())
            && state_key.bytes().all(|byte| byte.is_ascii_graphic());
        let is_whose_it_should_be = match event_type {
            GroupRoomEventType::Call => true,
            GroupRoomEventType::Member => state_key == sender,
        };
        let content = content.get();
        if !is_key || !is_whose_it_should_be || !content.starts_with('{') {
            return None;
        }
        let unsigned = unsigned.and_then(|it| serde_json::from_str::<Unsigned>(it.get()).ok());
        let age = unsigned.and_then(|it| it.age);
        Some(Self {
            room: room.clone(),
            sender: sender.parse().ok()?,
            event_type,
            state_key,
            content: content.to_owned(),
            sent_ms,
            age_ms: age.and_then(|age| age.as_i64()),
        })
    }
}
