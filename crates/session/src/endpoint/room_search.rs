//! A call of ours to somebody of whom no key is known, while its room is looked for: found, or made, and then waited for until the
//! other has come to it.

use std::time::Duration;

use rand_core::CryptoRng;
use securecall_contact::{MatrixId, RoomId};
use web_time::Instant;

use super::Endpoint;
use super::arrived::Intent;
use super::room_admission::RoomArrived;
use super::route::choose_route;
use crate::call::{Call, Placing, new_call_id};
use crate::call_handle::{CallHandle, NamedCall};
use crate::command::CallError;
use crate::config::{CallOptions, MAX_LIFETIME, Route};
use crate::io::Io;
use crate::output::{FoundRoom, Request, RequestId, RoomFacts, RoomRequestError};
use crate::requests::Waiting;
use crate::tier::Tier;
use crate::{EndReason, Event, Output};

/// How long somebody who was invited may take to come. They have to see the invitation and to accept it first.
const JOIN_PATIENCE: Duration = Duration::from_secs(120);

/// A call without a room.
pub(super) struct RoomSearch {
    placing: Placing,
    stage: Stage,
}

enum Stage {
    /// The homeserver is asked.
    Asked,
    /// The other is to come to this room.
    Invited { room: RoomId, until: Instant },
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
        let id = self.requests.add(Waiting::Search(call.handle));
        let user = callee.clone();
        let request = Request::FindRoom { id, user };
        self.outputs.push_back(Output::Request(request));
        let placing = Placing {
            call: call.clone(),
            peer,
            route,
            lifetime: options.lifetime.min(MAX_LIFETIME),
            muted: false,
            dialed_at: now,
        };
        self.search = Some(RoomSearch {
            placing,
            stage: Stage::Asked,
        });
        Ok(call)
    }

    /// The answer to a [`Request::FindRoom`] or a [`Request::PrepareRoom`].
    pub fn handle_room_found(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        id: RequestId,
        result: Result<FoundRoom, RoomRequestError>,
    ) {
        let Some(Waiting::Search(call)) = self.requests.open.get(&id).cloned() else {
            return;
        };
        self.requests.open.remove(&id);
        // The user may have given it up, and be in the next one.
        let Some(search) = self.search.take_if(|it| it.placing.call.handle == call) else {
            return;
        };
        match result {
            Ok(FoundRoom {
                room,
                ready: Some(facts),
            }) => self.begin_in_room(now, rng, search, room, facts),
            Ok(FoundRoom { room, ready: None }) => {
                self.tell(Event::Inviting {
                    call: search.placing.call.clone(),
                    peer: search.placing.peer.clone(),
                });
                let until = now + JOIN_PATIENCE;
                self.search = Some(RoomSearch {
                    stage: Stage::Invited { room, until },
                    ..search
                });
            }
            Err(error) => self.end_search(search, end_of(error)),
        }
    }

    /// Somebody is in a room from now on.
    pub fn handle_room_joined(&mut self, room: &RoomId, who: &MatrixId) {
        let Some(search) = self.search.as_mut().filter(|it| it.waits_in(room, who)) else {
            return;
        };
        search.stage = Stage::Asked;
        let id = self
            .requests
            .add(Waiting::Search(search.placing.call.handle));
        let (user, room) = (who.clone(), room.clone());
        let request = Request::PrepareRoom { id, user, room };
        self.outputs.push_back(Output::Request(request));
    }

    /// The invited has said no, or we are not in the room any more.
    pub(super) fn search_is_left(&mut self, room: &RoomId, who: &MatrixId) {
        let own = &self.own.matrix_id;
        let declined = self.search.take_if(|it| {
            it.waits_in(room, who) || (who == own && it.waits_in(room, &it.placing.peer.matrix_id))
        });
        if let Some(search) = declined {
            let reason = if who == own {
                EndReason::HomeserverRefused
            } else {
                EndReason::Declined
            };
            self.end_search(search, reason);
        }
    }

    /// Whether a [`Request::FindRoom`] or a [`Request::PrepareRoom`] is of use still: its call may have been given up.
    pub fn awaits_room(&self, id: RequestId) -> bool {
        matches!(self.requests.open.get(&id), Some(Waiting::Search(call)) if self.is_search(*call))
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
    pub(super) fn yield_search(&mut self, peer: &MatrixId, by: &NamedCall) -> Option<Route> {
        let ours = self
            .search
            .take_if(|it| it.placing.peer.matrix_id == *peer)?;
        self.tell(Event::Replaced {
            call: ours.placing.call,
            by: by.clone(),
        });
        Some(ours.placing.route)
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

    /// When to call [`Endpoint::end_late_search`].
    pub(super) fn search_timeout(&self) -> Option<Instant> {
        match self.search.as_ref()?.stage {
            Stage::Asked => None,
            Stage::Invited { until, .. } => Some(until),
        }
    }

    /// Who was invited has not come.
    pub(super) fn end_late_search(&mut self, now: Instant) {
        let is_late =
            |it: &mut RoomSearch| matches!(it.stage, Stage::Invited { until, .. } if until <= now);
        if let Some(search) = self.search.take_if(is_late) {
            self.end_search(search, EndReason::NotJoined);
        }
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
        let mut io = Io {
            now,
            rng,
            own: &self.own,
            outputs: &mut self.outputs,
            requests: &mut self.requests,
        };
        let placed = Call::place_in_room(&mut io, search.placing, room);
        self.add_call(placed);
    }

    fn end_search(&mut self, search: RoomSearch, reason: EndReason) {
        self.tell(Event::Ended {
            call: search.placing.call,
            reason,
            connected_for: None,
        });
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

impl RoomSearch {
    fn waits_in(&self, room: &RoomId, who: &MatrixId) -> bool {
        matches!(&self.stage, Stage::Invited { room: of, .. } if of == room)
            && self.placing.peer.matrix_id == *who
    }
}

const fn end_of(error: RoomRequestError) -> EndReason {
    match error {
        RoomRequestError::NotFound => EndReason::Unknown,
        RoomRequestError::Unreachable => EndReason::HomeserverUnreachable,
        RoomRequestError::LimitExceeded { .. }
        | RoomRequestError::Forbidden
        | RoomRequestError::Failed => EndReason::HomeserverRefused,
    }
}
