//! A room on a homeserver, devices of ours with fake media, and pages of matrix-js-sdk, on virtual time: state events come to each in one
//! order, all else when chance has it.

mod media;
mod sealed;
mod seen;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use securecall_contact::{Device, DeviceId, MatrixId, OlmKey, RoomId};
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_session::{
    CallHandle, ConferenceEvent, Config, Contacts, DelayId, Endpoint, Event, GroupRoomError,
    GroupRoomEvent, GroupRoomEventKind, GroupRoomOrder, GroupRoomState, InboundDeviceEvent,
    InboundRoomEvent, MediaCommand, MediaEvent, MembershipFailure, MembershipRequest,
    MembershipResponse, NamedConference, Output, PathRoute, Peer, Protection, Request,
    RequestError, RequestId, RoomFacts, SignalRefused,
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
    Devices(usize, RequestId, MatrixId),
    Sealed(SealedSent),
    Control(usize, String, Vec<u8>),
    Delayed(String),
}

/// One of ours.
pub(super) struct Ours {
    pub(super) user: MatrixId,
    pub(super) device_id: DeviceId,
    pub(super) olm_key: OlmKey,
    pub(super) endpoint: Endpoint,
    pub(super) events: Vec<Event>,
    pub(super) refused: Vec<SignalRefused>,
    pub(super) commands: BTreeMap<CallHandle, Vec<String>>,
    /// Whom each call is with, by the description of the other side.
    remotes: BTreeMap<CallHandle, usize>,
    open: BTreeSet<CallHandle>,
    /// What sealed legs are called on the wire, and those whose frames have keys.
    sealed: BTreeMap<CallHandle, String>,
    keyed: BTreeSet<CallHandle>,
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
    /// Users whose state events come to nobody.
    pub(super) unseen: BTreeSet<MatrixId>,
    /// Users without a device.
    pub(super) crowd: BTreeSet<MatrixId>,
    pub(super) has_delayed_events: bool,
    pub(super) may_write: bool,
    pub(super) is_down: bool,
    pub(super) sent: Vec<Sent>,
    pub(super) sealed_sent: Vec<SealedSent>,
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

pub(super) use self::sealed::{SealedSent, address};

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
            unseen: BTreeSet::new(),
            crowd: BTreeSet::new(),
            has_delayed_events: true,
            may_write: true,
            is_down: false,
            sent: Vec::new(),
            sealed_sent: Vec::new(),
            in_timeline: Vec::new(),
            writes: 0,
        }
    }

    /// A device of ours of a user.
    pub(super) fn add(&mut self, name: &str) -> usize {
        self.add_with(name, Contacts::default())
    }

    pub(super) fn add_with(&mut self, name: &str, contacts: Contacts) -> usize {
        let identity = self.next_identity();
        self.add_device(user(name), identity, contacts)
    }

    /// A device of ours of a user, with this key.
    pub(super) fn add_device(
        &mut self,
        user: MatrixId,
        identity: IdentityKeyPair,
        contacts: Contacts,
    ) -> usize {
        let index = self.ours.len() + self.pages.len();
        let seed = u8::try_from(index).unwrap() + 1;
        let olm_key = OlmKey::from_bytes([seed; 32]);
        let device_id: DeviceId = format!("DEVICE{index}").parse().unwrap();
        let config = Config {
            matrix_id: user.clone(),
            device: Device {
                device_id: device_id.clone(),
                olm_key,
            },
            ring: Default::default(),
            answer: Default::default(),
            inbound: DIRECT,
            relays: Default::default(),
        };
        let ours = Ours {
            user,
            device_id,
            olm_key,
            endpoint: Endpoint::new(config, identity, contacts, None).unwrap(),
            events: Vec::new(),
            refused: Vec::new(),
            commands: BTreeMap::new(),
            remotes: BTreeMap::new(),
            open: BTreeSet::new(),
            sealed: BTreeMap::new(),
            keyed: BTreeSet::new(),
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
            .chain(self.crowd.iter().cloned())
            .collect()
    }

    pub(super) fn join(&mut self, who: usize) -> NamedConference {
        self.join_with(who, self.order(false)).unwrap()
    }

    /// The same where somebody else has joined the room, too.
    pub(super) fn join_in_room_of(&mut self, who: usize, other: &MatrixId) {
        let mut order = self.order(false);
        order.state.joined.push(other.clone());
        self.join_with(who, order).unwrap();
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

    /// The timeline of the room has this of somebody.
    pub(super) fn in_timeline_of(
        &mut self,
        who: usize,
        sender: &MatrixId,
        event_type: &str,
        content: &str,
    ) -> Result<(), SignalRefused> {
        let room = self.room.clone();
        let event = InboundRoomEvent {
            room: &room,
            facts: RoomFacts {
                joined_members: 2,
                is_public: false,
                is_encrypted: false,
            },
            sender,
            event_type,
            content,
            age: Some(Duration::ZERO),
            is_encrypted: false,
        };
        self.with(who, |endpoint, now, rng| {
            let heard = endpoint.handle_room_event(now, rng, event);
            endpoint.handle_sync_complete(now, rng);
            heard
        })
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
        let is_seen = !self.unseen.contains(&event.sender);
        let all = self.ours.keys().chain(self.pages.keys()).copied();
        let all: Vec<_> = all.filter(|_| is_seen).collect();
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

    pub(super) fn post(&mut self, sent: &Sent) {
        self.sent.push(sent.clone());
        let copies = self.copies();
        for _ in 0..copies {
            let at = self.soon();
            self.later(at, Happening::Device(sent.clone()));
        }
    }

    /// How often something comes that is sent once.
    fn copies(&mut self) -> usize {
        match self.one_lost_of {
            0 => 1,
            of => match self.rng.next_u64() % of {
                0 => 0,
                1 => 2,
                _ => 1,
            },
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
                    page.handle_timeout(now, server_ms);
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
            self.post(&sent);
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
            Happening::Devices(who, id, user) if self.is_there(who) => {
                self.tell_devices(who, id, &user);
            }
            Happening::Sealed(sent) => self.deliver_sealed(&sent),
            Happening::Control(who, call, bytes) if self.is_there(who) => {
                self.deliver_control(who, &call, &bytes);
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
            Happening::Device(sent) => self.deliver(&sent),
            Happening::Media(who, call, event) if self.is_there(who) => {
                let comes_from_there = matches!(
                    event,
                    MediaEvent::PathUp { .. }
                        | MediaEvent::DataChannelOpen
                        | MediaEvent::FirstFrameOpened
                        | MediaEvent::FirstAudioPlayed
                );
                if !(comes_from_there && self.is_cut(who, call)) {
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

    fn deliver(&mut self, sent: &Sent) {
        let page = self.pages.iter().find(|(_, it)| it.is(sent));
        if let Some(who) = page.map(|(who, _)| *who) {
            return self.page(who, |page, now, server_ms| page.hear(now, server_ms, sent));
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
            self.hand_in(who, sent);
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
                        | Request::QueryDevices { id, .. }
                        | Request::Send { id, .. }
                        | Request::OwnMembership { id, .. }
                        | Request::WriteGroupCall { id, .. } => *id,
                        other => panic!("{other:?}"),
                    };
                    let at = self.soon();
                    self.later(at, Happening::Asked(who, id, request));
                }
                Output::Media(call, command) => self.media(who, call, command),
                Output::Control(call, bytes) => self.control(who, call, bytes),
                Output::Persist(_) => {
                    let (now, rng) = (self.now, &mut self.rng);
                    ours.endpoint.handle_persisted(now, rng, Ok(()));
                }
                Output::Event(event) => {
                    ours.note_leg(&event);
                    ours.events.push(event);
                }
                Output::Timeout(at) => {
                    ours.wakes = at;
                    return;
                }
            }
        }
    }
}
