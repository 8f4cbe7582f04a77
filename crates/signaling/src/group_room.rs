//! A group call in a room ([MSC3401]), as matrix-js-sdk has them: which call of the room counts, who is in it, who calls whom, what is
//! said in which order, and our own place in it. `docs/protocol/group-rooms.md` says why each rule is so.
//!
//! There is no cryptography here, no transport and no clock. State events and events from device to device come in; 1:1 calls to be
//! placed or ended, events in their turn, and requests to the homeserver come out. The 1:1 calls themselves are made elsewhere, as any call in a room.
//!
//! ```text
//!  handle_call_event / handle_member_event / handle_signal              poll_output()
//!  ──────────────────────────────────────────────▶ GroupRoom ───────────────────────────▶ PlaceCall | EndCall | Signal |
//!  join / leave / leg_placed / leg_connected / leg_ended                                   Request | Joined | Left | …
//!  handle_response / handle_timeout
//! ```
//!
//! After each of them poll [`GroupRoom::poll_output`] until `None`, and call [`GroupRoom::handle_timeout`] when
//! [`GroupRoom::poll_timeout`] says so. Requests stay to be answered: each once, in whatever order.
//!
//! Whose address holds a SecureCall ID, or is that of a contact with one, is never called here: [`GroupRoomOutput::Sealed`] says that a
//! sealed leg is to be made instead, and [`GroupRoomOutput::SealedLeft`] that they are gone.
//!
//! [MSC3401]: https://github.com/matrix-org/matrix-spec-proposals/pull/3401

mod clock;
mod early;
mod envelope;
mod leg;
mod legs;
mod members;
mod output;
mod own_membership;
mod refused;
mod requests;
mod room_calls;
mod stream;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use securecall_contact::{DeviceId, MatrixId};
use web_time::Instant;

use self::{
    clock::RoomClock,
    early::Early,
    leg::Heard,
    legs::{Gone, Key, Legs},
    members::Members,
    own_membership::OwnMembership,
    room_calls::RoomCalls,
};
use crate::WireCallId;
use crate::wire::group_room::{
    CallState, GroupCallId, GroupSignal, Intent, MemberState, OpenCall, Route, SessionId,
};
use crate::wire::room::{RoomContent, RoomSignalError};

pub use clock::{Clocks, MAX_MEMBERSHIP, Sent};
pub use early::{EARLY_PATIENCE, MAX_EARLY_DEVICES, MAX_EARLY_SIGNALS};
pub use envelope::{Addressed, Envelope};
pub use leg::{MAX_RETRIES, RETRY_AFTER, STEADY_AFTER};
pub use legs::MAX_LEGS;
pub use members::MAX_MEMBERS;
pub use output::{EndCall, GroupRoomOutput, WhyOut};
pub use own_membership::{LEAVE_DELAY, LONG_EXPIRY, SHORT_EXPIRY};
pub use refused::{JoinRefused, SignalRefused};
pub use requests::{DelayId, Failure, Request, RequestId, Response};
pub use room_calls::MAX_CALLS_OF_ROOM;
pub use stream::{GAP_PATIENCE, MAX_HELD};

/// This device, in this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Our user.
    pub user: MatrixId,
    /// This device.
    pub device_id: DeviceId,
    /// This run of it.
    pub session_id: SessionId,
}

/// A device that is in a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Participant {
    /// Its user.
    pub user: MatrixId,
    /// The device.
    pub device_id: DeviceId,
    /// The run of it.
    pub session_id: SessionId,
}

/// A 1:1 call with one device, for as long as that device is in the call; one that failed is placed again as the same leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(u64);

/// In what the 1:1 calls may talk to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// Only what came encrypted by Olm counts.
    Encrypted,
    /// What came in clear counts too: the user allows that servers read, and change, what the 1:1 calls say.
    InClearToo,
}

/// The call that we are in.
#[derive(Clone, Debug)]
struct Joined {
    call_id: GroupCallId,
    secrecy: Secrecy,
}

/// The group calls of one room.
#[derive(Clone, Debug)]
pub struct GroupRoom {
    own: Own,
    clock: RoomClock,
    calls: RoomCalls,
    counting: Option<GroupCallId>,
    members: Members,
    /// Whose SecureCall ID is known although their address does not hold it.
    contacts: BTreeSet<MatrixId>,
    joined: Option<Joined>,
    membership: OwnMembership,
    legs: Legs,
    sealed: BTreeSet<MatrixId>,
    early: Early,
    next_expiry: Option<Instant>,
    outputs: VecDeque<GroupRoomOutput>,
}

impl GroupRoom {
    /// A room of which nothing is known yet.
    pub fn new(now: Instant, clocks: Clocks, own: Own) -> Self {
        Self {
            clock: RoomClock::new(now, clocks),
            calls: RoomCalls::default(),
            counting: None,
            members: Members::default(),
            contacts: BTreeSet::new(),
            joined: None,
            membership: OwnMembership::new(own.clone()),
            legs: Legs::default(),
            sealed: BTreeSet::new(),
            early: Early::default(),
            next_expiry: None,
            outputs: VecDeque::new(),
            own,
        }
    }

    /// The clocks were looked at again.
    pub fn handle_clocks(&mut self, now: Instant, clocks: Clocks) {
        self.clock = RoomClock::new(now, clocks);
    }

    /// A contact has a SecureCall ID that is known, whatever its address.
    pub fn handle_contact(&mut self, now: Instant, user: MatrixId) {
        self.contacts.insert(user);
        self.reconcile(now);
    }

    /// Whom [`GroupRoom::handle_contact`] named is to be called as the others are.
    pub fn forget_contact(&mut self, now: Instant, user: &MatrixId) {
        if self.contacts.remove(user) {
            self.reconcile(now);
        }
    }

    /// The state event of a call came, [`CALL_EVENT`](crate::wire::group_room::CALL_EVENT).
    ///
    /// # Errors
    /// [`RoomSignalError`] if it cannot be read; then there is no such call.
    pub fn handle_call_event(
        &mut self,
        now: Instant,
        id: GroupCallId,
        sent_ms: u64,
        content: &[u8],
    ) -> Result<(), RoomSignalError> {
        let read = CallState::parse(content);
        self.calls.set(id, sent_ms, read.as_ref().ok());
        self.look_which_counts();
        if self
            .joined
            .as_ref()
            .is_some_and(|it| !self.calls.is_open(&it.call_id))
        {
            self.out(WhyOut::Terminated);
        }
        self.reconcile(now);
        read.map(|_| ())
    }

    /// The member event of a user came, [`MEMBER_EVENT`](crate::wire::group_room::MEMBER_EVENT) with the user as its state key, which only the user can
    /// send. `is_in_room`: whether the user has joined the room.
    ///
    /// # Errors
    /// [`RoomSignalError`] if it cannot be read; then the user is in no call.
    pub fn handle_member_event(
        &mut self,
        now: Instant,
        user: &MatrixId,
        sent: Sent,
        content: &[u8],
        is_in_room: bool,
    ) -> Result<(), RoomSignalError> {
        let read = MemberState::parse(content);
        let none = MemberState::default();
        let state = read.as_ref().unwrap_or(&none);
        self.members
            .set(now, &self.clock, user, state, (sent, is_in_room));
        if *user == self.own.user {
            self.membership.handle_event(now, &self.clock, content);
        }
        self.reconcile(now);
        read.map(|_| ())
    }

    /// A user joined the room, or left it.
    pub fn handle_room_membership(&mut self, now: Instant, user: &MatrixId, is_in_room: bool) {
        self.members.set_joined(user, is_in_room);
        if *user == self.own.user && !is_in_room && self.joined.is_some() {
            self.out(WhyOut::NotAllowed);
        }
        self.reconcile(now);
    }

    /// Joins a call of the room.
    ///
    /// # Errors
    /// [`JoinRefused`] says why not.
    pub fn join(
        &mut self,
        now: Instant,
        call: &GroupCallId,
        secrecy: Secrecy,
    ) -> Result<(), JoinRefused> {
        if self.joined.is_some() {
            return Err(JoinRefused::AlreadyIn);
        }
        if !self.calls.is_open(call) {
            return Err(JoinRefused::NoSuchCall);
        }
        match self.calls.counting() {
            Some((id, counting)) if id == call => {
                if counting.has_media_server {
                    return Err(JoinRefused::MediaServer);
                }
            }
            _ => return Err(JoinRefused::AnotherCounts),
        }
        self.joined = Some(Joined {
            call_id: call.clone(),
            secrecy,
        });
        self.membership.join(call.clone());
        self.reconcile(now);
        Ok(())
    }

    /// Leaves the call. The 1:1 calls end at once, our entry goes as soon as the homeserver can be reached.
    pub fn leave(&mut self) {
        if self.joined.is_some() {
            self.out(WhyOut::Left);
        }
    }

    /// Something of a 1:1 call came from a device. `proven`: the device that encrypted it by Olm; `None`: it came in clear.
    ///
    /// # Errors
    /// [`SignalRefused`] says why it is not taken.
    pub fn handle_signal(
        &mut self,
        now: Instant,
        from: &MatrixId,
        proven: Option<&DeviceId>,
        signal: GroupSignal,
    ) -> Result<(), SignalRefused> {
        let device = self.sender(from, proven, &signal.route)?.clone();
        let key = (from.clone(), device);
        let Some(leg) = self.legs.of_device(&key) else {
            return self.keep_early(now, &key, signal);
        };
        let said = signal.route.from_session.as_ref();
        if said.is_some_and(|session| *session != leg.peer.session_id) {
            return self.keep_early(now, &key, signal);
        }
        let is_invite = matches!(signal.signal.content, RoomContent::Invite(_));
        if leg.is_over(&signal.signal.call_id) {
            return Err(SignalRefused::Over);
        }
        let is_current = leg.is_current(&signal.signal.call_id);
        if is_invite && !is_current && !leg.takes_invites() {
            return Err(SignalRefused::OutOfTurn);
        }
        let heard = leg.hear(now, signal.route.sequence_number, signal.signal);
        let leg = leg.id;
        self.tell(leg, heard);
        Ok(())
    }

    /// What is written on all that our side of the next 1:1 call of a leg says, for as long as that call lasts. `None`: there is no such
    /// leg.
    pub fn envelope(&self, leg: LegId) -> Option<Envelope> {
        let leg = self.legs.find(leg)?;
        Some(Envelope::new(
            &self.own,
            &leg.peer,
            leg.group_call_id.clone(),
        ))
    }

    /// The 1:1 call that was to be placed has this ID.
    pub fn leg_placed(&mut self, leg: LegId, call_id: WireCallId) {
        if let Some(leg) = self.legs.find_mut(leg) {
            leg.placed(call_id);
        }
    }

    /// The 1:1 call has a path.
    pub fn leg_connected(&mut self, now: Instant, leg: LegId) {
        if let Some(leg) = self.legs.find_mut(leg) {
            leg.connected(now);
        }
    }

    /// The 1:1 call with this ID is over, whoever ended it; `None`: one could not be placed.
    pub fn leg_ended(&mut self, now: Instant, leg: LegId, call_id: Option<&WireCallId>) {
        if self.legs.ended(now, leg, call_id) {
            self.outputs.push_back(GroupRoomOutput::GaveUp { leg });
        }
    }

    /// The homeserver has answered a request.
    pub fn handle_response(
        &mut self,
        now: Instant,
        id: RequestId,
        result: Result<Response, Failure>,
    ) {
        let out = self
            .membership
            .handle_response(now, &self.clock, id, result);
        if let Some(why) = out {
            self.out(why);
        }
    }

    /// Acts on every deadline that has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.membership.handle_timeout(now);
        self.early.handle_timeout(now);
        for (leg, heard) in self.legs.handle_timeout(now) {
            self.tell(leg, heard);
        }
        if self.next_expiry.is_some_and(|at| at <= now) {
            self.reconcile(now);
        }
        for leg in self.legs.call_again(now) {
            self.outputs.push_back(GroupRoomOutput::PlaceCall { leg });
        }
    }

    /// The next thing to do, or `None`.
    pub fn poll_output(&mut self) -> Option<GroupRoomOutput> {
        if let Some((id, request)) = self.membership.poll_request() {
            return Some(GroupRoomOutput::Request { id, request });
        }
        self.outputs.pop_front()
    }

    /// When to call [`GroupRoom::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let all = [
            self.legs.next_timeout(),
            self.next_expiry,
            self.membership.next_timeout(),
            self.early.next_timeout(),
        ];
        all.into_iter().flatten().min()
    }

    /// The call of the room that counts, which can be joined.
    pub fn counting(&self) -> Option<(&GroupCallId, OpenCall)> {
        self.calls.counting()
    }

    /// Whether a call is there, and not over.
    pub fn is_open(&self, call: &GroupCallId) -> bool {
        self.calls.is_open(call)
    }

    /// Who is in a call now, whether we are in it or not.
    pub fn participants<'a>(
        &'a self,
        call: &'a GroupCallId,
        now: Instant,
    ) -> impl Iterator<Item = Participant> + 'a {
        self.members.in_call(call, now)
    }

    /// The call that we are in, if nobody else is and it ends with the last who leaves.
    pub fn ends_with_us(&self, now: Instant) -> Option<(&GroupCallId, OpenCall)> {
        let id = &self.joined.as_ref()?.call_id;
        let call = self.calls.open(id)?;
        let is_other =
            |it: &Participant| it.user != self.own.user || it.device_id != self.own.device_id;
        let is_alone = !self.participants(id, now).any(|it| is_other(&it));
        (is_alone && call.intent != Intent::Room).then_some((id, call))
    }

    /// Whether a user is in the call that we are in.
    pub fn is_with_us(&self, user: &MatrixId, now: Instant) -> bool {
        let call = self.joined.as_ref().map(|it| &it.call_id);
        call.is_some_and(|it| self.members.in_call(it, now).any(|it| it.user == *user))
    }

    /// The device that a 1:1 call is with.
    pub fn participant(&self, leg: LegId) -> Option<&Participant> {
        self.legs.find(leg).map(|it| &it.peer)
    }

    /// Whether we are in no call, and nothing of one is left to be done.
    pub fn is_idle(&self) -> bool {
        self.joined.is_none()
            && self.legs.is_empty()
            && self.early.is_empty()
            && self.membership.is_idle()
    }

    /// The device that sent an event, if it is one that may.
    fn sender<'a>(
        &self,
        from: &MatrixId,
        proven: Option<&'a DeviceId>,
        route: &'a Route,
    ) -> Result<&'a DeviceId, SignalRefused> {
        let joined = self.joined.as_ref().ok_or(SignalRefused::AnotherCall)?;
        if joined.call_id != route.group_call_id {
            return Err(SignalRefused::AnotherCall);
        }
        if route.to_session != self.own.session_id {
            return Err(SignalRefused::AnotherSession);
        }
        let said = route.device_id.as_ref();
        let device = match (proven, joined.secrecy) {
            (Some(proven), _) if said.is_some_and(|said| said != proven) => {
                return Err(SignalRefused::AnotherDevice);
            }
            (Some(proven), _) => proven,
            (None, Secrecy::Encrypted) => return Err(SignalRefused::InClear),
            (None, Secrecy::InClearToo) => said.ok_or(SignalRefused::NoDevice)?,
        };
        if *from == self.own.user && *device == self.own.device_id {
            return Err(SignalRefused::Ours);
        }
        if self.is_sealed(from) {
            return Err(SignalRefused::SealedOnly);
        }
        Ok(device)
    }

    fn keep_early(
        &mut self,
        now: Instant,
        (user, device): &Key,
        signal: GroupSignal,
    ) -> Result<(), SignalRefused> {
        let has_room = self.early.keep(now, (user, device), signal);
        has_room.then_some(()).ok_or(SignalRefused::NotIn)
    }

    fn is_sealed(&self, user: &MatrixId) -> bool {
        user.securecall_id().is_some() || self.contacts.contains(user)
    }

    fn look_which_counts(&mut self) {
        let counting = self.calls.counting().map(|(id, _)| id.clone());
        if counting != self.counting {
            self.counting.clone_from(&counting);
            self.outputs
                .push_back(GroupRoomOutput::CallChanged(counting));
        }
    }

    /// Makes the legs those of the devices that are in the call.
    fn reconcile(&mut self, now: Instant) {
        let Some(call_id) = self.joined.as_ref().map(|it| it.call_id.clone()) else {
            return;
        };
        self.next_expiry = self.members.next_expiry(&call_id, now);
        let is_other =
            |it: &Participant| it.user != self.own.user || it.device_id != self.own.device_id;
        let all = self.members.in_call(&call_id, now).filter(is_other);
        let (sealed, open): (Vec<_>, Vec<_>) = all.partition(|it| self.is_sealed(&it.user));
        self.name_sealed(&sealed);
        let open: BTreeMap<_, _> = open
            .into_iter()
            .map(|it| ((it.user.clone(), it.device_id.clone()), it))
            .collect();
        let gone = self.legs.keep(&open);
        self.end_legs(gone);
        for (key, participant) in open {
            self.add_leg(now, call_id.clone(), &key, participant);
        }
    }

    /// Once for each who is in; whoever leaves and comes again is named again.
    fn name_sealed(&mut self, sealed: &[Participant]) {
        let users: BTreeSet<_> = sealed
            .iter()
            .map(|it| &it.user)
            .filter(|user| **user != self.own.user)
            .cloned()
            .collect();
        let before = std::mem::replace(&mut self.sealed, users);
        let gone = before.difference(&self.sealed).cloned();
        let come = self.sealed.difference(&before).cloned();
        let gone = gone.map(|user| GroupRoomOutput::SealedLeft { user });
        self.outputs.extend(gone);
        let come = come.map(|user| GroupRoomOutput::Sealed { user });
        self.outputs.extend(come);
    }

    /// One with a device that has none yet, if there is room.
    fn add_leg(
        &mut self,
        now: Instant,
        group_call_id: GroupCallId,
        key: &Key,
        participant: Participant,
    ) {
        let we_call = (&self.own.user, &self.own.device_id) < (&key.0, &key.1);
        let added = self
            .legs
            .add(group_call_id, key, participant.clone(), we_call);
        let Some(leg) = added else {
            return;
        };
        let early = self.early.take(&participant);
        self.outputs
            .push_back(GroupRoomOutput::Joined { leg, participant });
        if we_call {
            self.outputs.push_back(GroupRoomOutput::PlaceCall { leg });
        }
        for signal in early {
            // How it came was looked at then; what is refused now is of no use.
            let _ = self.handle_signal(now, &key.0, Some(&key.1), signal);
        }
    }

    fn end_legs(&mut self, gone: Vec<Gone>) {
        for Gone {
            leg,
            why,
            is_called,
        } in gone
        {
            if is_called {
                self.outputs
                    .push_back(GroupRoomOutput::EndCall { leg, why });
            }
            self.outputs.push_back(GroupRoomOutput::Left { leg });
        }
    }

    fn tell(&mut self, leg: LegId, heard: Heard) {
        if heard.replaces {
            let why = EndCall::Replaced;
            self.outputs
                .push_back(GroupRoomOutput::EndCall { leg, why });
        }
        let signals = heard.signals.into_iter();
        let outputs = signals.map(|signal| GroupRoomOutput::Signal { leg, signal });
        self.outputs.extend(outputs);
    }

    /// The one gate out of a call.
    fn out(&mut self, why: WhyOut) {
        self.joined = None;
        self.next_expiry = None;
        self.early.clear();
        self.name_sealed(&[]);
        let gone = self.legs.clear();
        self.end_legs(gone);
        self.membership.leave();
        self.outputs.push_back(GroupRoomOutput::Out(why));
    }
}
