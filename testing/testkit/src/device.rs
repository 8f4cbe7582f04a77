//! One device of a user.

use std::collections::BTreeMap;

use securecall_crypto::IdentityKeyPair;
use securecall_session::{
    AnswerPolicy, CallId, CallOptions, Config, Contacts, Endpoint, Event, OwnDevice, SignalRefused,
};

use crate::fake_media::FakeMedia;
use crate::homeserver::Envelope;
use crate::universe::UserId;

/// Names a device in a universe.
pub type DeviceId = usize;

/// What a test wants a device to be like.
#[derive(Clone, Debug, Default)]
pub struct DeviceOptions {
    /// Who is answered without asking.
    pub answer: AnswerPolicy,
    /// Options of inbound calls.
    pub inbound: CallOptions,
    /// A relay is configured. Without one, a call that must go through it is refused.
    pub relay_available: bool,
    /// How wrong its clock is, in milliseconds.
    pub clock_skew_ms: i64,
}

/// What a device's disk does with what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disk {
    /// Keeps it, at once.
    #[default]
    Works,
    /// Refuses it: every write fails.
    Full,
    /// Takes its time, until [`Universe::finish_write`](crate::Universe::finish_write).
    Slow,
}

/// One device of a user: the endpoint under test, and fakes of all that a program has around it.
pub struct Device {
    /// The user who owns it, and may have others.
    pub user: UserId,
    /// As the homeserver knows it.
    pub own: OwnDevice,
    /// What the test asked for.
    pub options: DeviceOptions,
    /// The engine under test.
    pub endpoint: Endpoint,
    /// Everything it told its user.
    pub events: Vec<Event>,
    /// Its calls' media engines.
    pub media: BTreeMap<CallId, FakeMedia>,
    /// What happens when the endpoint wants something stored.
    pub disk: Disk,
    /// What it has on disk.
    pub persisted: Option<Vec<u8>>,
    /// What a slow disk has not written yet.
    pub unwritten: Vec<Vec<u8>>,
    /// How often it stored something.
    pub times_persisted: usize,
    /// Every message it refused, and why.
    pub refused: Vec<SignalRefused>,
    /// Whether it syncs.
    pub online: bool,
    /// While set, sync responses never end: nothing may ring.
    pub sync_unfinished: bool,
    /// What waits for it on the homeserver.
    pub mailbox: Vec<Envelope>,
}

impl Device {
    pub(crate) fn new(
        user: UserId,
        own: OwnDevice,
        options: DeviceOptions,
        identity: IdentityKeyPair,
        contacts: Contacts,
        persisted: Option<Vec<u8>>,
    ) -> Self {
        let config = Config {
            device: own.clone(),
            answer: options.answer,
            inbound: options.inbound.clone(),
            relay_available: options.relay_available,
        };
        let endpoint = Endpoint::new(config, identity, contacts, persisted.as_deref())
            .expect("the memory is what was persisted");
        Self {
            user,
            own,
            options,
            endpoint,
            events: Vec::new(),
            media: BTreeMap::new(),
            disk: Disk::default(),
            persisted,
            unwritten: Vec::new(),
            times_persisted: 0,
            refused: Vec::new(),
            online: true,
            sync_unfinished: false,
            mailbox: Vec::new(),
        }
    }

    /// Whether an event like this was told.
    pub fn told(&self, matches: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(matches)
    }
}
