//! Calls in the timeline of a room, as every other Matrix client has them: the events `m.call.*` of the [specification], version "1"
//! ([MSC2746]) and the older version 0.
//!
//! [`RoomSignal::parse`] takes whatever the clients in use really send, and [`RoomSignal::to_event`] writes what all of them read.
//! `docs/protocol/room.md` has the fields, the bounds, and the client behind each tolerance.
//!
//! ```
//! use securecall_signaling::HangupReason;
//! use securecall_signaling::wire::room::{RoomContent, RoomReason, RoomSignal};
//!
//! let content = br#"{"call_id":"1700000000000AbCd","version":"1","party_id":"PHONE","reason":"user_hangup"}"#;
//! let hangup = RoomSignal::parse("m.call.hangup", content)?.expect("an event of a call");
//! let reason = RoomReason::from(HangupReason::UserHangup);
//! assert_eq!(hangup.content, RoomContent::Hangup { reason });
//!
//! let (event_type, content) = hangup.to_event();
//! assert_eq!(event_type, "m.call.hangup");
//! assert_eq!(content["reason"], "user_hangup");
//! # Ok::<(), securecall_signaling::wire::room::RoomSignalError>(())
//! ```
//!
//! [specification]: https://spec.matrix.org/v1.16/client-server-api/#voice-over-ip
//! [MSC2746]: https://github.com/matrix-org/matrix-spec-proposals/blob/main/proposals/2746-reliable-voip.md

mod candidate;
mod error;
pub(super) mod fields;
pub(super) mod read;
mod reason;
mod stream_metadata;
mod write;

use std::time::Duration;

use securecall_contact::MatrixId;

use crate::{Description, PartyId, WireCallId};

pub use candidate::{Mid, MidError, RoomCandidate};
pub use error::RoomSignalError;
pub use reason::{OtherReason, RoomReason};
pub use stream_metadata::{Stream, StreamId, StreamIdError, StreamMetadata, StreamPurpose};

/// The longest content of an event that is read, in bytes: what a whole event may have (Matrix: "Size limits").
pub const MAX_ROOM_CONTENT: usize = 64 * 1024;
/// The most candidates of one event. A browser with many interfaces and TURN servers tells some dozens at once.
pub const MAX_ROOM_CANDIDATES: usize = 128;
/// The longest candidate line, in bytes: browsers add extensions, and names in place of addresses.
pub const MAX_ROOM_CANDIDATE: usize = 512;
/// The most streams of one event.
pub const MAX_STREAMS: usize = 32;
/// The longest lifetime: a longer one counts as this. Of the clients in use Nheko's is the longest, 120 s.
pub const MAX_LIFETIME: Duration = Duration::from_secs(180);

/// One event of a call in a room's timeline. Who sent it, in which room and when is beside it in the timeline, not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSignal {
    /// The call. Whoever placed it chose the ID, so it counts only together with the room.
    pub call_id: WireCallId,
    /// The device that sends it; only together with the sender it names a party. `None` in version 0, and of clients that leave it out.
    pub party_id: Option<PartyId>,
    /// The version that the sender speaks.
    pub version: RoomVersion,
    /// What is said.
    pub content: RoomContent,
}

/// The version that a client says it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomVersion {
    /// The whole number 0: no parties, and neither `select_answer`, `reject` nor `negotiate`.
    V0,
    /// "1", and by the specification everything else that is not 0, or not there at all.
    V1,
}

/// One thing said of a call in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomContent {
    /// The caller wants to talk.
    Invite(RoomInvite),
    /// The callee accepts.
    Answer {
        /// The answer, with or without candidates.
        answer: Description,
        /// What its streams are; `None`: the client knows nothing of that, and has one stream.
        streams: Option<StreamMetadata>,
    },
    /// Addresses to try.
    Candidates {
        /// The candidates; an empty one says that there will be no more.
        candidates: Vec<RoomCandidate>,
    },
    /// The caller says whose answer (or reject) it took.
    SelectAnswer {
        /// The callee's device that was taken.
        selected_party_id: PartyId,
    },
    /// The callee declines, for all its devices.
    Reject {
        /// Why; the specification has no such field, but clients send and show it.
        reason: Option<RoomReason>,
    },
    /// The call is over.
    Hangup {
        /// Why.
        reason: RoomReason,
    },
    /// An offer or an answer within the call: hold, ICE restart, streams that come and go.
    Negotiate {
        /// The offer or answer.
        description: Description,
        /// For how long it counts. `None` in answers of matrix-js-sdk.
        lifetime: Option<Duration>,
        /// What the streams are now.
        streams: Option<StreamMetadata>,
    },
    /// Streams were muted, or are so no more.
    StreamMetadataChanged {
        /// What the streams are now.
        streams: StreamMetadata,
    },
}

/// `m.call.invite`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomInvite {
    /// The offer, with or without candidates.
    pub offer: Description,
    /// How long it may ring, from when it was sent.
    pub lifetime: Duration,
    /// Who is called; `None`: whoever is in the room, but for the sender.
    pub invitee: Option<MatrixId>,
    /// What the streams of the offer are; `None`: the client knows nothing of that, and has one stream.
    pub streams: Option<StreamMetadata>,
}

impl RoomSignal {
    /// An event of ours, in version "1".
    pub const fn new(call_id: WireCallId, party_id: PartyId, content: RoomContent) -> Self {
        Self {
            call_id,
            party_id: Some(party_id),
            version: RoomVersion::V1,
            content,
        }
    }

    /// Reads the content of a timeline event, decrypted if it was encrypted. `None`: the event is none of these of a call.
    ///
    /// Unknown fields are ignored. In an optional field `null` is as good as nothing, and so is an empty text.
    ///
    /// # Errors
    /// [`RoomSignalError`] says what was wrong with an event of a call.
    pub fn parse(event_type: &str, content: &[u8]) -> Result<Option<Self>, RoomSignalError> {
        read::signal(event_type, content)
    }

    /// The type and the content of the event. No field is ever `null`, which the client Nheko does not read.
    pub fn to_event(&self) -> (&'static str, serde_json::Value) {
        (self.content.event_type(), write::content(self))
    }
}

impl RoomContent {
    /// The type of the event.
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Invite(_) => "m.call.invite",
            Self::Answer { .. } => "m.call.answer",
            Self::Candidates { .. } => "m.call.candidates",
            Self::SelectAnswer { .. } => "m.call.select_answer",
            Self::Reject { .. } => "m.call.reject",
            Self::Hangup { .. } => "m.call.hangup",
            Self::Negotiate { .. } => "m.call.negotiate",
            Self::StreamMetadataChanged { .. } => "m.call.sdp_stream_metadata_changed",
        }
    }
}
