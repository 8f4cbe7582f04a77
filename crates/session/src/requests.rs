//! The requests to the homeserver that are under way, and what each response belongs to.

use std::collections::BTreeMap;

use securecall_contact::{MatrixId, RoomId};
use securecall_crypto::MessageId;
use securecall_signaling::wire::group_room::GroupCallId;
use securecall_signaling::{PartyId, group_room};

use crate::call_handle::CallHandle;
use crate::output::RequestId;
use crate::room::outbox::LetterNumber;

/// Names one message to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageName {
    Message1,
    Message2,
    Ratchet(MessageId),
}

/// What a response belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    Devices(CallHandle),
    Message {
        call: CallHandle,
        party: PartyId,
        name: MessageName,
    },
    Room {
        call: CallHandle,
        letter: LetterNumber,
    },
    /// An event of a 1:1 call within a group call in a room.
    ToDevice {
        call: CallHandle,
        letter: LetterNumber,
    },
    /// Our own entry in the group calls of a room.
    Membership {
        room: RoomId,
        id: group_room::RequestId,
    },
    /// The state event of a group call of ours.
    GroupCall(RoomId, GroupCallId),
    /// A call whose room is looked for, or made.
    Search {
        call: CallHandle,
        user: MatrixId,
        makes: bool,
    },
    /// An acknowledgement alone: if it is lost, the peer repeats its message.
    Acknowledgement,
}

/// The requests under way.
#[derive(Default)]
pub(crate) struct Requests {
    last: u64,
    pub(crate) open: BTreeMap<RequestId, Waiting>,
}

impl Requests {
    pub(crate) fn add(&mut self, waiting: Waiting) -> RequestId {
        self.last += 1;
        let id = RequestId(self.last);
        self.open.insert(id, waiting);
        id
    }
}
