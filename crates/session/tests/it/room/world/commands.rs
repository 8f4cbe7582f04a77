//! What people, and media engines, want of devices.

use rand_chacha::ChaCha20Rng;
use securecall_contact::RoomId;
use securecall_session::{
    CallError, CallHandle, CallOptions, Callee, CommandError, Endpoint, FoundRoom, MediaEvent,
    NamedCall,
};
use web_time::Instant;

use super::{DIRECT, World, id_of};

impl World {
    pub(in super::super) fn call(
        &mut self,
        device: usize,
        callee: &str,
    ) -> Result<NamedCall, CallError> {
        self.call_with(device, callee, &DIRECT)
    }

    pub(in super::super) fn call_with(
        &mut self,
        device: usize,
        callee: &str,
        options: &CallOptions,
    ) -> Result<NamedCall, CallError> {
        let endpoint = &mut self.devices[device].endpoint;
        let callee = Callee {
            identity: None,
            matrix_id: id_of(callee),
        };
        let call = endpoint.call(self.now, 1, &mut self.rng, callee, options);
        if let Ok(call) = &call {
            self.devices[device].call = Some(call.clone());
        }
        self.drain(device);
        call
    }

    pub(in super::super) fn answer(&mut self, device: usize) {
        let call = self.handle(device);
        let endpoint = &mut self.devices[device].endpoint;
        endpoint.answer(self.now, &mut self.rng, call).unwrap();
        self.drain(device);
    }

    pub(in super::super) fn reject(&mut self, device: usize) {
        let call = self.handle(device);
        let endpoint = &mut self.devices[device].endpoint;
        endpoint.reject(self.now, &mut self.rng, call).unwrap();
        self.drain(device);
    }

    pub(in super::super) fn hang_up(&mut self, device: usize) {
        let call = self.handle(device);
        let endpoint = &mut self.devices[device].endpoint;
        endpoint.hang_up(self.now, &mut self.rng, call).unwrap();
        self.drain(device);
    }

    pub(in super::super) fn mute(&mut self, device: usize, muted: bool) {
        let call = self.handle(device);
        let endpoint = &mut self.devices[device].endpoint;
        endpoint
            .set_muted(self.now, &mut self.rng, call, muted)
            .unwrap();
        self.drain(device);
    }

    pub(in super::super) fn hold(&mut self, device: usize, held: bool) -> Result<(), CommandError> {
        let call = self.handle(device);
        let endpoint = &mut self.devices[device].endpoint;
        let done = endpoint.set_held(self.now, &mut self.rng, call, held);
        self.drain(device);
        done
    }

    pub(in super::super) fn media(&mut self, device: usize, event: MediaEvent) {
        let call = self.handle(device);
        let endpoint = &mut self.devices[device].endpoint;
        endpoint.handle_media(self.now, &mut self.rng, call, event);
        self.drain(device);
    }

    /// What the device may refuse, because there is no such call for instance.
    pub(in super::super) fn try_command<T>(
        &mut self,
        device: usize,
        command: impl FnOnce(&mut Endpoint, Instant, &mut ChaCha20Rng, CallHandle) -> T,
    ) {
        if let Some(call) = self.devices[device].call.clone() {
            let endpoint = &mut self.devices[device].endpoint;
            command(endpoint, self.now, &mut self.rng, call.handle);
            self.drain(device);
        }
    }

    pub(in super::super) fn leave(&mut self, who: &str) {
        let room = self.rooms[0].id.clone();
        self.leaves(&room, who);
    }

    /// Somebody is not in a room any more, or not invited.
    pub(in super::super) fn leaves(&mut self, room: &RoomId, who: &str) {
        for device in 0..self.devices.len() {
            let endpoint = &mut self.devices[device].endpoint;
            endpoint.handle_room_left(self.now, &mut self.rng, room, &id_of(who));
            self.drain(device);
        }
    }

    pub(in super::super) fn joins(&mut self, room: &RoomId, who: &str) {
        for device in 0..self.devices.len() {
            let endpoint = &mut self.devices[device].endpoint;
            endpoint.handle_room_joined(room, &id_of(who));
            self.drain(device);
        }
    }

    /// The homeserver has found the room that a device has asked for, at last.
    pub(in super::super) fn room_is_found(&mut self, device: usize, search: usize) {
        let id = self.devices[device].searches[search];
        let found = FoundRoom {
            room: self.rooms[0].id.clone(),
            ready: Some(self.rooms[0].facts),
        };
        let endpoint = &mut self.devices[device].endpoint;
        endpoint.handle_room_found(self.now, &mut self.rng, id, Ok(found));
        self.drain(device);
    }

    fn handle(&self, device: usize) -> CallHandle {
        self.devices[device].call.as_ref().unwrap().handle
    }
}
