//! Syncing: once, or for as long as anybody reads the inbox.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ruma::OwnedUserId;
use tokio::{
    sync::Mutex,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, warn};

use crate::{
    Incoming, ServerError,
    backoff::{Backoff, Haste},
    client::Client,
    http_error::HttpError,
    http_transport::Happenings,
    inbox::InboxSender,
    last_answer::LastAnswer,
    long_poll::LongPoll,
    olm::Olm,
    rooms::{
        RoomMemory,
        filter::{RoomScope, SyncScope},
        group_room::{follow::Followed, senders::Senders},
        timeline::Timeline,
    },
    sync_answer::SyncAnswer,
    sync_position::SyncPosition,
};

/// The first sync answers at once; a server that takes longer is not there for us.
const FIRST_SYNC_TIMEOUT: Duration = Duration::from_secs(20);

/// With these words a homeserver says that it does not know a sync position: after its database was replaced, say.
/// Synapse has no own word for it.
const POSITION_UNKNOWN: [&str; 3] = ["M_UNKNOWN_POS", "M_INVALID_PARAM", "M_UNKNOWN"];

/// Syncs that [`Account::drain`](crate::Account::drain) makes at most while messages keep coming.
const MAX_DRAIN_SYNCS: usize = 5;

/// A running sync. The inbox ends when it is dropped.
#[derive(Debug)]
pub(crate) struct SyncTask {
    syncing: JoinHandle<()>,
    sender: Arc<InboxSender>,
}

impl SyncTask {
    /// Goes on syncing for as long as anybody reads the inbox.
    pub(crate) fn start(syncer: Syncer, sender: InboxSender) -> Self {
        let sender = Arc::new(sender);
        let into = Arc::clone(&sender);
        let syncing = tokio::spawn(async move { syncer.keep_syncing(&into).await });
        Self { syncing, sender }
    }

    /// Where what comes in goes.
    pub(crate) fn sender(&self) -> &InboxSender {
        &self.sender
    }

    /// Ends the task and waits until nothing of it runs any more.
    pub(crate) async fn stop(&mut self) {
        self.syncing.abort();
        // Cancelled, as it should be.
        let _ = (&mut self.syncing).await;
    }
}

impl Drop for SyncTask {
    fn drop(&mut self) {
        self.syncing.abort();
    }
}

/// What one sync brought, decrypted.
struct Synced {
    next_batch: String,
    /// Ends with [`Incoming::SyncComplete`].
    incoming: Vec<Incoming>,
    /// How many events there were, for us or not.
    received: usize,
}

/// What a sync needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Syncer {
    client: Client,
    olm: Arc<Olm>,
    position: Arc<SyncPosition>,
    rooms: Arc<Rooms>,
}

/// What a sync needs of rooms.
struct Rooms {
    own: OwnedUserId,
    /// Whether they are of interest at all.
    wanted: AtomicBool,
    followed: Followed,
    senders: Senders,
    timeline: Mutex<Timeline>,
    memory: RoomMemory,
    last_answer: LastAnswer,
}

impl Syncer {
    pub(crate) fn new(
        client: Client,
        olm: Arc<Olm>,
        position: SyncPosition,
        own: OwnedUserId,
    ) -> Self {
        Self {
            client,
            olm,
            position: Arc::new(position),
            rooms: Arc::new(Rooms {
                timeline: Mutex::new(Timeline::new(own.clone())),
                own,
                wanted: AtomicBool::new(false),
                followed: Followed::default(),
                senders: Senders::default(),
                memory: RoomMemory::default(),
                last_answer: LastAnswer::default(),
            }),
        }
    }

    /// Whether syncs from now on bring what calls need of rooms.
    pub(crate) fn want_rooms(&self, wanted: bool) {
        self.rooms.wanted.store(wanted, Ordering::Relaxed);
    }

    /// Rooms of which syncs from now on bring group calls.
    pub(crate) fn followed(&self) -> &Followed {
        &self.rooms.followed
    }

    /// What is known of rooms.
    pub(crate) fn room_memory(&self) -> &RoomMemory {
        &self.rooms.memory
    }

    /// Where the next sync is to begin.
    pub(crate) fn position(&self) -> &SyncPosition {
        &self.position
    }

    /// One sync, with a limit to our patience.
    pub(crate) async fn first_sync(&self) -> Result<Vec<Incoming>, ServerError> {
        match timeout(FIRST_SYNC_TIMEOUT, self.sync_now()).await {
            Ok(synced) => synced.map(|synced| synced.incoming),
            Err(_) => Err(ServerError::TimedOut),
        }
    }

    /// One sync that does not wait for anything new.
    ///
    /// The first one goes on where the last program left off. (Without a position Synapse may answer with what it
    /// remembers from a few minutes ago.) The position is stored here only, so that a long-running sync writes nothing.
    async fn sync_now(&self) -> Result<Synced, ServerError> {
        // Keys that are missing at the server come before anything that somebody could want them for.
        self.send_outgoing().await;
        let synced = match self.sync(Duration::ZERO, None).await {
            Err(error) if is_position_unknown(&error) && self.position.forget() => {
                warn!(%error, "the homeserver does not know where we left off");
                self.sync(Duration::ZERO, None).await?
            }
            other => other?,
        };
        // Without it the next program gets some messages again, which the endpoint knows.
        if let Err(error) = self.position.store(&synced.next_batch).await {
            warn!(%error, "the account store failed");
        }
        Ok(synced)
    }

    /// Syncs until nothing is left, and passes on what comes out.
    pub(crate) async fn drain_into(&self, sender: Option<&InboxSender>) -> Result<(), ServerError> {
        for _ in 0..MAX_DRAIN_SYNCS {
            let synced = self.sync_now().await?;
            if let Some(sender) = sender {
                sender.send_all(synced.incoming).await;
            }
            if synced.received == 0 {
                break;
            }
        }
        Ok(())
    }

    async fn sync(
        &self,
        long_poll: Duration,
        mut doubts: Option<&mut Happenings>,
    ) -> Result<Synced, ServerError> {
        let position = self.position.current();
        let mut follows = self.rooms.followed.subscribe();
        let (asked_at, answer) = loop {
            let followed = follows.borrow_and_update().clone();
            let calls = self.rooms.wanted.load(Ordering::Relaxed);
            let scope = match &position {
                // With nowhere to go on from, a homeserver would tell of all rooms there are, and of calls of long ago.
                Some(_) if calls || !followed.is_empty() => SyncScope::Rooms(RoomScope {
                    own: &self.rooms.own,
                    calls,
                    followed: &followed,
                }),
                _ => SyncScope::Sealed,
            };
            let asked_at = Instant::now();
            let asking = self.ask(position.clone(), long_poll, scope, doubts.as_deref_mut());
            tokio::select! {
                biased;
                // An answer that is there is not taken: it may leave out what its position is behind of.
                Ok(()) = follows.changed() => debug!("other rooms are followed now"),
                answer = asking => break (asked_at, answer),
            }
        };
        let mut answer = answer.map_err(|error: HttpError| ServerError::from_http(&error))?;
        let (next_batch, received) = (answer.next_batch.clone(), answer.received);
        let mut of_rooms = std::mem::take(&mut answer.rooms);
        // Who is in a call comes before what they say.
        let mut incoming = std::mem::take(&mut of_rooms.followed);
        if answer.takes_calls {
            let senders = &self.rooms.senders;
            senders.ask(&self.client, &self.olm, &answer.events).await;
        }
        let opened = self.olm.receive(answer).await?;
        incoming.extend(opened.incoming);
        let at_most = self.rooms.last_answer.answered(asked_at, Instant::now());
        // After the keys, which are in the same answer or came before.
        let mut timeline = self.rooms.timeline.lock().await;
        let news = timeline.receive(
            Instant::now(),
            of_rooms,
            at_most,
            &opened.room_keys,
            &self.olm,
            &self.rooms.memory,
        );
        incoming.extend(Box::pin(news).await?);
        drop(timeline);
        incoming.push(Incoming::SyncComplete);
        self.position.advance(next_batch.clone());
        Ok(Synced {
            next_batch,
            incoming,
            received,
        })
    }

    /// A long poll ends with the first of these doubts, and is asked again to be answered at once: that shows whether the
    /// connection is alive, and a new one takes its place if it is not.
    async fn ask(
        &self,
        position: Option<String>,
        long_poll: Duration,
        scope: SyncScope<'_>,
        doubts: Option<&mut Happenings>,
    ) -> Result<SyncAnswer, HttpError> {
        let Some(doubts) = doubts else {
            return self.client.sync(position, long_poll, scope).await;
        };
        // One that came since the last poll is about the same connection.
        let polling = self.client.sync(position.clone(), long_poll, scope);
        tokio::select! {
            biased;
            answer = polling => answer,
            () = doubts.next() => {
                debug!("the sync may hang");
                self.client.sync(position, Duration::ZERO, scope).await
            }
        }
    }

    async fn send_outgoing(&self) {
        if let Err(error) = self.olm.send_outgoing(&self.client).await {
            warn!(%error, "the library's requests to the homeserver failed");
        }
    }

    async fn keep_syncing(&self, sender: &InboxSender) {
        let mut long_poll = LongPoll::default();
        let mut online = true;
        let mut backoff = Backoff::default();
        let mut haste = Haste::new(Instant::now());
        let mut network = self.client.network_changes();
        let mut doubts = self.client.doubts();
        // A long poll that failed may have been cut by a proxy: whether the homeserver is there is seen at once.
        let mut cut = None;
        while !sender.is_closed() {
            // A server that was away may have nothing to say for a while; but it is good to know that it is back.
            let asks_long = online && cut.is_none();
            let time = if asks_long {
                long_poll.time()
            } else {
                Duration::ZERO
            };
            let asked_at = Instant::now();
            let error = match self.sync(time, Some(&mut doubts)).await {
                Ok(synced) => {
                    sender.send_all(synced.incoming).await;
                    if !online {
                        online = true;
                        sender.send(Incoming::Online).await;
                    }
                    if asks_long {
                        long_poll.answered();
                        backoff.reset();
                    }
                    if let Some(after) = cut.take() {
                        long_poll.was_cut(after);
                        debug!(?after, next = ?long_poll.time(), "a long poll was cut short");
                        sleep(backoff.after_cut(after)).await;
                    }
                    self.send_outgoing().await;
                    let pause = haste.answered(Instant::now());
                    if !pause.is_zero() {
                        sleep(pause).await;
                    }
                    continue;
                }
                Err(error) => error,
            };
            debug!(%error, "sync failed");
            let asked = error.asked_wait();
            match error {
                ServerError::SessionEnded { .. } => {
                    sender.send(Incoming::SessionEnded).await;
                    return;
                }
                error if is_position_unknown(&error) && self.position.forget() => {
                    warn!(%error, "the homeserver does not know where we left off");
                }
                ServerError::Unreachable { .. } | ServerError::TimedOut if asks_long => {
                    cut = Some(asked_at.elapsed());
                    continue;
                }
                // A fault of ours says nothing about the homeserver.
                ServerError::Internal { .. } => warn!(%error, "sync failed on our side"),
                error => {
                    cut = None;
                    if online {
                        online = false;
                        sender.send(Incoming::Offline(error)).await;
                    }
                }
            }
            rest(&mut backoff, asked, &mut network).await;
        }
    }
}

/// The pause after a failure, after which the homeserver may have asked for one.
async fn rest(backoff: &mut Backoff, asked: Duration, network: &mut Happenings) {
    let pause = sleep(backoff.after_failure(asked));
    if !asked.is_zero() {
        return pause.await;
    }
    // Where nobody could be reached, somebody may be now.
    tokio::select! {
        () = pause => {}
        () = network.next() => backoff.reset(),
    }
}

fn is_position_unknown(error: &ServerError) -> bool {
    matches!(error, ServerError::Refused { code, .. } if POSITION_UNKNOWN.contains(&code.as_str()))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::{Homeserver, http_transport::HttpTransport};

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_change_of_the_network_ends_a_pause_but_not_one_that_the_homeserver_asks_for() {
        let homeserver = Homeserver::new("http://127.0.0.1:1").unwrap();
        let http = HttpTransport::new(&homeserver).unwrap();
        for (asked, ends) in [(Duration::ZERO, true), (LONG, false)] {
            let mut network = http.network_changes();
            let mut backoff = Backoff::default();
            // As after many failures: the pause is not over by itself.
            backoff.after_failure(LONG);
            let mut resting = Box::pin(rest(&mut backoff, asked, &mut network));
            assert_eq!((&mut resting).now_or_never(), None);
            http.network_changed(&[]);
            assert_eq!((&mut resting).now_or_never().is_some(), ends);
            drop(resting);
            // In the new network all begins anew.
            let next = backoff.after_failure(Duration::ZERO);
            assert_eq!(
                next == Backoff::default().after_failure(Duration::ZERO),
                ends
            );
        }
    }
}
