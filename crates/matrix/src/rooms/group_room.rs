//! Group calls in rooms (MSC3401), as far as the homeserver has to do with them: the state of a room, what comes of it while it
//! is followed, our own state events, and events from device to device.
//!
//! Nothing of this is asked for, or kept, of a room that is not [followed](crate::Account::follow_group_room).

pub(crate) mod event;
pub(crate) mod follow;
mod named;
mod own_state;
pub(crate) mod senders;
mod signals;
pub(crate) mod state;

pub use event::{GroupRoomEvent, GroupRoomEventType};
pub use own_state::{GroupRoomKey, StateFailure};
pub use signals::CallProtection;
pub use state::{GroupRoomState, MAX_GROUP_ROOM_CALLS, MAX_GROUP_ROOM_USERS};
