//! Why a message of somebody else was refused.

use securecall_crypto::{HandshakeError, RatchetError};
use securecall_signaling::wire::group_room::GroupSignalError;
use securecall_signaling::wire::room::RoomSignalError;
use securecall_signaling::{BundleError, group_room};

use crate::event::RefusedReason;
use crate::sealed::sealed_box::SignalError;

/// Why a message of somebody else was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalRefused {
    /// Not a sealed box.
    #[error("{0}")]
    Signal(SignalError),
    /// There is no such call.
    #[error("there is no such call")]
    UnknownCall,
    /// Not a device of this call.
    #[error("the sender is no device of this call")]
    UnknownDevice,
    /// A message that cannot come now.
    #[error("the message does not fit the state of the call")]
    OutOfPlace,
    /// More early messages than are kept.
    #[error("too many messages before message 2")]
    TooManyEarly,
    /// More messages on the data channel than a peer has reason to send.
    #[error("too many messages on the data channel")]
    TooManyControl,
    /// More invites than one sync response may bring.
    #[error("too many invites at once")]
    TooManyInvites,
    /// The handshake message was not made for us, by this sender, with these keys.
    #[error("handshake: {0}")]
    Handshake(HandshakeError),
    /// The ratchet message does not open.
    #[error("ratchet: {0}")]
    Ratchet(RatchetError),
    /// Authentic, but not a bundle.
    #[error("{0}")]
    Bundle(BundleError),
    /// An invite that was taken before.
    #[error("the invite was taken before")]
    Replayed,
    /// The offer does not have exactly one sha-256 fingerprint.
    #[error("the offer does not have exactly one sha-256 fingerprint")]
    Fingerprint,
    /// The offer of message 1 names candidates.
    #[error("the offer of message 1 names candidates")]
    Candidates,
    /// A leg of a conference that we are not in.
    #[error("a leg of a conference that we are not in")]
    UnknownConference,
    /// An invite whose time is too far from ours.
    #[error("the invite's time and our clock differ")]
    ClocksDiffer,
    /// Not an event of a call in a room, or a bad one.
    #[error("{0}")]
    Room(RoomSignalError),
    /// Not an event of a 1:1 call within a group call, or a bad one.
    #[error("{0}")]
    GroupSignal(GroupSignalError),
    /// An event of a group call in a room that is not taken.
    #[error("{0}")]
    GroupRoom(group_room::SignalRefused),
    /// Not encrypted, in a room that is.
    #[error("an event that is not encrypted, in a room that is")]
    NotEncrypted,
    /// Our own event, as the room gives it back.
    #[error("our own event")]
    Echo,
    /// The invite names somebody else.
    #[error("the invite is for somebody else")]
    ForSomebodyElse,
    /// Older than it may be, or of an age that the homeserver does not tell.
    #[error("too old, or of unknown age")]
    Stale,
    /// An authenticated invite that our rules refuse; there is an event that says so.
    #[error("refused: {}", .0.as_str())]
    Rules(RefusedReason),
}
