//! What an [`Endpoint`](crate::Endpoint) wants done: the outputs of its `poll_output`.

use std::fmt;

use std::time::Duration;

use securecall_contact::{DeviceId, EventId, MatrixId, OlmKey, RoomId};
use securecall_crypto::{Direction, Epoch, MediaSeed};
use securecall_signaling::group_room::Request as MembershipRequest;
use web_time::Instant;

use crate::{CallHandle, Event, Route, Tier};

/// The next thing to do. Poll until [`Output::Timeout`] after every call into the endpoint, and do things in this order.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "events are few, and each is moved once or twice on its way"
)]
pub enum Output {
    /// Ask the homeserver for something; answer with `handle_devices`, `handle_response`, `handle_room_found`,
    /// `handle_room_entered` or `handle_room_response`.
    Request(Request),
    /// Work for the media engine of a call.
    Media(CallHandle, MediaCommand),
    /// Send one message on the data channel of a call.
    Control(CallHandle, Vec<u8>),
    /// Something the user, or a script, wants to know.
    Event(Event),
    /// The replay memory changed: these bytes must go to disk, and [`Endpoint::handle_persisted`](crate::Endpoint::handle_persisted) be
    /// told whether they did. What arrived rings only then.
    Persist(Vec<u8>),
    /// Nothing more to do now: call `handle_timeout` at this time, if there is one.
    Timeout(Option<Instant>),
}

/// The replay memory is not on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the replay memory is not on disk")]
pub struct NotPersisted;

/// Names one request until its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(crate) u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What the homeserver is to be asked. Every request that has an ID must get exactly one response.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// Query a user's devices afresh; answer with `handle_devices`.
    QueryDevices {
        /// Comes back with the answer.
        id: RequestId,
        /// At our homeserver or another.
        user: MatrixId,
    },
    /// Encrypt with Olm and send to one device; answer with `handle_response`.
    Send {
        /// Comes back with the answer.
        id: RequestId,
        /// The account that the call is with.
        user: MatrixId,
        /// The one device that can open it.
        device_id: DeviceId,
        /// The content of the Olm event `tech.stealthx.securecall.signal`, as JSON.
        content: String,
    },
    /// Find the room of this account and another, and of nobody else; answer with `handle_room_found`. If both are in it,
    /// have it ready for a call: facts known, keys shared. If there is none, nor one to which the other is invited,
    /// [`RoomRequestError::NoRoom`] is the answer.
    FindRoom {
        /// Comes back with the answer.
        id: RequestId,
        /// The account that the call is with.
        user: MatrixId,
        /// A room of theirs, in which we are now: if it is one of the two alone, it is that.
        first: Option<RoomId>,
    },
    /// Make such a room, and invite the other; answer with `handle_room_found`. It may take a minute: ask
    /// [`Endpoint::awaits_room`](crate::Endpoint::awaits_room) whether it is wanted still. If it is not, nothing is to be left of it.
    MakeRoom {
        /// Comes back with the answer.
        id: RequestId,
        /// The account that the call is with.
        user: MatrixId,
    },
    /// Accept an invitation; answer with `handle_room_entered`.
    JoinRoom {
        /// Where to.
        room: RoomId,
        /// Who invites us.
        user: MatrixId,
        /// It is a room for the two, and to be known as one.
        is_direct: bool,
    },
    /// Leave a room of two, or decline the invitation to it: withdraw the other's invitation, and do not take it for their room any
    /// more. Nothing is to be answered.
    LeaveRoom {
        /// Which.
        room: RoomId,
        /// The other.
        user: MatrixId,
    },
    /// Have a room ready for a call, to which the other has come; answer with `handle_room_found`.
    PrepareRoom {
        /// Comes back with the answer.
        id: RequestId,
        /// The account that the call is with.
        user: MatrixId,
        /// What `FindRoom` found or made.
        room: RoomId,
    },
    /// Send an event to a room, encrypted with Megolm where the room is; answer with `handle_room_response`.
    SendToRoom {
        /// Comes back with the answer.
        id: RequestId,
        /// The room that the call is in.
        room: RoomId,
        /// The account that the call is with, whose devices get the room's key.
        user: MatrixId,
        /// `m.call.…`.
        event_type: &'static str,
        /// The content, as JSON.
        content: String,
        /// The transaction ID: the same when it is sent again, so that the homeserver takes it once.
        transaction: String,
    },
    /// Send an event of a group call in a room to one device; answer with `handle_response`.
    SendToDevice {
        /// Comes back with the answer.
        id: RequestId,
        /// The account that the call is with.
        user: MatrixId,
        /// Its device, and no other.
        device_id: DeviceId,
        /// `m.call.…`.
        event_type: &'static str,
        /// The content, as JSON.
        content: String,
        /// Not encrypted: the user allows that servers read and change it. Else with Olm.
        in_clear: bool,
    },
    /// Our own entry in the group calls of a room; answer with `handle_group_room_response`.
    OwnMembership {
        /// Comes back with the answer.
        id: RequestId,
        /// Of which room.
        room: RoomId,
        /// What to do about it.
        request: MembershipRequest,
    },
    /// Write the state event of a group call of ours, which begins or ends it; answer with `handle_group_room_response`.
    WriteGroupCall {
        /// Comes back with the answer.
        id: RequestId,
        /// Where.
        room: RoomId,
        /// The state key.
        call_id: String,
        /// The content, as JSON.
        content: String,
    },
    /// Redact an event of ours in a room; answer with `handle_room_response`, whose event ID is then the redaction's.
    Redact {
        /// Comes back with the answer.
        id: RequestId,
        /// The room that the call was in.
        room: RoomId,
        /// What the response to its `SendToRoom` named.
        event: EventId,
        /// The transaction ID: the same when it is sent again.
        transaction: String,
    },
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueryDevices { id, user: _ } => f
                .debug_struct("QueryDevices")
                .field("id", id)
                .finish_non_exhaustive(),
            Self::Send {
                id,
                user: _,
                device_id,
                content,
            } => f
                .debug_struct("Send")
                .field("id", id)
                .field("device_id", device_id)
                .field("content_len", &content.len())
                .finish_non_exhaustive(),
            Self::FindRoom {
                id,
                user: _,
                first: _,
            } => f
                .debug_struct("FindRoom")
                .field("id", id)
                .finish_non_exhaustive(),
            Self::MakeRoom { id, user: _ } => f
                .debug_struct("MakeRoom")
                .field("id", id)
                .finish_non_exhaustive(),
            Self::JoinRoom {
                room: _,
                user: _,
                is_direct,
            } => f
                .debug_struct("JoinRoom")
                .field("is_direct", is_direct)
                .finish_non_exhaustive(),
            Self::LeaveRoom { room: _, user: _ } => {
                f.debug_struct("LeaveRoom").finish_non_exhaustive()
            }
            Self::PrepareRoom {
                id,
                user: _,
                room: _,
            } => f
                .debug_struct("PrepareRoom")
                .field("id", id)
                .finish_non_exhaustive(),
            Self::SendToRoom {
                id,
                room: _,
                user: _,
                event_type,
                content,
                transaction: _,
            } => f
                .debug_struct("SendToRoom")
                .field("id", id)
                .field("event_type", event_type)
                .field("content_len", &content.len())
                .finish_non_exhaustive(),
            Self::SendToDevice {
                id,
                user: _,
                device_id,
                event_type,
                content,
                in_clear,
            } => f
                .debug_struct("SendToDevice")
                .field("id", id)
                .field("device_id", device_id)
                .field("event_type", event_type)
                .field("content_len", &content.len())
                .field("in_clear", in_clear)
                .finish_non_exhaustive(),
            Self::OwnMembership {
                id,
                room: _,
                request: _,
            } => f
                .debug_struct("OwnMembership")
                .field("id", id)
                .finish_non_exhaustive(),
            Self::WriteGroupCall {
                id,
                room: _,
                call_id: _,
                content: _,
            } => f
                .debug_struct("WriteGroupCall")
                .field("id", id)
                .finish_non_exhaustive(),
            Self::Redact {
                id,
                room: _,
                event: _,
                transaction: _,
            } => f
                .debug_struct("Redact")
                .field("id", id)
                .finish_non_exhaustive(),
        }
    }
}

/// Why a request to the homeserver failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The homeserver does not know the user or the device.
    #[error("no such user or device")]
    NotFound,
    /// The request never left this machine.
    #[error("the homeserver cannot be reached")]
    Unreachable,
    /// The request may have arrived; the homeserver or its answer failed.
    #[error("the homeserver refused the request")]
    Failed,
}

/// Why a homeserver did not take an event of ours for a room, or a redaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomRequestError {
    /// `M_LIMIT_EXCEEDED`: nothing was taken.
    #[error("the homeserver takes no more events for a while")]
    LimitExceeded {
        /// How long to wait, if the homeserver says so.
        retry_after: Option<Duration>,
    },
    /// There is no room of the two.
    #[error("there is no room of the two")]
    NoRoom,
    /// There is no such account, or none that can be invited.
    #[error("the homeserver knows no such account")]
    NotFound,
    /// The server of the account does not answer ours.
    #[error("the server of the account does not answer")]
    PeerUnreachable,
    /// We are not in the room, or may not send to it. Asking again does not help.
    #[error("the homeserver does not let us send to this room")]
    Forbidden,
    /// The request never left this machine.
    #[error("the homeserver cannot be reached")]
    Unreachable,
    /// The request may have arrived; the homeserver or its answer failed.
    #[error("the homeserver refused the request")]
    Failed,
}

impl From<RequestError> for RoomRequestError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NotFound => Self::NotFound,
            RequestError::Unreachable => Self::Unreachable,
            RequestError::Failed => Self::Failed,
        }
    }
}

/// What is known of a room when one of its events is handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomFacts {
    /// How many people have joined, us included; helpers that the room lists as functional members are not counted.
    pub joined_members: usize,
    /// Anybody may join.
    pub is_public: bool,
    /// The room is encrypted, so that its calls must be.
    pub is_encrypted: bool,
}

/// The room of two people, as the homeserver has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRoom {
    /// Which.
    pub room: RoomId,
    /// How it is, if it is ready for a call; `None` if the other is invited and has not come.
    pub ready: Option<RoomFacts>,
}

/// An event of a room's timeline, decrypted if it was encrypted. Our own are handed in as well.
#[derive(Clone, Copy, Debug)]
pub struct InboundRoomEvent<'a> {
    /// The room in whose timeline it stands.
    pub room: &'a RoomId,
    /// The room as it is after the sync response that brought it.
    pub facts: RoomFacts,
    /// The sender, as the homeserver tells it.
    pub sender: &'a MatrixId,
    /// The type, within the encryption.
    pub event_type: &'a str,
    /// The content, as JSON, within the encryption.
    pub content: &'a str,
    /// `unsigned.age` and how long ago it was received; `None` if the homeserver does not say. Nothing rings of which that is not known.
    pub age: Option<Duration>,
    /// It was encrypted.
    pub is_encrypted: bool,
}

/// An Olm-decrypted event `tech.stealthx.securecall.signal`.
#[derive(Clone, Copy, Debug)]
pub struct InboundSignal<'a> {
    /// The sender, as the homeserver tells it.
    pub sender: &'a MatrixId,
    /// The key of the Olm session it came through.
    pub sender_olm_key: OlmKey,
    /// The event's content, as JSON.
    pub content: &'a str,
}

/// What protects the frames of a call: keys, not ciphers. The media engine builds its own, wherever it runs.
pub enum Protection {
    /// Each frame is sealed from end to end, inside whatever the transport does.
    Sealed {
        /// The direction of our frames; the peer's is the other one.
        direction: Direction,
        /// What our frames are sealed with: the last of these epochs.
        outbound: EpochSeeds,
        /// What the peer's frames may be sealed with: any of these epochs.
        inbound: EpochSeeds,
    },
    /// Nothing but what the transport does (DTLS-SRTP).
    Transport,
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport => f.write_str("Transport"),
            Self::Sealed {
                direction,
                outbound,
                inbound,
            } => f
                .debug_struct("Sealed")
                .field("direction", direction)
                .field("outbound", outbound)
                .field("inbound", inbound)
                .finish(),
        }
    }
}

/// The seeds of a direction's epochs.
pub struct EpochSeeds {
    /// Of epoch 0, which the handshake gives.
    pub first: MediaSeed,
    /// Epochs since, oldest first.
    pub later: Vec<(Epoch, MediaSeed)>,
}

impl fmt::Debug for EpochSeeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first: _, later } = self;
        let later = later.iter().map(|(epoch, _)| epoch);
        f.write_str("EpochSeeds")?;
        f.debug_list().entry(&Epoch::FIRST).entries(later).finish()
    }
}

/// Work for the media engine of one call, in order.
///
/// Nothing opens a socket or a device before the first command, and there is none before the user accepts.
pub enum MediaCommand {
    /// Make the transport and an offer *without candidates*; answer with [`MediaEvent::LocalOffer`](crate::MediaEvent::LocalOffer).
    CreateOffer {
        /// The profile of the transport: what others read is `Matrix`.
        tier: Tier,
        /// Which candidates may be gathered later.
        route: Route,
        /// A live call whose microphone, speaker and encoder this one shares: both are legs of one conference. `None`: a
        /// conversation of its own.
        beside: Option<CallHandle>,
    },
    /// Make the transport from the peer's offer; answer with [`MediaEvent::LocalAnswer`](crate::MediaEvent::LocalAnswer).
    AcceptOffer {
        /// The profile of the transport.
        tier: Tier,
        /// Has one fingerprint, in tier `securecall` once and without candidates; nothing else of it was looked at.
        sdp: String,
        /// Which candidates may be gathered later.
        route: Route,
        /// As with `CreateOffer`.
        beside: Option<CallHandle>,
    },
    /// The peer's answer to our offer.
    SetAnswer {
        /// Has one fingerprint; nothing else of it was looked at.
        sdp: String,
    },
    /// Gather candidates; answer with [`MediaEvent::LocalCandidates`](crate::MediaEvent::LocalCandidates) at once, if only to
    /// say that there is none yet, and whenever some were found.
    Gather,
    /// Candidates of the peer, each as in an `a=` line without the `a=`.
    AddRemoteCandidates(Vec<String>),
    /// Send and receive frames as soon as there is a path: encoded silence until `OpenMicrophone`.
    StartAudio {
        /// The keys so far; later ones follow as epochs.
        protection: Protection,
    },
    /// Seal with this epoch from now on.
    UseSendEpoch {
        /// Later than any before.
        epoch: Epoch,
        /// Of our direction.
        seed: MediaSeed,
    },
    /// The peer may seal with this epoch from now on.
    AddReceiveEpoch {
        /// Later than any before; the peer may use those before for a while.
        epoch: Epoch,
        /// Of the peer's direction.
        seed: MediaSeed,
    },
    /// The peer is proven and the call connected: the microphone may be heard.
    OpenMicrophone,
    /// Send frames that say that we are muted, or the microphone again.
    SetMuted(bool),
    /// Send what a muted call sends, and play nothing, or both again. With `offer`, make an offer that says so, too; answer with
    /// [`MediaEvent::RestartOffer`](crate::MediaEvent::RestartOffer).
    SetHeld {
        /// Else resumed.
        held: bool,
        /// Only in tier `matrix`.
        offer: bool,
    },
    /// Make an offer that restarts ICE, its candidates included; answer with [`MediaEvent::RestartOffer`](crate::MediaEvent::RestartOffer).
    CreateRestartOffer,
    /// The peer's restart offer; answer with [`MediaEvent::RestartAnswer`](crate::MediaEvent::RestartAnswer), candidates included. In
    /// tier `matrix` it may be any offer: hold, a video that comes (and is declined) … An offer of ours that is not answered is
    /// dropped for it (rollback).
    AcceptRestartOffer {
        /// Has the fingerprint of the first; nothing else of it was looked at.
        sdp: String,
    },
    /// The peer's answer to our restart offer.
    SetRestartAnswer {
        /// Has the fingerprint of the first; nothing else of it was looked at.
        sdp: String,
    },
    /// The call is over for the user: close microphone and speaker, keep the transport for the last control messages.
    StopAudio,
    /// Hand what was given to `Control` to the network, then let go of everything.
    Close,
}

impl fmt::Debug for MediaCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateOffer {
                tier: _,
                route,
                beside: _,
            } => write!(f, "CreateOffer({})", route.as_str()),
            Self::AcceptOffer {
                tier: _,
                sdp: _,
                route,
                beside: _,
            } => write!(f, "AcceptOffer({})", route.as_str()),
            Self::SetAnswer { sdp: _ } => f.write_str("SetAnswer"),
            Self::Gather => f.write_str("Gather"),
            Self::AddRemoteCandidates(candidates) => {
                write!(f, "AddRemoteCandidates({})", candidates.len())
            }
            Self::StartAudio { protection: _ } => f.write_str("StartAudio"),
            Self::UseSendEpoch { epoch, seed: _ } => write!(f, "UseSendEpoch({epoch:?})"),
            Self::AddReceiveEpoch { epoch, seed: _ } => write!(f, "AddReceiveEpoch({epoch:?})"),
            Self::OpenMicrophone => f.write_str("OpenMicrophone"),
            Self::SetMuted(muted) => write!(f, "SetMuted({muted})"),
            Self::SetHeld { held, offer } => write!(f, "SetHeld({held}, offer: {offer})"),
            Self::CreateRestartOffer => f.write_str("CreateRestartOffer"),
            Self::AcceptRestartOffer { sdp: _ } => f.write_str("AcceptRestartOffer"),
            Self::SetRestartAnswer { sdp: _ } => f.write_str("SetRestartAnswer"),
            Self::StopAudio => f.write_str("StopAudio"),
            Self::Close => f.write_str("Close"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_stands_in_what_protects_frames() {
        let seed = || MediaSeed::from_bytes([0xab; 32]);
        let protection = Protection::Sealed {
            direction: Direction::CallerToCallee,
            outbound: EpochSeeds {
                first: seed(),
                later: Vec::new(),
            },
            inbound: EpochSeeds {
                first: seed(),
                later: vec![(Epoch::FIRST, seed())],
            },
        };
        assert_eq!(
            format!("{protection:?}"),
            "Sealed { direction: CallerToCallee, outbound: EpochSeeds[Epoch(0)], \
             inbound: EpochSeeds[Epoch(0), Epoch(0)] }"
        );
        let command = MediaCommand::StartAudio { protection };
        assert_eq!(format!("{command:?}"), "StartAudio");
    }
}
