//! The room carrier: what a call of tier `matrix` says stands in the timeline of a room (MSC2746), as every other client has it, or goes
//! from device to device if the call is a leg of a group call in a room (MSC3401): what is said is the same.
//!
//! It decides nothing about the call. What it hears goes up as [`Heard`]; what it must know of the call comes in as [`Situation`].
//! Everybody in the room reads every event, so one is enough for all devices of the peer. `docs/protocol/room-calls.md` has the
//! rules.

pub(crate) mod description;
pub(crate) mod hear;
pub(crate) mod invite;
pub(crate) mod outbox;
mod parting;
mod speak;
mod trickle;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand_core::CryptoRng;
use securecall_contact::{EventId, MatrixId, RoomId};
use securecall_signaling::wire::room::{RoomSignal, RoomVersion, StreamId, StreamMetadata};
use securecall_signaling::{CallEnd, Candidate, Content, Deadlines, PartyId, WireCallId};
use web_time::Instant;

use self::description::LineName;
use self::invite::RoomInvited;
pub(crate) use self::outbox::Way;
use self::outbox::{LetterNumber, Outbox};
use self::trickle::{AFTER_ANSWER, AFTER_INVITE, Trickle};
use crate::EndReason;
use crate::call_handle::CallHandle;
use crate::contract::{Heard, Situation};
use crate::output::{MediaCommand, Protection, RoomRequestError};

/// How long an invite or an answer waits for candidates (MSC2746).
const GATHER: Duration = Duration::from_millis(200);
/// How long a call that is over is kept for its redactions: ten of them, at the pace of a Synapse that has just said "too many".
pub(crate) const LINGER: Duration = Duration::from_secs(90);

/// Why to wake up; besides, the outbox and the candidates have times of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// When to send a description without more candidates.
    Gather,
}

/// Who says something in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// The peer's account.
    Peer,
    /// Our account, on another device.
    OwnAccount,
}

/// How a device of the peer speaks; what it must not be told follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) version: RoomVersion,
    /// Its first description had stream metadata. Who sends none may not know `negotiate`: Nheko hangs up at one.
    pub(crate) knows_streams: bool,
}

impl Manner {
    /// Whether it knows `select_answer` and `reject`.
    const fn is_v1(self) -> bool {
        matches!(self.version, RoomVersion::V1)
    }

    /// Whether it may be sent offers within the call.
    const fn knows_negotiate(self) -> bool {
        self.is_v1() && self.knows_streams
    }
}

enum Half {
    Caller {
        lifetime: Duration,
        /// The device that declined, if one did.
        rejected_by: Option<PartyId>,
        select_said: bool,
    },
    Callee {
        caller: PartyId,
    },
}

/// A description of ours that has not left.
struct Described {
    sdp: String,
    is_offer: bool,
}

/// What carries a call in the timeline of a room.
pub(crate) struct Room {
    id: WireCallId,
    room: RoomId,
    /// Its events go to one device, and the timeline has none of it.
    is_leg: bool,
    peer: MatrixId,
    /// What this device is called in this call and in no other.
    own_party: PartyId,
    half: Half,
    /// The peer's devices that have said something.
    manners: BTreeMap<PartyId, Manner>,
    outbox: Outbox,
    trickle: Trickle,
    deadlines: Deadlines<Timer>,
    described: Option<Described>,
    /// It waits for candidates.
    gathers: bool,
    /// Our stream and its m-line, by our description.
    stream: Option<StreamId>,
    line: LineName,
    muted: bool,
    /// As the peer knows.
    muted_told: bool,
    protection_given: bool,
    over: bool,
    heard: VecDeque<Heard>,
}

/// A name for this device in one call. No device ID: whoever reads the room would learn which device it is.
pub(crate) fn new_party(rng: &mut dyn CryptoRng) -> PartyId {
    let mut bytes = [0; 8];
    rng.fill_bytes(&mut bytes);
    PartyId::parse(&data_encoding::HEXLOWER.encode(&bytes)).unwrap_or_else(|_| unnamed_party())
}

/// What a device is called that gives itself no name. There is one such in a call at most.
pub(crate) fn unnamed_party() -> PartyId {
    let device: securecall_contact::DeviceId = UNNAMED.parse().unwrap_or_else(|_| unreachable!());
    PartyId::from(&device)
}

const UNNAMED: &str = "-";

/// The party that an event is from.
pub(crate) fn party_of(signal: &RoomSignal) -> PartyId {
    signal.party_id.clone().unwrap_or_else(unnamed_party)
}

impl Room {
    /// Of a call that this side places.
    pub(crate) fn of_caller(
        call: CallHandle,
        id: WireCallId,
        (room, way): (RoomId, Way),
        peer: MatrixId,
        own_party: PartyId,
        lifetime: Duration,
    ) -> Self {
        let half = Half::Caller {
            lifetime,
            rejected_by: None,
            select_said: false,
        };
        Self::new(call, id, (room, way), peer, own_party, half, AFTER_INVITE)
    }

    /// Of a call that an invite asks for.
    pub(crate) fn of_callee(
        call: CallHandle,
        invite: &RoomInvited,
        way: Way,
        own_party: PartyId,
    ) -> Self {
        let half = Half::Callee {
            caller: invite.party.clone(),
        };
        let mut room = Self::new(
            call,
            invite.id.clone(),
            (invite.room.clone(), way),
            invite.peer.clone(),
            own_party,
            half,
            AFTER_ANSWER,
        );
        room.manners.insert(invite.party.clone(), invite.manner);
        if invite.muted {
            room.heard.push_back(Heard::PeerMuted(true));
        }
        room
    }

    fn new(
        call: CallHandle,
        id: WireCallId,
        (room, way): (RoomId, Way),
        peer: MatrixId,
        own_party: PartyId,
        half: Half,
        pause: Duration,
    ) -> Self {
        Self {
            id,
            room,
            is_leg: matches!(way, Way::Device { .. }),
            outbox: Outbox::new(call, way, peer.clone()),
            peer,
            own_party,
            half,
            manners: BTreeMap::new(),
            trickle: Trickle::new(pause),
            deadlines: Deadlines::new(),
            described: None,
            gathers: false,
            stream: None,
            line: LineName::default(),
            muted: false,
            muted_told: false,
            protection_given: false,
            over: false,
            heard: VecDeque::new(),
        }
    }

    /// The homeserver's word on an event or a redaction.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        letter: LetterNumber,
        result: Result<Option<EventId>, RoomRequestError>,
    ) {
        if self.outbox.handle_response(now, letter, result) {
            self.heard
                .push_back(Heard::Failed(EndReason::HomeserverRefused));
        }
    }

    /// Acts on one deadline that has passed.
    pub(crate) fn handle_deadline(&mut self, now: Instant) {
        if let Some(timer) = self.deadlines.take_expired(now) {
            tracing::trace!(call = %self.id, ?timer, "woke up");
        }
    }

    /// The next deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// When something has to go out.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let trickle = self.trickle.poll_timeout().filter(|_| !self.over);
        self.outbox.poll_timeout().into_iter().chain(trickle).min()
    }

    /// What was heard, in order.
    pub(crate) fn poll_heard(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    /// Our candidates so far.
    pub(crate) fn offer_candidates(&mut self, candidates: &[Candidate], complete: bool) {
        self.trickle.found(candidates, complete);
    }

    /// All candidates so far stand in a description.
    pub(crate) fn candidates_are_told(&mut self) {
        self.trickle.begin_generation();
    }

    /// Our microphone is muted, or is not.
    pub(crate) const fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// What protects the frames: the transport. Gives it away once.
    pub(crate) fn protection(&mut self) -> Option<MediaCommand> {
        let given = std::mem::replace(&mut self.protection_given, true);
        let protection = Protection::Transport;
        (!given).then_some(MediaCommand::StartAudio { protection })
    }

    /// The call is over: says so to the room, if anybody there does not know.
    pub(crate) fn finish(&mut self, now: Instant, end: CallEnd) {
        let last_word = parting::last_word(self, end);
        let event = last_word.map(|content| self.event(content));
        self.outbox.close(now, event);
        self.over = true;
        self.described = None;
        self.deadlines.clear_all();
        self.heard.clear();
    }

    /// Whether the peer's device may be sent offers within the call.
    pub(crate) fn may_negotiate_with(&self, party: &PartyId) -> bool {
        self.manners
            .get(party)
            .is_some_and(|it| it.knows_negotiate())
    }

    /// The invite may be in the room, so that the peer may know of the call.
    pub(crate) fn invite_may_be_there(&self) -> bool {
        self.outbox.may_be_there(outbox::INVITE)
    }

    /// Whether the homeserver took at least one event of the call.
    pub(crate) fn homeserver_took_some(&self) -> bool {
        self.outbox.has_taken_some()
    }

    /// Whether nothing more will be said, nor redacted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.over && self.outbox.is_empty()
    }

    /// The ID by which the room names the call.
    pub(crate) const fn id(&self) -> &WireCallId {
        &self.id
    }

    pub(crate) const fn is_leg(&self) -> bool {
        self.is_leg
    }

    pub(crate) const fn room(&self) -> &RoomId {
        &self.room
    }

    pub(crate) const fn peer(&self) -> &MatrixId {
        &self.peer
    }

    pub(crate) const fn own_party(&self) -> &PartyId {
        &self.own_party
    }

    fn manner(&self, party: &PartyId) -> Option<Manner> {
        self.manners.get(party).copied()
    }

    fn event(&self, content: securecall_signaling::wire::room::RoomContent) -> RoomSignal {
        RoomSignal::new(self.id.clone(), self.own_party.clone(), content)
    }

    fn streams(&self) -> Option<StreamMetadata> {
        let stream = self.stream.clone()?;
        Some(StreamMetadata::of_voice(stream, self.muted))
    }
}

/// Whether all that the sender's camera and microphone give is muted; `None`: the metadata has no such stream.
pub(crate) fn is_muted(streams: &StreamMetadata) -> Option<bool> {
    use securecall_signaling::wire::room::StreamPurpose;
    let mut voices = streams
        .iter()
        .map(|(_, stream)| stream)
        .filter(|it| it.purpose == StreamPurpose::Usermedia)
        .peekable();
    voices.peek()?;
    Some(voices.all(|it| it.audio_muted))
}
