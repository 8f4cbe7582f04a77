//! The group call of a room that this device is in, with other Matrix clients: a [`GroupRoom`] says what is to be done, and its legs are calls
//! as any in a room, but from device to device (`docs/protocol/group-rooms.md`). With whom a key is known there is a sealed leg instead, as in
//! any conference: the [`Mesh`](securecall_signaling::group::Mesh) is told who of them is in.
//!
//! ```text
//!   user ── join_group_room, leave ──────────▶ ┌───────────┐ ── PlaceCall, Signal, EndCall ─▶ legs (calls)
//!   homeserver ── state, events of devices ──▶ │ GroupRoom │ ── Request ────────────────────▶ homeserver
//!   legs ── LegNews ─────────────────────────▶ └───────────┘ ── ConferenceEvent ────────────▶ user
//! ```
//!
//! A room outlives our call in it until our entry is gone from it.

mod inputs;
mod joining;
mod last_read;
mod legs;
mod sealed;
mod settling;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use securecall_contact::{DeviceId, MatrixId, RoomId};
use securecall_signaling::Person;
use securecall_signaling::group_room::{GroupRoom, LegId, Participant};
use securecall_signaling::wire::group_room::GroupCallId;
use web_time::Instant;

use self::last_read::LastRead;
use super::Endpoint;
use crate::call_handle::NamedCall;
use crate::event::Peer;

/// How long a room is listened to when nothing is left to be done: another device of ours may just have written our entry back.
const LINGER: Duration = Duration::from_secs(10);
/// The most devices that are told of as speaking in clear.
const MAX_IN_CLEAR: usize = 32;

/// A room whose group calls are known.
pub(super) struct KnownRoom {
    group: GroupRoom,
    read: LastRead,
    /// When it is forgotten, if nothing comes up before.
    forget_at: Option<Instant>,
}

impl KnownRoom {
    /// Whether nothing is left to be done, as far as it is known.
    pub(super) fn is_idle(&self) -> bool {
        self.group.is_idle()
    }
}

/// The group call of a room in which this device is, beside the conference that it is, too.
pub(super) struct RoomCall {
    room: RoomId,
    /// What the 1:1 calls say need not be encrypted.
    in_clear: bool,
    /// It is ours, and not in the room yet.
    starting: Option<Starting>,
    /// The call that began here, if it did.
    began: Option<GroupCallId>,
    /// Another call counts, and we are on our way to it: our entry is still in the one that began here.
    is_moving: bool,
    /// The other devices that are in, by their legs.
    devices: BTreeMap<LegId, OtherDevice>,
    /// Who is in of those whose key is known.
    sealed: BTreeMap<MatrixId, Person>,
    /// The mesh does not know all of that yet.
    sealed_changed: bool,
    /// Who has shown a key in it that we did not know, by offering a sealed leg.
    shown_keys: BTreeMap<MatrixId, Person>,
    /// Whose events in clear were refused: the user was told so.
    spoke_in_clear: BTreeSet<(MatrixId, DeviceId)>,
}

/// A call that is to begin.
struct Starting {
    call_id: GroupCallId,
    failures: u32,
    /// When to ask the homeserver again.
    again: Option<Instant>,
}

/// Another device that is in the call.
struct OtherDevice {
    participant: Participant,
    /// The 1:1 call with it, while there is one.
    call: Option<NamedCall>,
    told: Told,
    /// Until when it may call us without being told of as out of reach.
    called_by: Option<Instant>,
    /// Its call ends because it is not in any more, or has another one.
    is_ending: bool,
}

/// What the user knows of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    /// There is a 1:1 call.
    Leg,
    /// It is heard.
    In,
    NoPath,
    /// Our rules neither call nor take it.
    Refused,
}

impl RoomCall {
    /// When it has something to do by itself.
    fn poll_timeout(&self) -> Option<Instant> {
        let called_by = self.devices.values().filter_map(|it| it.called_by);
        let start = self.starting.as_ref().and_then(|it| it.again);
        called_by.chain(start).min()
    }
}

impl Endpoint {
    /// Whether the group calls of a room are of use: we are in one, or something is to be done after it. If not, nobody need follow them.
    pub fn follows_group_room(&self, room: &RoomId) -> bool {
        self.group_rooms.contains_key(room)
    }

    /// When a group call of a room has something to do.
    pub(super) fn group_room_timeout(&self) -> Option<Instant> {
        let rooms = self.group_rooms.values();
        let rooms = rooms.flat_map(|it| [it.group.poll_timeout(), it.forget_at]);
        let rooms = rooms.flatten();
        let call = self.room_call.as_ref().and_then(RoomCall::poll_timeout);
        rooms.chain(call).min()
    }

    fn group_room(&mut self, room: &RoomId) -> Option<&mut GroupRoom> {
        self.group_rooms.get_mut(room).map(|it| &mut it.group)
    }

    /// Who has a device that is in a call.
    fn peer_with_device(&self, participant: &Participant) -> Peer {
        Peer {
            device_id: Some(participant.device_id.clone()),
            ..self.account(&participant.user)
        }
    }
}
