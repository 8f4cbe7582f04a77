//! The homeserver: takes events, and hands them out.

use securecall_contact::EventId;
use securecall_session::{
    FoundRoom, InboundRoomEvent, Request, RequestId, RoomRequestError, SignalRefused,
};
use serde_json::Value;

use super::{Action, Fate, SimRoom, TimelineEvent, World, id_of};

impl World {
    /// Somebody made by hand says something in the room.
    pub(in super::super) fn post(&mut self, sender: &str, event_type: &str, content: Value) {
        self.post_in(0, sender, event_type, content);
    }

    pub(in super::super) fn post_in(
        &mut self,
        room: usize,
        sender: &str,
        event_type: &str,
        content: Value,
    ) {
        let encrypted = self.rooms[room].facts.is_encrypted;
        self.append(room, sender, event_type, content, encrypted);
    }

    pub(super) fn append(
        &mut self,
        room: usize,
        sender: &str,
        event_type: &str,
        content: Value,
        encrypted: bool,
    ) -> EventId {
        let number = self.rooms[room].timeline.len();
        let id: EventId = format!("$event{room}_{number}").parse().unwrap();
        self.rooms[room].timeline.push(TimelineEvent {
            sender: sender.to_owned(),
            event_type: event_type.to_owned(),
            content,
            id: id.clone(),
            at: self.now,
            redacted: false,
            encrypted,
        });
        for device in 0..self.devices.len() {
            if self.devices[device].syncs && self.is_joined(room, device) {
                self.schedule(self.lag(device), Action::Deliver(device, room, number));
                if self.duplicates {
                    self.schedule(self.hop * 3, Action::Deliver(device, room, number));
                }
            }
        }
        id
    }

    /// Hands a device an event without any server between.
    pub(in super::super) fn inject(
        &mut self,
        device: usize,
        event: InboundRoomEvent<'_>,
    ) -> Result<(), SignalRefused> {
        let endpoint = &mut self.devices[device].endpoint;
        let result = endpoint.handle_room_event(self.now, &mut self.rng, event);
        self.drain(device);
        result
    }

    pub(in super::super) fn finish_sync(&mut self, device: usize) {
        let endpoint = &mut self.devices[device].endpoint;
        endpoint.handle_sync_complete(self.now, &mut self.rng);
        self.drain(device);
    }

    /// Hands a device an event of the timeline, as old as it is; no sync response ends with it.
    pub(in super::super) fn hand_in(&mut self, device: usize, room: usize, number: usize) {
        let SimRoom {
            id,
            facts,
            timeline,
        } = &self.rooms[room];
        let event = &timeline[number];
        let content = event.content.to_string();
        let sender = id_of(&event.sender);
        let inbound = InboundRoomEvent {
            room: id,
            facts: *facts,
            sender: &sender,
            event_type: &event.event_type,
            content: &content,
            age: Some(self.now - event.at),
            is_encrypted: event.encrypted,
        };
        let endpoint = &mut self.devices[device].endpoint;
        let result = endpoint.handle_room_event(self.now, &mut self.rng, inbound);
        self.devices[device].refused.extend(result.err());
        self.drain(device);
    }

    pub(super) fn request(&mut self, device: usize, request: Request) {
        match request {
            Request::FindRoom { .. }
            | Request::MakeRoom { .. }
            | Request::PrepareRoom { .. }
            | Request::JoinRoom { .. }
            | Request::LeaveRoom { .. }
                if self.memberships.is_some() =>
            {
                return self.request_of_rooms(device, request);
            }
            Request::FindRoom { id, .. } | Request::PrepareRoom { id, .. } => {
                return self.find_room(device, id);
            }
            _ => {}
        }
        self.devices[device].requests += 1;
        let (id, room, event_type, matter, transaction) = match request {
            Request::SendToRoom {
                id,
                room,
                event_type,
                content,
                transaction,
                user: _,
            } => (id, room, event_type, Ok(content), transaction),
            Request::Redact {
                id,
                room,
                event,
                transaction,
            } => (id, room, "m.room.redaction", Err(event), transaction),
            other => panic!("not asked for in tier matrix: {other:?}"),
        };
        let room = self.rooms.iter().position(|it| it.id == room).unwrap();
        let fate = (self.script)(event_type);
        let taken = match fate {
            Fate::Take | Fate::LoseAnswer => {
                let key = (device, transaction);
                let event = match self.transactions.get(&key) {
                    Some(event) => event.clone(),
                    None => self.take(device, room, event_type, matter),
                };
                self.transactions.insert(key, event.clone());
                Ok(event)
            }
            Fate::NeverArrives => Err(RoomRequestError::Unreachable),
            Fate::Limit(pause) => Err(RoomRequestError::LimitExceeded {
                retry_after: Some(pause),
            }),
            Fate::Forbid => Err(RoomRequestError::Forbidden),
        };
        let result = match fate {
            Fate::LoseAnswer => Err(RoomRequestError::Failed),
            _ => taken,
        };
        self.schedule(self.hop * 2, Action::Response(device, id, result));
    }

    /// At once: a homeserver that takes its time is another matter.
    fn find_room(&mut self, device: usize, id: RequestId) {
        let Some(found) = (self.finder)() else {
            return self.devices[device].searches.push(id);
        };
        let found = found.map(|ready| FoundRoom {
            room: self.rooms[0].id.clone(),
            ready: ready.then_some(self.rooms[0].facts),
        });
        let endpoint = &mut self.devices[device].endpoint;
        endpoint.handle_room_found(self.now, &mut self.rng, id, found);
    }

    fn take(
        &mut self,
        device: usize,
        room: usize,
        event_type: &'static str,
        matter: Result<String, EventId>,
    ) -> EventId {
        let sender = self.devices[device].user.as_str().to_owned();
        match matter {
            Ok(content) => {
                let content = serde_json::from_str(&content).unwrap();
                let encrypted = self.rooms[room].facts.is_encrypted;
                self.append(room, &sender, event_type, content, encrypted)
            }
            Err(redacted) => {
                let timeline = &mut self.rooms[room].timeline;
                let event = timeline.iter_mut().find(|it| it.id == redacted).unwrap();
                assert!(event.sender == sender, "only our own events");
                event.redacted = true;
                "$redaction".parse().unwrap()
            }
        }
    }
}
