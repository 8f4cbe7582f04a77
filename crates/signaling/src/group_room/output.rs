//! What the group call wants done, or tells.

use securecall_contact::MatrixId;

use super::{LegId, Participant, Request, RequestId};
use crate::wire::group_room::GroupCallId;
use crate::wire::room::RoomSignal;

/// What the group call wants done, or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRoomOutput {
    /// Ask the homeserver.
    Request {
        /// What the answer is given with.
        id: RequestId,
        /// What to ask.
        request: Request,
    },
    /// Another call of the room counts now, or none.
    CallChanged(Option<GroupCallId>),
    /// A device is in our call.
    Joined {
        /// The 1:1 call with it.
        leg: LegId,
        /// The device.
        participant: Participant,
    },
    /// A device is not in our call any more.
    Left {
        /// The 1:1 call with it.
        leg: LegId,
    },
    /// Somebody in our call is reached by a sealed leg, and not called here.
    Sealed {
        /// Who it is.
        user: MatrixId,
    },
    /// They are not in our call any more.
    SealedLeft {
        /// Who it is.
        user: MatrixId,
    },
    /// Place a 1:1 call, and say so with [`GroupRoom::leg_placed`](super::GroupRoom::leg_placed).
    PlaceCall {
        /// The device that it is for.
        leg: LegId,
    },
    /// The other side says something of the 1:1 call. An invite begins one: it is answered without ringing.
    Signal {
        /// Who says it.
        leg: LegId,
        /// What is said.
        signal: RoomSignal,
    },
    /// End the 1:1 call that there is, and say so with [`GroupRoom::leg_ended`](super::GroupRoom::leg_ended).
    EndCall {
        /// The 1:1 call.
        leg: LegId,
        /// Why.
        why: EndCall,
    },
    /// The device could not be reached, and is not called again.
    GaveUp {
        /// The 1:1 call with it.
        leg: LegId,
    },
    /// We are not in the call any more.
    Out(WhyOut),
}

/// Why a 1:1 call is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCall {
    /// The device is not in the group call any more.
    Left,
    /// The device has begun anew, and knows nothing of the call.
    NewSession,
    /// The device placed another one.
    Replaced,
    /// We are not in the group call any more.
    WeLeft,
}

/// Why we are not in the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyOut {
    /// We left.
    Left,
    /// The call is over for all.
    Terminated,
    /// The room does not let us say that we are in a call.
    NotAllowed,
}
