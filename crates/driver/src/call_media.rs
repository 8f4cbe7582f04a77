//! The media of one call: one task that owns transport, sockets, pipelines, microphone and speaker.
//!
//! It begins with the endpoint's first order for the call, which never comes before the user has accepted it.

mod audio;
mod frames;
mod negotiation;
#[cfg(test)]
mod packets;
mod queues;
mod sockets;

use std::time::Duration;

use securecall_audio_device::{AudioDevices, AudioSpec, DeviceFault, OpenError};
use securecall_media::{
    PathKind, ReceivePipeline, SendPipeline, Transport, TransportError, TransportEvent,
    TransportOutput,
};
use securecall_session::{CallId, MediaCommand, MediaEvent, MediaFailure, PathRoute};
use tokio::task::JoinHandle;
use web_time::Instant;

use self::audio::until_opened;
use self::frames::{Opener, Sealer};
use self::negotiation::overcome;
use self::queues::Order;
use self::sockets::{Received, Sockets};
use crate::clock;
use crate::config::Network;
use crate::event::Event;
use crate::queue::{Receiver, Sender, queue};

/// Microphone and speaker are served this often.
const TICK: Duration = Duration::from_millis(10);
/// A task that was held up longer than this lets the missed ticks go.
const MAX_TICK_BACKLOG: Duration = Duration::from_millis(200);
/// How often figures are told.
const STATS_INTERVAL: Duration = Duration::from_secs(1);
/// Every how many ticks levels are told.
const LEVELS_TICKS: u64 = 10;
/// An authenticated packet is told at most this often.
const AUTHENTICATED_INTERVAL: Duration = Duration::from_millis(250);
/// The peer's mute and unmute are told at most this often, whatever its frames say.
const MUTE_INTERVAL: Duration = Duration::from_millis(250);
/// How often a microphone that waits for its call is emptied: a pipe holds more than twice as much.
const IDLE_DISCARD: Duration = Duration::from_millis(250);
/// Datagrams taken in one go before outputs are looked at again.
const DATAGRAM_BURST: usize = 32;

/// What the media of a call has to say.
#[derive(Debug)]
pub(crate) enum MediaOutput {
    /// For the endpoint.
    Event(MediaEvent),
    /// A message came on the data channel.
    Control(Vec<u8>),
    /// For the program.
    Told(Box<Event>),
    /// Everything is let go of; the last output.
    Closed,
}

/// The media of one call, running in a task of its own. Dropping it ends the task.
#[derive(Debug)]
pub(crate) struct CallMedia {
    orders: Sender<Order>,
}

impl CallMedia {
    /// Starts the task. `devices` were opened before; without them they are opened now.
    pub(crate) fn spawn(
        call: CallId,
        audio: AudioSpec,
        devices: Option<AudioDevices>,
        network: Network,
        levels: bool,
        outputs: Sender<(CallId, MediaOutput)>,
    ) -> Self {
        let (sender, orders) = queue();
        let now = clock::now();
        let task = Task {
            call,
            outputs,
            audio,
            devices,
            opening: None,
            levels,
            sockets: Sockets::new(network),
            transport: None,
            deadline: None,
            send: None,
            receive: None,
            microphone_open: false,
            next_tick: None,
            discard_at: now,
            recording: None,
            closing: false,
            ticks: 0,
            microphone_at: None,
            speaker_at: None,
            audio_told: false,
            path_up: false,
            first_frame_told: false,
            first_audio_told: false,
            authenticated_at: None,
            peer_mute: None,
            stats_at: now + STATS_INTERVAL,
        };
        tokio::spawn(task.run(orders));
        Self { orders: sender }
    }

    /// Gives an order of the endpoint.
    pub(crate) fn order(&self, command: MediaCommand) {
        self.orders.send(Order::Command(command));
    }

    /// Sends one message on the data channel.
    pub(crate) fn control(&self, bytes: Vec<u8>) {
        self.orders.send(Order::Control(bytes));
    }
}

struct Task {
    call: CallId,
    outputs: Sender<(CallId, MediaOutput)>,
    audio: AudioSpec,
    devices: Option<AudioDevices>,
    /// The devices on their way, where none were open.
    opening: Option<JoinHandle<Result<AudioDevices, OpenError>>>,
    levels: bool,
    sockets: Sockets,
    transport: Option<Transport>,
    /// When the transport wants to be woken.
    deadline: Option<Instant>,
    send: Option<SendPipeline<Sealer>>,
    receive: Option<ReceivePipeline<Opener>>,
    microphone_open: bool,
    next_tick: Option<Instant>,
    /// When a microphone that is not read yet is emptied next.
    discard_at: Instant,
    /// The end of the recording, under way.
    recording: Option<JoinHandle<Option<DeviceFault>>>,
    closing: bool,
    ticks: u64,
    microphone_at: Option<u64>,
    speaker_at: Option<u64>,
    audio_told: bool,
    path_up: bool,
    first_frame_told: bool,
    first_audio_told: bool,
    authenticated_at: Option<Instant>,
    /// Whether the peer was last told to be muted, and when that was.
    peer_mute: Option<(bool, Instant)>,
    stats_at: Instant,
}

impl Task {
    async fn run(mut self, mut orders: Receiver<Order>) {
        loop {
            self.drain_transport();
            if self.closing {
                break;
            }
            tokio::select! {
                biased;
                order = orders.next() => match order {
                    Some(Order::Command(command)) => self.carry_out(command),
                    Some(Order::Control(bytes)) => self.send_control(&bytes),
                    // The client is gone.
                    None => break,
                },
                () = sleep_until(self.next_wake()) => self.handle_timeout(),
                opened = until_opened(&mut self.opening) => self.take_devices(opened),
                received = self.sockets.receive() => self.handle_datagram(&received),
            }
        }
        self.finish().await;
    }

    fn next_wake(&self) -> Option<Instant> {
        let discard_at =
            (self.next_tick.is_none() && self.devices.is_some()).then_some(self.discard_at);
        let stats_at = self.path_up.then_some(self.stats_at);
        [self.deadline, self.next_tick, discard_at, stats_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn carry_out(&mut self, command: MediaCommand) {
        let now = clock::now();
        let done = match command {
            MediaCommand::CreateOffer { route } => self.create_offer(now, route),
            MediaCommand::AcceptOffer { sdp, route } => self.accept_offer(now, &sdp, route),
            MediaCommand::SetAnswer { sdp } => self.set_answer(now, &sdp),
            MediaCommand::Gather => self.gather(now),
            MediaCommand::AddRemoteCandidates(candidates) => {
                self.add_remote_candidates(now, &candidates)
            }
            MediaCommand::StartAudio { sealer, opener } => {
                return self.start_audio(now, Sealer::new(sealer), Opener::new(opener));
            }
            MediaCommand::UseSendEpoch { epoch, seed } => {
                if let Some(send) = &mut self.send {
                    send.sealer_mut().use_epoch(epoch, seed);
                }
                return;
            }
            MediaCommand::AddReceiveEpoch { epoch, seed } => {
                if let Some(receive) = &mut self.receive {
                    receive.opener_mut().add_epoch(epoch, seed);
                }
                return;
            }
            MediaCommand::OpenMicrophone => {
                self.microphone_open = true;
                return;
            }
            MediaCommand::SetMuted(muted) => {
                if let Some(send) = &mut self.send {
                    send.set_muted(muted);
                }
                return;
            }
            MediaCommand::CreateRestartOffer => self.create_restart_offer(now).or_else(overcome),
            MediaCommand::AcceptRestartOffer { sdp } => {
                self.accept_restart_offer(now, &sdp).or_else(overcome)
            }
            MediaCommand::SetRestartAnswer { sdp } => self.set_answer(now, &sdp).or_else(overcome),
            MediaCommand::StopAudio => return self.stop_audio(),
            MediaCommand::Close => {
                self.closing = true;
                return;
            }
        };
        if let Err(error) = done {
            self.fail(&error);
        }
    }

    fn send_control(&mut self, bytes: &[u8]) {
        let now = clock::now();
        if let Some(transport) = &mut self.transport {
            match transport.send_control(now, bytes) {
                // Not open or full: a lost message, and those are sent again.
                Ok(_sent) => {}
                Err(error) => self.fail(&error),
            }
        }
    }

    fn handle_timeout(&mut self) {
        let now = clock::now();
        if self.deadline.is_some_and(|at| at <= now) {
            self.deadline = None;
            if let Some(Err(error)) = self
                .transport
                .as_mut()
                .map(|transport| transport.handle_timeout(now))
            {
                self.fail(&error);
            }
        }
        if self.next_tick.is_none() && self.discard_at <= now {
            self.discard_at = now + IDLE_DISCARD;
            if let Some(devices) = &mut self.devices {
                devices.microphone.discard();
            }
        }
        while let Some(at) = self.next_tick.filter(|at| *at <= now) {
            let late = now.saturating_duration_since(at);
            self.next_tick = Some(if late > MAX_TICK_BACKLOG {
                now + TICK
            } else {
                at + TICK
            });
            self.tick(now, late);
            self.drain_transport();
        }
        if self.path_up && self.stats_at <= now {
            self.stats_at = now + STATS_INTERVAL;
            self.tell_stats();
        }
    }

    fn handle_datagram(&mut self, received: &Received) {
        let now = clock::now();
        self.take_datagram(now, received);
        for _ in 1..DATAGRAM_BURST {
            let Some(received) = self.sockets.try_receive() else {
                break;
            };
            self.take_datagram(now, &received);
        }
    }

    fn take_datagram(&mut self, now: Instant, received: &Received) {
        let Some(transport) = &mut self.transport else {
            return;
        };
        let taken = transport.handle_datagram(
            now,
            received.source,
            received.destination,
            self.sockets.bytes(received),
        );
        if let Err(error) = taken {
            self.fail(&error);
        }
        self.drain_transport();
    }

    /// Carries out what the transport wants until it wants nothing more.
    fn drain_transport(&mut self) {
        loop {
            let Some(transport) = &mut self.transport else {
                return;
            };
            match transport.poll_output() {
                TransportOutput::Transmit(datagram) => self.sockets.send(&datagram),
                TransportOutput::Event(event) => self.handle_transport_event(event),
                TransportOutput::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    fn handle_transport_event(&mut self, event: TransportEvent) {
        let now = clock::now();
        match event {
            TransportEvent::PathUp { kind, pair: _ } => {
                self.path_up = true;
                self.stats_at = now + STATS_INTERVAL;
                let route = match kind {
                    PathKind::Direct => PathRoute::Direct,
                    PathKind::Relay => PathRoute::Relay,
                };
                self.tell(MediaEvent::PathUp { route });
                self.start_ticks(now);
            }
            // The endpoint has its own rule for a dead path: no authenticated packet for 3 s.
            TransportEvent::PathDown => tracing::debug!("no candidate pair works"),
            TransportEvent::ChannelOpen => self.tell(MediaEvent::DataChannelOpen),
            TransportEvent::Control(bytes) => {
                self.authenticated(now);
                self.outputs.send((self.call, MediaOutput::Control(bytes)));
            }
            TransportEvent::Frame(mut frame) => {
                let Some(receive) = &mut self.receive else {
                    return;
                };
                // RTP time is its low 32 bits.
                let rtp_time = (frame.media_time & u64::from(u32::MAX)) as u32;
                if receive
                    .handle_frame(now, frame.sequence, rtp_time, &mut frame.payload)
                    .is_ok()
                {
                    if !self.first_frame_told {
                        self.first_frame_told = true;
                        self.tell(MediaEvent::FirstFrameOpened);
                    }
                    self.authenticated(now);
                }
            }
            // Frames and control messages say the same, end to end.
            TransportEvent::AuthenticatedPacket => {}
            TransportEvent::Closed => self.tell(MediaEvent::DataChannelClosed),
        }
    }

    fn authenticated(&mut self, now: Instant) {
        if self
            .authenticated_at
            .is_none_or(|at| now.saturating_duration_since(at) >= AUTHENTICATED_INTERVAL)
        {
            self.authenticated_at = Some(now);
            self.tell(MediaEvent::AuthenticatedPacket);
        }
    }

    fn fail(&mut self, error: &TransportError) {
        let reason = match error {
            TransportError::FingerprintChanged
            | TransportError::CertificateMismatch
            | TransportError::Fingerprint => MediaFailure::FingerprintMismatch,
            TransportError::DescriptionTooLong
            | TransportError::Description(_)
            | TransportError::MediaLines
            | TransportError::Candidate => MediaFailure::UnusableSdp,
            TransportError::MalformedDatagram
            | TransportError::Misuse
            | TransportError::Closed
            | TransportError::Engine(_)
            | TransportError::EnginePanicked => MediaFailure::Local,
        };
        tracing::debug!(%error, "the media of the call failed");
        self.transport = None;
        self.deadline = None;
        self.tell(MediaEvent::Failed { reason });
    }

    /// The last things: goodbye to the peer's transport, recordings, sockets.
    async fn finish(mut self) {
        if let Some(transport) = &mut self.transport {
            transport.close(clock::now());
        }
        self.drain_transport();
        self.stop_audio();
        if let Some(recording) = self.recording.take()
            && let Ok(Some(fault)) = recording.await
        {
            self.told(Event::Device {
                call: self.call,
                fault,
            });
        }
        self.outputs.send((self.call, MediaOutput::Closed));
    }

    fn notice(&self, text: String) {
        self.told(Event::Notice {
            call: self.call,
            text,
        });
    }

    fn told(&self, event: Event) {
        let event = MediaOutput::Told(Box::new(event));
        self.outputs.send((self.call, event));
    }

    fn tell(&self, event: MediaEvent) {
        self.outputs.send((self.call, MediaOutput::Event(event)));
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
