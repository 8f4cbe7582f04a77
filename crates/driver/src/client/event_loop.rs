//! The loop of a client's task: what comes from the program, the homeserver, the calls and the network goes into the endpoint,
//! and what that wants is done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use securecall_audio_device::{AudioDevices, AudioSpec};
use securecall_contact::{MatrixId, RoomId};
use securecall_matrix::{Account, Incoming, RoomError, RoomFacts, RoomNews};
use securecall_randomness::SystemRandomness;
use securecall_session::{
    CallHandle, CommandError, Endpoint, FoundRoom, InboundSignal, MediaCommand, MediaEvent,
    NamedCall, NotPersisted, Output, Request, RequestId, RoomRequestError,
};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use web_time::Instant;

use super::calls::Calls;
use super::group_rooms::GroupRooms;
use super::handle::Command;
use super::inbox::{FromInbox, MaybeInbox, next_incoming};
use super::plain_text::PlainTextReports;
use super::replay_memory_keeper::ReplayMemoryKeeper;
use super::requests::{Requests, Response};
use super::room_tasks::{Done, RoomTasks};
use super::rooms::{RoomInput, Rooms, Step};
use crate::call_media::{CallMedia, LegSettings, beside};
use crate::clock;
use crate::config::{Network, Servers};
use crate::event::Event;
use crate::media_output::MediaOutput;
use crate::network_watch::NetworkState;
use crate::queue::{Receiver, Sender};
use crate::server_keeper::LookAgain;
use crate::voice_effort::LastEffort;

/// How long a stopping client waits for the peer to be told and for recordings to be written.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(1400);
/// The same while something of a call still stands in a room: the last word stays there for a moment, and then all of it goes.
const ROOM_FAREWELL_TIMEOUT: Duration = Duration::from_secs(6);
/// How long all of the stop may take: what the farewell leaves of it is for the last sync, which empties our inbox at the
/// homeserver.
const STOP_TIMEOUT: Duration = Duration::from_millis(1900);
/// How often a pipe that waits for its call is emptied: far less than a pipe holds.
const IDLE_DISCARD: Duration = Duration::from_millis(250);
/// What is longer than any signal is dropped before it gets here.
const _: () = assert!(securecall_session::MAX_SIGNAL <= securecall_matrix::MAX_CONTENT);

/// The task's state.
pub(super) struct Loop {
    pub(super) endpoint: Endpoint,
    pub(super) account: Account,
    pub(super) rng: SystemRandomness,
    pub(super) replay_memory: ReplayMemoryKeeper,
    pub(super) audio: AudioSpec,
    pub(super) network: Network,
    /// The servers that calls may ask for addresses.
    pub(super) servers: watch::Receiver<Servers>,
    /// Has them looked for again.
    pub(super) look_for_servers: Arc<LookAgain>,
    pub(super) networks: watch::Receiver<NetworkState>,
    /// How this machine is connected, as far as everybody knows.
    pub(super) connected_by: NetworkState,
    pub(super) levels: bool,
    /// Opened at the start, so that a missing device is an error before anything rings; the first call takes them.
    pub(super) opened: Option<AudioDevices>,
    /// What this machine held in the last call.
    pub(super) last_effort: LastEffort,
    pub(super) calls: Calls,
    pub(super) media: HashMap<CallHandle, CallMedia>,
    pub(super) media_sender: Sender<(CallHandle, MediaOutput)>,
    pub(super) requests: Requests,
    pub(super) rooms: Rooms,
    pub(super) room_tasks: RoomTasks,
    pub(super) group_rooms: GroupRooms,
    /// Something was handed in of a sync response that is not through.
    pub(super) mid_sync: bool,
    pub(super) events: Sender<Event>,
    pub(super) plain_text: PlainTextReports,
    pub(super) stopping_since: Option<Instant>,
    /// The farewell took too long.
    pub(super) abandoned: bool,
}

impl Loop {
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut inbox: MaybeInbox,
        mut media_outputs: Receiver<(CallHandle, MediaOutput)>,
    ) {
        let mut idle_discard = tokio::time::interval(IDLE_DISCARD);
        loop {
            let deadline = self.carry_out().await;
            self.requests
                .give_up_rooms(|id| self.endpoint.awaits_room(id));
            self.group_rooms
                .keep(&self.account, |room| self.endpoint.follows_group_room(room));
            if self.has_stopped() {
                break;
            }
            let is_in_rooms = self.endpoint.clears_rooms()
                || self.requests.makes_rooms()
                || self.room_tasks.is_leaving();
            let farewell = match is_in_rooms {
                true => ROOM_FAREWELL_TIMEOUT,
                false => FAREWELL_TIMEOUT,
            };
            let farewell_ends = self.stopping_since.map(|since| since + farewell);
            tokio::select! {
                command = commands.recv(), if self.stopping_since.is_none() => {
                    self.handle_command(command.unwrap_or(Command::Stop));
                }
                incoming = next_incoming(&self.events, &mut inbox) => match incoming {
                    FromInbox::Incoming(incoming) => self.handle_incoming(incoming),
                    FromInbox::Started(opened) => {
                        inbox = MaybeInbox::Open(opened);
                        self.tell(Event::Online);
                        self.tell(Event::Ready);
                    }
                    FromInbox::Failed(error) => {
                        inbox = MaybeInbox::Closed;
                        self.tell_not_started(error);
                    }
                    FromInbox::Ended => inbox = MaybeInbox::Closed,
                },
                Some((call, output)) = media_outputs.next() => self.handle_media_output(call, output),
                Some(response) = self.requests.next() => self.handle_response(response),
                done = self.room_tasks.next() => match done {
                    Done::Facts(room, facts) => self.handle_room_facts(room, facts),
                    Done::Joined(room, joined) => self.endpoint.handle_room_entered(&room, joined),
                    Done::Left => {}
                },
                done = self.group_rooms.next() => self.handle_group_room_read(done),
                Ok(()) = self.servers.changed() => {
                    let available = self.servers.borrow().relays();
                    self.endpoint.set_relays_available(available);
                }
                Ok(()) = self.networks.changed() => self.handle_network_change(),
                () = clock::sleep_until(deadline) => self.endpoint.handle_timeout(clock::now(), &mut self.rng),
                () = clock::sleep_until(farewell_ends) => self.abandoned = true,
                _ = idle_discard.tick(), if self.opened.is_some() => self.discard_idle_audio(),
            }
        }
        self.empty_inbox(&mut inbox).await;
    }

    /// The last sync. What it brings is of no use any more.
    async fn empty_inbox(&mut self, inbox: &mut MaybeInbox) {
        if matches!(inbox, MaybeInbox::Starting(_)) {
            return;
        }
        let last_sync = STOP_TIMEOUT.saturating_sub(FAREWELL_TIMEOUT);
        let until = self.stopping_since.map(|since| since + STOP_TIMEOUT);
        let until = until.max(Some(clock::now() + last_sync));
        let account = self.account.clone();
        *inbox = MaybeInbox::Closed;
        let drain = account.drain();
        match tokio::time::timeout_at(until.unwrap_or_else(clock::now).into(), drain).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the inbox at the homeserver is not empty"),
            Err(_) => tracing::debug!("the last sync did not end in time"),
        }
    }

    /// Does what the endpoint wants, in its order, until it wants nothing more. Returns when to wake it.
    async fn carry_out(&mut self) -> Option<Instant> {
        // What is handed in next may have it place a call of its own.
        self.endpoint
            .tell_wallclock(clock::now(), clock::wallclock_ms());
        loop {
            match self.endpoint.poll_output() {
                Output::Request(request) => {
                    tracing::trace!("a request to the homeserver");
                    self.request(request);
                }
                Output::Media(call, command) => {
                    tracing::trace!(?command, "to the media");
                    self.order(call, command);
                }
                Output::Control(call, bytes) => {
                    if let Some(media) = self.media.get(&call) {
                        media.control(bytes);
                    }
                }
                Output::Event(event) => {
                    self.note_calls(&event);
                    self.tell(Event::Call(event));
                }
                Output::Persist(bytes) => self.remember(bytes).await,
                Output::Timeout(deadline) => return deadline,
            }
        }
    }

    fn request(&mut self, request: Request) {
        let known = match &request {
            Request::FindRoom {
                user, first: None, ..
            } => self.rooms.direct(clock::now(), user),
            _ => None,
        };
        match (request, known) {
            // The sync would have told if it were another one by now.
            (Request::FindRoom { id, user, .. }, Some((room, facts))) => {
                self.requests
                    .prepare_known(&self.account, id, user, room, facts);
            }
            (
                Request::JoinRoom {
                    room,
                    user,
                    is_direct,
                },
                _,
            ) => {
                let direct_with = is_direct.then_some(user);
                self.room_tasks.join(&self.account, room, direct_with);
            }
            (Request::LeaveRoom { room, user }, _) => self.leave_room(room, user),
            (request, _) => self.requests.make(&self.account, request),
        }
    }

    fn order(&mut self, call: CallHandle, command: MediaCommand) {
        let media = match self.media.remove(&call) {
            Some(media) => media,
            None => {
                // A call that is over has no media any more, and whatever is still ordered is done.
                let Some(call) = self.calls.named(call) else {
                    return;
                };
                let media = self.make_media(call, beside(&command));
                media.network_changed(self.connected_by.clone());
                media
            }
        };
        media.order(command);
        self.media.insert(call, media);
    }

    /// The media of a call, in the conversation of another one or in its own.
    fn make_media(&mut self, call: NamedCall, beside: Option<CallHandle>) -> CallMedia {
        let leg = LegSettings {
            network: self.network.clone(),
            servers: self.servers.clone(),
            outputs: self.media_sender.clone(),
            runtime: Handle::current(),
        };
        if let Some(other) = beside.and_then(|beside| self.media.get(&beside)) {
            return other.join(call, leg);
        }
        let devices = self.opened.take();
        let last_effort = self.last_effort.clone();
        CallMedia::spawn(
            call,
            leg,
            self.audio.clone(),
            devices,
            self.levels,
            last_effort,
        )
    }

    /// Keeps track of the calls that are not over.
    fn note_calls(&mut self, event: &securecall_session::Event) {
        self.calls.follow(event);
        if matches!(event, securecall_session::Event::Ended { .. }) && self.calls.is_empty() {
            self.account.calls_are_over();
        }
    }

    /// Waits until the disk has it, for what arrived may ring only then, and tells the endpoint whether it has.
    async fn remember(&mut self, bytes: Vec<u8>) {
        let kept = self.replay_memory.keep(bytes).await;
        let result = kept.map_err(|error| {
            if let Some(error) = error {
                self.tell(Event::ReplayMemoryFailed(error));
            }
            NotPersisted
        });
        self.endpoint
            .handle_persisted(clock::now(), &mut self.rng, result);
    }

    fn handle_command(&mut self, command: Command) {
        let now = clock::now();
        match command {
            Command::Call {
                callee,
                options,
                reply,
            } => {
                let placed =
                    self.endpoint
                        .call(now, clock::wallclock_ms(), &mut self.rng, callee, &options);
                let _ = reply.send(placed);
            }
            Command::CallGroup {
                callees,
                options,
                reply,
            } => {
                let wallclock = clock::wallclock_ms();
                let began =
                    self.endpoint
                        .call_group(now, wallclock, &mut self.rng, callees, &options);
                let _ = reply.send(began);
            }
            Command::Add {
                call,
                callee,
                options,
                reply,
            } => {
                let wallclock = clock::wallclock_ms();
                let added =
                    self.endpoint
                        .add(now, wallclock, &mut self.rng, call, &callee, &options);
                let _ = reply.send(added);
            }
            Command::JoinRoomCall(order, reply) => self.join_room_call(order, reply),
            Command::Leave(conference, reply) => {
                let _ = reply.send(self.endpoint.leave(now, &mut self.rng, conference));
            }
            Command::Answer(call, reply) => {
                let _ = reply.send(self.endpoint.answer(now, &mut self.rng, call));
            }
            Command::Reject(call, reply) => {
                let _ = reply.send(self.endpoint.reject(now, &mut self.rng, call));
            }
            Command::Hangup(call, reply) => {
                let _ = reply.send(self.endpoint.hang_up(now, &mut self.rng, call));
            }
            Command::SetMuted(call, muted, reply) => {
                let _ = reply.send(self.endpoint.set_muted(now, &mut self.rng, call, muted));
            }
            Command::SetConferenceMuted(conference, muted, reply) => {
                let done =
                    self.endpoint
                        .set_conference_muted(now, &mut self.rng, conference, muted);
                let _ = reply.send(done);
            }
            Command::SetHeld(call, held, reply) => {
                let _ = reply.send(self.endpoint.set_held(now, &mut self.rng, call, held));
            }
            Command::Exchange(call, wish, reply) => {
                let _ = reply.send(self.live_media(call).map(|media| media.exchange(wish)));
            }
            Command::SetVolume(call, gain, reply) => {
                let _ = reply.send(self.live_media(call).map(|media| media.set_volume(gain)));
            }
            Command::SetContacts(contacts) => self.endpoint.set_contacts(contacts),
            Command::Stop => self.begin_to_stop(now),
        }
    }

    /// The media of a call that is not over; of one that is, it may still be at its last things.
    fn live_media(&self, call: CallHandle) -> Result<&CallMedia, CommandError> {
        let media = self.media.get(&call);
        let media = media.filter(|_| !self.calls.is_over(call));
        media.ok_or(CommandError::NoSuchCall)
    }

    fn begin_to_stop(&mut self, now: Instant) {
        self.stopping_since = Some(now);
        self.opened = None;
        // It may have no call at the moment, and still look for one.
        if let Some(conference) = self.endpoint.conference()
            && let Err(error) = self.endpoint.leave(now, &mut self.rng, conference.handle)
        {
            tracing::debug!(%error, "the conference was over already");
        }
        for call in self.calls.take() {
            if let Err(error) = self.endpoint.hang_up(now, &mut self.rng, call) {
                tracing::debug!(%error, "a call was over already");
            }
        }
    }

    fn handle_incoming(&mut self, incoming: Incoming) {
        let now = clock::now();
        tracing::trace!(
            is_signal = matches!(incoming, Incoming::Signal { .. }),
            "from the homeserver"
        );
        self.mid_sync |= matches!(incoming, Incoming::Signal { .. } | Incoming::Room(_));
        match incoming {
            Incoming::Signal {
                sender,
                sender_olm_key,
                content,
            } => {
                let signal = InboundSignal {
                    sender: &sender,
                    sender_olm_key,
                    content: &content,
                };
                if let Err(refused) =
                    self.endpoint
                        .handle_signal(now, clock::wallclock_ms(), &mut self.rng, signal)
                {
                    tracing::info!(%refused, "refused a message");
                }
            }
            Incoming::SyncComplete => {
                self.mid_sync = false;
                self.endpoint.handle_sync_complete(now, &mut self.rng);
            }
            Incoming::PlainTextRefused { sender: _ } => {
                if self.plain_text.is_due(now) {
                    self.tell(Event::PlainTextRefused);
                }
            }
            Incoming::Room(news) => self.handle_room_news(news),
            // No room is followed.
            Incoming::GroupRoom(_)
            | Incoming::GroupRoomMembership { .. }
            | Incoming::GroupRoomGap { .. }
            | Incoming::CallEvent { .. } => self.handle_group_room(incoming),
            Incoming::Offline(error) => self.tell(Event::Offline(error)),
            Incoming::Online => self.tell(Event::Online),
            // A connected call needs no homeserver; whether there is anything else to wait for is the program's affair.
            Incoming::SessionEnded => self.tell(Event::SessionEnded),
        }
    }

    fn handle_room_news(&mut self, news: RoomNews) {
        let now = clock::now();
        match news {
            RoomNews::Invited(invite) => self.handle_invite(&invite),
            RoomNews::Event(event) => {
                let has_call = self.endpoint.has_call_in(&event.room);
                let step = self.rooms.take(now, *event, has_call);
                self.take_step(step);
            }
            RoomNews::Left(room) => {
                self.rooms.left(&room);
                self.room_tasks.left(&room);
                let own = self.account.matrix_id().clone();
                self.endpoint
                    .handle_room_left(now, &mut self.rng, &room, &own);
            }
            RoomNews::Gap(room) => self.rooms.forget(&room),
            RoomNews::Refused { reason, count } => {
                tracing::info!(%reason, count, "events of rooms were thrown away");
            }
        }
    }

    /// What has waited for an answer about its room. The sync response that brought it is through, or will be.
    fn handle_room_facts(&mut self, room: RoomId, facts: Result<RoomFacts, RoomError>) {
        let step = self.rooms.answered(clock::now(), room, facts);
        self.take_step(step);
        if !self.mid_sync {
            self.endpoint
                .handle_sync_complete(clock::now(), &mut self.rng);
        }
    }

    fn take_step(&mut self, step: Step) {
        self.hand_in(&step.inputs);
        if let Some(room) = step.ask {
            self.room_tasks.ask(&self.account, room);
        }
    }

    fn hand_in(&mut self, inputs: &[RoomInput]) {
        let now = clock::now();
        for input in inputs {
            match input {
                RoomInput::Joined(room, who) => self.endpoint.handle_room_joined(room, who),
                RoomInput::Left(room, who) => {
                    self.endpoint
                        .handle_room_left(now, &mut self.rng, room, who);
                }
                RoomInput::Call { .. } => {}
            }
            let Some(event) = input.as_event() else {
                continue;
            };
            if let Err(refused) = self.endpoint.handle_room_event(now, &mut self.rng, event) {
                tracing::info!(%refused, "refused an event of a room");
            }
        }
    }

    fn tell_not_started(&self, error: securecall_matrix::StartError) {
        use securecall_matrix::{ServerError, StartError};
        match error {
            StartError::Server(ServerError::SessionEnded { .. }) => self.tell(Event::SessionEnded),
            StartError::Server(error) => self.tell(Event::Offline(error)),
            error @ StartError::AlreadyStarted => {
                tracing::error!(%error, "the client has no inbox");
            }
        }
    }

    fn handle_response(&mut self, response: Response) {
        let now = clock::now();
        tracing::trace!("an answer of the homeserver");
        match response {
            Response::Devices(id, devices) => {
                self.endpoint
                    .handle_devices(now, &mut self.rng, id, devices);
            }
            Response::Sent(id, sent) => {
                self.endpoint.handle_response(now, &mut self.rng, id, sent);
            }
            Response::GroupRoom(id, answer) => {
                self.endpoint
                    .handle_group_room_response(now, &mut self.rng, id, answer);
            }
            Response::Room(id, user, found) => self.handle_room_found(now, id, &user, found),
            Response::InRoom(id, sent) => {
                self.endpoint
                    .handle_room_response(now, &mut self.rng, id, sent);
            }
        }
    }

    fn handle_room_found(
        &mut self,
        now: Instant,
        id: RequestId,
        user: &MatrixId,
        found: Result<FoundRoom, RoomRequestError>,
    ) {
        let mut invited_to = None;
        if let Ok(found) = &found {
            match found.ready {
                Some(facts) => self.rooms.found(now, user, &found.room, facts),
                None => invited_to = Some(found.room.clone()),
            }
        }
        self.endpoint
            .handle_room_found(now, &mut self.rng, id, found);
        // Whoever was invited may have come before the answer that says so.
        if let Some(room) = invited_to.filter(|room| self.rooms.has_come(room, user)) {
            self.endpoint.handle_room_joined(&room, user);
        }
    }

    fn handle_media_output(&mut self, call: CallHandle, output: MediaOutput) {
        let now = clock::now();
        match output {
            MediaOutput::Event(event) => {
                tracing::trace!(?event, "from the media");
                // First: what the call wants said now must not wait for connections that the same NAT has forgotten.
                if event == MediaEvent::PathSilent {
                    self.account.doubt_connections();
                }
                self.endpoint.handle_media(now, &mut self.rng, call, event);
            }
            MediaOutput::Control(bytes) => {
                if let Err(refused) = self
                    .endpoint
                    .handle_control(now, &mut self.rng, call, &bytes)
                {
                    tracing::debug!(%refused, "refused a control message");
                }
            }
            MediaOutput::CredentialsRefused => self.look_for_servers.refused.notify_one(),
            MediaOutput::Told(event) if self.calls.tells(call, &event) => self.tell(*event),
            MediaOutput::Told(_) => {}
            MediaOutput::Closed => {
                self.media.remove(&call);
            }
        }
    }

    fn has_stopped(&self) -> bool {
        let settled = self.media.is_empty()
            && self.endpoint.is_idle()
            && !self.endpoint.may_ring_unaware()
            && self.requests.is_empty()
            && !self.room_tasks.is_leaving();
        self.abandoned || (self.stopping_since.is_some() && settled)
    }

    fn discard_idle_audio(&mut self) {
        if let Some(devices) = &mut self.opened {
            devices.microphone.discard();
        }
    }

    pub(super) fn tell(&self, event: Event) {
        self.events.send(event);
    }
}
