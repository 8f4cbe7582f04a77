//! One device of one user on line: the task that owns the endpoint and carries out what it wants.

mod handle;
mod network;
mod plain_text;
mod requests;
mod start;

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use securecall_audio_device::{AudioDevices, AudioSpec};
use securecall_matrix::{Account, Inbox, Incoming};
use securecall_session::{
    CallHandle, Config, Contacts, Endpoint, InboundSignal, MediaCommand, NamedCall, NotPersisted,
    Output, WireCallId,
};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use web_time::Instant;

use self::handle::Command;
pub use self::handle::{Handle, PlaceError};
use self::plain_text::PlainTextReports;
use self::requests::{Requests, Response};
use self::start::FirstSync;
use crate::audio::open_devices_aside;
use crate::call_media::CallMedia;
use crate::clock;
use crate::config::{ClientConfig, Network, Servers};
use crate::event::Event;
use crate::event_queue::MAX_WAITING;
use crate::media_output::MediaOutput;
use crate::network_watch::{self, NetworkState};
use crate::queue::{Receiver, Sender, queue};
use crate::randomness::{NoRandomness, SystemRandomness};
use crate::replay_memory::{ReplayMemory, ReplayMemoryError};
use crate::server_keeper::ServerKeeper;

/// How long a stopping client waits for the peer to be told and for recordings to be written.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(1400);
/// How long all of the stop may take: what the farewell leaves of it is for the last sync, which empties our inbox at the
/// homeserver.
const STOP_TIMEOUT: Duration = Duration::from_millis(1900);
/// How long a start waits for the servers that calls may ask, if the first sync was faster. What comes later is used as well.
const LOOK_FOR_SERVERS: Duration = Duration::from_secs(1);
/// How often a pipe that waits for its call is emptied: far less than a pipe holds.
const IDLE_DISCARD: Duration = Duration::from_millis(250);
/// What is longer than any signal is dropped before it gets here.
const _: () = assert!(securecall_session::MAX_SIGNAL <= securecall_matrix::MAX_CONTENT);
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
        let devices = open_devices_aside(&config.audio).await?;
        let replay_memory = ReplayMemory::at(&config.replay_memory);
        let remembered = replay_memory.load()?;
        let (known_servers, servers) = watch::channel(config.network.servers.clone());
        let look_for_servers = Arc::new(Notify::new());
        let looked = keep_servers(&config, &account, known_servers, &look_for_servers);
        let networks = network_watch::watch(config.network.reach);
        let connected_by = networks.borrow().clone();
        let rng = SystemRandomness::check().map_err(StartError::Randomness)?;
        let mut endpoint = Endpoint::new(
            Config {
                matrix_id: account.matrix_id().clone(),
                device: account.own_device().clone(),
                answer: config.answer,
                inbound: config.inbound,
                relay_available: relay_available(&servers),
            },
            config.identity,
            Contacts::new(config.contacts),
            remembered.as_deref(),
        )?;
        let mut first_sync = FirstSync::of(&account);
        let first_sync_done = async {
            match config.waits_for_homeserver {
                true => account.start().await,
                false => first_sync.within_patience().await,
            }
        };
        // At the same time, so that a call that is placed at once finds its relay, and nobody waits for it alone.
        let (started, _) = tokio::join!(first_sync_done, timeout(LOOK_FOR_SERVERS, looked));
        endpoint.set_relay_available(relay_available(&servers));
        let (online, told) = match started {
            Ok(inbox) => (MaybeInbox::Open(inbox), Event::Ready),
            Err(securecall_matrix::StartError::Server(error))
                if config.waits_for_homeserver && error.may_pass() =>
            {
                let starting = first_sync.until_it_works(error.asked_wait());
                (
                    MaybeInbox::Starting(Box::pin(starting)),
                    Event::Offline(error),
                )
            }
            Err(error) => return Err(error.into()),
        };
        let (command_sender, commands) = mpsc::channel(COMMAND_QUEUE);
        let (event_sender, events) = queue();
        let (media_sender, media_outputs) = queue();
        let client = Loop {
            endpoint,
            account,
            rng,
            replay_memory,
            replay_memory_fails: false,
            audio: config.audio,
            network: config.network,
            servers,
            look_for_servers,
            connected_by,
            networks,
            levels: config.levels,
            opened: Some(devices),
            calls: BTreeMap::new(),
            media: HashMap::new(),
            media_sender,
            requests: Requests::default(),
            events: event_sender.clone(),
            plain_text: PlainTextReports::default(),
            stopping_since: None,
            abandoned: false,
        };
        client.tell(told);
        let running = tokio::spawn(client.run(commands, online, media_outputs));
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

/// Looks for servers in a task of its own, which ends with the client. Tells when it has looked once.
fn keep_servers(
    config: &ClientConfig,
    account: &Account,
    known: watch::Sender<Servers>,
    again: &Arc<Notify>,
) -> oneshot::Receiver<()> {
    let (tell, looked) = oneshot::channel();
    if !config.servers.are_empty() {
        let (sources, reach) = (config.servers.clone(), config.network.reach);
        let keeper = ServerKeeper::new(account.clone(), sources, reach, known);
        tokio::spawn(keeper.run(tell, Arc::clone(again)));
    }
    looked
}

/// Whether calls can be had in which the peer does not learn where we are.
fn relay_available(servers: &watch::Receiver<Servers>) -> bool {
    !servers.borrow().turn.is_empty()
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

/// The task's state.
struct Loop {
    endpoint: Endpoint,
    account: Account,
    rng: SystemRandomness,
    replay_memory: ReplayMemory,
    /// The last write of it failed, and the program knows.
    replay_memory_fails: bool,
    audio: AudioSpec,
    network: Network,
    /// The servers that calls may ask for addresses.
    servers: watch::Receiver<Servers>,
    /// Has them looked for again.
    look_for_servers: Arc<Notify>,
    networks: watch::Receiver<NetworkState>,
    /// How this machine is connected, as far as everybody knows.
    connected_by: NetworkState,
    levels: bool,
    /// Opened at the start, so that a missing device is an error before anything rings; the first call takes them.
    opened: Option<AudioDevices>,
    /// Calls that are not over.
    calls: BTreeMap<CallHandle, WireCallId>,
    media: HashMap<CallHandle, CallMedia>,
    media_sender: Sender<(CallHandle, MediaOutput)>,
    requests: Requests,
    events: Sender<Event>,
    plain_text: PlainTextReports,
    stopping_since: Option<Instant>,
    /// The farewell took too long.
    abandoned: bool,
}

impl Loop {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut inbox: MaybeInbox,
        mut media_outputs: Receiver<(CallHandle, MediaOutput)>,
    ) {
        let mut idle_discard = tokio::time::interval(IDLE_DISCARD);
        loop {
            let deadline = self.carry_out().await;
            if self.has_stopped() {
                break;
            }
            let farewell_ends = self.stopping_since.map(|since| since + FAREWELL_TIMEOUT);
            tokio::select! {
                command = commands.recv(), if self.stopping_since.is_none() => {
                    self.handle_command(command.unwrap_or(Command::Stop));
                }
                incoming = next_incoming(&self.events, &mut inbox) => match incoming {
                    FromInbox::Incoming(incoming) => self.handle_incoming(incoming),
                    FromInbox::Started(opened) => {
                        inbox = MaybeInbox::Open(opened);
                        self.tell(Event::Online);
                        self.tell(Event::Ready);
                    }
                    FromInbox::Failed(error) => {
                        inbox = MaybeInbox::Closed;
                        self.tell_not_started(error);
                    }
                    FromInbox::Ended => inbox = MaybeInbox::Closed,
                },
                Some((call, output)) = media_outputs.next() => self.handle_media_output(call, output),
                Some(response) = self.requests.next() => self.handle_response(response),
                Ok(()) = self.servers.changed() => {
                    self.endpoint.set_relay_available(relay_available(&self.servers));
                }
                Ok(()) = self.networks.changed() => self.handle_network_change(),
                () = clock::sleep_until(deadline) => self.endpoint.handle_timeout(clock::now(), &mut self.rng),
                () = clock::sleep_until(farewell_ends) => self.abandoned = true,
                _ = idle_discard.tick(), if self.opened.is_some() => self.discard_idle_audio(),
            }
        }
        self.empty_inbox(&mut inbox).await;
    }

    /// The last sync. What it brings is of no use any more.
    async fn empty_inbox(&mut self, inbox: &mut MaybeInbox) {
        if matches!(inbox, MaybeInbox::Starting(_)) {
            return;
        }
        let since = self.stopping_since.unwrap_or_else(clock::now);
        let account = self.account.clone();
        *inbox = MaybeInbox::Closed;
        let drain = account.drain();
        match tokio::time::timeout_at((since + STOP_TIMEOUT).into(), drain).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the inbox at the homeserver is not empty"),
            Err(_) => tracing::debug!("the last sync did not end in time"),
        }
    }

    /// Does what the endpoint wants, in its order, until it wants nothing more. Returns when to wake it.
    async fn carry_out(&mut self) -> Option<Instant> {
        loop {
            match self.endpoint.poll_output() {
                Output::Request(request) => self.requests.make(&self.account, request),
                Output::Media(call, command) => self.order(call, command),
                Output::Control(call, bytes) => {
                    if let Some(media) = self.media.get(&call) {
                        media.control(bytes);
                    }
                }
                Output::Event(event) => {
                    self.note_calls(&event);
                    self.tell(Event::Call(event));
                }
                Output::Persist(bytes) => self.remember(bytes).await,
                Output::Timeout(deadline) => return deadline,
            }
        }
    }

    fn order(&mut self, call: CallHandle, command: MediaCommand) {
        let media = match self.media.remove(&call) {
            Some(media) => media,
            None => {
                // A call that is over has no media any more, and whatever is still ordered is done.
                let Some(id) = self.calls.get(&call) else {
                    return;
                };
                let devices = self.opened.take();
                let media = CallMedia::spawn(
                    NamedCall {
                        handle: call,
                        id: id.clone(),
                    },
                    self.audio.clone(),
                    devices,
                    self.network.clone(),
                    &self.servers,
                    self.levels,
                    self.media_sender.clone(),
                );
                media.network_changed(self.connected_by.clone());
                media
            }
        };
        media.order(command);
        self.media.insert(call, media);
    }

    /// Keeps track of the calls that are not over, so that a stopping client can hang them up.
    fn note_calls(&mut self, event: &securecall_session::Event) {
        use securecall_session::Event::{Dialing, Ended, Incoming, Replaced};
        match event {
            Dialing { call, .. } | Incoming { call, .. } => {
                self.calls.insert(call.handle, call.id.clone());
            }
            Replaced { call, by } => {
                self.calls.remove(&call.handle);
                self.calls.insert(by.handle, by.id.clone());
            }
            Ended { call, .. } => {
                self.calls.remove(&call.handle);
                if self.calls.is_empty() {
                    self.account.calls_are_over();
                }
            }
            _ => {}
        }
    }

    /// Waits until the disk has it, for what arrived may ring only then, and tells the endpoint whether it has.
    async fn remember(&mut self, bytes: Vec<u8>) {
        let memory = self.replay_memory.clone();
        let stored = tokio::task::spawn_blocking(move || memory.store(&bytes)).await;
        let result = match stored {
            Ok(Ok(())) => {
                self.replay_memory_fails = false;
                let memory = self.replay_memory.clone();
                tokio::task::spawn_blocking(move || {
                    if let Err(error) = memory.settle() {
                        tracing::warn!(%error, "the memory of taken calls may not outlive a power cut");
                    }
                });
                Ok(())
            }
            Ok(Err(error)) => {
                self.tell_replay_memory_failed(error);
                Err(NotPersisted)
            }
            Err(error) => {
                tracing::error!(%error, "the memory of taken calls was not written");
                Err(NotPersisted)
            }
        };
        self.endpoint
            .handle_persisted(clock::now(), &mut self.rng, result);
    }

    /// Once, until it works again.
    fn tell_replay_memory_failed(&mut self, error: ReplayMemoryError) {
        tracing::warn!(%error, "the memory of taken calls is not on disk");
        if !std::mem::replace(&mut self.replay_memory_fails, true) {
            self.tell(Event::ReplayMemoryFailed(error));
        }
    }

    fn handle_command(&mut self, command: Command) {
        let now = clock::now();
        match command {
            Command::Call {
                callee,
                options,
                reply,
            } => {
                let placed =
                    self.endpoint
                        .call(now, clock::wallclock_ms(), &mut self.rng, callee, &options);
                let _ = reply.send(placed);
            }
            Command::Answer(call, reply) => {
                let _ = reply.send(self.endpoint.answer(now, &mut self.rng, call));
            }
            Command::Reject(call, reply) => {
                let _ = reply.send(self.endpoint.reject(now, &mut self.rng, call));
            }
            Command::Hangup(call, reply) => {
                let _ = reply.send(self.endpoint.hang_up(now, &mut self.rng, call));
            }
            Command::SetMuted(call, muted, reply) => {
                let _ = reply.send(self.endpoint.set_muted(now, &mut self.rng, call, muted));
            }
            Command::SetContacts(contacts) => self.endpoint.set_contacts(Contacts::new(contacts)),
            Command::Stop => self.begin_to_stop(now),
        }
    }

    fn begin_to_stop(&mut self, now: Instant) {
        self.stopping_since = Some(now);
        self.opened = None;
        for call in std::mem::take(&mut self.calls).into_keys() {
            if let Err(error) = self.endpoint.hang_up(now, &mut self.rng, call) {
                tracing::debug!(%error, "a call was over already");
            }
        }
    }

    fn handle_incoming(&mut self, incoming: Incoming) {
        let now = clock::now();
        match incoming {
            Incoming::Signal {
                sender,
                sender_olm_key,
                content,
            } => {
                let signal = InboundSignal {
                    sender: &sender,
                    sender_olm_key,
                    content: &content,
                };
                if let Err(refused) =
                    self.endpoint
                        .handle_signal(now, clock::wallclock_ms(), &mut self.rng, signal)
                {
                    tracing::info!(%refused, "refused a message");
                }
            }
            Incoming::SyncComplete => self.endpoint.handle_sync_complete(now, &mut self.rng),
            Incoming::PlainTextRefused { sender: _ } => {
                if self.plain_text.is_due(now) {
                    self.tell(Event::PlainTextRefused);
                }
            }
            Incoming::Offline(error) => self.tell(Event::Offline(error)),
            Incoming::Online => self.tell(Event::Online),
            // A connected call needs no homeserver; whether there is anything else to wait for is the program's affair.
            Incoming::SessionEnded => self.tell(Event::SessionEnded),
        }
    }

    fn tell_not_started(&self, error: securecall_matrix::StartError) {
        use securecall_matrix::{ServerError, StartError};
        match error {
            StartError::Server(ServerError::SessionEnded { .. }) => self.tell(Event::SessionEnded),
            StartError::Server(error) => self.tell(Event::Offline(error)),
            error @ StartError::AlreadyStarted => {
                tracing::error!(%error, "the client has no inbox");
            }
        }
    }

    fn handle_response(&mut self, response: Response) {
        let now = clock::now();
        match response {
            Response::Devices(id, devices) => {
                self.endpoint
                    .handle_devices(now, &mut self.rng, id, devices);
            }
            Response::Sent(id, sent) => {
                self.endpoint.handle_response(now, &mut self.rng, id, sent);
            }
        }
    }

    fn handle_media_output(&mut self, call: CallHandle, output: MediaOutput) {
        let now = clock::now();
        match output {
            MediaOutput::Event(event) => {
                self.endpoint.handle_media(now, &mut self.rng, call, event);
            }
            MediaOutput::Control(bytes) => {
                if let Err(refused) = self
                    .endpoint
                    .handle_control(now, &mut self.rng, call, &bytes)
                {
                    tracing::debug!(%refused, "refused a control message");
                }
            }
            MediaOutput::Told(event) => self.tell(*event),
            MediaOutput::Closed => {
                self.media.remove(&call);
            }
        }
    }

    fn has_stopped(&self) -> bool {
        let settled = self.media.is_empty() && self.endpoint.is_idle() && self.requests.is_empty();
        self.abandoned || (self.stopping_since.is_some() && settled)
    }

    fn discard_idle_audio(&mut self) {
        if let Some(devices) = &mut self.opened {
            devices.microphone.discard();
        }
    }

    fn tell(&self, event: Event) {
        self.events.send(event);
    }
}

/// Where messages come from, as far as there has been a first sync.
enum MaybeInbox {
    Starting(Pin<Box<dyn Future<Output = Result<Inbox, securecall_matrix::StartError>> + Send>>),
    Open(Inbox),
    Closed,
}

/// What comes from there.
enum FromInbox {
    Incoming(Incoming),
    Started(Inbox),
    Failed(securecall_matrix::StartError),
    Ended,
}

impl MaybeInbox {
    /// Waits for the next thing. Nothing is lost if the wait is cut short.
    async fn next(&mut self) -> FromInbox {
        match self {
            Self::Starting(starting) => match starting.await {
                Ok(inbox) => FromInbox::Started(inbox),
                Err(error) => FromInbox::Failed(error),
            },
            Self::Open(inbox) => inbox
                .next()
                .await
                .map_or(FromInbox::Ended, FromInbox::Incoming),
            Self::Closed => std::future::pending().await,
        }
    }
}

/// The next message of the homeserver, once the program has read enough of what happened.
async fn next_incoming(events: &Sender<Event>, inbox: &mut MaybeInbox) -> FromInbox {
    events.until_fewer_than(MAX_WAITING).await;
    inbox.next().await
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
