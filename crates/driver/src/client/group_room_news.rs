//! What happens in the group calls of rooms, on its way to the endpoint.

use securecall_contact::RoomId;
use securecall_matrix::{Incoming, RoomError};
use securecall_session::{CallError, GroupRoomOrder, GroupRoomState, InboundDeviceEvent};

use super::event_loop::Loop;
use super::group_rooms::{Done, Reply, RoomInput, known_event, not_found};
use super::handle::{RoomCallError, RoomCallOrder};
use crate::clock;

impl Loop {
    /// The user wants to join the group call of a room.
    pub(super) fn join_room_call(&mut self, order: RoomCallOrder, reply: Reply) {
        // Before anything is asked: who is in a call joins no room.
        let is_busy = self.endpoint.conference().is_some() || !self.calls.is_empty();
        if is_busy || self.group_rooms.is_joining() {
            let _ = reply.send(Err(CallError::InAnotherCall.into()));
            return;
        }
        self.group_rooms.join(&self.account, order, reply);
    }

    /// What the homeserver tells of rooms that are followed.
    pub(super) fn handle_group_room(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::GroupRoom(event) => {
                self.take_input(&event.room, RoomInput::Event(known_event(&event)));
            }
            Incoming::GroupRoomMembership {
                room,
                user,
                is_in_room,
            } => self.take_input(&room, RoomInput::Membership(user, is_in_room)),
            Incoming::GroupRoomGap { room } => self.group_rooms.gap(&self.account, room),
            Incoming::CallEvent {
                sender,
                proven,
                event_type,
                content,
            } => {
                let event = InboundDeviceEvent {
                    sender: &sender,
                    proven: proven.as_ref(),
                    event_type: &event_type,
                    content: &content,
                };
                let now = clock::now();
                if let Err(refused) = self.endpoint.handle_device_event(now, &mut self.rng, event) {
                    tracing::info!(%refused, "refused an event of a device");
                }
            }
            _ => {}
        }
    }

    /// An answer about a room is there.
    pub(super) fn handle_group_room_read(&mut self, done: Done) {
        match done {
            Done::Found(order, reply, found) => self.room_is_found(order, reply, found),
            Done::State(room, state) => {
                match state {
                    Ok(state) => self.endpoint.handle_group_room_state(
                        clock::now(),
                        &mut self.rng,
                        &room,
                        &state,
                    ),
                    // What is missed by that is renewed by others within the hour.
                    Err(error) => {
                        tracing::info!(%error, "the state of a room is not read");
                    }
                }
                self.hand_in_held(&room);
            }
        }
    }

    fn room_is_found(
        &mut self,
        order: RoomCallOrder,
        reply: Reply,
        found: Result<(RoomId, GroupRoomState), RoomError>,
    ) {
        let room = found.as_ref().ok().map(|(room, _)| room);
        let waited = self.group_rooms.found(room);
        let answer = match found {
            Ok((room, state)) => {
                let order = GroupRoomOrder {
                    room,
                    in_clear: order.in_clear,
                    muted: order.muted,
                    options: order.options,
                    state,
                };
                let (now, wallclock) = (clock::now(), clock::wallclock_ms());
                let joined = self
                    .endpoint
                    .join_group_room(now, wallclock, &mut self.rng, order);
                joined.map_err(RoomCallError::from)
            }
            Err(error) => Err(not_found(error)),
        };
        let _ = reply.send(answer);
        for room in waited {
            self.hand_in_held(&room);
        }
    }

    fn take_input(&mut self, room: &RoomId, input: RoomInput) {
        if let Some(input) = self.group_rooms.take(room, input) {
            self.hand_in_of_group(room, input);
        }
    }

    fn hand_in_held(&mut self, room: &RoomId) {
        for input in self.group_rooms.answered(room) {
            self.hand_in_of_group(room, input);
        }
        self.group_rooms.read_again(&self.account, room);
    }

    fn hand_in_of_group(&mut self, room: &RoomId, input: RoomInput) {
        let now = clock::now();
        match input {
            RoomInput::Event(event) => {
                self.endpoint
                    .handle_group_room_event(now, &mut self.rng, room, &event);
            }
            RoomInput::Membership(user, is_in_room) => {
                self.endpoint.handle_group_room_membership(
                    now,
                    &mut self.rng,
                    room,
                    &user,
                    is_in_room,
                );
            }
        }
    }
}
