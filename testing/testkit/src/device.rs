//! One device of a user.

use std::collections::BTreeMap;

use securecall_contact::MatrixId;
use securecall_crypto::IdentityKeyPair;
use securecall_session::{
    AnswerPolicy, CallHandle, CallOptions, Config, Contacts, Endpoint, Event, NamedCall,
    RelaysAvailable, RingPolicy, SignalRefused,
};
use securecall_signaling::CallId;

use crate::fake_media::FakeMedia;
use crate::homeserver::Envelope;
use crate::indices::UserId;

/// What a test wants a device to be like.
#[derive(Clone, Debug, Default)]
pub struct DeviceOptions {
    /// Who may make it ring.
    pub ring: RingPolicy,
    /// Who is answered without asking.
    pub answer: AnswerPolicy,
    /// Options of inbound calls.
    pub inbound: CallOptions,
    /// What relays there are. Without one, a call that must go through it is refused.
    pub relays: RelaysAvailable,
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
    /// The user's account.
    pub matrix_id: MatrixId,
    /// As the homeserver knows it.
    pub own: securecall_contact::Device,
    /// What the test asked for.
    pub options: DeviceOptions,
    /// The engine under test.
    pub endpoint: Endpoint,
    /// Everything it told its user.
    pub events: Vec<Event>,
    /// The IDs on the wire of the calls it has told of.
    pub calls: BTreeMap<CallHandle, CallId>,
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
        matrix_id: MatrixId,
        own: securecall_contact::Device,
        options: DeviceOptions,
        identity: IdentityKeyPair,
        contacts: Contacts,
        persisted: Option<Vec<u8>>,
    ) -> Self {
        let config = Config {
            matrix_id: matrix_id.clone(),
            device: own.clone(),
            ring: options.ring,
            answer: options.answer,
            inbound: options.inbound.clone(),
            relays: options.relays,
        };
        let endpoint = Endpoint::new(config, identity, contacts, persisted.as_deref())
            .expect("the memory is what was persisted");
        Self {
            user,
            matrix_id,
            own,
            options,
            endpoint,
            events: Vec::new(),
            calls: BTreeMap::new(),
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

    /// What orders about a call are given by: the newest that has this ID.
    pub fn handle(&self, call: CallId) -> Option<CallHandle> {
        let mut calls = self.calls.iter().rev();
        calls
            .find(|(_, id)| **id == call)
            .map(|(handle, _)| *handle)
    }

    /// The call that a handle stands for.
    pub(crate) fn id(&self, handle: CallHandle) -> CallId {
        *self.calls.get(&handle).expect("a call that was told of")
    }

    /// A call that is told of. Returns its ID on the wire.
    pub(crate) fn note(&mut self, call: &NamedCall) -> CallId {
        let id = CallId::parse(call.id.as_str()).expect("the ID of a sealed call");
        self.calls.insert(call.handle, id);
        id
    }

    /// Whether an event like this was told.
    pub fn told(&self, matches: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(matches)
    }
}
