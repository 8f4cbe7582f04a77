//! All devices, the homeserver and the network between them, on virtual time.

mod conference;
mod time;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, Rng, SeedableRng};
use securecall_contact::{MatrixId, OlmKey, SecureCallId, ServerName};
use securecall_crypto::{IdentityKey, IdentityKeyPair, IdentitySeed};
use securecall_session::{
    CallError, CallHandle, CallOptions, Callee, Contact, Contacts, EndReason, Endpoint, Event,
    MediaEvent, RequestError, RequestId, Require, Rule, SignalRefused,
};
use securecall_signaling::CallId;
use web_time::Instant;

use crate::device::{Device, DeviceOptions};
use crate::fake_media::Network;
use crate::homeserver::{Envelope, Homeserver};
use crate::indices::{DeviceId, UserId};

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
    Devices(
        DeviceId,
        RequestId,
        Result<Vec<securecall_contact::Device>, RequestError>,
    ),
    Media(DeviceId, CallId, MediaEvent),
    Control(DeviceId, CallId, Vec<u8>),
    Frame(DeviceId, CallId, Vec<u8>),
    FrameTick(DeviceId, CallId),
}

/// All devices, the homeserver and the network between them, on virtual time.
pub struct Universe {
    /// The devices of all users; a [`DeviceId`] is an index into them.
    pub devices: Vec<Device>,
    /// The homeserver of all users.
    pub homeserver: Homeserver,
    /// The network of all calls.
    pub network: Network,
    /// Every message that was sent on a data channel, and to which device.
    pub control_sent: Vec<(DeviceId, CallId, Vec<u8>)>,
    /// Every frame that was sent, and to which device.
    pub frames_sent: Vec<(DeviceId, CallId, Vec<u8>)>,
    users: Vec<User>,
    rng: Box<dyn CryptoRng>,
    start: Instant,
    now: Instant,
    actions: BTreeMap<u64, Action>,
    agenda: BinaryHeap<Reverse<(Instant, u64)>>,
    last_action: u64,
    /// How often an endpoint woke up without time passing.
    wakes_at_once: u32,
}

impl Universe {
    /// An empty universe; the seed decides everything that is random.
    pub fn new(seed: u64) -> Self {
        Self::with_rng(ChaCha20Rng::seed_from_u64(seed))
    }

    /// An empty universe whose devices all draw from this generator.
    pub fn with_rng(rng: impl CryptoRng + 'static) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "virtual time needs an origin, and any will do"
        )]
        let start = Instant::now();
        Self {
            devices: Vec::new(),
            homeserver: Homeserver::new(),
            network: Network::new(),
            control_sent: Vec::new(),
            frames_sent: Vec::new(),
            users: Vec::new(),
            rng: Box::new(rng),
            start,
            now: start,
            actions: BTreeMap::new(),
            agenda: BinaryHeap::new(),
            last_action: 0,
            wakes_at_once: 0,
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

    /// A user blocks another, by key and by account.
    pub fn block(&mut self, user: UserId, whom: UserId) {
        let rule = Rule {
            identity: Some(self.users[whom].identity),
            matrix_id: self.users[whom].matrix_id.clone(),
            blocked: true,
            require: Require::Any,
        };
        let contacts = Contacts::new(self.users[user].contacts.clone()).with_rules([rule]);
        for device in self.devices.iter_mut().filter(|it| it.user == user) {
            device.endpoint.set_contacts(contacts.clone());
        }
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
        let own = securecall_contact::Device {
            device_id: format!("DEVICE{id}").parse().expect("a device ID"),
            olm_key: OlmKey::from_bytes(olm_key),
        };
        self.homeserver
            .devices
            .entry(matrix_id.as_str().to_owned())
            .or_default()
            .push((id, own.clone()));
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
    pub fn rng(&mut self) -> &mut Box<dyn CryptoRng> {
        &mut self.rng
    }

    fn make_device(
        &self,
        user: UserId,
        own: securecall_contact::Device,
        options: DeviceOptions,
        persisted: Option<Vec<u8>>,
    ) -> Device {
        let contacts = Contacts::new(self.users[user].contacts.clone());
        let matrix_id = self.users[user].matrix_id.clone();
        Device::new(
            user,
            matrix_id,
            own,
            options,
            self.identity(user),
            contacts,
            persisted,
        )
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
            identity: Some(self.users[to].identity),
            matrix_id: self.users[to].matrix_id.clone(),
        };
        self.call_person(from, callee, options)
    }

    /// A device calls somebody of whom no more is known than this.
    ///
    /// # Errors
    /// As [`Endpoint::call`](securecall_session::Endpoint::call).
    pub fn call_person(
        &mut self,
        from: DeviceId,
        callee: Callee,
        options: &CallOptions,
    ) -> Result<CallId, CallError> {
        let wallclock = self.wallclock_ms(from);
        let result =
            self.devices[from]
                .endpoint
                .call(self.now, wallclock, &mut self.rng, callee, options);
        let result = result.map(|call| self.devices[from].note(&call));
        self.drain(from);
        result
    }

    /// A person answers: what a program does when its user takes the call.
    pub fn answer(&mut self, device: DeviceId, call: CallId) {
        let call = self.handle(device, call);
        self.devices[device]
            .endpoint
            .answer(self.now, &mut self.rng, call)
            .expect("it rings");
        self.drain(device);
    }

    /// A person declines.
    pub fn reject(&mut self, device: DeviceId, call: CallId) {
        let call = self.handle(device, call);
        self.devices[device]
            .endpoint
            .reject(self.now, &mut self.rng, call)
            .expect("it rings");
        self.drain(device);
    }

    /// A person hangs up, at either end and in any state of the call.
    pub fn hang_up(&mut self, device: DeviceId, call: CallId) {
        let call = self.handle(device, call);
        self.devices[device]
            .endpoint
            .hang_up(self.now, &mut self.rng, call)
            .expect("there is a call");
        self.drain(device);
    }

    /// A person mutes or unmutes.
    pub fn set_muted(&mut self, device: DeviceId, call: CallId, muted: bool) {
        let call = self.handle(device, call);
        self.devices[device]
            .endpoint
            .set_muted(self.now, &mut self.rng, call, muted)
            .expect("there is a call");
        self.drain(device);
    }

    /// A person, or a program, wants something of a device that it may refuse.
    pub fn command<T>(
        &mut self,
        device: DeviceId,
        command: impl FnOnce(&mut Endpoint, Instant, &mut Box<dyn CryptoRng>) -> T,
    ) -> T {
        let endpoint = &mut self.devices[device].endpoint;
        let result = command(endpoint, self.now, &mut self.rng);
        self.drain(device);
        result
    }

    /// An Olm event from one device to another, as an honest homeserver hands it over.
    pub fn envelope(&self, from: DeviceId, to: DeviceId, content: String) -> Envelope {
        let sender = &self.devices[from];
        Envelope {
            from,
            sender: sender.matrix_id.clone(),
            sender_olm_key: sender.own.olm_key,
            to,
            content,
        }
    }

    /// Hands a device an Olm event, as a homeserver that forges everything could.
    pub fn inject(&mut self, envelope: &Envelope) {
        self.deliver(envelope);
    }

    /// Hands a device bytes on its data channel.
    pub fn inject_control(&mut self, device: DeviceId, call: CallId, bytes: &[u8]) {
        let target = &mut self.devices[device];
        let result = match target.handle(call) {
            Some(call) => target
                .endpoint
                .handle_control(self.now, &mut self.rng, call, bytes),
            None => Err(SignalRefused::UnknownCall),
        };
        self.devices[device].refused.extend(result.err());
        self.drain(device);
    }

    /// Hands a device a frame from the network. Returns whether it opened.
    pub fn inject_frame(&mut self, device: DeviceId, call: CallId, frame: Vec<u8>) -> bool {
        let now = self.now;
        let media = self.devices[device].media.get_mut(&call);
        let Some(media) = media else { return false };
        let before = media.received;
        let events = media.handle_frame(now, frame);
        let opened = media.received > before;
        for event in events {
            self.inject_media(device, call, event);
        }
        opened
    }

    /// Tells a device's endpoint something about its media.
    pub fn inject_media(&mut self, device: DeviceId, call: CallId, event: MediaEvent) {
        let target = &mut self.devices[device];
        if let Some(call) = target.handle(call) {
            let endpoint = &mut target.endpoint;
            endpoint.handle_media(self.now, &mut self.rng, call, event);
        }
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
        let device = &self.devices[device];
        device.events.iter().rev().find_map(|event| match event {
            Event::Incoming { call, .. } => Some(device.id(call.handle)),
            _ => None,
        })
    }

    /// What orders about a call are given by on a device.
    ///
    /// # Panics
    ///
    /// If the device has not told of the call.
    pub fn handle(&self, device: DeviceId, call: CallId) -> CallHandle {
        self.devices[device]
            .handle(call)
            .expect("the device has told of the call")
    }

    /// A random number below `bound`.
    pub fn random_below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32() % bound
    }
}
