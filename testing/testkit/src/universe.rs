//! All devices, the homeserver and the network between them, on virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use securecall_contact::{MatrixId, SecureCallId, ServerName};
use securecall_crypto::{IdentityKey, IdentityKeyPair, IdentitySeed};
use securecall_session::{
    CallError, CallId, CallOptions, Callee, Contact, Contacts, EndReason, Event, InboundSignal,
    MediaEvent, Output, OwnDevice, PeerDevice, Request, RequestError, RequestId,
};
use web_time::Instant;

use crate::device::{Device, DeviceId, DeviceOptions};
use crate::fake_media::{FakeMedia, Network, Reaction, path_events};
use crate::homeserver::{Envelope, Fate, Homeserver};

/// Names a user in a universe.
pub type UserId = usize;

/// How often a frame is sent: not every 20 ms, to spare the tests time.
const FRAME_INTERVAL: Duration = Duration::from_millis(100);
/// The clock of the universe at its start, in milliseconds since the Unix epoch.
const EPOCH_MS: u64 = 1_800_000_000_000;

struct User {
    name: String,
    seed: [u8; 32],
    identity: IdentityKey,
    matrix_id: MatrixId,
    contacts: Vec<Contact>,
}

enum Action {
    Post(Envelope),
    Deliver(Envelope),
    Response(DeviceId, RequestId, Result<(), RequestError>),
    Devices(DeviceId, RequestId, Result<Vec<PeerDevice>, RequestError>),
    Media(DeviceId, CallId, MediaEvent),
    Control(DeviceId, CallId, Vec<u8>),
    Frame(DeviceId, CallId, Vec<u8>),
    FrameTick(DeviceId, CallId),
}

/// All devices, the homeserver and the network between them, on virtual time.
pub struct Universe {
    /// The devices.
    pub devices: Vec<Device>,
    /// The homeserver of all users.
    pub homeserver: Homeserver,
    /// The network of all calls.
    pub network: Network,
    users: Vec<User>,
    rng: ChaCha20Rng,
    start: Instant,
    now: Instant,
    actions: BTreeMap<u64, Action>,
    agenda: BinaryHeap<Reverse<(Instant, u64)>>,
    last_action: u64,
}

impl Universe {
    /// An empty universe; the seed decides everything that is random.
    pub fn new(seed: u64) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "virtual time needs an origin, and any will do"
        )]
        let start = Instant::now();
        Self {
            devices: Vec::new(),
            homeserver: Homeserver::new(),
            network: Network::new(),
            users: Vec::new(),
            rng: ChaCha20Rng::seed_from_u64(seed),
            start,
            now: start,
            actions: BTreeMap::new(),
            agenda: BinaryHeap::new(),
            last_action: 0,
        }
    }

    /// A new user with an `@sc_…` account.
    pub fn add_user(&mut self, name: &str) -> UserId {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let identity = IdentityKeyPair::from_seed(&IdentitySeed::from_bytes(seed)).public();
        let server: ServerName = "example.org".parse().expect("a server name");
        let matrix_id = MatrixId::of_securecall_id(&SecureCallId::new(&identity), &server);
        self.users.push(User {
            name: name.to_owned(),
            seed,
            identity,
            matrix_id,
            contacts: Vec::new(),
        });
        self.users.len() - 1
    }

    /// Moves a user to another account, before any device is added.
    pub fn set_matrix_id(&mut self, user: UserId, matrix_id: &str) {
        self.users[user].matrix_id = matrix_id.parse().expect("a Matrix ID");
    }

    /// Two users add each other's contact link.
    pub fn befriend(&mut self, one: UserId, other: UserId) {
        for (owner, friend) in [(one, other), (other, one)] {
            let friend = &self.users[friend];
            let contact = Contact {
                name: friend.name.clone(),
                identity: friend.identity,
                matrix_id: friend.matrix_id.clone(),
            };
            self.users[owner].contacts.push(contact);
            let contacts = Contacts::new(self.users[owner].contacts.clone());
            for device in self
                .devices
                .iter_mut()
                .filter(|device| device.user == owner)
            {
                device.endpoint.set_contacts(contacts.clone());
            }
        }
    }

    /// A new device of a user.
    pub fn add_device(&mut self, user: UserId, options: DeviceOptions) -> DeviceId {
        let id = self.devices.len();
        let mut olm_key = [0; 32];
        self.rng.fill_bytes(&mut olm_key);
        let matrix_id = self.users[user].matrix_id.clone();
        let own = OwnDevice {
            matrix_id: matrix_id.clone(),
            device_id: format!("DEVICE{id}"),
            olm_key,
        };
        let peer_device = PeerDevice {
            device_id: own.device_id.clone(),
            olm_key,
        };
        self.homeserver
            .devices
            .entry(matrix_id.as_str().to_owned())
            .or_default()
            .push((id, peer_device));
        let device = self.make_device(user, own, options, None);
        self.devices.push(device);
        id
    }

    /// Restarts a device's process: only what is on disk survives.
    pub fn restart(&mut self, id: DeviceId) {
        let old = &self.devices[id];
        let device = self.make_device(
            old.user,
            old.own.clone(),
            old.options.clone(),
            old.persisted.clone(),
        );
        self.devices[id] = device;
    }

    /// The user's identity, for tests that act as the user by hand.
    pub fn identity(&self, user: UserId) -> IdentityKeyPair {
        IdentityKeyPair::from_seed(&IdentitySeed::from_bytes(self.users[user].seed))
    }

    /// The universe's randomness.
    pub fn rng(&mut self) -> &mut ChaCha20Rng {
        &mut self.rng
    }

    fn make_device(
        &self,
        user: UserId,
        own: OwnDevice,
        options: DeviceOptions,
        persisted: Option<Vec<u8>>,
    ) -> Device {
        let contacts = Contacts::new(self.users[user].contacts.clone());
        Device::new(user, own, options, self.identity(user), contacts, persisted)
    }

    /// A device calls a user.
    ///
    /// # Errors
    /// As [`Endpoint::call`](securecall_session::Endpoint::call).
    pub fn call(&mut self, from: DeviceId, to: UserId) -> Result<CallId, CallError> {
        self.call_with(from, to, &CallOptions::default())
    }

    /// A device calls a user, with options.
    ///
    /// # Errors
    /// As [`Endpoint::call`](securecall_session::Endpoint::call).
    pub fn call_with(
        &mut self,
        from: DeviceId,
        to: UserId,
        options: &CallOptions,
    ) -> Result<CallId, CallError> {
        let callee = Callee {
            identity: self.users[to].identity,
            matrix_id: self.users[to].matrix_id.clone(),
        };
        let wallclock = self.wallclock_ms(from);
        let result =
            self.devices[from]
                .endpoint
                .call(self.now, wallclock, &mut self.rng, callee, options);
        self.drain(from);
        result
    }

    /// A person answers.
    pub fn answer(&mut self, device: DeviceId, call: CallId) {
        self.devices[device]
            .endpoint
            .answer(self.now, &mut self.rng, call)
            .expect("it rings");
        self.drain(device);
    }

    /// A person declines.
    pub fn reject(&mut self, device: DeviceId, call: CallId) {
        self.devices[device]
            .endpoint
            .reject(self.now, &mut self.rng, call)
            .expect("it rings");
        self.drain(device);
    }

    /// A person hangs up.
    pub fn hang_up(&mut self, device: DeviceId, call: CallId) {
        self.devices[device]
            .endpoint
            .hang_up(self.now, &mut self.rng, call)
            .expect("there is a call");
        self.drain(device);
    }

    /// A person mutes or unmutes.
    pub fn set_muted(&mut self, device: DeviceId, call: CallId, muted: bool) {
        self.devices[device]
            .endpoint
            .set_muted(self.now, &mut self.rng, call, muted)
            .expect("there is a call");
        self.drain(device);
    }

    /// Hands a device an Olm event, as a homeserver that forges everything could.
    pub fn inject(&mut self, envelope: &Envelope) {
        self.deliver(envelope);
    }

    /// Hands a device bytes on its data channel.
    pub fn inject_control(&mut self, device: DeviceId, call: CallId, bytes: &[u8]) {
        let result =
            self.devices[device]
                .endpoint
                .handle_control(self.now, &mut self.rng, call, bytes);
        self.devices[device].refused.extend(result.err());
        self.drain(device);
    }

    /// Tells a device's endpoint something about its media.
    pub fn inject_media(&mut self, device: DeviceId, call: CallId, event: MediaEvent) {
        self.devices[device]
            .endpoint
            .handle_media(self.now, &mut self.rng, call, event);
        self.drain(device);
    }

    /// Takes a device off the net, or brings it back: then it gets its mailbox in one sync response.
    pub fn set_online(&mut self, device: DeviceId, online: bool) {
        self.devices[device].online = online;
        if online {
            for envelope in std::mem::take(&mut self.devices[device].mailbox) {
                self.hand_in(&envelope);
            }
            self.finish_sync(device);
        }
    }

    /// Ends the sync response that a device is in.
    pub fn finish_sync(&mut self, device: DeviceId) {
        self.devices[device].sync_unfinished = false;
        self.devices[device]
            .endpoint
            .handle_sync_complete(self.now, &mut self.rng);
        self.drain(device);
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until something holds; at most for `limit`. Returns whether it held.
    pub fn run_until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while !holds(self) {
            if !self.step(end) {
                self.now = end;
                return holds(self);
            }
        }
        true
    }

    /// How much time has passed.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// What a device's clock shows.
    pub fn wallclock_ms(&self, device: DeviceId) -> u64 {
        let elapsed = u64::try_from(self.elapsed().as_millis()).expect("tests are short");
        (EPOCH_MS + elapsed).saturating_add_signed(self.devices[device].options.clock_skew_ms)
    }

    /// The user's Matrix ID.
    pub fn matrix_id(&self, user: UserId) -> &MatrixId {
        &self.users[user].matrix_id
    }

    /// How a device's last call ended, if it did.
    pub fn ended(&self, device: DeviceId) -> Option<EndReason> {
        self.devices[device]
            .events
            .iter()
            .rev()
            .find_map(|event| match event {
                Event::Ended { reason, .. } => Some(*reason),
                _ => None,
            })
    }

    /// Whether a device is, or was, connected.
    pub fn connected(&self, device: DeviceId) -> bool {
        self.devices[device].told(|event| matches!(event, Event::Connected { .. }))
    }

    /// The call that rings at a device.
    pub fn incoming(&self, device: DeviceId) -> Option<CallId> {
        self.devices[device]
            .events
            .iter()
            .rev()
            .find_map(|event| match event {
                Event::Incoming { call, .. } => Some(*call),
                _ => None,
            })
    }

    /// A random number below `bound`.
    pub fn random_below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32() % bound
    }

    fn schedule(&mut self, after: Duration, action: Action) {
        self.last_action += 1;
        self.actions.insert(self.last_action, action);
        self.agenda
            .push(Reverse((self.now + after, self.last_action)));
    }

    /// Does the next thing there is to do before `end`. Returns whether there was one.
    fn step(&mut self, end: Instant) -> bool {
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
                self.now = self.now.max(at);
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
            self.devices[device]
                .endpoint
                .handle_media(self.now, &mut self.rng, call, event);
            self.drain(device);
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
        ) && self.network.deaf != Some(remote)
        {
            self.schedule(self.network.delay, Action::Frame(remote, call, frame));
        }
        self.schedule(FRAME_INTERVAL, Action::FrameTick(device, call));
    }

    fn deliver(&mut self, envelope: &Envelope) {
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

    fn hand_in(&mut self, envelope: &Envelope) {
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

    fn drain(&mut self, id: DeviceId) {
        loop {
            match self.devices[id].endpoint.poll_output() {
                Output::Timeout(_) => return,
                Output::Event(event) => self.devices[id].events.push(event),
                Output::Persist(bytes) => self.devices[id].persisted = Some(bytes),
                Output::Request(request) => self.request(id, request),
                Output::Control(call, bytes) => self.control(id, call, bytes),
                Output::Media(call, command) => {
                    let media = self.devices[id]
                        .media
                        .entry(call)
                        .or_insert_with(FakeMedia::default);
                    for reaction in media.handle(id, call, command) {
                        self.react(id, call, reaction);
                    }
                }
            }
        }
    }

    fn request(&mut self, from: DeviceId, request: Request) {
        let hop = self.homeserver.hop;
        match request {
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
                if let Some(error) = self.homeserver.fails {
                    self.schedule(hop * 2, Action::Response(from, id, Err(error)));
                    return;
                }
                self.schedule(hop * 2, Action::Response(from, id, Ok(())));
                let own = self.devices[from].own.clone();
                if let Some(to) = self.homeserver.find(&user, &device_id) {
                    let envelope = Envelope {
                        from,
                        sender: own.matrix_id,
                        sender_olm_key: own.olm_key,
                        to,
                        content,
                    };
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
            && self.network.deaf != Some(remote)
            && !lost
            && open
        {
            self.schedule(self.network.delay, Action::Control(remote, call, bytes));
        }
    }

    fn react(&mut self, device: DeviceId, call: CallId, reaction: Reaction) {
        match reaction {
            Reaction::Event(event) => {
                self.schedule(Duration::from_millis(1), Action::Media(device, call, event))
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
        if !known || this.connected || other.connected {
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
