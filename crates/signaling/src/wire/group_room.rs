//! Group calls in rooms, as matrix-js-sdk has them ([MSC3401]): the state events that say that there is a call and who is in it, and
//! the `m.call.*` events of the 1:1 calls of its mesh, which go from device to device.
//!
//! What a 1:1 call says is the same as in a room's timeline ([`RoomSignal`]); around it is what says of which group
//! call it is. `docs/protocol/group-rooms.md` has the fields, the bounds, and for each tolerance the client that needs it.
//!
//! ```
//! use securecall_signaling::wire::group_room::{CallState, MemberState};
//!
//! let call = CallState::parse(br#"{"m.type":"m.voice","m.intent":"m.prompt"}"#)?;
//! assert!(matches!(call, CallState::Open(_)));
//!
//! let member = MemberState::parse(
//!     br#"{"m.calls":[{"m.call_id":"1700000000000AbCd","m.devices":[
//!         {"device_id":"PHONE","session_id":"s1","expires_ts":1700003600000,"feeds":[{"purpose":"m.usermedia"}]}]}]}"#,
//! )?;
//! let (call_id, devices) = member.calls().next().expect("a call");
//! assert_eq!((call_id.as_str(), devices[0].device_id.as_str()), ("1700000000000AbCd", "PHONE"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [MSC3401]: https://github.com/matrix-org/matrix-spec-proposals/pull/3401
//! [`RoomSignal`]: super::room::RoomSignal

mod call_state;
mod ids;
mod member_state;
mod own_entry;
mod signal;

pub use call_state::{CallKind, CallState, Intent, OpenCall};
pub use ids::{GroupCallId, GroupIdError, MessageId, SessionId};
pub use member_state::{MAX_CALLS_OF_MEMBER, MAX_DEVICES_OF_CALL, MemberDevice, MemberState};
pub use own_entry::{OwnEntry, OwnMemberContent};
pub use signal::{GroupSignal, GroupSignalError, Route};

/// The type of the state event that says that there is a call; its state key is the call's [`GroupCallId`].
pub const CALL_EVENT: &str = "org.matrix.msc3401.call";
/// The type of the state event that says in which calls a user is, and with which devices; its state key is the user.
pub const MEMBER_EVENT: &str = "org.matrix.msc3401.call.member";
