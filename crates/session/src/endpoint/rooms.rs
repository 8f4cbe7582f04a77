//! Calls in rooms: events of the timeline, who leaves, what the homeserver says to ours, and calls that are placed.

use std::time::Duration;

use rand_core::CryptoRng;
use securecall_contact::{EventId, MatrixId, RoomId};
use securecall_signaling::MAX_CANDIDATES;
use securecall_signaling::wire::room::{RoomContent, RoomSignal};
use web_time::Instant;

use super::Endpoint;
use super::early_candidates::CallOfParty;
use super::reports::Why;
use super::room_admission::{RoomArrived, RoomAwaits};
use crate::call::Call;
use crate::event::MissedReason;
use crate::output::{InboundRoomEvent, RequestId, RoomRequestError};
use crate::requests::Waiting;
use crate::room::hear::usable;
use crate::room::{Speaker, party_of};
use crate::signal_refused::SignalRefused;
use crate::{EndReason, Event, Output};

impl Endpoint {
    /// An event of a room's timeline; our own as well. [`Endpoint::handle_sync_complete`] follows when the sync response is through.
    ///
    /// # Errors
    /// [`SignalRefused`] says why it was refused; nothing has changed then. To be logged, not shown.
    pub fn handle_room_event(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        event: InboundRoomEvent<'_>,
    ) -> Result<(), SignalRefused> {
        let signal = RoomSignal::parse(event.event_type, event.content.as_bytes());
        let Some(signal) = signal.map_err(SignalRefused::Room)? else {
            return Ok(());
        };
        // Whoever can write to the room's server could, but not whoever has the room's keys.
        if event.facts.is_encrypted && !event.is_encrypted {
            return Err(SignalRefused::NotEncrypted);
        }
        if let Some(call) = self.room_calls.find(event.room, &signal.call_id) {
            let speaker = self.speaker(&event, &signal, call)?;
            let age = event.age.unwrap_or(Duration::ZERO);
            let handled = self.with_call(now, rng, call, |it, io| {
                it.handle_room_signal(io, speaker, signal, age)
            });
            return handled.unwrap_or(Err(SignalRefused::UnknownCall));
        }
        if let Some(arrived) = self.arrived_in_room(event.room, &signal.call_id) {
            return self.hear_of_arrived(now, arrived, event.sender, signal);
        }
        match &signal.content {
            RoomContent::Invite(_) if *event.sender == self.own.matrix_id => {
                Err(SignalRefused::Echo)
            }
            RoomContent::Invite(invite) => {
                let invite = invite.clone();
                self.admit_in_room(now, &event, &signal, invite)
            }
            RoomContent::Candidates { candidates }
                if *event.sender != self.own.matrix_id
                    && !self.room_calls.was_taken(event.room, &signal.call_id) =>
            {
                let of = CallOfParty::new(&event, &signal);
                let candidates = usable(candidates.clone());
                self.early_candidates.keep(now, of, candidates);
                Ok(())
            }
            _ => Err(SignalRefused::UnknownCall),
        }
    }

    /// Somebody is in a room no more: has left it, or was made to.
    pub fn handle_room_left(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        room: &RoomId,
        who: &MatrixId,
    ) {
        self.search_is_left(room, who);
        self.leave_forsaken_room(room, who);
        let ourselves = *who == self.own.matrix_id;
        let is_hit = |of: &RoomId, peer: &MatrixId| of == room && (ourselves || peer == who);
        let calls = self.calls.iter().filter(|(_, it)| {
            let hit = |it: &crate::room::Room| is_hit(it.room(), it.peer());
            !it.is_over() && it.room().is_some_and(hit)
        });
        let calls: Vec<_> = calls.map(|(call, _)| *call).collect();
        for call in calls {
            self.with_call(now, rng, call, |it, io| {
                if ourselves {
                    it.room_is_closed(io);
                } else {
                    it.peer_left(io);
                }
            });
        }
        let is_gone = |it: &RoomArrived| is_hit(&it.invite.room, &it.invite.peer);
        while let Some(gone) = self.room_arrived.iter().position(is_gone) {
            self.caller_cancelled(now, gone);
        }
    }

    /// Whether there is a call in this room, be it over: what its events mean is known here.
    pub fn has_call_in(&self, room: &RoomId) -> bool {
        let arrived = || self.room_arrived.iter().any(|it| it.invite.room == *room);
        self.room_calls.has_one_in(room) || arrived()
    }

    /// The answer to a [`Request::SendToRoom`](crate::Request::SendToRoom) or a [`Request::Redact`](crate::Request::Redact): the ID of
    /// the event.
    pub fn handle_room_response(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        id: RequestId,
        result: Result<EventId, RoomRequestError>,
    ) {
        if let Some(Waiting::Room { call, letter }) = self.requests.open.get(&id) {
            let (call, letter) = (*call, *letter);
            self.requests.open.remove(&id);
            self.with_call(now, rng, call, |it, io| {
                it.handle_room_response(io, letter, result.map(Some));
            });
        }
    }

    /// What waited for the end of the sync response rings now.
    pub(super) fn ring_in_rooms(&mut self, now: Instant, rng: &mut dyn CryptoRng) {
        self.ring_those(now, rng, |it| it == RoomAwaits::SyncEnd);
    }

    /// What waited for the end of a glare does so no longer.
    pub(super) fn end_glare(&mut self, now: Instant, rng: &mut dyn CryptoRng) {
        self.ring_those(
            now,
            rng,
            |it| matches!(it, RoomAwaits::Glare(until) if until <= now),
        );
    }

    /// When to call [`Endpoint::end_glare`].
    pub(super) fn glare_timeout(&self) -> Option<Instant> {
        let waiting = self.room_arrived.iter().filter_map(|it| match it.awaits {
            RoomAwaits::Glare(until) => Some(until),
            RoomAwaits::SyncEnd => None,
        });
        waiting.min()
    }

    fn ring_those(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        is_due: impl Fn(RoomAwaits) -> bool,
    ) {
        let all = std::mem::take(&mut self.room_arrived);
        let (due, waiting) = all.into_iter().partition(|it| is_due(it.awaits));
        self.room_arrived = waiting;
        let due: std::collections::VecDeque<RoomArrived> = due;
        for arrived in due {
            self.ring_in_room(now, rng, arrived);
        }
    }

    /// Who says something of a call. Parties are told apart by account and party ID: people may call themselves.
    fn speaker(
        &self,
        event: &InboundRoomEvent<'_>,
        signal: &RoomSignal,
        call: crate::CallHandle,
    ) -> Result<Speaker, SignalRefused> {
        let room = self.calls.get(&call).and_then(Call::room);
        let room = room.ok_or(SignalRefused::UnknownCall)?;
        if *event.sender == self.own.matrix_id {
            let is_echo = signal.party_id.as_ref() == Some(room.own_party());
            return if is_echo {
                Err(SignalRefused::Echo)
            } else {
                Ok(Speaker::OwnAccount)
            };
        }
        if event.sender == room.peer() {
            Ok(Speaker::Peer)
        } else {
            Err(SignalRefused::UnknownDevice)
        }
    }

    /// An event of a call that does not ring yet.
    fn hear_of_arrived(
        &mut self,
        now: Instant,
        index: usize,
        sender: &MatrixId,
        signal: RoomSignal,
    ) -> Result<(), SignalRefused> {
        let arrived = self
            .room_arrived
            .get_mut(index)
            .ok_or(SignalRefused::UnknownCall)?;
        let is_caller = arrived.invite.peer == *sender && arrived.invite.party == party_of(&signal);
        let is_ourselves = self.own.matrix_id == *sender;
        match signal.content {
            RoomContent::Answer { .. }
            | RoomContent::Reject { .. }
            | RoomContent::Hangup { .. }
                if is_ourselves =>
            {
                self.answered_elsewhere(index);
            }
            // Of the answers there was none of ours.
            RoomContent::SelectAnswer { .. } if is_caller => self.answered_elsewhere(index),
            RoomContent::Hangup { .. } if is_caller => self.caller_cancelled(now, index),
            RoomContent::Candidates { candidates } if is_caller => {
                arrived.candidates.extend(usable(candidates));
                arrived.candidates.truncate(MAX_CANDIDATES);
            }
            _ => return Err(SignalRefused::OutOfPlace),
        }
        Ok(())
    }

    /// It never rings here.
    fn answered_elsewhere(&mut self, index: usize) {
        if let Some(arrived) = self.room_arrived.remove(index) {
            let promised = arrived.is_promised();
            self.break_promise(promised, arrived.call, EndReason::AnsweredElsewhere);
        }
    }

    fn caller_cancelled(&mut self, now: Instant, index: usize) {
        let Some(arrived) = self.room_arrived.remove(index) else {
            return;
        };
        let promised = arrived.is_promised();
        // In a glare it is the peer that drops its call for ours: nothing was missed.
        if arrived.awaits == RoomAwaits::SyncEnd && !promised {
            let why = Why::Missed(MissedReason::CallerCancelled);
            self.report(now, arrived.call.clone(), arrived.peer, why);
        }
        if promised {
            self.outputs.push_back(Output::Event(Event::Ended {
                call: arrived.call,
                reason: EndReason::CallerCancelled,
                connected_for: None,
            }));
        }
    }
}
