//! What the homeserver brings: signals, and how the connection is doing.

use std::{collections::VecDeque, time::Duration};

use matrix_sdk::{
    Client,
    config::{SyncSettings, SyncToken},
    deserialized_responses::{AlgorithmInfo, EncryptionInfo},
    event_handler::EventHandlerDropGuard,
    sync::{RoomUpdates, SyncResponse},
};
use ruma::{
    OwnedUserId,
    api::client::{filter::FilterDefinition, sync::sync_events::v3::Filter},
    events::AnyToDeviceEvent,
    presence::PresenceState,
    serde::Raw,
};
use securecall_contact::MatrixId;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use crate::{Account, SIGNAL_EVENT_TYPE, ServerError, account::matrix_id};

/// How long the homeserver may hold a sync request when there is nothing to say.
const LONG_POLL: Duration = Duration::from_secs(30);

/// The first sync answers at once; a server that takes longer is not there for us.
const FIRST_SYNC_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two attempts to reach a homeserver: from the first to the second figure, doubling.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));

/// What may wait here unread. A reader who is slower than that slows the sync down, and nothing is lost.
const CAPACITY: usize = 256;

/// What may come before the inbox is there to be read: more than a full server keeps for anybody. The rest is dropped,
/// because nobody could take it.
const MAX_EARLY: usize = 4096;

/// With these words a homeserver says that it does not know a sync position: after its database was replaced, say.
/// Synapse has no own word for it.
const POSITION_UNKNOWN: [&str; 3] = ["M_UNKNOWN_POS", "M_INVALID_PARAM", "M_UNKNOWN"];

/// Syncs that [`Account::drain`] makes at most while messages keep coming.
const MAX_DRAIN_SYNCS: usize = 5;

/// Why no sync runs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It runs already.
    #[error("the account is synced already")]
    AlreadyStarted,
    /// The first sync failed.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Something that came from the homeserver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A sealed message.
    Signal {
        /// Who sent it. The homeserver's word, bound to the Olm key by nothing but the handshake.
        sender: MatrixId,
        /// The Olm key (Curve25519) it was encrypted with.
        sender_olm_key: [u8; 32],
        /// The event's content: a JSON object, as it was sent but for the order of its fields.
        content: String,
    },
    /// A message of our type that was not encrypted. It has been thrown away.
    PlainTextRefused {
        /// Who is said to have sent it.
        sender: MatrixId,
    },
    /// All signals of one sync response are through.
    SyncComplete,
    /// Nothing comes in: the homeserver does not answer, or the account's store fails. We keep trying.
    Offline(ServerError),
    /// It works again.
    Online,
    /// The session is over, and with it the sync.
    SessionEnded,
}

/// The reading end of a sync. It runs until [`Account::drain`], or until the account is dropped.
#[derive(Debug)]
pub struct Inbox {
    /// What came while the sync was starting.
    early: VecDeque<Incoming>,
    incoming: mpsc::Receiver<Incoming>,
}

impl Inbox {
    /// Waits for the next thing; `None` once the sync has ended. Nothing is lost if the wait is cut short.
    pub async fn next(&mut self) -> Option<Incoming> {
        match self.early.pop_front() {
            Some(incoming) => Some(incoming),
            None => self.incoming.recv().await,
        }
    }
}

impl Account {
    /// Syncs once and then goes on syncing. After this, a call placed to this device will arrive: its keys are on the
    /// server, and what others send comes out of the inbox.
    ///
    /// # Errors
    ///
    /// When the first sync fails. Later failures are reported by the inbox, and repaired.
    pub async fn start(&self) -> Result<Inbox, StartError> {
        let mut task = self.sync_task().lock().await;
        if task.is_some() {
            return Err(StartError::AlreadyStarted);
        }
        let (sender, mut incoming) = mpsc::channel(CAPACITY);
        let handler = self.handle_events(&sender);
        let boundaries = tokio::spawn(mark_boundaries(
            self.client().subscribe_to_all_room_updates(),
            sender.clone(),
        ));
        let boundaries = AbortOnDrop(boundaries);

        let starting = async {
            self.upload_keys().await?;
            if let Err(error) = self.note_set_up().await {
                warn!(%error, "the account store failed; the keys will be looked for again");
            }
            self.first_sync().await
        };
        let mut early = VecDeque::new();
        while_collecting(&mut incoming, &mut early, starting).await?;

        let client = self.client().clone();
        let syncing = AbortOnDrop(tokio::spawn(
            async move { keep_syncing(&client, &sender).await },
        ));
        *task = Some(SyncTask {
            syncing,
            _handler: handler,
            _boundaries: boundaries,
        });
        Ok(Inbox { early, incoming })
    }

    /// Ends the sync and empties this device's inbox on the server, which keeps a message until the sync after the one
    /// that brought it. What comes out of it still goes to the [`Inbox`].
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be reached; then the messages stay there until the next time.
    pub async fn drain(&self) -> Result<(), ServerError> {
        let mut task = self.sync_task().lock().await.take();
        if let Some(task) = &mut task {
            task.syncing.stop().await;
        }
        for _ in 0..MAX_DRAIN_SYNCS {
            if self.sync_now().await? == 0 {
                break;
            }
        }
        Ok(())
    }

    pub(crate) async fn stop(&self) {
        if let Some(mut task) = self.sync_task().lock().await.take() {
            task.syncing.stop().await;
        }
    }

    /// [`sync_now`](Self::sync_now), with a limit to our patience.
    pub(crate) async fn first_sync(&self) -> Result<(), ServerError> {
        match timeout(FIRST_SYNC_TIMEOUT, self.sync_now()).await {
            Ok(synced) => synced.map(|_| ()),
            Err(_) => Err(ServerError::TimedOut),
        }
    }

    /// One sync that does not wait for anything new; gives the number of messages it brought.
    ///
    /// The first one goes on where the last program left off. (Without a position Synapse may answer with what it
    /// remembers from a few minutes ago.) The position is stored here only, so that a long-running sync writes nothing.
    pub(crate) async fn sync_now(&self) -> Result<usize, ServerError> {
        let settings = settings(Duration::ZERO);
        let resumed = match self.sync_position() {
            Some(position) => {
                match sync_once(self.client(), settings.clone().token(position)).await {
                    Err(error) if is_position_unknown(&error) => {
                        warn!(%error, "the homeserver does not know where we left off");
                        sync_once(self.client(), settings.token(SyncToken::NoToken)).await
                    }
                    other => other,
                }
            }
            None => sync_once(self.client(), settings).await,
        };
        let response = resumed?;
        self.forget_sync_position();
        // Without it the next program gets some messages again, which the endpoint knows.
        if let Err(error) = self.store_sync_position(&response.next_batch).await {
            warn!(%error, "the account store failed");
        }
        Ok(response.to_device.len())
    }

    fn handle_events(&self, sender: &mpsc::Sender<Incoming>) -> EventHandlerDropGuard {
        let sender = sender.clone();
        let handler = self.client().add_event_handler(
            move |event: Raw<AnyToDeviceEvent>, encryption: Option<EncryptionInfo>| {
                let incoming = read_event(&event, encryption.as_ref());
                let sender = sender.clone();
                async move {
                    if let Some(incoming) = incoming {
                        // Nobody reads any more: nobody misses it.
                        let _ = sender.send(incoming).await;
                    }
                }
            },
        );
        self.client().event_handler_drop_guard(handler)
    }
}

/// A running sync. The inbox ends when the last part of it is dropped.
#[derive(Debug)]
pub(crate) struct SyncTask {
    syncing: AbortOnDrop,
    _handler: EventHandlerDropGuard,
    _boundaries: AbortOnDrop,
}

#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl AbortOnDrop {
    /// Ends the task and waits until nothing of it runs any more.
    async fn stop(&mut self) {
        self.0.abort();
        // Cancelled, as it should be.
        let _ = (&mut self.0).await;
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn settings(long_poll: Duration) -> SyncSettings {
    SyncSettings::new()
        .timeout(long_poll)
        .set_presence(PresenceState::Offline)
        .filter(Filter::FilterDefinition(FilterDefinition::ignore_all()))
}

async fn sync_once(client: &Client, settings: SyncSettings) -> Result<SyncResponse, ServerError> {
    let response = client.sync_once(settings).await;
    response.map_err(|error| ServerError::from_sdk(&error))
}

fn is_position_unknown(error: &ServerError) -> bool {
    matches!(error, ServerError::Refused { code, .. } if POSITION_UNKNOWN.contains(&code.as_str()))
}

async fn keep_syncing(client: &Client, sender: &mpsc::Sender<Incoming>) {
    let mut online = true;
    let mut wait = RETRY.0;
    let mut position_lost = false;
    while !sender.is_closed() {
        // A server that was away may have nothing to say for a while; but it is good to know that it is back.
        let long_poll = if online { LONG_POLL } else { Duration::ZERO };
        let settings = settings(long_poll);
        let synced = match position_lost {
            true => sync_once(client, settings.token(SyncToken::NoToken)).await,
            false => sync_once(client, settings).await,
        };
        let news = match synced {
            Ok(_) => {
                position_lost = false;
                wait = RETRY.0;
                let back = !online;
                online = true;
                back.then_some(Incoming::Online)
            }
            Err(error) if !position_lost && is_position_unknown(&error) => {
                warn!(%error, "the homeserver does not know where we left off");
                position_lost = true;
                sleep(wait).await;
                None
            }
            Err(ServerError::SessionEnded { .. }) => {
                let _ = sender.send(Incoming::SessionEnded).await;
                return;
            }
            Err(error) => {
                debug!(%error, ?wait, "sync failed");
                // A fault of ours says nothing about the homeserver.
                let ours = matches!(error, ServerError::Internal { .. });
                if ours {
                    warn!(%error, "sync failed on our side");
                } else if online {
                    online = false;
                    let _ = sender.send(Incoming::Offline(error)).await;
                }
                sleep(wait).await;
                wait = (wait * 2).min(RETRY.1);
                None
            }
        };
        if let Some(news) = news {
            let _ = sender.send(news).await;
        }
    }
}

/// The library announces the rooms of each sync response right after its to-device events, and before it sends the
/// requests that these have caused: this is when a response is through.
async fn mark_boundaries(
    mut responses: broadcast::Receiver<RoomUpdates>,
    sender: mpsc::Sender<Incoming>,
) {
    while !matches!(
        responses.recv().await,
        Err(broadcast::error::RecvError::Closed)
    ) {
        if sender.send(Incoming::SyncComplete).await.is_err() {
            return;
        }
    }
}

/// Waits for `starting` and reads meanwhile what comes in, so that nothing has to wait for a reader who is not there yet.
async fn while_collecting<T>(
    incoming: &mut mpsc::Receiver<Incoming>,
    early: &mut VecDeque<Incoming>,
    starting: impl Future<Output = T>,
) -> T {
    tokio::pin!(starting);
    let mut dropped = 0_usize;
    let started = loop {
        tokio::select! {
            biased;
            Some(incoming) = incoming.recv() => {
                // The boundary of a response is never dropped: what came before it waits for it.
                if early.len() < MAX_EARLY || incoming == Incoming::SyncComplete {
                    early.push_back(incoming);
                } else {
                    dropped += 1;
                }
            }
            started = &mut starting => break started,
        }
    };
    if dropped > 0 {
        warn!(
            dropped,
            "more messages waited at the homeserver than can be taken"
        );
    }
    started
}

#[derive(Deserialize)]
struct ToDevice {
    r#type: String,
    sender: OwnedUserId,
    content: Box<RawValue>,
}

/// What an event means to us; nothing, if it is not of our type or cannot be read.
fn read_event(
    event: &Raw<AnyToDeviceEvent>,
    encryption: Option<&EncryptionInfo>,
) -> Option<Incoming> {
    let ToDevice {
        r#type,
        sender,
        content,
    } = event.deserialize_as_unchecked().ok()?;
    if r#type != SIGNAL_EVENT_TYPE {
        return None;
    }
    let Some(sender) = matrix_id(&sender) else {
        warn!("ignored a message: its sender has no usable Matrix ID");
        return None;
    };
    let Some(encryption) = encryption else {
        debug!("refused a message: it was not encrypted");
        return Some(Incoming::PlainTextRefused { sender });
    };
    let AlgorithmInfo::OlmV1Curve25519AesSha2 {
        curve25519_public_key_base64,
    } = &encryption.algorithm_info
    else {
        warn!("ignored a message: it was not encrypted with Olm");
        return None;
    };
    if encryption.sender.as_str() != sender.as_str() {
        warn!("ignored a message: it was encrypted by another than its sender");
        return None;
    }
    let key =
        ruma::serde::Base64::<ruma::serde::base64::Standard>::parse(curve25519_public_key_base64)
            .ok()?;
    Some(Incoming::Signal {
        sender,
        sender_olm_key: key.as_bytes().try_into().ok()?,
        content: content.get().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: usize) -> Incoming {
        Incoming::Signal {
            sender: "@somebody:homeserver.test".parse().unwrap(),
            sender_olm_key: [0; 32],
            content: number.to_string(),
        }
    }

    async fn started_with(messages: usize) -> Inbox {
        let (sender, mut incoming) = mpsc::channel(CAPACITY);
        let mut early = VecDeque::new();
        let starting = async {
            for next in 0..messages {
                sender.send(number(next)).await.unwrap();
            }
            sender.send(Incoming::SyncComplete).await.unwrap();
        };
        while_collecting(&mut incoming, &mut early, starting).await;
        drop(sender);
        Inbox { early, incoming }
    }

    #[tokio::test]
    async fn more_messages_than_fit_the_channel_do_not_hold_up_the_start() {
        let mut inbox = started_with(3 * CAPACITY).await;
        for next in 0..3 * CAPACITY {
            assert_eq!(inbox.next().await, Some(number(next)));
        }
        assert_eq!(inbox.next().await, Some(Incoming::SyncComplete));
        assert_eq!(inbox.next().await, None);
    }

    #[tokio::test]
    async fn what_waits_during_the_start_is_bounded() {
        let mut inbox = started_with(MAX_EARLY + 3 * CAPACITY).await;
        let mut last = None;
        let mut taken = 0;
        while let Some(next) = inbox.next().await {
            taken += 1;
            last = Some(next);
        }
        assert!(taken <= MAX_EARLY + CAPACITY + 1, "{taken}");
        assert_eq!(last, Some(Incoming::SyncComplete));
    }
}
