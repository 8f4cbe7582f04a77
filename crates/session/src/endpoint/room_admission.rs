//! Who may ring in a room: every rule an invite must pass, in order (`docs/protocol/room-calls.md`).

use rand_core::CryptoRng;
use securecall_contact::{MatrixId, SecureCallId};
use securecall_signaling::wire::room::{RoomInvite, RoomSignal};
use securecall_signaling::{
    Candidate, Liveness, OwnInvite, ROOM_GLARE_PATIENCE, Survivor, WireCallId,
};
use web_time::Instant;

use super::arrived::Intent;
use super::early_candidates::CallOfParty;
use super::reports::Why;
use super::room_calls::NotTaken;
use super::route::choose_route;
use super::{Endpoint, MAX_ARRIVED, MAX_ARRIVED_OF_ONE};
use crate::EndReason;
use crate::call::Call;
use crate::call_handle::NamedCall;
use crate::config::{AnswerPolicy, Route};
use crate::event::{MissedReason, Peer, RefusedReason};
use crate::output::InboundRoomEvent;
use crate::room::invite::RoomInvited;
use crate::signal_refused::SignalRefused;
use crate::tier::Tier;

/// What an invite that passed every check still waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RoomAwaits {
    /// The end of the sync response it came with.
    SyncEnd,
    /// That the peer answers our call, whose ID is the lesser: a client that does not see the glare (Element Web) never does.
    Glare(Instant),
}

/// An invite in a room that passed every check, and does not ring yet.
pub(super) struct RoomArrived {
    pub(super) call: NamedCall,
    pub(super) awaits: RoomAwaits,
    pub(super) invite: RoomInvited,
    pub(super) peer: Peer,
    pub(super) route: Route,
    pub(super) rings_until: Instant,
    pub(super) intent: Intent,
    /// Of the caller, in events before the invite or behind it.
    pub(super) candidates: Vec<Candidate>,
}

impl RoomArrived {
    pub(super) fn is_promised(&self) -> bool {
        self.intent != Intent::None
    }
}

/// Which call goes on where both call each other in a room.
enum Glare {
    Ours,
    Theirs,
    /// It is none: this device is in another call.
    None,
    /// Their call is one that they have dropped for ours.
    Settled,
}

impl Endpoint {
    /// An invite to a call we do not know of. It rings once the sync response is processed.
    pub(super) fn admit_in_room(
        &mut self,
        now: Instant,
        event: &InboundRoomEvent<'_>,
        signal: &RoomSignal,
        invite: RoomInvite,
    ) -> Result<(), SignalRefused> {
        let is_named = match &invite.invitee {
            Some(invitee) if *invitee != self.own.matrix_id => {
                return Err(SignalRefused::ForSomebodyElse);
            }
            invitee => invitee.is_some(),
        };
        let call = NamedCall {
            handle: self.handles.issue(),
            id: signal.call_id.clone(),
        };
        let peer = self.account(event.sender);
        // The tier is never negotiated: a homeserver that has no key could place calls in the name of whoever has an account on it.
        if peer.id.is_some() {
            return Err(self.refuse(now, &call, peer, RefusedReason::KeyIsKnown));
        }
        if let Some(why) = self.unwanted_in_room(&peer) {
            return Err(self.refuse(now, &call, peer, why));
        }
        self.check_tier(now, &call, &peer, Tier::Matrix)?;
        if event.facts.is_public {
            return Err(self.refuse(now, &call, peer, RefusedReason::PublicRoom));
        }
        if event.facts.joined_members > 2 && !is_named {
            return Err(self.refuse(now, &call, peer, RefusedReason::LargeRoom));
        }
        let age = event.age.ok_or(SignalRefused::Stale)?;
        // One that is over rings no more, but is told as missed, unless an event behind it says what became of it.
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let liveness = Liveness::of(now, Some(age), invite.lifetime);
        let rings_until = if liveness.is_worth_ringing(now) {
            liveness.until()
        } else {
            now
        };
        let invite = RoomInvited::of(event.room, event.sender, signal, invite)?;
        let is_stranger = peer.name.is_none();
        let displaced = self.place_in_rooms(event.sender, is_stranger)?;
        let route = choose_route(self.config.inbound.route, !is_stranger, self.config.relays)
            .map_err(|_| self.refuse(now, &call, peer.clone(), RefusedReason::NoRelay))?;
        let key = (event.room, &signal.call_id);
        match self.room_calls.take(now, key, event.sender, is_stranger) {
            Ok(()) => {}
            Err(NotTaken::Again) => return Err(SignalRefused::Replayed),
            Err(NotTaken::Full) => {
                return Err(self.refuse(now, &call, peer, RefusedReason::TooManyCalls));
            }
        }
        let of = CallOfParty::new(event, signal);
        let candidates = self.early_candidates.take(now, &of);
        // Only now: who is refused after all pushes nobody out.
        if let Some(displaced) = displaced {
            self.room_arrived.remove(displaced);
        }
        self.room_arrived.push_back(RoomArrived {
            call,
            awaits: RoomAwaits::SyncEnd,
            invite,
            peer,
            route,
            rings_until,
            intent: Intent::None,
            candidates,
        });
        Ok(())
    }

    /// Glare, busy, or it rings.
    pub(super) fn ring_in_room(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        mut arrived: RoomArrived,
    ) {
        let (call, promised) = (arrived.call.clone(), arrived.is_promised());
        let is_known = self
            .room_calls
            .find(&arrived.invite.room, &arrived.invite.id);
        if is_known.is_some() {
            // It can only be a call of ours: then the peer chose its ID to fit.
            return;
        }
        if arrived.rings_until <= now {
            let why = Why::Missed(MissedReason::NotAnswered);
            self.report(now, call.clone(), arrived.peer, why);
            return self.break_promise(promised, call, EndReason::NoAnswer);
        }
        // The user may have decided otherwise since it came.
        let unwanted = self.unwanted_in_room(&arrived.peer);
        if let Some(why) = unwanted.filter(|_| !promised) {
            return self.report(now, call, arrived.peer, Why::Refused(why));
        }
        self.replace_ringing_call_in_room(now, rng, &arrived);
        let mut accept = promised || self.policy_accepts_account(&arrived.peer);
        let current = self.current().map(|it| (it.handle(), it.route));
        if let Some(route) = self.yield_search(&arrived.invite.peer, &arrived.invite.room, &call) {
            // The user chose a route for this person when they dialed.
            arrived.route = route;
            accept = true;
        } else if self.search.is_some() || self.legs().is_some() {
            return self.busy_in_room(now, rng, arrived);
        } else if let Some((ours, route)) = current {
            match self.glare(now, &arrived) {
                Glare::Ours => {
                    arrived.awaits = RoomAwaits::Glare(now + ROOM_GLARE_PATIENCE);
                    self.room_arrived.push_back(arrived);
                    return;
                }
                Glare::Settled => return self.break_promise(promised, call, EndReason::Busy),
                Glare::None => return self.busy_in_room(now, rng, arrived),
                Glare::Theirs => {
                    // The user chose a route for this person when they dialed.
                    arrived.route = route;
                    accept = true;
                    // Ours ends first, for a device is in one call at a time.
                    let by = call.clone();
                    self.with_call(now, rng, ours, |it, io| it.give_way(io, by));
                }
            }
        } else if arrived.peer.name.is_none() && !promised && !self.stranger_rings.take(now) {
            let why = Why::Refused(RefusedReason::TooManyCalls);
            return self.report(now, call, arrived.peer, why);
        }
        let declined = arrived.intent == Intent::Decline;
        let candidates = std::mem::take(&mut arrived.candidates);
        self.begin_call(now, rng, |io| {
            let mut ringing = Call::ring_in_room(
                io,
                arrived.call,
                arrived.invite,
                arrived.peer,
                arrived.route,
                arrived.rings_until,
                accept && !declined,
            );
            ringing.hear_early_candidates(io, candidates);
            ringing
        });
        if declined {
            self.with_call(now, rng, call.handle, Call::reject);
        }
    }

    /// Whether an invitation to a room is to be accepted: whoever may ring may have a room to do so. Strangers may have one in one go
    /// now and then, for each stays in the account.
    ///
    /// # Errors
    /// [`RefusedReason`]: it stays an invitation, and nothing is sent.
    pub(super) fn may_join(
        &mut self,
        now: Instant,
        inviter: &MatrixId,
        is_direct: bool,
        is_public: bool,
    ) -> Result<(), RefusedReason> {
        let peer = self.account(inviter);
        if peer.id.is_some() {
            return Err(RefusedReason::KeyIsKnown);
        }
        if let Some(why) = self.unwanted_in_room(&peer) {
            return Err(why);
        }
        let of_inviter = self.contacts.decision(None, inviter).require;
        let require = self.config.inbound.require.max(of_inviter);
        if !require.is_met_by(Tier::Matrix) {
            return Err(RefusedReason::TierTooLow);
        }
        if is_public {
            return Err(RefusedReason::PublicRoom);
        }
        let is_stranger = peer.name.is_none();
        // A contact may have made the room for calls without saying so; anybody else's may be any room.
        if is_stranger && !is_direct {
            return Err(RefusedReason::LargeRoom);
        }
        if is_stranger && !self.stranger_rooms.take(now) {
            return Err(RefusedReason::TooManyCalls);
        }
        Ok(())
    }

    /// Who calls from an account. The key that the account stands for is known without any proof.
    pub(super) fn account(&self, matrix_id: &MatrixId) -> Peer {
        let told = matrix_id.securecall_id().copied();
        let known = self.contacts.identity_at(matrix_id);
        let known = known.map(|identity| SecureCallId::new(&identity));
        Peer {
            id: told.or(known),
            matrix_id: matrix_id.clone(),
            name: self.contacts.name_at(matrix_id),
            new_address: false,
            device_id: None,
        }
    }

    fn glare(&self, now: Instant, arrived: &RoomArrived) -> Glare {
        let Some(ours) = self.current() else {
            return Glare::None;
        };
        let Some(room) = ours.room() else {
            return Glare::None;
        };
        // In another room as well: where each is called in a room of their own, both would hear that the other is busy.
        let is_with_caller = *room.peer() == arrived.invite.peer;
        let waited = match arrived.awaits {
            RoomAwaits::SyncEnd => false,
            RoomAwaits::Glare(until) => until <= now,
        };
        if !is_with_caller {
            Glare::None
        } else if !ours.is_unanswered_call_of_ours() {
            if waited { Glare::Settled } else { Glare::None }
        } else if waited {
            Glare::Theirs
        } else {
            let invite = if room.invite_may_be_there() {
                OwnInvite::Sent(room.id())
            } else {
                OwnInvite::Preparing
            };
            match Survivor::in_room(invite, &arrived.invite.id) {
                Survivor::Ours => Glare::Ours,
                Survivor::Theirs => Glare::Theirs,
            }
        }
    }

    /// Who calls in a room is told that we are in another call, or rings on. Not without end: each time is an event in a room.
    fn busy_in_room(&mut self, now: Instant, rng: &mut dyn CryptoRng, arrived: RoomArrived) {
        let (call, promised) = (arrived.call.clone(), arrived.is_promised());
        let why = Why::Missed(MissedReason::Busy);
        self.report(now, call.clone(), arrived.peer.clone(), why);
        if self.busy_replies.take(now) {
            let (name, invite) = (arrived.call, arrived.invite);
            self.begin_call(now, rng, |io| {
                Call::turn_away_in_room(io, name, invite, arrived.peer)
            });
        }
        self.break_promise(promised, call, EndReason::Busy);
    }

    /// Whoever calls again in the room in which their call rings here has forgotten that one.
    fn replace_ringing_call_in_room(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        arrived: &RoomArrived,
    ) {
        let is_forgotten = |it: &&Call| {
            let same = |room: &crate::room::Room| {
                *room.room() == arrived.invite.room && *room.peer() == arrived.invite.peer
            };
            it.is_ringing_here() && it.room().is_some_and(same)
        };
        let forgotten = self.current().filter(is_forgotten).map(Call::handle);
        if let Some(forgotten) = forgotten {
            self.with_call(now, rng, forgotten, Call::caller_forgot_it);
        }
    }

    /// Room for one more invite, as in the sealed carrier: the place of a stranger that makes room for a contact, or none.
    fn place_in_rooms(
        &self,
        sender: &MatrixId,
        is_stranger: bool,
    ) -> Result<Option<usize>, SignalRefused> {
        let from_it = |it: &&RoomArrived| it.invite.peer == *sender;
        if self.room_arrived.iter().filter(from_it).count() >= MAX_ARRIVED_OF_ONE {
            return Err(SignalRefused::TooManyInvites);
        }
        if self.room_arrived.len() < MAX_ARRIVED {
            return Ok(None);
        }
        let gives_way = |it: &RoomArrived| !it.is_promised() && it.peer.name.is_none();
        match self.room_arrived.iter().rposition(gives_way) {
            Some(displaced) if !is_stranger => Ok(Some(displaced)),
            _ => Err(SignalRefused::TooManyInvites),
        }
    }

    /// Why the user does not want to be rung by an account; `None` if they do not mind.
    fn unwanted_in_room(&self, peer: &Peer) -> Option<RefusedReason> {
        let is_contact = peer.name.is_some();
        let unwanted = self.unwanted_of(None, &peer.matrix_id, is_contact, |ours| {
            ours.room()
                .is_some_and(|room| *room.peer() == peer.matrix_id)
        });
        // Whom we are calling just now, as in a glare.
        let is_searched = self.searches_for(&peer.matrix_id);
        unwanted.filter(|why| !(is_searched && *why == RefusedReason::RingPolicy))
    }

    fn policy_accepts_account(&self, peer: &Peer) -> bool {
        match self.config.answer {
            AnswerPolicy::Ask => false,
            AnswerPolicy::Contacts => peer.name.is_some(),
            AnswerPolicy::Auto => true,
        }
    }

    /// The place of an invite that waits.
    pub(super) fn arrived_in_room(
        &self,
        room: &securecall_contact::RoomId,
        id: &WireCallId,
    ) -> Option<usize> {
        let is_it = |it: &RoomArrived| it.invite.room == *room && it.invite.id == *id;
        self.room_arrived.iter().position(is_it)
    }
}
