//! A call of ours to somebody of whom no key is known, while its room is looked for: found, or made, and then waited for until the
//! other has come to it.

use std::time::Duration;

use rand_core::CryptoRng;
use securecall_contact::{MatrixId, RoomId};
use web_time::Instant;

use super::Endpoint;
use super::arrived::Intent;
use super::invitations::Invited;
use super::room_admission::RoomArrived;
use super::route::choose_route;
use crate::call::{Call, Placing, new_call_id};
use crate::call_handle::{CallHandle, NamedCall};
use crate::command::CallError;
use crate::config::{CallOptions, MAX_LIFETIME, Route};
use crate::output::{FoundRoom, Request, RequestId, RoomFacts, RoomRequestError};
use crate::requests::Waiting;
use crate::tier::Tier;
use crate::{EndReason, Event, Output};

/// How long somebody who was invited may take to come. They have to see the invitation and to accept it first.
const JOIN_PATIENCE: Duration = Duration::from_secs(120);
/// How long somebody who has made a room for us as well may take to come to ours. A client of this kind comes as soon as it hears of it.
const THEIR_TURN: Duration = Duration::from_secs(5);

/// A call without a room.
pub(super) struct RoomSearch {
    placing: Placing,
    stage: Stage,
    /// There was none, so one is made.
    makes: bool,
    /// A room of ours to which the other is invited, and has not come.
    made: Option<RoomId>,
    /// Their invitation, which waits until then for them to come to ours.
    held: Option<(Invited, Instant)>,
    /// The user knows that they are invited.
    inviting_told: bool,
}

enum Stage {
    /// We are on our way to a room that they have made.
    Entering,
    /// The homeserver looks for a room, or makes one.
    Asked(RequestId),
    /// It has a room ready to which they have come.
    Preparing(RequestId),
    /// They are to come to the room that was made.
    Invited { until: Instant },
}

impl Endpoint {
    /// Calls somebody of whom no key is known. If they are calling us right now in a room of us two, that call is answered instead,
    /// and returned.
    pub(super) fn call_account(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        callee: &MatrixId,
        options: &CallOptions,
    ) -> Result<NamedCall, CallError> {
        if *callee == self.own.matrix_id {
            return Err(CallError::OwnIdentity);
        }
        let peer = self.account(callee);
        let route = choose_route(options.route, peer.name.is_some(), self.config.relays)?;
        let is_with_them = |it: &Call| it.room().is_some_and(|room| room.peer() == callee);
        if let Some(theirs) = self.meet(now, rng, route, is_with_them)? {
            return Ok(theirs);
        }
        let theirs = |it: &&mut RoomArrived| it.invite.peer == *callee;
        if let Some(arrived) = self.room_arrived.iter_mut().find(theirs) {
            arrived.intent = Intent::Accept;
            arrived.route = route;
            return Ok(arrived.call.clone());
        }
        let call = NamedCall {
            handle: self.handles.issue(),
            id: new_call_id(rng),
        };
        self.tell(Event::Dialing {
            call: call.clone(),
            peer: peer.clone(),
            tier: Tier::Matrix,
        });
        let placing = Placing {
            call: call.clone(),
            peer,
            route,
            lifetime: options.lifetime.min(MAX_LIFETIME),
            muted: false,
            dialed_at: now,
        };
        // Until we are in their room nothing says that there is one, and another would be made.
        let stage = if self.invitations.leads_to(callee) {
            Stage::Entering
        } else {
            self.find_room(call.handle, callee, None)
        };
        self.search = Some(RoomSearch {
            placing,
            stage,
            makes: false,
            made: None,
            held: None,
            inviting_told: false,
        });
        Ok(call)
    }

    /// The answer to a [`Request::FindRoom`], a [`Request::MakeRoom`] or a [`Request::PrepareRoom`].
    pub fn handle_room_found(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        id: RequestId,
        result: Result<FoundRoom, RoomRequestError>,
    ) {
        let Some(Waiting::Search { user, makes, .. }) = self.requests.open.get(&id).cloned() else {
            return;
        };
        self.requests.open.remove(&id);
        // The user may have given it up, and be in the next one.
        let Some(mut search) = self.search.take_if(|it| it.awaits(id)) else {
            // Or they were faster, and it is their call that is had in it.
            if let (true, Ok(found)) = (makes, result)
                && !self.room_calls.has_one_in(&found.room)
            {
                self.leave_room(found.room, user);
            }
            return;
        };
        match result {
            Ok(FoundRoom {
                room,
                ready: Some(facts),
            }) => self.begin_in_room(now, rng, search, room, facts),
            Ok(FoundRoom { room, ready: None }) => {
                self.tell_inviting(&mut search);
                let until = now + JOIN_PATIENCE;
                self.search = Some(RoomSearch {
                    stage: Stage::Invited { until },
                    made: Some(room),
                    ..search
                });
            }
            Err(RoomRequestError::NoRoom) if !makes => {
                // To ask the server of the other takes as long as that takes.
                self.tell_inviting(&mut search);
                let id = self.request_room(search.placing.call.handle, user, true, |id, user| {
                    Request::MakeRoom { id, user }
                });
                search.stage = Stage::Asked(id);
                search.makes = true;
                self.search = Some(search);
            }
            Err(error) => self.end_search(search, end_of(error)),
        }
    }

    /// Somebody is in a room from now on.
    pub fn handle_room_joined(&mut self, room: &RoomId, who: &MatrixId) {
        let Some(mut search) = self.search.take_if(|it| it.waits_in(room, who)) else {
            return;
        };
        let room = room.clone();
        let call = search.placing.call.handle;
        let id = self.request_room(call, who.clone(), false, |id, user| Request::PrepareRoom {
            id,
            user,
            room,
        });
        search.stage = Stage::Preparing(id);
        self.search = Some(search);
    }

    /// Lets an invitation wait, for whom it is from is called and may come to our room. Returns whether it does.
    pub(super) fn hold_invitation(&mut self, now: Instant, invited: &Invited) -> bool {
        let search = self.search.as_mut();
        let search = search.filter(|it| it.placing.peer.matrix_id == invited.inviter);
        let Some(search) = search.filter(|it| it.held.is_none()) else {
            return false;
        };
        if matches!(search.stage, Stage::Entering) {
            return false;
        }
        search.held = Some((invited.clone(), now + THEIR_TURN));
        true
    }

    /// Whether an invitation to this room waits already.
    pub(super) fn search_holds(&self, room: &RoomId) -> bool {
        let held = self.search.as_ref().and_then(|it| it.held.as_ref());
        held.is_some_and(|(it, _)| it.room == *room)
    }

    /// We are in a room that somebody has made for us two, or are not after all: a call to them may go there.
    pub(super) fn search_may_move(&mut self, to: &Invited, entered: bool) {
        let search = self.search.as_ref();
        let search = search.filter(|it| it.placing.peer.matrix_id == to.inviter);
        let Some(search) = search else {
            return;
        };
        let moves = match search.stage {
            Stage::Entering => true,
            Stage::Asked(_) | Stage::Invited { .. } => entered,
            // They have come to ours.
            Stage::Preparing(_) => false,
        };
        if !moves {
            return;
        }
        let call = search.placing.call.handle;
        let first = entered.then(|| to.room.clone());
        let stage = self.find_room(call, &to.inviter, first);
        if let Some(search) = &mut self.search {
            search.stage = stage;
        }
    }

    /// The invited has said no, or we are not in the room any more; or an invitation that waits is withdrawn.
    pub(super) fn search_is_left(&mut self, room: &RoomId, who: &MatrixId) {
        let is_ourselves = *who == self.own.matrix_id;
        let leads_to_theirs = self.invitations.leads_to(who);
        let Some(search) = self.search.as_mut() else {
            return;
        };
        search.held.take_if(|(invited, _)| invited.room == *room);
        let is_hit = |it: &mut RoomSearch| {
            it.is_invited_to(room) && (is_ourselves || it.placing.peer.matrix_id == *who)
        };
        let Some(mut search) = self.search.take_if(is_hit) else {
            return;
        };
        if is_ourselves {
            self.end_search(search, EndReason::HomeserverRefused);
        } else if leads_to_theirs {
            // They have declined ours because we come to theirs.
            search.stage = Stage::Entering;
            search.made = None;
            self.search = Some(search);
        } else {
            self.end_search(search, EndReason::Declined);
        }
    }

    /// Whether a [`Request::MakeRoom`] is of use still: its call may have been given up, or go to another room.
    pub fn awaits_room(&self, id: RequestId) -> bool {
        self.search.as_ref().is_some_and(|it| it.awaits(id))
    }

    /// Whether this person is called, and has no room yet.
    pub(super) fn searches_for(&self, who: &MatrixId) -> bool {
        let search = self.search.as_ref();
        search.is_some_and(|it| it.placing.peer.matrix_id == *who)
    }

    /// Whether this call has no room yet.
    pub(super) fn is_search(&self, call: CallHandle) -> bool {
        let search = self.search.as_ref();
        search.is_some_and(|it| it.placing.call.handle == call)
    }

    /// The user gives it up. Returns whether there was such a call.
    pub(super) fn give_search_up(&mut self, call: CallHandle) -> bool {
        let given_up = self.search.take_if(|it| it.placing.call.handle == call);
        given_up
            .map(|search| self.end_search(search, EndReason::Cancelled))
            .is_some()
    }

    /// The same person calls us: their call is taken in the place of ours, whose invite has not left. Returns the route that the user
    /// chose for them.
    pub(super) fn yield_search(
        &mut self,
        peer: &MatrixId,
        room: &RoomId,
        by: &NamedCall,
    ) -> Option<Route> {
        let ours = self
            .search
            .take_if(|it| it.placing.peer.matrix_id == *peer)?;
        let route = ours.placing.route;
        self.tell(Event::Replaced {
            call: ours.placing.call.clone(),
            by: by.clone(),
        });
        self.settle_rooms(ours, Some(room));
        Some(route)
    }

    /// Mutes or unmutes the call to come. Returns whether there is such a call.
    pub(super) fn mute_search(&mut self, call: CallHandle, muted: bool) -> bool {
        let search = self
            .search
            .as_mut()
            .filter(|it| it.placing.call.handle == call);
        let Some(search) = search else {
            return false;
        };
        if std::mem::replace(&mut search.placing.muted, muted) != muted {
            let call = search.placing.call.clone();
            self.tell(Event::Muted {
                call,
                local: true,
                muted,
            });
        }
        true
    }

    /// When to call [`Endpoint::handle_search_timeout`].
    pub(super) fn search_timeout(&self) -> Option<Instant> {
        let search = self.search.as_ref()?;
        let invited = match search.stage {
            Stage::Invited { until } => Some(until),
            Stage::Entering | Stage::Asked(_) | Stage::Preparing(_) => None,
        };
        let held = search.held.as_ref().map(|(_, until)| *until);
        invited.into_iter().chain(held).min()
    }

    /// Who was invited has not come: to the call, or to our room before theirs.
    pub(super) fn handle_search_timeout(&mut self, now: Instant) {
        let is_late =
            |it: &mut RoomSearch| matches!(it.stage, Stage::Invited { until } if until <= now);
        if let Some(search) = self.search.take_if(is_late) {
            return self.end_search(search, EndReason::NotJoined);
        }
        let search = self.search.as_mut();
        let is_due = |it: &mut (Invited, Instant)| it.1 <= now;
        if let Some((invited, _)) = search.and_then(|it| it.held.take_if(is_due)) {
            self.join_held(invited);
        }
    }

    /// Asks for the room of this account and another; for one of theirs, where we are now, before all others.
    fn find_room(&mut self, call: CallHandle, user: &MatrixId, first: Option<RoomId>) -> Stage {
        let id = self.request_room(call, user.clone(), false, |id, user| Request::FindRoom {
            id,
            user,
            first,
        });
        Stage::Asked(id)
    }

    /// Asks for a room in which a call can be had.
    fn request_room(
        &mut self,
        call: CallHandle,
        user: MatrixId,
        makes: bool,
        request: impl FnOnce(RequestId, MatrixId) -> Request,
    ) -> RequestId {
        let id = self.requests.add(Waiting::Search {
            call,
            user: user.clone(),
            makes,
        });
        self.outputs.push_back(Output::Request(request(id, user)));
        id
    }

    /// What becomes of two rooms, of which one was made by each: that in which the call is had stays. Without a call ours waits for
    /// the other, and we accept their invitation as any. Gives what is left of the search.
    fn settle_rooms(&mut self, search: RoomSearch, used: Option<&RoomId>) -> Placing {
        let RoomSearch {
            placing,
            makes,
            made,
            held,
            ..
        } = search;
        let has_two = used.is_some() && (makes || made.is_some());
        match held {
            Some((theirs, _)) if has_two && used != Some(&theirs.room) => {
                self.leave_room(theirs.room, theirs.inviter);
            }
            Some((theirs, _)) => self.join_held(theirs),
            None => {}
        }
        if let Some(made) = made.filter(|made| used.is_some_and(|used| used != made)) {
            self.leave_room(made, placing.peer.matrix_id.clone());
        }
        placing
    }

    fn join_held(&mut self, invited: Invited) {
        if let Err(why) = self.join(invited) {
            tracing::info!(
                why = why.as_str(),
                "an invitation to a room is left as it is"
            );
        }
    }

    fn tell_inviting(&mut self, search: &mut RoomSearch) {
        if std::mem::replace(&mut search.inviting_told, true) {
            return;
        }
        self.tell(Event::Inviting {
            call: search.placing.call.clone(),
            peer: search.placing.peer.clone(),
        });
    }

    fn begin_in_room(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        search: RoomSearch,
        room: RoomId,
        facts: RoomFacts,
    ) {
        // Again, for the contacts may have changed since.
        let decision = self.contacts.decision(None, &search.placing.peer.matrix_id);
        let is_wanted = !decision.blocked && decision.require.is_met_by(Tier::Matrix);
        let has_no_key = self.account(&search.placing.peer.matrix_id).id.is_none();
        if !(is_wanted && has_no_key) {
            return self.end_search(search, EndReason::Cancelled);
        }
        // Everybody in the room could answer, and would learn our addresses.
        if facts.is_public || facts.joined_members != 2 {
            tracing::warn!("the homeserver names a room that is none of two people");
            return self.end_search(search, EndReason::HomeserverRefused);
        }
        let placing = self.settle_rooms(search, Some(&room));
        self.begin_call(now, rng, |io| Call::place_in_room(io, placing, room));
    }

    fn end_search(&mut self, search: RoomSearch, reason: EndReason) {
        let placing = self.settle_rooms(search, None);
        self.tell(Event::Ended {
            call: placing.call,
            reason,
            connected_for: None,
        });
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

impl RoomSearch {
    /// Whether this person is to come to this room.
    fn waits_in(&self, room: &RoomId, who: &MatrixId) -> bool {
        self.is_invited_to(room) && self.placing.peer.matrix_id == *who
    }

    /// Whether whoever is called is to come to this room.
    fn is_invited_to(&self, room: &RoomId) -> bool {
        matches!(self.stage, Stage::Invited { .. }) && self.made.as_ref() == Some(room)
    }

    /// Whether it goes on when this is answered.
    fn awaits(&self, id: RequestId) -> bool {
        matches!(self.stage, Stage::Asked(asked) | Stage::Preparing(asked) if asked == id)
    }
}

const fn end_of(error: RoomRequestError) -> EndReason {
    match error {
        RoomRequestError::NotFound => EndReason::Unknown,
        RoomRequestError::PeerUnreachable => EndReason::Unreachable,
        RoomRequestError::Unreachable => EndReason::HomeserverUnreachable,
        RoomRequestError::LimitExceeded { .. }
        | RoomRequestError::NoRoom
        | RoomRequestError::Forbidden
        | RoomRequestError::Failed => EndReason::HomeserverRefused,
    }
}
