//! A room on a homeserver, devices of ours with fake media, and pages of matrix-js-sdk, on virtual time: state events come to each in one
//! order, all else when chance has it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use securecall_contact::{Device, DeviceId, MatrixId, OlmKey, RoomId};
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_session::{
    CallHandle, ConferenceEvent, Config, Contacts, DelayId, Endpoint, Event, GroupRoomError,
    GroupRoomEvent, GroupRoomEventKind, GroupRoomOrder, GroupRoomState, InboundDeviceEvent,
    MediaCommand, MediaEvent, MembershipFailure, MembershipRequest, MembershipResponse,
    NamedConference, Output, PathRoute, Request, RequestError, RequestId, SignalRefused,
};
use serde_json::Value;
use web_time::Instant;

use super::super::contents::sdp;
use super::super::world::DIRECT;
use super::js::Js;

/// The homeserver's clock when a test begins, in Unix ms.
pub(super) const BEGIN: u64 = 1_795_892_916_000;
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// What is sent from a device to another.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) from: MatrixId,
    pub(super) from_device: DeviceId,
    pub(super) to: MatrixId,
    pub(super) to_device: DeviceId,
    pub(super) event_type: String,
    pub(super) content: Value,
    pub(super) in_clear: bool,
}

enum Happening {
    Asked(usize, RequestId, Request),
    Answer(
        usize,
        RequestId,
        Result<MembershipResponse, MembershipFailure>,
    ),
    Taken(usize, RequestId, Result<(), RequestError>),
    State(usize, GroupRoomEvent),
    Device(Sent),
    Media(usize, CallHandle, MediaEvent),
    Packet(usize, CallHandle),
    Delayed(String),
}

/// One of ours.
pub(super) struct Ours {
    pub(super) user: MatrixId,
    pub(super) device_id: DeviceId,
    pub(super) endpoint: Endpoint,
    pub(super) events: Vec<Event>,
    pub(super) refused: Vec<SignalRefused>,
    pub(super) commands: BTreeMap<CallHandle, Vec<String>>,
    /// Whom each call is with, by the description of the other side.
    remotes: BTreeMap<CallHandle, usize>,
    open: BTreeSet<CallHandle>,
    wakes: Option<Instant>,
    /// How far its clock is off.
    pub(super) skew_ms: i64,
    /// It is gone, without a word.
    pub(super) crashed: bool,
}

pub(super) struct World {
    pub(super) now: Instant,
    begin: Instant,
    pub(super) rng: ChaCha20Rng,
    pub(super) room: RoomId,
    /// By index; pages of matrix-js-sdk stand in `pages`.
    pub(super) ours: BTreeMap<usize, Ours>,
    pub(super) pages: BTreeMap<usize, Js>,
    state: BTreeMap<(Kind, String), GroupRoomEvent>,
    delayed: BTreeMap<String, (usize, Value, Instant)>,
    queue: BTreeMap<(Instant, u64), Happening>,
    count: u64,
    /// When each has seen the last state event.
    synced: BTreeMap<usize, Instant>,
    /// Pairs between which no path is found.
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// Of so many events from device to device one gets lost, and one is doubled; 0: none.
    pub(super) one_lost_of: u64,
    pub(super) longest_delay: Duration,
    pub(super) has_delayed_events: bool,
    pub(super) may_write: bool,
    pub(super) is_down: bool,
    pub(super) sent: Vec<Sent>,
    /// What went into the timeline of a room.
    pub(super) in_timeline: Vec<&'static str>,
    pub(super) writes: usize,
}

/// In an order, for a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Call,
    Member,
}

pub(super) fn user(name: &str) -> MatrixId {
    format!("@{name}:example.org").parse().unwrap()
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let now = Instant::now();
        Self {
            now,
            begin: now,
            rng: ChaCha20Rng::seed_from_u64(seed),
            room: "!room:example.org".parse().unwrap(),
            ours: BTreeMap::new(),
            pages: BTreeMap::new(),
            state: BTreeMap::new(),
            delayed: BTreeMap::new(),
            queue: BTreeMap::new(),
            count: 0,
            synced: BTreeMap::new(),
            cut: BTreeSet::new(),
            one_lost_of: 0,
            longest_delay: Duration::from_millis(300),
            has_delayed_events: true,
            may_write: true,
            is_down: false,
            sent: Vec::new(),
            in_timeline: Vec::new(),
            writes: 0,
        }
    }

    /// A device of ours of a user.
    pub(super) fn add(&mut self, name: &str) -> usize {
        self.add_with(name, Contacts::default())
    }

    pub(super) fn add_with(&mut self, name: &str, contacts: Contacts) -> usize {
        let index = self.ours.len() + self.pages.len();
        let seed = u8::try_from(index).unwrap() + 1;
        let identity = IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([seed; 32]));
        let device_id: DeviceId = format!("DEVICE{index}").parse().unwrap();
        let config = Config {
            matrix_id: user(name),
            device: Device {
                device_id: device_id.clone(),
                olm_key: OlmKey::from_bytes([seed; 32]),
            },
            ring: Default::default(),
            answer: Default::default(),
            inbound: DIRECT,
            relays: Default::default(),
        };
        let ours = Ours {
            user: user(name),
            device_id,
            endpoint: Endpoint::new(config, identity, contacts, None).unwrap(),
            events: Vec::new(),
            refused: Vec::new(),
            commands: BTreeMap::new(),
            remotes: BTreeMap::new(),
            open: BTreeSet::new(),
            wakes: None,
            skew_ms: 0,
            crashed: false,
        };
        self.ours.insert(index, ours);
        index
    }

    /// A page of matrix-js-sdk.
    pub(super) fn add_page(&mut self, name: &str) -> usize {
        let index = self.ours.len() + self.pages.len();
        self.pages.insert(index, Js::new(index, user(name)));
        index
    }

    pub(super) fn server_ms(&self) -> u64 {
        BEGIN + u64::try_from((self.now - self.begin).as_millis()).unwrap()
    }

    fn wallclock(&self, who: usize) -> u64 {
        self.server_ms()
            .saturating_add_signed(self.ours[&who].skew_ms)
    }

    pub(super) fn order(&self, in_clear: bool) -> GroupRoomOrder {
        GroupRoomOrder {
            room: self.room.clone(),
            in_clear,
            muted: false,
            options: DIRECT,
            state: self.room_state(),
        }
    }

    pub(super) fn room_state(&self) -> GroupRoomState {
        let users = self.users();
        GroupRoomState {
            events: self.state.values().map(|it| self.aged(it)).collect(),
            people: users.len(),
            joined: users.into_iter().collect(),
            is_encrypted: false,
            is_public: false,
            homeserver_ms: Some(self.server_ms()),
        }
    }

    fn aged(&self, event: &GroupRoomEvent) -> GroupRoomEvent {
        GroupRoomEvent {
            age_ms: Some(i64::try_from(self.server_ms() - event.sent_ms).unwrap()),
            ..event.clone()
        }
    }

    fn users(&self) -> BTreeSet<MatrixId> {
        let ours = self.ours.values().map(|it| it.user.clone());
        ours.chain(self.pages.values().map(|it| it.user.clone()))
            .collect()
    }

    pub(super) fn join(&mut self, who: usize) -> NamedConference {
        self.join_with(who, self.order(false)).unwrap()
    }

    pub(super) fn join_with(
        &mut self,
        who: usize,
        order: GroupRoomOrder,
    ) -> Result<NamedConference, GroupRoomError> {
        let wallclock = self.wallclock(who);
        let (now, rng) = (self.now, &mut self.rng);
        let endpoint = &mut self.ours.get_mut(&who).unwrap().endpoint;
        let joined = endpoint.join_group_room(now, wallclock, rng, order);
        self.drain(who);
        joined
    }

    pub(super) fn leave(&mut self, who: usize) {
        self.with(who, |endpoint, now, rng| {
            let conference = endpoint.conference().unwrap().handle;
            endpoint.leave(now, rng, conference).unwrap();
        });
    }

    /// Something is ordered of, or handed to, a device.
    pub(super) fn with<T>(
        &mut self,
        who: usize,
        work: impl FnOnce(&mut Endpoint, Instant, &mut ChaCha20Rng) -> T,
    ) -> T {
        let wallclock = self.wallclock(who);
        let (now, rng) = (self.now, &mut self.rng);
        let ours = self.ours.get_mut(&who).unwrap();
        ours.endpoint.tell_wallclock(now, wallclock);
        let result = work(&mut ours.endpoint, now, rng);
        self.drain(who);
        result
    }

    /// A state event is written, and comes to all.
    pub(super) fn write(&mut self, sender: MatrixId, is_call: bool, key: &str, content: &Value) {
        self.writes += 1;
        let kind = match is_call {
            true => GroupRoomEventKind::Call,
            false => GroupRoomEventKind::Member,
        };
        let event = GroupRoomEvent {
            sender,
            kind,
            state_key: key.to_owned(),
            content: content.to_string(),
            sent_ms: self.server_ms(),
            age_ms: None,
        };
        let order = match is_call {
            true => Kind::Call,
            false => Kind::Member,
        };
        self.state.insert((order, key.to_owned()), event.clone());
        let all: Vec<_> = self.ours.keys().chain(self.pages.keys()).copied().collect();
        for who in all {
            let at = self.soon();
            let at = at.max(self.synced.get(&who).copied().unwrap_or(at));
            self.synced.insert(who, at);
            self.later(at, Happening::State(who, event.clone()));
        }
    }

    /// What stands in the room of a user.
    pub(super) fn member(&self, user: &MatrixId) -> Option<Value> {
        let key = (Kind::Member, user.to_string());
        let event = self.state.get(&key)?;
        serde_json::from_str(&event.content).ok()
    }

    /// The devices that say that they are in a call.
    pub(super) fn devices_in(&self) -> BTreeSet<String> {
        let members = self.users();
        let contents = members.iter().filter_map(|it| self.member(it));
        let mut devices = BTreeSet::new();
        for content in contents {
            let calls = content["m.calls"].as_array().cloned().unwrap_or_default();
            for call in calls {
                for device in call["m.devices"].as_array().unwrap() {
                    devices.insert(device["device_id"].as_str().unwrap().to_owned());
                }
            }
        }
        devices
    }

    pub(super) fn post(&mut self, sent: Sent) {
        self.sent.push(sent.clone());
        let copies = match self.one_lost_of {
            0 => 1,
            of => match self.rng.next_u64() % of {
                0 => 0,
                1 => 2,
                _ => 1,
            },
        };
        for _ in 0..copies {
            let at = self.soon();
            self.later(at, Happening::Device(sent.clone()));
        }
    }

    fn soon(&mut self) -> Instant {
        let most = u64::try_from(self.longest_delay.as_millis()).unwrap();
        self.now + Duration::from_millis(1 + self.rng.next_u64() % most)
    }

    fn later(&mut self, at: Instant, happening: Happening) {
        self.count += 1;
        self.queue.insert((at, self.count), happening);
    }

    pub(super) fn seconds(&mut self, seconds: u64) {
        self.run_until(self.now + SECOND * u32::try_from(seconds).unwrap());
    }

    fn run_until(&mut self, end: Instant) {
        let mut at_once = 0;
        loop {
            let happens = self.queue.first_key_value().map(|((at, _), _)| *at);
            let wakes = self.ours.values().filter(|it| !it.crashed);
            let wakes = wakes.filter_map(|it| it.wakes).min();
            let pages = self.pages.values().filter_map(Js::wakes).min();
            let all = [happens, wakes, pages];
            let Some(next) = all.into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            at_once = if next <= self.now { at_once + 1 } else { 0 };
            assert!(at_once < 20_000, "somebody wakes up without end");
            self.now = self.now.max(next);
            if happens == Some(next) {
                let (_, happening) = self.queue.pop_first().unwrap();
                self.happen(happening);
                continue;
            }
            let due = |it: &Ours| !it.crashed && it.wakes.is_some_and(|at| at <= next);
            let ours: Vec<_> = self.ours.iter().filter(|(_, it)| due(it)).collect();
            let ours: Vec<_> = ours.into_iter().map(|(who, _)| *who).collect();
            for who in ours {
                self.with(who, |endpoint, now, rng| endpoint.handle_timeout(now, rng));
            }
            for who in self.pages.keys().copied().collect::<Vec<_>>() {
                self.page(who, |page, now, server_ms| {
                    page.handle_timeout(now, server_ms)
                });
            }
        }
        self.now = end;
    }

    /// A page does something.
    pub(super) fn page(&mut self, who: usize, work: impl FnOnce(&mut Js, Instant, u64)) {
        let (now, server_ms) = (self.now, self.server_ms());
        let page = self.pages.get_mut(&who).unwrap();
        work(page, now, server_ms);
        let user = page.user.clone();
        let (writes, sent) = page.take();
        for content in writes {
            self.write(user.clone(), false, user.as_str(), &content);
        }
        for sent in sent {
            self.post(sent);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Asked(who, id, request) => self.asked(who, id, request),
            Happening::Answer(who, id, answer) if self.is_there(who) => {
                self.with(who, |endpoint, now, rng| {
                    endpoint.handle_group_room_response(now, rng, id, answer);
                });
            }
            Happening::Taken(who, id, result) if self.is_there(who) => {
                self.with(who, |endpoint, now, rng| {
                    endpoint.handle_response(now, rng, id, result);
                });
            }
            Happening::State(who, event) if self.pages.contains_key(&who) => {
                self.page(who, |page, now, server_ms| page.see(now, server_ms, &event));
            }
            Happening::State(who, event) if self.is_there(who) => {
                let (room, event) = (self.room.clone(), self.aged(&event));
                self.with(who, |endpoint, now, rng| {
                    endpoint.handle_group_room_event(now, rng, &room, &event);
                });
            }
            Happening::Device(sent) => self.deliver(sent),
            Happening::Media(who, call, event) if self.is_there(who) => {
                let up = event
                    == MediaEvent::PathUp {
                        route: PathRoute::Direct,
                    };
                if !(up && self.is_cut(who, call)) {
                    self.with(who, |endpoint, now, rng| {
                        endpoint.handle_media(now, rng, call, event);
                    });
                }
            }
            Happening::Packet(who, call) if self.ours[&who].open.contains(&call) => {
                self.later(self.now + SECOND, Happening::Packet(who, call));
                if self.is_there(who) && !self.is_cut(who, call) {
                    self.with(who, |endpoint, now, rng| {
                        endpoint.handle_media(now, rng, call, MediaEvent::AuthenticatedPacket);
                    });
                }
            }
            Happening::Delayed(id) => self.delayed_is_due(&id),
            _ => {}
        }
    }

    fn is_there(&self, who: usize) -> bool {
        self.ours.get(&who).is_some_and(|it| !it.crashed)
    }

    /// Nothing of the other side comes: no path, or nobody is there.
    fn is_cut(&self, who: usize, call: CallHandle) -> bool {
        let other = self.ours[&who].remotes.get(&call);
        other.is_none_or(|other| {
            let is_gone = self.ours.get(other).is_some_and(|it| it.crashed);
            is_gone || self.cut.contains(&(who, *other)) || self.cut.contains(&(*other, who))
        })
    }

    fn deliver(&mut self, sent: Sent) {
        let page = self.pages.iter().find(|(_, it)| it.is(&sent));
        if let Some(who) = page.map(|(who, _)| *who) {
            return self.page(who, |page, now, server_ms| page.hear(now, server_ms, &sent));
        }
        let is_it = |it: &Ours| it.user == sent.to && it.device_id == sent.to_device;
        let Some(who) = self
            .ours
            .iter()
            .find(|(_, it)| is_it(it))
            .map(|(it, _)| *it)
        else {
            return;
        };
        if self.is_there(who) {
            self.hand_in(who, &sent);
        }
    }

    /// What came from a device, as it was sent.
    pub(super) fn hand_in(&mut self, who: usize, sent: &Sent) {
        let content = sent.content.to_string();
        let refused = self.with(who, |endpoint, now, rng| {
            let event = InboundDeviceEvent {
                sender: &sent.from,
                proven: (!sent.in_clear).then_some(&sent.from_device),
                event_type: &sent.event_type,
                content: &content,
            };
            endpoint.handle_device_event(now, rng, event)
        });
        self.ours
            .get_mut(&who)
            .unwrap()
            .refused
            .extend(refused.err());
    }

    fn delayed_is_due(&mut self, id: &str) {
        match self.delayed.get(id) {
            Some((_, _, at)) if *at > self.now => {
                let at = *at;
                self.later(at, Happening::Delayed(id.to_owned()));
            }
            Some(_) => {
                let (who, content, _) = self.delayed.remove(id).unwrap();
                let user = self.ours[&who].user.clone();
                self.write(user.clone(), false, user.as_str(), &content);
            }
            None => {}
        }
    }

    fn asked(&mut self, who: usize, id: RequestId, request: Request) {
        let (user, device_id) = (
            self.ours[&who].user.clone(),
            self.ours[&who].device_id.clone(),
        );
        let at = self.soon();
        let down = self.is_down;
        match request {
            Request::SendToDevice {
                user: to,
                device_id: to_device,
                event_type,
                content,
                in_clear,
                ..
            } => {
                let result = if down {
                    Err(RequestError::Unreachable)
                } else {
                    Ok(())
                };
                if !down {
                    self.post(Sent {
                        from: user,
                        from_device: device_id,
                        to,
                        to_device,
                        event_type: event_type.to_owned(),
                        content: serde_json::from_str(&content).unwrap(),
                        in_clear,
                    });
                }
                self.later(at, Happening::Taken(who, id, result));
            }
            Request::OwnMembership { request, .. } => {
                let answer = match down {
                    true => Err(MembershipFailure::Later(Duration::ZERO)),
                    false => self.membership(who, &user, request),
                };
                self.later(at, Happening::Answer(who, id, answer));
            }
            Request::WriteGroupCall {
                call_id, content, ..
            } => {
                let answer = match (down, self.may_write) {
                    (true, _) => Err(MembershipFailure::Later(Duration::ZERO)),
                    (_, false) => Err(MembershipFailure::Forbidden),
                    (_, true) => {
                        let content = serde_json::from_str(&content).unwrap();
                        self.write(user, true, &call_id, &content);
                        Ok(MembershipResponse::Done)
                    }
                };
                self.later(at, Happening::Answer(who, id, answer));
            }
            other => panic!("{other:?}"),
        }
    }

    fn membership(
        &mut self,
        who: usize,
        user: &MatrixId,
        request: MembershipRequest,
    ) -> Result<MembershipResponse, MembershipFailure> {
        match request {
            MembershipRequest::ReadMember => {
                let content = self.member(user).ok_or(MembershipFailure::NotFound)?;
                Ok(MembershipResponse::Content(
                    content.to_string().into_bytes(),
                ))
            }
            MembershipRequest::WriteMember { .. } if !self.may_write => {
                Err(MembershipFailure::Forbidden)
            }
            MembershipRequest::WriteMember { content } => {
                self.write(user.clone(), false, user.as_str(), &content);
                Ok(MembershipResponse::Done)
            }
            _ if !self.has_delayed_events => Err(MembershipFailure::Unsupported),
            MembershipRequest::ScheduleMember { content, delay } => {
                let id = format!("delay{}", self.count);
                let at = self.now + delay;
                self.delayed.insert(id.clone(), (who, content, at));
                self.later(at, Happening::Delayed(id.clone()));
                Ok(MembershipResponse::Delayed(DelayId::parse(&id).unwrap()))
            }
            MembershipRequest::RestartDelayed { delay_id } => {
                let now = self.now;
                let held = self.delayed.get_mut(delay_id.as_str());
                let (_, _, at) = held.ok_or(MembershipFailure::NotFound)?;
                *at = now + SECOND * 30;
                Ok(MembershipResponse::Done)
            }
            MembershipRequest::CancelDelayed { delay_id } => {
                self.delayed.remove(delay_id.as_str());
                Ok(MembershipResponse::Done)
            }
        }
    }

    pub(super) fn drain(&mut self, who: usize) {
        loop {
            let ours = self.ours.get_mut(&who).unwrap();
            match ours.endpoint.poll_output() {
                Output::Request(request) => {
                    if let Request::SendToRoom { event_type, .. } = &request {
                        self.in_timeline.push(*event_type);
                        continue;
                    }
                    let id = match &request {
                        Request::SendToDevice { id, .. }
                        | Request::OwnMembership { id, .. }
                        | Request::WriteGroupCall { id, .. } => *id,
                        other => panic!("{other:?}"),
                    };
                    let at = self.soon();
                    self.later(at, Happening::Asked(who, id, request));
                }
                Output::Media(call, command) => self.media(who, call, command),
                Output::Control(..) | Output::Persist(_) => panic!("nothing is sealed here"),
                Output::Event(event) => ours.events.push(event),
                Output::Timeout(at) => {
                    ours.wakes = at;
                    return;
                }
            }
        }
    }

    fn media(&mut self, who: usize, call: CallHandle, command: MediaCommand) {
        let millis = Duration::from_millis;
        let ours = self.ours.get_mut(&who).unwrap();
        let shown = match &command {
            MediaCommand::CreateOffer { beside, .. } | MediaCommand::AcceptOffer { beside, .. } => {
                format!("{command:?} beside {beside:?}")
            }
            _ => format!("{command:?}"),
        };
        ours.commands.entry(call).or_default().push(shown);
        let own = sdp(&who.to_string(), "sendrecv");
        let reaction = match command {
            MediaCommand::CreateOffer { .. } => {
                ours.open.insert(call);
                Some((millis(1), MediaEvent::LocalOffer { sdp: own }))
            }
            MediaCommand::AcceptOffer { sdp: remote, .. } => {
                ours.open.insert(call);
                ours.remotes.insert(call, index_in(&remote));
                Some((millis(1), MediaEvent::LocalAnswer { sdp: own }))
            }
            MediaCommand::SetAnswer { sdp: remote } => {
                ours.remotes.insert(call, index_in(&remote));
                None
            }
            MediaCommand::Gather => {
                let event = MediaEvent::LocalCandidates {
                    candidates: vec![format!("candidate:1 1 udp 1 192.0.2.{who} 5000 typ host")],
                    complete: true,
                };
                Some((millis(2), event))
            }
            MediaCommand::StartAudio { protection } => {
                assert_eq!(format!("{protection:?}"), "Transport");
                self.later(self.now + SECOND, Happening::Packet(who, call));
                let route = PathRoute::Direct;
                Some((millis(100), MediaEvent::PathUp { route }))
            }
            MediaCommand::CreateRestartOffer => {
                Some((millis(1), MediaEvent::RestartOffer { sdp: own }))
            }
            MediaCommand::AcceptRestartOffer { .. } => {
                Some((millis(1), MediaEvent::RestartAnswer { sdp: own }))
            }
            MediaCommand::Close => {
                ours.open.remove(&call);
                None
            }
            _ => None,
        };
        if let Some((after, event)) = reaction {
            self.later(self.now + after, Happening::Media(who, call, event));
        }
    }

    /// What a device was told of the call of the room.
    pub(super) fn told(&self, who: usize) -> impl Iterator<Item = &ConferenceEvent> {
        self.ours[&who]
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Conference { event, .. } => Some(event),
                _ => None,
            })
    }

    /// Which devices are in, and heard, as a device shows it.
    pub(super) fn heard(&self, who: usize) -> BTreeSet<String> {
        let mut heard = BTreeSet::new();
        for event in self.told(who) {
            match event {
                ConferenceEvent::Joined { peer, .. } => {
                    heard.insert(peer.device_id.as_ref().unwrap().to_string());
                }
                ConferenceEvent::Left { peer, .. } | ConferenceEvent::NoPath { peer } => {
                    heard.remove(peer.device_id.as_ref().unwrap().as_str());
                }
                ConferenceEvent::Ended { .. } => heard.clear(),
                _ => {}
            }
        }
        heard
    }

    /// Whether these, and no others, hear each other: each of them shows all others.
    pub(super) fn check_all_hear(&self, all: &[usize]) {
        let name = |who: &usize| match self.ours.get(who) {
            Some(it) => it.device_id.to_string(),
            None => self.pages[who].device_id.to_string(),
        };
        for who in all {
            let others: BTreeSet<_> = all.iter().filter(|it| *it != who).map(name).collect();
            let heard = match self.ours.get(who) {
                Some(_) => self.heard(*who),
                None => self.pages[who].heard(),
            };
            assert_eq!(heard, others, "{who}");
        }
    }

    /// Nothing is left of it anywhere.
    pub(super) fn check_empty(&mut self) {
        self.seconds(400);
        assert_eq!(self.devices_in(), BTreeSet::new());
        for (who, ours) in self.ours.iter().filter(|(_, it)| !it.crashed) {
            assert!(ours.endpoint.is_empty(), "{who}");
            assert!(!ours.endpoint.follows_group_room(&self.room));
        }
        assert!(self.delayed.is_empty());
    }

    pub(super) fn run_ms(&mut self, milliseconds: u64) {
        self.run_until(self.now + Duration::from_millis(milliseconds));
    }

    /// Calls of the room that are not over.
    pub(super) fn open_calls(&self) -> usize {
        let calls = self
            .state
            .iter()
            .filter(|((kind, _), _)| *kind == Kind::Call);
        calls
            .filter(|(_, it)| !it.content.contains("m.terminated"))
            .count()
    }

    /// All calls of the room are over, for all.
    pub(super) fn terminate(&mut self) {
        let calls: Vec<_> = self
            .state
            .keys()
            .filter(|(kind, _)| *kind == Kind::Call)
            .cloned()
            .collect();
        let content = serde_json::json!({ "m.type": "m.voice", "m.intent": "m.prompt", "m.terminated": "call_ended" });
        for (_, key) in calls {
            self.write(user("b"), true, &key, &content);
        }
    }
}

/// Whose description it is.
fn index_in(sdp: &str) -> usize {
    let stream = sdp.split("msid:stream-").nth(1).unwrap();
    stream.split(' ').next().unwrap().parse().unwrap()
}
