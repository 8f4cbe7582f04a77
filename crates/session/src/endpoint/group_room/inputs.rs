//! What the homeserver tells of the group calls of a room, and what devices say.

use rand_core::CryptoRng;
use securecall_contact::{MatrixId, RoomId};
use securecall_signaling::group_room::{
    Clocks, Failure, GroupRoom, Participant, Response, Sent, SignalRefused as Refused, WhyOut,
};
use securecall_signaling::wire::group_room::{GroupCallId, GroupSignal};
use web_time::Instant;

use super::last_read::LastRead;
use super::{MAX_IN_CLEAR, RoomCall};
use crate::endpoint::Endpoint;
use crate::group::ConferenceEvent;
use crate::group_room::{GroupRoomEvent, GroupRoomEventKind, GroupRoomState, InboundDeviceEvent};
use crate::output::RequestId;
use crate::requests::Waiting;
use crate::signal_refused::SignalRefused;

impl Endpoint {
    /// What stands in a room was read anew, because something may have been missed.
    pub fn handle_group_room_state(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        room: &RoomId,
        state: &GroupRoomState,
    ) {
        let clocks = self.clocks(now, state);
        if let Some(known) = self.group_rooms.get_mut(room) {
            known.read = LastRead::new(now, state);
            take_state(&mut known.group, now, clocks, state);
        }
        self.settle(now, rng);
    }

    /// A state event about the group calls of a room.
    pub fn handle_group_room_event(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        room: &RoomId,
        event: &GroupRoomEvent,
    ) {
        if let Some(known) = self.group_rooms.get_mut(room)
            && !known.read.is_newer_than(now, event)
        {
            // Who could send it is in the room.
            take_event(&mut known.group, now, event, true);
        }
        self.settle(now, rng);
    }

    /// Somebody has joined a room, or has left it.
    pub fn handle_group_room_membership(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        room: &RoomId,
        user: &MatrixId,
        is_in_room: bool,
    ) {
        if let Some(group) = self.group_room(room) {
            group.handle_room_membership(now, user, is_in_room);
        }
        let is_own = *user == self.own.matrix_id;
        let starts_there = |it: &RoomCall| it.room == *room && it.starting.is_some();
        if is_own && !is_in_room && self.room_call.as_ref().is_some_and(starts_there) {
            self.out_of_group_room(now, rng, WhyOut::NotAllowed);
        }
        self.settle(now, rng);
    }

    /// An event of a 1:1 call within a group call came from a device.
    ///
    /// # Errors
    /// [`SignalRefused`] says why it was refused; nothing has changed then. To be logged, not shown.
    pub fn handle_device_event(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        event: InboundDeviceEvent<'_>,
    ) -> Result<(), SignalRefused> {
        let InboundDeviceEvent {
            sender,
            proven,
            event_type,
            content,
        } = event;
        let signal = GroupSignal::parse(event_type, content.as_bytes());
        let Some(signal) = signal.map_err(SignalRefused::GroupSignal)? else {
            return Ok(());
        };
        let room = self.room_call.as_ref().map(|it| it.room.clone());
        let group = room.and_then(|room| self.group_room(&room));
        let group = group.ok_or(SignalRefused::UnknownConference)?;
        let route = signal.route.clone();
        let handled = group.handle_signal(now, sender, proven, signal);
        if handled == Err(Refused::InClear) {
            let is_it = |it: &Participant| {
                it.user == *sender && Some(&it.device_id) == route.device_id.as_ref()
            };
            // Only of who is in: anybody can send what nobody is.
            let found = group.participants(&route.group_call_id, now).find(is_it);
            if let Some(device) = found {
                self.refused_in_clear(&device);
            }
        }
        self.settle(now, rng);
        handled.map_err(SignalRefused::GroupRoom)
    }

    /// The answer to a [`Request::OwnMembership`](crate::Request::OwnMembership) or a
    /// [`Request::WriteGroupCall`](crate::Request::WriteGroupCall).
    pub fn handle_group_room_response(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        id: RequestId,
        result: Result<Response, Failure>,
    ) {
        match self.requests.open.remove(&id) {
            Some(Waiting::Membership { room, id }) => {
                if let Some(group) = self.group_room(&room) {
                    group.handle_response(now, id, result);
                }
            }
            Some(Waiting::GroupCall(room, call_id)) => {
                self.group_call_written(now, rng, (room, call_id), result.map(drop));
            }
            Some(Waiting::Acknowledgement) | None => {}
            // What was answered as something else than it is: the answer is still to come.
            Some(waiting) => {
                self.requests.open.insert(id, waiting);
            }
        }
        self.settle(now, rng);
    }

    fn refused_in_clear(&mut self, device: &Participant) {
        let Some(call) = &mut self.room_call else {
            return;
        };
        let told = &mut call.spoke_in_clear;
        let key = (device.user.clone(), device.device_id.clone());
        if told.len() < MAX_IN_CLEAR && told.insert(key) {
            let peer = self.peer_with_device(device);
            self.tell_conference(ConferenceEvent::InClearRefused { peer });
        }
    }
}

/// Hands in all that stands in a room.
pub(super) fn take_state(
    group: &mut GroupRoom,
    now: Instant,
    clocks: Clocks,
    state: &GroupRoomState,
) {
    group.handle_clocks(now, clocks);
    for event in &state.events {
        let is_in_room = state.joined.contains(&event.sender);
        take_event(group, now, event, is_in_room);
    }
}

fn take_event(group: &mut GroupRoom, now: Instant, event: &GroupRoomEvent, is_in_room: bool) {
    let content = event.content.as_bytes();
    let read = match event.kind {
        GroupRoomEventKind::Call => {
            let Ok(id) = GroupCallId::parse(&event.state_key) else {
                return;
            };
            group.handle_call_event(now, id, event.sent_ms, content)
        }
        // Who is in a call says so themselves.
        GroupRoomEventKind::Member if event.state_key != event.sender.as_str() => return,
        GroupRoomEventKind::Member => {
            let sent = Sent {
                at_ms: event.sent_ms,
                age_ms: event.age_ms,
            };
            group.handle_member_event(now, &event.sender, sent, content, is_in_room)
        }
    };
    if let Err(error) = read {
        tracing::debug!(%error, "an event of a group call in a room is not read");
    }
}
