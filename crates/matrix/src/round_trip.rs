//! A sealed message to our own device by way of the homeserver, as another device would send it.
//!
//! Olm cannot encrypt for itself. So a device is made that is in memory only and that the homeserver never learns of: it asks
//! for our device's keys, takes one of its one-time keys, and writes to it, and our device opens what comes. What else is in
//! the inbox stays there, unread, for whoever takes the account into use next.

use std::{iter, time::Duration};

use matrix_sdk_crypto::{CollectStrategy, OlmError, OlmMachine};
use ruma::{
    OneTimeKeyAlgorithm, OwnedDeviceId, OwnedUserId, TransactionId,
    api::client::{keys::claim_keys, to_device::send_event_to_device},
    events::{AnyToDeviceEvent, AnyToDeviceEventContent, ToDeviceEventType},
    serde::Raw,
    to_device::DeviceIdOrAllDevices,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use crate::{
    Account, Incoming, SIGNAL_EVENT_TYPE, ServerError, client::Client, rooms::filter::SyncScope,
    sync_answer::SyncAnswer, to_device::ToDevice, user_id::user_id,
};

/// How long one sync waits for the message at least.
const LONG_POLL: Duration = Duration::from_secs(1);

/// How long one sync may wait that is to say what there is now.
const SHORT_POLL: Duration = Duration::from_millis(1);

/// Between two syncs that were answered at once, with what was there before.
const PAUSE: Duration = Duration::from_millis(100);

/// A homeserver hands out so many messages at a time, the oldest first: behind these nothing can be seen.
const PAGE: usize = 100;

/// What the content of the message has; a signal of a call has no such field.
const MARK: &str = "round_trip";

/// Why a message to ourselves did not come back.
#[derive(Debug, thiserror::Error)]
pub enum RoundTripError {
    /// Nobody is told of our device.
    #[error("the homeserver tells nobody of this device")]
    NotPublished,
    /// Nobody is given a one-time key of it.
    #[error("the homeserver gives out no one-time key of this device")]
    NoOneTimeKey,
    /// More waits there than one sync hands out, and what waits is not ours to take.
    #[error("too many messages wait at the homeserver to see a new one behind them")]
    InboxFull,
    /// It was taken by the homeserver, and never handed out.
    #[error("the homeserver took a message to this device and did not deliver it")]
    Lost,
    /// It was handed out, and is not what was sent.
    #[error("the homeserver delivered a message that this device cannot open")]
    Unreadable,
    /// The homeserver could not be asked, or refused.
    #[error(transparent)]
    Server(#[from] ServerError),
}

impl Account {
    /// Sends a sealed message to this device and waits for it. Gives the time from when it was sent to when it was handed
    /// out. Asking for keys, and the message, may take `patience` each. To be used where no sync runs.
    ///
    /// # Errors
    ///
    /// See [`RoundTripError`].
    pub async fn round_trip(&self, patience: Duration) -> Result<Duration, RoundTripError> {
        let outcome = self.send_and_receive(patience).await;
        // What the message has left in the store goes, and the key that it took is replaced.
        self.olm().tidy_or_warn().await;
        if let Err(error) = self.olm().send_outgoing(self.client()).await {
            warn!(%error, "the one-time key that was used up is not replaced yet");
        }
        outcome
    }

    /// Has one-time keys uploaded that the homeserver says are missing. What is in the inbox stays there.
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be asked, or the store fails.
    pub async fn replenish_one_time_keys(&self) -> Result<(), ServerError> {
        let answer = self.peek(SHORT_POLL, Fresh::new()).await?;
        self.receive_only(answer, None).await?;
        self.olm().send_outgoing(self.client()).await
    }

    async fn send_and_receive(&self, patience: Duration) -> Result<Duration, RoundTripError> {
        let preparing = timeout(patience, Sender::new(self)).await;
        let sender = preparing.map_err(|_| ServerError::TimedOut)??;
        let request = sender.letter().await?;
        let sent_at = Instant::now();
        let sending = async {
            let sent = timeout(patience, self.client().send(request)).await;
            let sent = sent.map_err(|_| ServerError::TimedOut)?;
            sent.map_err(|error| RoundTripError::from(ServerError::from_http(&error)))
        };
        let waiting = async {
            let came = timeout(patience, self.wait_for(&sender)).await;
            came.map_err(|_| RoundTripError::Lost)?
        };
        // At the same time: whoever waits for calls has asked before one comes, too.
        let (_, (answer, letter)) = tokio::try_join!(sending, waiting)?;
        let took = sent_at.elapsed();
        let is_alone = answer.received == 1;
        let next_batch = answer.next_batch.clone();
        let incoming = self.receive_only(answer, Some(letter)).await?;
        if is_alone {
            self.empty_inbox(next_batch).await;
        }
        match incoming.iter().any(|incoming| sender.has_sent(incoming)) {
            true => Ok(took),
            false => Err(RoundTripError::Unreadable),
        }
    }

    /// Syncs from where the last program left off, again and again, until the message is there. The place stays where it is,
    /// so that nothing is gone from the inbox.
    async fn wait_for(
        &self,
        sender: &Sender,
    ) -> Result<(SyncAnswer, Raw<AnyToDeviceEvent>), RoundTripError> {
        let mut fresh = Fresh::new();
        loop {
            let mut answer = self.peek(LONG_POLL, fresh).await?;
            fresh = fresh.next();
            let events = std::mem::take(&mut answer.events);
            let mut encrypted = events.into_iter().filter_map(|event| match event {
                ToDevice::Encrypted(event) => Some(event),
                ToDevice::PlainText(_) | ToDevice::CallInClear { .. } => None,
            });
            if let Some(letter) = encrypted.find(|event| sender.wrote(event)) {
                return Ok((answer, letter));
            }
            if answer.received >= PAGE {
                return Err(RoundTripError::InboxFull);
            }
            sleep(PAUSE).await;
        }
    }

    async fn peek(&self, long_poll: Duration, fresh: Fresh) -> Result<SyncAnswer, ServerError> {
        let position = self.syncer().position().current();
        let answer = self
            .client()
            .sync(position, long_poll + fresh.0, SyncScope::Sealed);
        let answer = answer.await;
        answer.map_err(|error| ServerError::from_http(&error))
    }

    /// Opens this one event of an answer, and none of the others.
    async fn receive_only(
        &self,
        answer: SyncAnswer,
        event: Option<Raw<AnyToDeviceEvent>>,
    ) -> Result<Vec<Incoming>, ServerError> {
        let events = event.into_iter().map(ToDevice::Encrypted).collect();
        let received = self.olm().receive(SyncAnswer { events, ..answer }).await?;
        Ok(received.incoming)
    }

    /// Goes on behind our own message, which was the only one. What came after it stays.
    async fn empty_inbox(&self, next_batch: String) {
        let position = self.syncer().position();
        position.advance(next_batch.clone());
        if let Err(error) = position.store(&next_batch).await {
            // Then it is handed out once more, and means nothing to anybody.
            warn!(%error, "the account store failed");
            return;
        }
        // A homeserver keeps a message until the sync after the one that brought it.
        if let Err(error) = self
            .client()
            .sync(Some(next_batch), Duration::ZERO, SyncScope::Sealed)
            .await
        {
            debug!(%error, "the message to ourselves stays at the homeserver until the next sync");
        }
    }
}

/// What makes a question unlike those before it. Synapse answers a sync from the same place that is asked to wait as long as
/// an earlier one with what it said then, for two minutes.
#[derive(Clone, Copy)]
struct Fresh(Duration);

impl Fresh {
    fn new() -> Self {
        let random = TransactionId::new();
        let digits = random.as_str().bytes().filter(u8::is_ascii_hexdigit);
        let number = digits.fold(0_u64, |number, digit| {
            (number.wrapping_mul(31) + u64::from(digit)) % 1_000
        });
        Self(Duration::from_millis(number))
    }

    fn next(self) -> Self {
        Self(self.0 + Duration::from_millis(1))
    }
}

/// A device of ours for one message.
struct Sender {
    machine: OlmMachine,
    user: OwnedUserId,
    to: OwnedDeviceId,
    /// What nobody else could have written into the message.
    mark: String,
}

impl Sender {
    /// Asks for the keys that it takes to write to the account's device.
    async fn new(account: &Account) -> Result<Self, RoundTripError> {
        let user = user_id(account.matrix_id()).ok_or(RoundTripError::NotPublished)?;
        let own_name: OwnedDeviceId = TransactionId::new().as_str().into();
        let sender = Self {
            machine: OlmMachine::new(&user, &own_name).await,
            to: account.own_device().device_id.as_str().into(),
            user,
            mark: TransactionId::new().to_string(),
        };
        sender.query(account.client()).await?;
        sender.claim(account.client()).await?;
        Ok(sender)
    }

    async fn query(&self, client: &Client) -> Result<(), ServerError> {
        let (id, request) = self
            .machine
            .query_keys_for_users(iter::once(self.user.as_ref()));
        let answer = client.device_keys(request.device_keys.into_keys()).await?;
        let marked = self.machine.mark_request_as_sent(&id, &answer).await;
        marked.map_err(|error| ServerError::from_olm(&error))
    }

    async fn claim(&self, client: &Client) -> Result<(), ServerError> {
        let device = (self.to.clone(), OneTimeKeyAlgorithm::SignedCurve25519);
        let request = claim_keys::v3::Request::new(
            [(self.user.clone(), [device].into_iter().collect())].into(),
        );
        let answer = client.send(request).await;
        let answer = answer.map_err(|error| ServerError::from_http(&error))?;
        let id = TransactionId::new();
        let marked = self.machine.mark_request_as_sent(&id, &answer).await;
        marked.map_err(|error| ServerError::from_olm(&error))
    }

    /// The message, encrypted.
    async fn letter(&self) -> Result<send_event_to_device::v3::Request, RoundTripError> {
        let device = self.machine.get_device(&self.user, &self.to, None).await;
        let device = device
            .map_err(|error| ServerError::store(&error))?
            .ok_or(RoundTripError::NotPublished)?;
        let content = json!({ MARK: self.mark });
        let encrypting =
            device.encrypt_event_raw(SIGNAL_EVENT_TYPE, &content, CollectStrategy::AllDevices);
        let content: Raw<AnyToDeviceEventContent> = match Box::pin(encrypting).await {
            Ok(content) => content.cast_unchecked(),
            Err(OlmError::MissingSession) => return Err(RoundTripError::NoOneTimeKey),
            Err(error) => return Err(ServerError::from_olm(&error).into()),
        };
        let device = DeviceIdOrAllDevices::DeviceId(self.to.clone());
        Ok(send_event_to_device::v3::Request::new_raw(
            ToDeviceEventType::from("m.room.encrypted"),
            TransactionId::new(),
            [(self.user.clone(), [(device, content)].into())].into(),
        ))
    }

    /// Whether an encrypted event says that it is from here.
    fn wrote(&self, event: &Raw<AnyToDeviceEvent>) -> bool {
        #[derive(Deserialize)]
        struct Envelope {
            content: Content,
        }
        #[derive(Deserialize)]
        struct Content {
            sender_key: String,
        }
        let envelope = serde_json::from_str(event.json().get());
        envelope.is_ok_and(|Envelope { content }| {
            content.sender_key == self.machine.identity_keys().curve25519.to_base64()
        })
    }

    /// Whether it is the message, opened.
    fn has_sent(&self, incoming: &Incoming) -> bool {
        let Incoming::Signal { content, .. } = incoming else {
            return false;
        };
        let content: Result<Value, _> = serde_json::from_str(content);
        content.is_ok_and(|content| content[MARK] == self.mark.as_str())
    }
}

#[cfg(test)]
mod tests;
