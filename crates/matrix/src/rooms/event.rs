//! What comes out of rooms.

use std::time::Duration;

use securecall_contact::{DeviceId, EventId, MatrixId, RoomId};

use super::invite::{JoinRule, RoomInvite};

/// Something that has happened in rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomNews {
    /// Somebody invites us to a room.
    Invited(RoomInvite),
    /// An event in a room that we are in.
    Event(Box<RoomEvent>),
    /// We are not in this room any more, or our invitation to it is withdrawn.
    Left(RoomId),
    /// There was more in this room than an answer holds, or we have just joined it: events may be missing, and
    /// [`room_facts`](crate::Account::room_facts) says how things stand.
    Gap(RoomId),
    /// So many invitations, rooms or events of one sync were thrown away, for this reason.
    Refused {
        /// Why.
        reason: RoomRefusal,
        /// How many.
        count: usize,
    },
}

/// Why something of a room was thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum RoomRefusal {
    /// Longer than an event of Matrix can be.
    #[error("it was too long")]
    TooLong,
    /// There was room for no more of one answer.
    #[error("there were too many")]
    TooMany,
    /// A field is missing, or holds what it cannot hold.
    #[error("it is not as Matrix has it")]
    Malformed,
    /// Its sender, or who else it names, has no usable Matrix ID.
    #[error("whom it names has no usable Matrix ID")]
    UnusableUser,
    /// Its room has no usable ID.
    #[error("its room has no usable ID")]
    UnusableRoom,
    /// An invitation that does not say who invites us.
    #[error("it does not say who invites")]
    NoInviter,
    /// Its key did not come, or it cannot be opened with it.
    #[error("it cannot be decrypted")]
    Undecryptable,
    /// It was encrypted by somebody else than its sender.
    #[error("it was encrypted by another than its sender")]
    OtherSender,
    /// What is in it has been sent before, as another event.
    #[error("it repeats an earlier event")]
    Repeated,
}

/// An event in the timeline of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomEvent {
    /// Where.
    pub room: RoomId,
    /// What the event is known by.
    pub event_id: EventId,
    /// Who sent it. The homeserver's word, unless [`EventProtection`] says more.
    pub sender: MatrixId,
    /// How old the event was when it was put into the inbox, by the homeserver's clocks; `None` if it does not say so. The
    /// time that it waited here for its key is counted.
    pub age: Option<Duration>,
    /// Whether it is our own.
    pub origin: Origin,
    /// What it says.
    pub content: RoomEventContent,
}

/// Where an event comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Another account.
    Other,
    /// This account, by another device, or by this one in another run.
    OwnAccount,
    /// This device: the echo of an event that was sent with this transaction ID.
    Echo {
        /// The transaction ID.
        transaction: String,
    },
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEventContent {
    /// An event of a call.
    Call(CallEvent),
    /// Somebody has come, gone, or been invited.
    Member {
        /// Who.
        user: MatrixId,
        /// What they are now.
        membership: Membership,
    },
    /// The room is encrypted, from now on and for ever.
    Encrypted,
    /// Who may join is another now.
    JoinRule(JoinRule),
}

/// An event of type `m.call.…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEvent {
    /// Its type.
    pub event_type: String,
    /// Its content: a JSON object, as it was sent but for the order of its fields.
    pub content: String,
    /// How it was protected.
    pub protection: EventProtection,
}

/// How an event was protected on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventProtection {
    /// Not at all: every server of the room could read and change it.
    None,
    /// Encrypted with Megolm, by a device of the sender's.
    Megolm {
        /// Which one, where its keys are known.
        device: Option<DeviceId>,
    },
}

/// What a user is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// In it.
    Joined,
    /// Invited, or asking to be.
    Invited,
    /// Not in it, or not any more.
    Left,
}

impl Membership {
    pub(crate) fn read(text: &str) -> Self {
        match text {
            "join" => Self::Joined,
            "invite" | "knock" => Self::Invited,
            _ => Self::Left,
        }
    }
}

impl RoomNews {
    /// What it takes in bytes, roughly and at most.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Event(event) => match &event.content {
                RoomEventContent::Call(call) => call.content.len(),
                _ => 0,
            },
            _ => 0,
        }
    }
}
