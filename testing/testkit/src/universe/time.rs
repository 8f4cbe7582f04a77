//! What happens when, on virtual time: messages travel, media engines react, deadlines pass.

use std::cmp::Reverse;
use std::time::Duration;

use securecall_session::{
    ConferenceEvent, Event, InboundSignal, MediaEvent, NotPersisted, Output, Request,
};
use securecall_signaling::CallId;
use web_time::Instant;

use super::{Action, FRAME_INTERVAL, Universe};
use crate::device::Disk;
use crate::fake_media::{Reaction, path_events};
use crate::homeserver::{Envelope, Fate};
use crate::indices::DeviceId;

impl Universe {
    fn schedule(&mut self, after: Duration, action: Action) {
        self.last_action += 1;
        self.actions.insert(self.last_action, action);
        self.agenda
            .push(Reverse((self.now + after, self.last_action)));
    }

    /// Does the next thing there is to do before `end`. Returns whether there was one.
    pub(super) fn step(&mut self, end: Instant) -> bool {
        let wakes = (0..self.devices.len())
            .filter_map(|id| Some((self.timeout_of(id)?, id)))
            .min();
        let planned = self.agenda.peek().map(|Reverse(entry)| *entry);
        match (planned, wakes) {
            (Some((at, number)), wake) if at <= end && wake.is_none_or(|(wake, _)| at <= wake) => {
                self.agenda.pop();
                self.now = self.now.max(at);
                if let Some(action) = self.actions.remove(&number) {
                    self.act(action);
                }
                true
            }
            (_, Some((at, id))) if at <= end => {
                self.wakes_at_once = if at > self.now {
                    0
                } else {
                    self.wakes_at_once + 1
                };
                assert!(
                    self.wakes_at_once < 1000,
                    "device {id} wakes up again and again without a reason"
                );
                self.now = self.now.max(at);
                let wallclock = self.wallclock_ms(id);
                self.devices[id]
                    .endpoint
                    .tell_wallclock(self.now, wallclock);
                self.devices[id]
                    .endpoint
                    .handle_timeout(self.now, &mut self.rng);
                self.drain(id);
                true
            }
            _ => false,
        }
    }

    fn timeout_of(&mut self, id: DeviceId) -> Option<Instant> {
        match self.devices[id].endpoint.poll_output() {
            Output::Timeout(at) => at,
            output => panic!("undrained output {output:?}"),
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Post(mut envelope) => {
                let hop = self.homeserver.hop;
                match (self.homeserver.script)(&mut envelope) {
                    Fate::Deliver => self.schedule(hop, Action::Deliver(envelope)),
                    Fate::Drop => {}
                    Fate::Delay(time) => self.schedule(hop + time, Action::Deliver(envelope)),
                    Fate::Duplicate(time) => {
                        self.schedule(hop, Action::Deliver(envelope.clone()));
                        self.schedule(hop + time, Action::Deliver(envelope));
                    }
                }
            }
            Action::Deliver(envelope) => self.deliver(&envelope),
            Action::Response(device, id, result) => {
                self.devices[device]
                    .endpoint
                    .handle_response(self.now, &mut self.rng, id, result);
                self.drain(device);
            }
            Action::Devices(device, id, result) => {
                self.devices[device]
                    .endpoint
                    .handle_devices(self.now, &mut self.rng, id, result);
                self.drain(device);
            }
            Action::Media(device, call, event) => self.media_event(device, call, event),
            Action::Control(device, call, bytes) => {
                self.inject_control(device, call, &bytes);
                let event = self.devices[device]
                    .media
                    .get_mut(&call)
                    .and_then(|media| media.authenticated(self.now));
                if let Some(event) = event {
                    self.media_event(device, call, event);
                }
            }
            Action::Frame(device, call, frame) => {
                let now = self.now;
                let events = self.devices[device]
                    .media
                    .get_mut(&call)
                    .map(|media| media.handle_frame(now, frame))
                    .unwrap_or_default();
                for event in events {
                    self.media_event(device, call, event);
                }
            }
            Action::FrameTick(device, call) => self.frame_tick(device, call),
        }
    }

    fn media_event(&mut self, device: DeviceId, call: CallId, event: MediaEvent) {
        if self.devices[device]
            .media
            .get(&call)
            .is_some_and(|media| !media.closed)
        {
            self.inject_media(device, call, event);
        }
    }

    fn frame_tick(&mut self, device: DeviceId, call: CallId) {
        let Some(media) = self.devices[device]
            .media
            .get_mut(&call)
            .filter(|media| !media.closed)
        else {
            return;
        };
        let (frame, remote) = (media.next_frame(), media.remote);
        if let (Some(frame), Some(remote), true) = (
            frame,
            remote,
            self.network.frames && !self.network.needs_restart,
        ) && self.network.passes(device, remote)
        {
            self.frames_sent.push((remote, call, frame.clone()));
            self.schedule(self.network.delay, Action::Frame(remote, call, frame));
        }
        self.schedule(FRAME_INTERVAL, Action::FrameTick(device, call));
    }

    pub(super) fn deliver(&mut self, envelope: &Envelope) {
        let device = &mut self.devices[envelope.to];
        if !device.online {
            device.mailbox.push(envelope.clone());
            return;
        }
        self.hand_in(envelope);
        if !self.devices[envelope.to].sync_unfinished {
            self.finish_sync(envelope.to);
        }
    }

    pub(super) fn hand_in(&mut self, envelope: &Envelope) {
        let wallclock = self.wallclock_ms(envelope.to);
        let signal = InboundSignal {
            sender: &envelope.sender,
            sender_olm_key: envelope.sender_olm_key,
            content: &envelope.content,
        };
        let device = &mut self.devices[envelope.to];
        let result = device
            .endpoint
            .handle_signal(self.now, wallclock, &mut self.rng, signal);
        device.refused.extend(result.err());
        self.drain(envelope.to);
    }

    pub(super) fn drain(&mut self, id: DeviceId) {
        loop {
            match self.devices[id].endpoint.poll_output() {
                Output::Timeout(_) => return,
                Output::Event(event) => {
                    let device = &mut self.devices[id];
                    if let Event::Dialing { call, .. }
                    | Event::Incoming { call, .. }
                    | Event::Conference {
                        event: ConferenceEvent::Leg { call, .. },
                        ..
                    } = &event
                    {
                        device.note(call);
                    }
                    device.events.push(event);
                }
                Output::Persist(bytes) => self.persist(id, bytes),
                Output::Request(request) => self.request(id, request),
                Output::Control(call, bytes) => {
                    let call = self.devices[id].id(call);
                    self.control(id, call, bytes);
                }
                Output::Media(call, command) => {
                    let call = self.devices[id].id(call);
                    let media = self.devices[id].media.entry(call).or_default();
                    for reaction in media.handle(id, call, command) {
                        self.react(id, call, reaction);
                    }
                }
            }
        }
    }

    fn persist(&mut self, id: DeviceId, bytes: Vec<u8>) {
        let device = &mut self.devices[id];
        device.times_persisted += 1;
        let result = match device.disk {
            Disk::Works => {
                device.persisted = Some(bytes);
                Ok(())
            }
            Disk::Full => Err(NotPersisted),
            Disk::Slow => return device.unwritten.push(bytes),
        };
        device
            .endpoint
            .handle_persisted(self.now, &mut self.rng, result);
    }

    /// A slow disk ends its first write.
    pub fn finish_write(&mut self, id: DeviceId, result: Result<(), NotPersisted>) {
        let device = &mut self.devices[id];
        let bytes = device.unwritten.remove(0);
        if result.is_ok() {
            device.persisted = Some(bytes);
        }
        device
            .endpoint
            .handle_persisted(self.now, &mut self.rng, result);
        self.drain(id);
    }

    fn request(&mut self, from: DeviceId, request: Request) {
        let hop = self.homeserver.hop;
        match request {
            Request::FindRoom { .. }
            | Request::MakeRoom { .. }
            | Request::JoinRoom { .. }
            | Request::LeaveRoom { .. }
            | Request::PrepareRoom { .. }
            | Request::SendToRoom { .. }
            | Request::SendToDevice { .. }
            | Request::OwnMembership { .. }
            | Request::WriteGroupCall { .. }
            | Request::Redact { .. } => {
                panic!("this universe has no rooms")
            }
            Request::QueryDevices { id, user } => {
                let result = match self.homeserver.fails {
                    Some(error) => Err(error),
                    None => Ok(self.homeserver.devices_of(&user)),
                };
                self.schedule(hop * 2, Action::Devices(from, id, result));
            }
            Request::Send {
                id,
                user,
                device_id,
                content,
            } => {
                self.homeserver.send_requests += 1;
                if let Some(error) = self.homeserver.fails {
                    self.schedule(hop * 2, Action::Response(from, id, Err(error)));
                    return;
                }
                self.schedule(hop * 2, Action::Response(from, id, Ok(())));
                if let Some(to) = self.homeserver.find(&user, &device_id) {
                    let envelope = self.envelope(from, to, content);
                    self.homeserver.sent.push(envelope.clone());
                    self.schedule(hop, Action::Post(envelope));
                }
            }
        }
    }

    fn control(&mut self, from: DeviceId, call: CallId, bytes: Vec<u8>) {
        let media = self.devices[from]
            .media
            .get(&call)
            .filter(|media| media.connected && !media.closed);
        let Some(remote) = media.and_then(|media| media.remote) else {
            return;
        };
        let loss = self.network.channel_loss;
        let lost = loss > 0 && self.random_below(loss) == 0;
        let open = self.devices[remote]
            .media
            .get(&call)
            .is_some_and(|media| media.connected && !media.closed);
        if self.network.channel
            && !self.network.needs_restart
            && self.network.passes(from, remote)
            && !lost
            && open
        {
            self.control_sent.push((remote, call, bytes.clone()));
            self.schedule(self.network.delay, Action::Control(remote, call, bytes));
        }
    }

    fn react(&mut self, device: DeviceId, call: CallId, reaction: Reaction) {
        match reaction {
            Reaction::Event(event) => {
                let after = match &event {
                    MediaEvent::LocalCandidates { .. } => self.network.gathering,
                    _ => Duration::from_millis(1),
                };
                self.schedule(after, Action::Media(device, call, event));
            }
            Reaction::TryPath => self.try_path(device, call),
            Reaction::Restarted => self.network.needs_restart = false,
        }
    }

    /// There is a path once both know each other's description and at least one has a candidate of the other.
    fn try_path(&mut self, device: DeviceId, call: CallId) {
        let Some(remote) = self.devices[device].media[&call].remote else {
            return;
        };
        let Some(other) = self.devices[remote].media.get(&call) else {
            return;
        };
        let this = &self.devices[device].media[&call];
        let known = other.remote == Some(device)
            && !(this.remote_candidates.is_empty() && other.remote_candidates.is_empty());
        if !known || this.connected || other.connected || !self.network.passes(device, remote) {
            return;
        }
        for end in [device, remote] {
            if let Some(media) = self.devices[end].media.get_mut(&call) {
                media.connected = !self.network.unreachable && !self.network.impostor;
            }
            for (after, event) in path_events(&self.network) {
                self.schedule(after, Action::Media(end, call, event));
            }
            self.schedule(self.network.delay * 2, Action::FrameTick(end, call));
        }
    }
}
