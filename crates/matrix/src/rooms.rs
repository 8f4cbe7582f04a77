//! Rooms, as far as a call needs them: what comes in of them, and what is done in them.
//!
//! | file | holds |
//! | --- | --- |
//! | `ids` | room and event IDs, as far as they can be believed |
//! | `filter` | what a sync is asked for |
//! | `answer`, `raw_event`, `invite` | what is kept of its answer, before anything is decrypted |
//! | `timeline`, `late_keys`, `replays` | decrypting it, in order; events whose key comes later |
//! | `facts` | who is in a room, and how it is set up |
//! | `direct` | the room of two people: found, or made |
//! | `membership` | joining and leaving |
//! | `room_keys` | Megolm: whom a room's key goes to |
//! | `group_room` | group calls: state events, and events from device to device |
//! | `send`, `send_queue` | events on their way out, the urgent first |

pub(crate) mod answer;
mod direct;
mod error;
mod event;
mod facts;
pub(crate) mod filter;
pub(crate) mod group_room;
mod ids;
mod invite;
mod late_keys;
mod membership;
mod raw_event;
mod replays;
pub(crate) mod room_keys;
mod room_memory;
mod send;
mod send_queue;
pub(crate) mod timeline;

pub use direct::DirectRoom;
pub use error::RoomError;
pub use event::{
    CallEvent, EventProtection, Membership, Origin, RoomEvent, RoomEventContent, RoomNews,
    RoomRefusal,
};
pub use facts::{MAX_ROOM_MEMBERS, RoomFacts};
pub use group_room::{
    CallProtection, GroupRoomEvent, GroupRoomEventType, GroupRoomKey, GroupRoomState,
    MAX_GROUP_ROOM_CALLS, MAX_GROUP_ROOM_USERS, StateFailure,
};
pub use invite::{JoinRule, RoomInvite};
pub(crate) use room_memory::RoomMemory;
pub use send::{MAX_ROOM_CONTENT, RoomMessage};
pub(crate) use send_queue::SendQueue;
