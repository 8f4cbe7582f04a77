//! Our device's end of the Olm encryption, and the requests that keep it usable.

use std::{
    collections::BTreeSet,
    iter,
    sync::{Mutex, PoisonError},
};

use matrix_sdk_crypto::{
    CollectStrategy, CryptoStoreError, DecryptionSettings, Device, EncryptionSyncChanges, OlmError,
    OlmMachine, TrustRequirement, UserDevices, store::types::RoomKeyInfo,
    types::requests::AnyOutgoingRequest,
};
use matrix_sdk_sqlite::SqliteCryptoStore;
use ruma::{
    DeviceId, OneTimeKeyAlgorithm, OwnedDeviceId, OwnedUserId, TransactionId, UserId,
    api::client::{
        keys::claim_keys, sync::sync_events::DeviceLists, to_device::send_event_to_device,
    },
    events::{AnyToDeviceEventContent, ToDeviceEventType},
    serde::Raw,
    to_device::DeviceIdOrAllDevices,
};
use securecall_contact::OlmKey;
use tokio::sync::{
    Mutex as AsyncMutex, MutexGuard as AsyncGuard, RwLock, RwLockReadGuard, Semaphore,
};
use tracing::{debug, warn};

use crate::{
    Incoming, ServerError, StoreError,
    client::Client,
    http_transport::Terms,
    store_upkeep::{SenderKey, StoreUpkeep},
    sync_answer::SyncAnswer,
    to_device::{Opened, OpenedCall, ToDevice, read_processed},
    user_id::user_id,
};

/// Encrypted events opened at once, and then written to the store.
const BATCH: usize = 64;

/// After so many encrypted events the store is tidied up, for each may have left something in it.
const UPKEEP_INTERVAL: usize = 256;

/// Devices whose sessions are kept while there is a call, however many others there are.
const MAX_PINNED: usize = 64;

/// Questions for a user's devices at once: the answers are the largest that are held as a whole.
const MAX_QUERIES: usize = 2;

/// Refusals of plain text that are passed on of one sync: one would do.
const MAX_PLAIN_TEXT: usize = 16;

const MACHINE_TYPE: &str = "m.room.encrypted";

/// Why nothing was encrypted.
#[derive(Debug)]
pub(crate) enum EncryptError {
    /// The store does not know the device.
    UnknownDevice,
    /// There is no Olm session with it.
    NoSession,
    /// Our side failed.
    Failed(ServerError),
}

/// Olm state of one device.
pub(crate) struct Olm {
    /// Made anew by [`tidy`](Self::tidy), for it never forgets what it has in memory.
    machine: RwLock<OlmMachine>,
    database: SqliteCryptoStore,
    upkeep: StoreUpkeep,
    user_id: OwnedUserId,
    device_id: OwnedDeviceId,
    queries: Semaphore,
    /// Held while a room's key is on its way.
    room_keys: AsyncMutex<()>,
    uses: Mutex<Uses>,
}

/// What the events of a sync were, opened.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// What is for us.
    pub(crate) incoming: Vec<Incoming>,
    /// The keys of rooms that came.
    pub(crate) room_keys: Vec<RoomKeyInfo>,
}

#[derive(Default)]
struct Uses {
    /// Encrypted events since the store was tidied up.
    events: usize,
    /// Whom we have written to since then.
    written_to: BTreeSet<SenderKey>,
    /// The first that we have written to since there was no call.
    pinned: BTreeSet<SenderKey>,
}

impl Olm {
    /// The device as it is in `database`; a new one, if it is not there.
    pub(crate) async fn open(
        database: SqliteCryptoStore,
        upkeep: StoreUpkeep,
        user_id: OwnedUserId,
        device_id: OwnedDeviceId,
    ) -> Result<Self, CryptoStoreError> {
        let machine = open_machine(&database, &user_id, &device_id).await?;
        Ok(Self {
            machine: RwLock::new(machine),
            database,
            upkeep,
            user_id,
            device_id,
            queries: Semaphore::new(MAX_QUERIES),
            room_keys: AsyncMutex::default(),
            uses: Mutex::default(),
        })
    }

    /// Our own Olm identity key.
    pub(crate) async fn identity_key(&self) -> OlmKey {
        let machine = self.machine.read().await;
        OlmKey::from_bytes(machine.identity_keys().curve25519.to_bytes())
    }

    /// Opens what a sync has brought.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn receive(&self, answer: SyncAnswer) -> Result<Received, ServerError> {
        if answer.dropped > 0 {
            warn!(
                dropped = answer.dropped,
                "messages at the homeserver were too long or too many"
            );
        }
        let Received {
            mut incoming,
            mut room_keys,
        } = Received::default();
        let mut encrypted = Vec::new();
        let mut plain_texts = 0;
        for event in answer.events {
            match event {
                ToDevice::Encrypted(event) => encrypted.push(event),
                ToDevice::PlainText(sender) if plain_texts < MAX_PLAIN_TEXT => {
                    plain_texts += 1;
                    incoming.push(Incoming::PlainTextRefused { sender });
                }
                ToDevice::PlainText(_) => {}
                ToDevice::CallInClear {
                    sender,
                    event_type,
                    content,
                } => incoming.push(Incoming::CallEvent {
                    sender,
                    proven: None,
                    event_type,
                    content,
                }),
            }
        }
        let settings = DecryptionSettings {
            // Trust comes from the handshake inside.
            sender_device_trust_requirement: TrustRequirement::Untrusted,
        };
        let unchanged = DeviceLists::default();
        let mut encrypted = encrypted.into_iter();
        loop {
            // At least once, with no event too: the machine has to learn how many keys are left.
            let batch: Vec<_> = encrypted.by_ref().take(BATCH).collect();
            let is_last = batch.len() < BATCH;
            let events = batch.len();
            let changes = EncryptionSyncChanges {
                to_device_events: batch,
                // Whose devices have changed is asked when it matters.
                changed_devices: &unchanged,
                one_time_keys_counts: &answer.key_counts,
                unused_fallback_keys: answer.unused_fallback_keys.as_deref(),
                next_batch_token: None,
            };
            let machine = self.machine.read().await;
            let opened = Box::pin(machine.receive_sync_changes(changes, &settings)).await;
            // Tidying up needs it for itself.
            drop(machine);
            let (opened, keys) = opened.map_err(|error| ServerError::from_olm(&error))?;
            room_keys.extend(keys);
            for opened in opened.iter().filter_map(read_processed) {
                match opened {
                    Opened::Signal(signal) => incoming.push(signal),
                    Opened::Call(event) if answer.takes_calls => {
                        incoming.extend(self.prove(event).await?);
                    }
                    Opened::Call(_) => {}
                }
            }
            if self.count(events) {
                self.tidy_or_warn().await;
            }
            if is_last {
                return Ok(Received {
                    incoming,
                    room_keys,
                });
            }
        }
    }

    /// A device as the store knows it.
    pub(crate) async fn device(
        &self,
        user: &UserId,
        device_id: &DeviceId,
    ) -> Result<Option<Device>, ServerError> {
        let machine = self.machine.read().await;
        let device = machine.get_device(user, device_id, None).await;
        device.map_err(|error| ServerError::store(&error))
    }

    /// The devices of a user as the store knows them.
    pub(crate) async fn devices(&self, user: &UserId) -> Result<UserDevices, ServerError> {
        let machine = self.machine.read().await;
        let devices = machine.get_user_devices(user, None).await;
        devices.map_err(|error| ServerError::store(&error))
    }

    /// Who an event comes from, if that is a device of its sender.
    async fn prove(&self, event: OpenedCall) -> Result<Option<Incoming>, ServerError> {
        let device = match user_id(&event.sender) {
            Some(user) => self.device_of(&user, &event.sender_olm_key).await?,
            None => None,
        };
        let proven = device.and_then(|device| device.device_id().as_str().parse().ok());
        if proven.is_none() {
            debug!("ignored an event of a call: its sender has no such device");
            return Ok(None);
        }
        Ok(Some(Incoming::CallEvent {
            sender: event.sender,
            proven,
            event_type: event.event_type,
            content: event.content,
        }))
    }

    /// The device of a user that has this key, as the store knows it.
    pub(crate) async fn device_of(
        &self,
        user: &UserId,
        key: &OlmKey,
    ) -> Result<Option<Device>, ServerError> {
        let devices = self.devices(user).await?;
        let is_its = |device: &Device| {
            let its = device.curve25519_key().map(|key| key.to_bytes());
            its.as_ref() == Some(key.as_bytes()) && !device.is_deleted()
        };
        let found = devices.devices().find(is_its);
        Ok(found)
    }

    /// Asks the homeserver for the devices of a user and takes them down.
    pub(crate) async fn query(&self, client: &Client, user: &UserId) -> Result<(), ServerError> {
        let (id, request) = {
            let machine = self.machine.read().await;
            machine.query_keys_for_users(iter::once(user))
        };
        self.send_query(client, &id, request.device_keys.into_keys().collect())
            .await
    }

    async fn send_query(
        &self,
        client: &Client,
        id: &TransactionId,
        users: Vec<OwnedUserId>,
    ) -> Result<(), ServerError> {
        // It is never closed.
        let _one_of_few = self.queries.acquire().await.ok();
        let answer = client.device_keys(users).await?;
        let machine = self.machine.read().await;
        let marked = machine.mark_request_as_sent(id, &answer).await;
        marked.map_err(|error| ServerError::from_olm(&error))
    }

    /// Asks the homeserver for a one-time key of a device and opens an Olm session with it. Whether there is one now is
    /// seen when something is encrypted.
    pub(crate) async fn claim(
        &self,
        client: &Client,
        user: &UserId,
        device_id: &DeviceId,
    ) -> Result<(), ServerError> {
        let device = (device_id.to_owned(), OneTimeKeyAlgorithm::SignedCurve25519);
        let request = claim_keys::v3::Request::new(
            [(user.to_owned(), [device].into_iter().collect())].into(),
        );
        // An ID that the machine has not given out, so that it does not take an empty answer for a reason never to ask
        // for this device again.
        self.send_claim(client, &TransactionId::new(), request)
            .await
    }

    pub(crate) async fn send_claim(
        &self,
        client: &Client,
        id: &TransactionId,
        request: claim_keys::v3::Request,
    ) -> Result<(), ServerError> {
        // Twice it costs the device one more key, as when a send that failed is repeated.
        let answer = client.send(request).await;
        let answer = answer.map_err(|error| ServerError::from_http(&error))?;
        let machine = self.machine.read().await;
        let marked = machine.mark_request_as_sent(id, &answer).await;
        marked.map_err(|error| ServerError::from_olm(&error))
    }

    /// Encrypts a content for one device: the request that takes it there.
    pub(crate) async fn encrypt(
        &self,
        user: &UserId,
        device_id: &DeviceId,
        event_type: &str,
        content: &serde_json::Value,
    ) -> Result<send_event_to_device::v3::Request, EncryptError> {
        // A device remembers the machine that it comes from: both must be of the same time.
        let machine = self.machine.read().await;
        let device = machine.get_device(user, device_id, None).await;
        let device = device
            .map_err(|error| EncryptError::Failed(ServerError::store(&error)))?
            .ok_or(EncryptError::UnknownDevice)?;
        let encrypted = device.encrypt_event_raw(event_type, content, CollectStrategy::AllDevices);
        let content: Raw<AnyToDeviceEventContent> = match Box::pin(encrypted).await {
            Ok(content) => content.cast_unchecked(),
            Err(OlmError::MissingSession) => return Err(EncryptError::NoSession),
            Err(error) => return Err(EncryptError::Failed(ServerError::from_olm(&error))),
        };
        if let Some(key) = device.curve25519_key() {
            self.note_use(key.to_base64());
        }
        let device = DeviceIdOrAllDevices::DeviceId(device_id.to_owned());
        Ok(send_event_to_device::v3::Request::new_raw(
            ToDeviceEventType::from(MACHINE_TYPE),
            TransactionId::new(),
            [(user.to_owned(), [(device, content)].into())].into(),
        ))
    }

    /// Sends what the machine wants to be sent: keys to be uploaded, and what mends sessions that others have lost.
    pub(crate) async fn send_outgoing(&self, client: &Client) -> Result<(), ServerError> {
        let lost = {
            let machine = self.machine.read().await;
            machine.get_missing_sessions(iter::empty()).await
        };
        if let Some((id, request)) = lost.map_err(|error| ServerError::store(&error))? {
            self.send_claim(client, &id, request).await?;
        }
        // What fails below stays in the machine's list and is given out again.
        // The machine is not held while the homeserver answers: tidying up would have to wait for that.
        let outgoing = {
            let machine = self.machine.read().await;
            machine.outgoing_requests().await
        };
        for request in outgoing.map_err(|error| ServerError::store(&error))? {
            let id = request.request_id();
            match request.request() {
                AnyOutgoingRequest::KeysUpload(request) => {
                    // A one-time key that is claimed between two uploads of it would be handed out twice. The machine
                    // repeats it without those that have been used.
                    let answer = client.send_on(Terms::ONCE, request.clone()).await;
                    let answer = answer.map_err(|error| ServerError::from_http(&error))?;
                    let machine = self.machine.read().await;
                    let marked = machine.mark_request_as_sent(id, &answer).await;
                    marked.map_err(|error| ServerError::from_olm(&error))?;
                }
                AnyOutgoingRequest::KeysQuery(request) => {
                    let users = request.device_keys.keys().cloned().collect();
                    self.send_query(client, id, users).await?;
                }
                AnyOutgoingRequest::ToDeviceRequest(request)
                    if request.event_type.to_string() == MACHINE_TYPE =>
                {
                    let send = send_event_to_device::v3::Request::new_raw(
                        request.event_type.clone(),
                        request.txn_id.clone(),
                        request.messages.clone(),
                    );
                    let answer = client.send(send).await;
                    let answer = answer.map_err(|error| ServerError::from_http(&error))?;
                    let machine = self.machine.read().await;
                    let marked = machine.mark_request_as_sent(id, &answer).await;
                    marked.map_err(|error| ServerError::from_olm(&error))?;
                }
                // Verification, room keys, secrets: nothing of ours.
                other => debug!(?other, "left out a request of the library"),
            }
        }
        Ok(())
    }

    /// No call is under way any more.
    pub(crate) fn unpin(&self) {
        self.lock_uses().pinned.clear();
    }

    /// The machine, as it is now. Not to be held while a homeserver answers: tidying up would have to wait for that.
    pub(crate) async fn machine(&self) -> RwLockReadGuard<'_, OlmMachine> {
        self.machine.read().await
    }

    /// Waits until no room's key is on its way, and keeps it so.
    pub(crate) async fn lock_room_keys(&self) -> AsyncGuard<'_, ()> {
        self.room_keys.lock().await
    }

    /// Removes from the store, and from memory, what nobody needs.
    pub(crate) async fn tidy(&self) -> Result<(), StoreError> {
        // A key that is on its way is marked as sent in the machine that it comes from. There will be another time.
        let Ok(_no_key) = self.room_keys.try_lock() else {
            return Ok(());
        };
        // Nothing may be between the machine's memory and the store while either changes.
        let mut machine = self.machine.write().await;
        let (written_to, pinned) = {
            let mut uses = self.lock_uses();
            uses.events = 0;
            (std::mem::take(&mut uses.written_to), uses.pinned.clone())
        };
        self.upkeep.run(written_to, pinned).await?;
        let opened = open_machine(&self.database, &self.user_id, &self.device_id).await;
        *machine = opened.map_err(|error| self.upkeep.fault(&error))?;
        Ok(())
    }

    /// [`tidy`](Self::tidy); a store that fails will be noticed elsewhere as well.
    pub(crate) async fn tidy_or_warn(&self) {
        if let Err(error) = self.tidy().await {
            warn!(%error, "the account store could not be tidied up");
        }
    }

    /// A device was written to.
    pub(crate) fn note_use(&self, key: SenderKey) {
        let mut uses = self.lock_uses();
        if uses.pinned.len() < MAX_PINNED {
            uses.pinned.insert(key.clone());
        }
        uses.written_to.insert(key);
        // Whoever makes us write to many makes us tidy up.
        uses.events += 1;
    }

    /// Counts encrypted events; whether the store is to be tidied up.
    fn count(&self, events: usize) -> bool {
        let mut uses = self.lock_uses();
        uses.events += events;
        uses.events >= UPKEEP_INTERVAL
    }

    fn lock_uses(&self) -> std::sync::MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn open_machine(
    database: &SqliteCryptoStore,
    user_id: &UserId,
    device_id: &DeviceId,
) -> Result<OlmMachine, CryptoStoreError> {
    OlmMachine::with_store(user_id, device_id, database.clone(), None).await
}

#[cfg(test)]
mod tests;
