//! A homeserver with rooms, devices with fake media, and peers made by hand, on virtual time.

mod commands;
pub(super) mod membership;
mod reading;
mod server;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use securecall_contact::{Device, EventId, MatrixId, OlmKey, RoomId};
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_session::{
    CallHandle, CallOptions, Config, Contacts, Endpoint, Event, MediaCommand, MediaEvent,
    NamedCall, Output, PathRoute, RequestId, RoomFacts, RoomRequestError, Route, SignalRefused,
};
use serde_json::Value;
use web_time::Instant;

use super::contents::{js_answer, sdp};

/// What the homeserver does with an event of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Take,
    /// It is taken, and the answer gets lost.
    LoseAnswer,
    /// It never gets there.
    NeverArrives,
    Limit(Duration),
    Forbid,
}

/// What becomes of the search for a room: the room, ready or not yet; `None` if the homeserver takes its time.
pub(super) type Finder = Box<dyn FnMut() -> Option<Result<bool, RoomRequestError>>>;
pub(super) type Script = Box<dyn FnMut(&'static str) -> Fate>;

#[derive(Clone, Debug)]
pub(super) struct TimelineEvent {
    pub(super) sender: String,
    pub(super) event_type: String,
    pub(super) content: Value,
    pub(super) id: EventId,
    pub(super) at: Instant,
    pub(super) redacted: bool,
    encrypted: bool,
}

pub(super) struct SimRoom {
    pub(super) id: RoomId,
    pub(super) facts: RoomFacts,
    pub(super) timeline: Vec<TimelineEvent>,
}

enum Action {
    Deliver(usize, usize, usize),
    Response(usize, RequestId, Result<EventId, RoomRequestError>),
    Media(usize, CallHandle, MediaEvent),
    Packet(usize, CallHandle),
    Do(Box<dyn FnOnce(&mut World)>),
}

pub(super) struct SimDevice {
    pub(super) user: MatrixId,
    pub(super) endpoint: Endpoint,
    pub(super) events: Vec<Event>,
    pub(super) orders: Vec<String>,
    pub(super) descriptions: Vec<String>,
    pub(super) refused: Vec<SignalRefused>,
    pub(super) call: Option<NamedCall>,
    pub(super) requests: usize,
    /// Searches for a room that were not answered.
    pub(super) searches: Vec<RequestId>,
    open: BTreeSet<CallHandle>,
    wakes: Option<Instant>,
    offers: u32,
    /// What it hears of the room; else it is off line.
    pub(super) syncs: bool,
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) rng: ChaCha20Rng,
    pub(super) devices: Vec<SimDevice>,
    pub(super) rooms: Vec<SimRoom>,
    pub(super) script: Script,
    pub(super) finder: Finder,
    /// If devices make their rooms themselves.
    pub(super) memberships: Option<membership::Memberships>,
    pub(super) network_up: bool,
    /// Whether candidates are all there at once.
    pub(super) gathers_at_once: bool,
    agenda: BinaryHeap<Reverse<(Instant, u64)>>,
    actions: BTreeMap<u64, Action>,
    count: u64,
    transactions: BTreeMap<(usize, String), EventId>,
    pub(super) hop: Duration,
    pub(super) duplicates: bool,
}

pub(super) const ADA: &str = "@ada:example.org";
pub(super) const BOB: &str = "@bob:example.org";
pub(super) const DIRECT: CallOptions = CallOptions {
    route: Some(Route::Direct),
    require: securecall_session::Require::Any,
    lifetime: Duration::from_secs(90),
};

pub(super) fn id_of(text: &str) -> MatrixId {
    text.parse().unwrap()
}

impl World {
    /// Ada and Bob, alone in a room. Neither has a device of ours yet.
    pub(super) fn new(seed: u64) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let now = Instant::now();
        let mut world = Self {
            now,
            rng: ChaCha20Rng::seed_from_u64(seed),
            devices: Vec::new(),
            rooms: Vec::new(),
            script: Box::new(|_| Fate::Take),
            finder: Box::new(|| Some(Ok(true))),
            memberships: None,
            network_up: true,
            gathers_at_once: true,
            agenda: BinaryHeap::new(),
            actions: BTreeMap::new(),
            count: 0,
            transactions: BTreeMap::new(),
            hop: Duration::from_millis(20),
            duplicates: false,
        };
        world.add_room();
        world
    }

    pub(super) fn add_room(&mut self) -> usize {
        let number = self.rooms.len();
        self.rooms.push(SimRoom {
            id: format!("!room{number}:example.org").parse().unwrap(),
            facts: RoomFacts {
                joined_members: 2,
                is_public: false,
                is_encrypted: false,
            },
            timeline: Vec::new(),
        });
        number
    }

    pub(super) fn add_device(&mut self, user: &str) -> usize {
        self.add_device_with(user, |_| {}, Contacts::default())
    }

    pub(super) fn add_device_with(
        &mut self,
        user: &str,
        change: impl FnOnce(&mut Config),
        contacts: Contacts,
    ) -> usize {
        let number = self.devices.len();
        let seed = u8::try_from(number).unwrap() + 1;
        let identity = IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([seed; 32]));
        let mut config = Config {
            matrix_id: id_of(user),
            device: Device {
                device_id: format!("DEVICE{number}").parse().unwrap(),
                olm_key: OlmKey::from_bytes([seed; 32]),
            },
            ring: Default::default(),
            answer: Default::default(),
            inbound: DIRECT,
            relays: Default::default(),
        };
        change(&mut config);
        self.devices.push(SimDevice {
            user: id_of(user),
            endpoint: Endpoint::new(config, identity, contacts, None).unwrap(),
            events: Vec::new(),
            orders: Vec::new(),
            descriptions: Vec::new(),
            refused: Vec::new(),
            call: None,
            requests: 0,
            searches: Vec::new(),
            open: BTreeSet::new(),
            wakes: None,
            offers: 0,
            syncs: true,
        });
        number
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        let mut wakes_at_once = 0;
        loop {
            let action = self.agenda.peek().map(|Reverse((at, _))| *at);
            let wake = self.devices.iter().filter_map(|it| it.wakes).min();
            let Some(next) = action.into_iter().chain(wake).min().filter(|at| *at <= end) else {
                break;
            };
            wakes_at_once = if next <= self.now {
                wakes_at_once + 1
            } else {
                0
            };
            assert!(wakes_at_once < 20_000, "an endpoint wakes up without end");
            self.now = self.now.max(next);
            if action == Some(next) {
                let Reverse((_, number)) = self.agenda.pop().unwrap();
                let action = self.actions.remove(&number).unwrap();
                self.act(action);
            } else {
                for device in 0..self.devices.len() {
                    if self.devices[device].wakes.is_some_and(|at| at <= self.now) {
                        let endpoint = &mut self.devices[device].endpoint;
                        endpoint.handle_timeout(self.now, &mut self.rng);
                        self.drain(device);
                    }
                }
            }
        }
        self.now = end;
    }

    pub(super) fn seconds(&mut self, seconds: u64) {
        self.run_for(Duration::from_secs(seconds));
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Do(act) => act(self),
            Action::Deliver(device, room, number) => {
                self.hand_in(device, room, number);
                self.finish_sync(device);
            }
            Action::Response(device, id, result) => {
                let endpoint = &mut self.devices[device].endpoint;
                endpoint.handle_room_response(self.now, &mut self.rng, id, result);
                self.drain(device);
            }
            Action::Media(device, call, event) => {
                if event
                    == (MediaEvent::PathUp {
                        route: PathRoute::Direct,
                    })
                    && !self.network_up
                {
                    return;
                }
                let endpoint = &mut self.devices[device].endpoint;
                endpoint.handle_media(self.now, &mut self.rng, call, event);
                self.drain(device);
            }
            Action::Packet(device, call) => {
                if self.devices[device].open.contains(&call) {
                    if self.network_up {
                        let event = MediaEvent::AuthenticatedPacket;
                        let endpoint = &mut self.devices[device].endpoint;
                        endpoint.handle_media(self.now, &mut self.rng, call, event);
                        self.drain(device);
                    }
                    self.schedule(Duration::from_secs(1), Action::Packet(device, call));
                }
            }
        }
    }

    fn schedule(&mut self, after: Duration, action: Action) {
        self.count += 1;
        self.actions.insert(self.count, action);
        self.agenda.push(Reverse((self.now + after, self.count)));
    }

    pub(super) fn drain(&mut self, device: usize) {
        loop {
            match self.devices[device].endpoint.poll_output() {
                Output::Request(request) => self.request(device, request),
                Output::Media(call, command) => self.order(device, call, command),
                Output::Control(..) => panic!("there is no data channel in tier matrix"),
                Output::Persist(_) => {
                    let endpoint = &mut self.devices[device].endpoint;
                    endpoint.handle_persisted(self.now, &mut self.rng, Ok(()));
                }
                Output::Event(event) => {
                    if let Event::Incoming { call, .. } | Event::Dialing { call, .. } = &event {
                        self.devices[device].call = Some(call.clone());
                    }
                    self.devices[device].events.push(event);
                }
                Output::Timeout(at) => {
                    self.devices[device].wakes = at;
                    return;
                }
            }
        }
    }

    fn order(&mut self, device: usize, call: CallHandle, command: MediaCommand) {
        let millis = Duration::from_millis;
        let this = &mut self.devices[device];
        this.orders.push(format!("{command:?}"));
        let of = this.user.localpart().to_owned();
        let mut react = Vec::new();
        match command {
            MediaCommand::CreateOffer { .. } => {
                this.open.insert(call);
                let sdp = sdp(&of, "sendrecv");
                react.push((millis(1), MediaEvent::LocalOffer { sdp }));
            }
            MediaCommand::AcceptOffer { sdp: remote, .. } => {
                this.open.insert(call);
                this.descriptions.push(remote);
                let sdp = sdp(&of, "sendrecv");
                react.push((millis(1), MediaEvent::LocalAnswer { sdp }));
            }
            MediaCommand::SetAnswer { sdp } | MediaCommand::SetRestartAnswer { sdp } => {
                this.descriptions.push(sdp);
            }
            MediaCommand::Gather => {
                let event = MediaEvent::LocalCandidates {
                    candidates: vec![format!(
                        "candidate:1 1 udp 1 192.0.2.{device} 5000 typ host"
                    )],
                    complete: self.gathers_at_once,
                };
                react.push((millis(2), event));
            }
            MediaCommand::StartAudio { protection } => {
                assert_eq!(format!("{protection:?}"), "Transport");
                let route = PathRoute::Direct;
                react.push((millis(100), MediaEvent::PathUp { route }));
                self.schedule(Duration::from_secs(1), Action::Packet(device, call));
            }
            MediaCommand::CreateRestartOffer | MediaCommand::SetHeld { offer: true, .. } => {
                this.offers += 1;
                let sdp = format!("{}a=restart:{}\r\n", sdp(&of, "sendrecv"), this.offers);
                react.push((millis(1), MediaEvent::RestartOffer { sdp }));
            }
            MediaCommand::AcceptRestartOffer { sdp: remote } => {
                this.descriptions.push(remote);
                let sdp = sdp(&of, "sendrecv");
                react.push((millis(1), MediaEvent::RestartAnswer { sdp }));
            }
            MediaCommand::Close => {
                this.open.remove(&call);
            }
            _ => {}
        }
        for (after, event) in react {
            self.schedule(after, Action::Media(device, call, event));
        }
    }
}

/// Ada's device, and a Bob of matrix-js-sdk whom it is connected to.
pub(super) fn connected_to_js(seed: u64) -> (World, usize, String) {
    let mut world = World::new(seed);
    let ada = world.add_device(ADA);
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    let id = world.call_id(ada);
    world.post(BOB, "m.call.answer", js_answer(&id));
    world.seconds(1);
    assert!(world.connected(ada));
    (world, ada, id)
}

/// Two devices of ours, connected.
pub(super) fn connected_pair(seed: u64) -> (World, usize, usize) {
    let (mut world, ada, bob) = ringing_pair(seed);
    world.answer(bob);
    world.seconds(2);
    assert!(world.connected(ada) && world.connected(bob));
    (world, ada, bob)
}

pub(super) fn ringing_pair(seed: u64) -> (World, usize, usize) {
    let mut world = World::new(seed);
    let (ada, bob) = (world.add_device(ADA), world.add_device(BOB));
    world.call(ada, BOB).unwrap();
    world.seconds(1);
    assert_eq!(world.rings(bob), 1);
    (world, ada, bob)
}
