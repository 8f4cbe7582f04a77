//! One device of one user on line: the task that owns the endpoint and carries out what it wants.

mod calls;
mod event_loop;
mod group_room_news;
mod group_room_requests;
mod group_rooms;
mod handle;
mod inbox;
mod joins;
mod network;
mod plain_text;
mod replay_memory_keeper;
mod requests;
mod room_requests;
mod room_tasks;
mod rooms;
mod start;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use securecall_matrix::{Account, Inbox};
use securecall_randomness::{NoRandomness, SystemRandomness};
use securecall_session::{Config, Endpoint, Route};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::calls::Calls;
use self::event_loop::Loop;
use self::group_rooms::GroupRooms;
pub use self::handle::{Handle, PlaceError, PlaceGroupError, RoomCallError, RoomCallOrder};
use self::inbox::MaybeInbox;
use self::plain_text::PlainTextReports;
use self::replay_memory_keeper::ReplayMemoryKeeper;
use self::requests::Requests;
use self::room_tasks::RoomTasks;
use self::rooms::Rooms;
use self::start::FirstSync;
use crate::audio::open_devices_aside;
use crate::clock;
use crate::config::{ClientConfig, Servers};
use crate::event::Event;
use crate::ghostnet;
use crate::network_watch;
use crate::queue::{Receiver, Sender, queue};
use crate::replay_memory::{ReplayMemory, ReplayMemoryError};
use crate::server_keeper::{LookAgain, ServerKeeper};
use crate::voice_effort::LastEffort;

/// How long a start waits for the servers that calls may ask, if the first sync was faster. What comes later is used as well.
const LOOK_FOR_SERVERS: Duration = Duration::from_secs(1);
/// The same for the list of relays and the first tokens, on a device that has neither yet.
const LOOK_FOR_RELAYS: Duration = Duration::from_secs(15);
/// Commands that may wait.
const COMMAND_QUEUE: usize = 64;

/// Why a client cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Microphone or speaker.
    #[error(transparent)]
    Audio(#[from] securecall_audio_device::OpenError),
    /// The memory of taken invites.
    #[error(transparent)]
    ReplayMemory(#[from] ReplayMemoryError),
    /// The memory of taken invites is damaged.
    #[error("the memory of taken calls is damaged: {0}")]
    ReplayMemoryDamaged(#[from] securecall_session::ReplayMemoryError),
    /// The first sync with the homeserver.
    #[error(transparent)]
    Sync(#[from] securecall_matrix::StartError),
    /// The operating system has no randomness to give.
    #[error("the operating system gives no random numbers: {0}")]
    Randomness(#[source] std::io::Error),
}

/// A running client. Once it and all its [`Handle`]s are dropped it stops as with [`Client::stop`], but nobody waits for it.
#[derive(Debug)]
pub struct Client {
    handle: Handle,
    events: Receiver<Event>,
    task: JoinHandle<()>,
}

impl Client {
    /// Goes on line: opens the audio devices, syncs for the first time, and waits for calls from then on.
    ///
    /// A call placed after this is on its way at once, and calls to us arrive: [`Event::Ready`] is the first event. With
    /// [`ClientConfig::waits_for_homeserver`] it may be [`Event::Offline`] instead; once the homeserver is reached,
    /// [`Event::Online`] and [`Event::Ready`] follow.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub async fn start(config: ClientConfig, account: Account) -> Result<Self, StartError> {
        // First: a device that is missing is an error before anybody was asked for anything.
        let devices = open_devices_aside(&config.audio).await?;
        // Before the first sync, which may bring invites.
        let replay_memory = ReplayMemory::at(&config.replay_memory);
        let remembered = replay_memory.load()?;
        let (known_servers, servers) = watch::channel(config.network.servers.clone());
        let look_for_servers = Arc::new(LookAgain::default());
        let (looked, looked_for_relays) =
            keep_servers(&config, &account, known_servers, &look_for_servers);
        // Before there are connections, so that no change under them is missed.
        let networks = network_watch::watch(config.network.reach);
        let connected_by = networks.borrow().clone();
        let rng = SystemRandomness::check().map_err(StartError::Randomness)?;
        let inbound_route = config.inbound.route;
        let mut endpoint = Endpoint::new(
            Config {
                matrix_id: account.matrix_id().clone(),
                device: account.own_device().clone(),
                ring: config.ring,
                answer: config.answer,
                inbound: config.inbound,
                relays: servers.borrow().relays(),
            },
            config.identity,
            config.contacts,
            remembered.as_deref(),
        )?;
        // While the homeserver is waited for.
        tokio::task::spawn_blocking(|| securecall_media::Transport::prepare(clock::now()));
        let mut requests = Requests::default();
        for callee in config.soon_called {
            requests.ask_ahead(&account, callee);
        }
        let mut first_sync = FirstSync::of(&account, config.rooms);
        let first_sync_done = async {
            match config.waits_for_homeserver {
                true => first_sync.once().await,
                false => first_sync.within_patience().await,
            }
        };
        // At the same time, so that a call that is placed at once finds its relay, and nobody waits for it alone.
        // Without them no call can be had by that route.
        let needs_relays =
            inbound_route == Some(Route::GhostNet) && !servers.borrow().relays().ghostnet;
        let looked_for_relays = async {
            if let Some(looked) = looked_for_relays.filter(|_| needs_relays) {
                let _ = timeout(LOOK_FOR_RELAYS, looked).await;
            }
        };
        let (started, _, ()) = tokio::join!(
            first_sync_done,
            timeout(LOOK_FOR_SERVERS, looked),
            looked_for_relays
        );
        endpoint.set_relays_available(servers.borrow().relays());
        let (inbox, told) = begun(started, first_sync, config.waits_for_homeserver)?;
        let (command_sender, commands) = mpsc::channel(COMMAND_QUEUE);
        let (event_sender, events) = queue();
        let (media_sender, media_outputs) = queue();
        let client = Loop {
            endpoint,
            account,
            rng,
            replay_memory: ReplayMemoryKeeper::of(replay_memory),
            audio: config.audio,
            network: config.network,
            servers,
            look_for_servers,
            connected_by,
            networks,
            levels: config.levels,
            opened: Some(devices),
            last_effort: LastEffort::default(),
            calls: Calls::default(),
            media: HashMap::new(),
            media_sender,
            requests,
            rooms: Rooms::default(),
            room_tasks: RoomTasks::default(),
            group_rooms: GroupRooms::default(),
            mid_sync: false,
            events: event_sender.clone(),
            plain_text: PlainTextReports::default(),
            stopping_since: None,
            abandoned: false,
        };
        // Before the loop runs, for it is the first event.
        client.tell(told);
        let running = tokio::spawn(client.run(commands, inbox, media_outputs));
        let task = tokio::spawn(watch(running, event_sender));
        Ok(Self {
            handle: Handle {
                commands: command_sender,
            },
            events,
            task,
        })
    }

    /// Gives orders; may be cloned.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The next thing that happened; `None` once the client has stopped.
    pub async fn next_event(&mut self) -> Option<Event> {
        self.events.next().await
    }

    /// Hangs up what is left, writes recordings, empties our inbox at the homeserver, and ends: within 2 s.
    /// Events of the farewell are still handed out by [`next_event`](Self::next_event), which ends with `None`.
    pub async fn stop(self) {
        self.handle.request_stop().await;
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the client did not end properly");
        }
    }
}

/// What became of the first sync: where messages come from, and what the program is told.
fn begun(
    started: Result<Inbox, securecall_matrix::StartError>,
    first_sync: FirstSync,
    waits_for_homeserver: bool,
) -> Result<(MaybeInbox, Event), StartError> {
    match started {
        Ok(inbox) => Ok((MaybeInbox::Open(inbox), Event::Ready)),
        Err(securecall_matrix::StartError::Server(error))
            if waits_for_homeserver && error.may_pass() =>
        {
            let starting = first_sync.until_it_works(error.asked_wait());
            let inbox = MaybeInbox::Starting(Box::pin(starting));
            Ok((inbox, Event::Offline(error)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Looks for servers in tasks of their own, which end with the client. Tells when they have looked once: for STUN and TURN
/// servers, and for relays of GhostNet, where those are wanted.
fn keep_servers(
    config: &ClientConfig,
    account: &Account,
    known: watch::Sender<Servers>,
    again: &Arc<LookAgain>,
) -> (oneshot::Receiver<()>, Option<oneshot::Receiver<()>>) {
    let (tell, looked) = oneshot::channel();
    let (sources, reach) = (config.servers.clone(), config.network.reach);
    let keeps_relays = sources.ghostnet.as_ref().map(|ghostnet| {
        let (tell, looked) = oneshot::channel();
        let trust = sources.trust.as_ref();
        let keeper = ghostnet::Keeper::new(ghostnet, trust, reach, account.clone(), known.clone());
        tokio::spawn(keeper.run(tell, Arc::clone(again)));
        looked
    });
    if !sources.are_empty() {
        let keeper = ServerKeeper::new(account.clone(), sources, reach, known);
        tokio::spawn(keeper.run(tell, Arc::clone(again)));
    }
    (looked, keeps_relays)
}

/// Waits for the client's task. If the operating system gave it no randomness, the program is told so.
async fn watch(running: JoinHandle<()>, events: Sender<Event>) {
    let panic = match running.await {
        Err(error) if error.is_panic() => error.into_panic(),
        _ => return,
    };
    match panic.downcast::<NoRandomness>() {
        Ok(none) => events.send(Event::NoRandomness(none.0)),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_whose_system_gives_no_randomness_says_so_and_ends() {
        let (sender, mut events) = queue::<Event>();
        let running: JoinHandle<()> = tokio::spawn(async {
            std::panic::resume_unwind(Box::new(NoRandomness(std::io::ErrorKind::Other.into())))
        });
        watch(running, sender).await;
        assert!(matches!(events.next().await, Some(Event::NoRandomness(_))));
        assert!(events.next().await.is_none());
    }

    #[tokio::test]
    async fn a_client_that_breaks_otherwise_is_a_fault_of_ours() {
        let (sender, mut events) = queue::<Event>();
        let running: JoinHandle<()> =
            tokio::spawn(async { std::panic::resume_unwind(Box::new("a bug")) });
        let watching = tokio::spawn(watch(running, sender));
        assert!(watching.await.unwrap_err().is_panic());
        assert!(events.next().await.is_none());
    }
}
