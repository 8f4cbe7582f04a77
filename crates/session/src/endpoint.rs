//! All calls of one device.

mod admission;
mod arrived;
mod clock_replies;
mod commands;
mod conference;
mod early_candidates;
mod group_room;
mod inputs;
mod invitations;
mod legs;
mod reports;
mod room_admission;
mod room_calls;
mod room_search;
mod rooms;
mod route;
mod sealed_calls;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand_core::CryptoRng;
use securecall_contact::RoomId;
use securecall_crypto::IdentityKeyPair;
use web_time::Instant;

use self::arrived::Arrived;
use self::clock_replies::ClockReplies;
use self::conference::{Conference, RingingConference};
use self::early_candidates::EarlyCandidates;
use self::group_room::{KnownRoom, RoomCall};
use self::invitations::Invitations;
pub use self::invitations::RoomInvitation;
use self::reports::Reports;
use self::room_admission::RoomArrived;
use self::room_calls::RoomCalls;
use self::room_search::RoomSearch;
use self::sealed_calls::SealedCalls;
use crate::budget::Budget;
use crate::call::{Call, LegNews};
use crate::call_handle::{CallHandle, CallHandles};
use crate::config::{Config, RelaysAvailable};
use crate::contacts::Contacts;
use crate::group::ConferenceHandles;
use crate::io::{Io, Own};
use crate::output::{MediaCommand, Output};
use crate::requests::Requests;
use crate::sealed::replay_memory::{ReplayMemory, ReplayMemoryError};

/// The most calls that are over and still wait for late devices or last acknowledgements; the oldest goes.
const MAX_OVER: usize = 32;
/// The most invites that wait for the end of one sync response.
const MAX_ARRIVED: usize = 16;
/// The most of them from one identity.
const MAX_ARRIVED_OF_ONE: usize = 4;
/// How often strangers in rooms may have this device ring in one go, and how long until one more may.
const STRANGER_RINGS: u32 = 6;
const STRANGER_RING_INTERVAL: Duration = Duration::from_secs(20);
/// How many invitations of strangers to rooms are accepted in one go, and how long until one more is.
const STRANGER_ROOMS: u32 = 8;
const STRANGER_ROOM_INTERVAL: Duration = Duration::from_secs(60);
/// How many callers in rooms are told in one go that this device is busy, and how long until one more is.
const BUSY_REPLIES: u32 = 4;
const BUSY_REPLY_INTERVAL: Duration = Duration::from_secs(10);

/// All calls of one device: the state machine between homeserver, media engine and user.
///
/// After every `handle_*` and every command, take outputs with [`Endpoint::poll_output`] until [`Output::Timeout`].
pub struct Endpoint {
    own: Own,
    config: Config,
    contacts: Contacts,
    replay_memory: ReplayMemory,
    /// The replay memory has changed since it was last on disk.
    unsaved: bool,
    /// It is being written.
    persisting: bool,
    handles: CallHandles,
    calls: BTreeMap<CallHandle, Call>,
    /// In the order in which they began, to forget the oldest first.
    order: VecDeque<CallHandle>,
    sealed_calls: SealedCalls,
    arrived: VecDeque<Arrived>,
    room_calls: RoomCalls,
    early_candidates: EarlyCandidates,
    room_arrived: VecDeque<RoomArrived>,
    /// The call that this device is in while it has no room yet.
    search: Option<RoomSearch>,
    invitations: Invitations,
    stranger_rings: Budget,
    stranger_rooms: Budget,
    busy_replies: Budget,
    requests: Requests,
    outputs: VecDeque<Output>,
    conference_handles: ConferenceHandles,
    conference: Option<Conference>,
    /// What makes our conference the group call of a room. Never without one.
    room_call: Option<RoomCall>,
    /// Rooms in whose group call we are, or of which something is still to be done after one.
    group_rooms: BTreeMap<RoomId, KnownRoom>,
    /// What is known of contacts is new to those.
    new_contacts: bool,
    /// A conference that rings here. Never while we are in one.
    ringing: Option<RingingConference>,
    /// What calls have told of themselves, and was not taken up yet.
    news: VecDeque<(CallHandle, LegNews)>,
    /// Invites that are to be looked at again.
    again: VecDeque<Arrived>,
    /// All this is being taken up.
    settling: bool,
    /// What our clock showed, in milliseconds since the Unix epoch, and when.
    clock: Option<(Instant, u64)>,
    reports: Reports,
    clock_replies: ClockReplies,
}

impl Endpoint {
    /// An endpoint without calls. `replay_memory` is what the last [`Output::Persist`] said, or `None` on the first start.
    ///
    /// # Errors
    /// [`ReplayMemoryError`] if that is damaged: without it, old invites could ring again.
    pub fn new(
        config: Config,
        identity: IdentityKeyPair,
        contacts: Contacts,
        replay_memory: Option<&[u8]>,
    ) -> Result<Self, ReplayMemoryError> {
        Ok(Self {
            own: Own {
                identity,
                matrix_id: config.matrix_id.clone(),
                device: config.device.clone(),
            },
            config,
            contacts,
            replay_memory: replay_memory
                .map(ReplayMemory::from_bytes)
                .transpose()?
                .unwrap_or_default(),
            unsaved: false,
            persisting: false,
            handles: CallHandles::default(),
            calls: BTreeMap::new(),
            order: VecDeque::new(),
            sealed_calls: SealedCalls::default(),
            arrived: VecDeque::new(),
            room_calls: RoomCalls::default(),
            early_candidates: EarlyCandidates::default(),
            room_arrived: VecDeque::new(),
            search: None,
            invitations: Invitations::default(),
            stranger_rings: Budget::new(STRANGER_RINGS, STRANGER_RING_INTERVAL),
            stranger_rooms: Budget::new(STRANGER_ROOMS, STRANGER_ROOM_INTERVAL),
            busy_replies: Budget::new(BUSY_REPLIES, BUSY_REPLY_INTERVAL),
            requests: Requests::default(),
            outputs: VecDeque::new(),
            conference_handles: ConferenceHandles::default(),
            conference: None,
            room_call: None,
            group_rooms: BTreeMap::new(),
            new_contacts: false,
            ringing: None,
            news: VecDeque::new(),
            again: VecDeque::new(),
            settling: false,
            clock: None,
            reports: Reports::default(),
            clock_replies: ClockReplies::default(),
        })
    }

    /// Replaces what is known of the user's contacts.
    pub fn set_contacts(&mut self, contacts: Contacts) {
        self.contacts = contacts;
        self.new_contacts = true;
    }

    /// Whether calls can be had in which the peer does not learn where we are. Calls that are there already keep their route.
    pub fn set_relays_available(&mut self, available: RelaysAvailable) {
        self.config.relays = available;
    }

    /// What our clock shows, in milliseconds since the Unix epoch. To be told now and then: a conference places calls of its own.
    pub const fn tell_wallclock(&mut self, now: Instant, wallclock_ms: u64) {
        self.clock = Some((now, wallclock_ms));
    }

    /// What our clock shows now.
    fn wallclock(&self, now: Instant) -> u64 {
        let (at, shown) = self.clock.unwrap_or((now, 0));
        let passed = now.saturating_duration_since(at).as_millis();
        shown.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// The next thing to do; poll until [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        Output::Timeout(
            self.calls
                .values()
                .filter_map(Call::poll_timeout)
                .chain(self.reports.poll_timeout())
                .chain(self.glare_timeout())
                .chain(self.search_timeout())
                .chain(self.conference_timeout())
                .chain(self.group_room_timeout())
                .min(),
        )
    }

    /// Whether there is no call, and everybody who could be told that the last one is over was told. A client may exit.
    pub fn is_idle(&self) -> bool {
        self.arrived.is_empty()
            && self.room_arrived.is_empty()
            && self.search.is_none()
            && self.legs().is_none()
            && self.group_rooms.values().all(KnownRoom::is_idle)
            && self.requests.open.is_empty()
            && self.calls.values().all(Call::is_quiet)
    }

    /// Whether something of a call that is over still stands in a room, and is to be removed from there.
    pub fn clears_rooms(&self) -> bool {
        let mut in_room = self.calls.values().filter(|it| it.room().is_some());
        let mut group_rooms = self.group_rooms.values();
        group_rooms.any(|it| !it.is_idle()) || in_room.any(|it| it.is_over() && !it.is_quiet())
    }

    /// Whether a device of somebody whom this side has given up calling may be about to ring, and would not know that the call is over. A client
    /// that exits at once should wait a moment for it.
    pub fn may_ring_unaware(&self) -> bool {
        self.calls.values().any(Call::may_ring_unaware)
    }

    /// Whether all tables of calls are empty: no call, no key, no request.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
            && self.order.is_empty()
            && self.sealed_calls.is_empty()
            && self.room_calls.is_empty()
            && self.arrived.is_empty()
            && self.room_arrived.is_empty()
            && self.search.is_none()
            && self.legs().is_none()
            && self.group_rooms.is_empty()
            && self.ringing.is_none()
            && self.news.is_empty()
            && self.again.is_empty()
            && !self.persisting
            && self.requests.open.is_empty()
            && self.outputs.is_empty()
    }

    /// Runs something on one call, and forgets the call if that finished it.
    fn with_call<T>(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        call: CallHandle,
        work: impl FnOnce(&mut Call, &mut Io<'_>) -> T,
    ) -> Option<T> {
        let it = self.calls.get_mut(&call)?;
        let mut io = Io {
            now,
            rng,
            own: &self.own,
            outputs: &mut self.outputs,
            requests: &mut self.requests,
        };
        let result = work(it, &mut io);
        self.take_news(call);
        self.forget_finished();
        self.settle(now, rng);
        Some(result)
    }

    /// A call that begins: placed here, taken in or turned away.
    fn begin_call(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        begin: impl FnOnce(&mut Io<'_>) -> Call,
    ) {
        let call = begin(&mut Io {
            now,
            rng,
            own: &self.own,
            outputs: &mut self.outputs,
            requests: &mut self.requests,
        });
        let (handle, peer) = (call.handle(), call.peer.matrix_id.clone());
        if let Some(id) = call.sealed_id() {
            self.sealed_calls.insert(id, peer, handle);
        }
        if let Some(it) = call.room() {
            let (room, id) = (it.room().clone(), it.id().clone());
            self.invitations.used(&room);
            self.room_calls.insert(room, id, handle);
        }
        self.order.push_back(handle);
        self.calls.insert(handle, call);
        self.take_news(handle);
        self.forget_finished();
    }

    fn forget_finished(&mut self) {
        self.calls.retain(|_, it| !it.is_finished());
        let over = self.order.iter().filter_map(|call| {
            let over = self.calls.get(call).filter(|it| it.is_over())?;
            Some((!over.was_turned_away(), *call))
        });
        let mut over: Vec<_> = over.collect();
        // Who was turned away goes first: whoever makes us do so often must not push out calls that were real.
        over.sort_by_key(|(was_real, _)| *was_real);
        for (_, call) in over.iter().take(over.len().saturating_sub(MAX_OVER)) {
            if self.calls.remove(call).is_some_and(|it| it.has_media()) {
                let close = Output::Media(*call, MediaCommand::Close);
                self.outputs.push_back(close);
            }
        }
        self.order.retain(|call| self.calls.contains_key(call));
        self.sealed_calls
            .retain(|call| self.calls.contains_key(&call));
        self.room_calls
            .retain(|call| self.calls.contains_key(&call));
    }

    /// The call this device is in, if it is in one.
    fn current(&self) -> Option<&Call> {
        self.calls.values().find(|it| !it.is_over())
    }
}
