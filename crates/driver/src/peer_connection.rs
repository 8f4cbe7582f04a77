//! The connection to one peer: its transport, the sockets of that, what seals and opens its frames,
//! and its jitter buffer.
//!
//! It knows neither microphone nor speaker: encoded frames come in, ticks to be heard go out. So an
//! [`AudioEngine`](crate::audio_engine::AudioEngine) can serve as many peers as a conversation has.

pub(crate) mod frames;
mod gathering;
mod negotiation;
pub(crate) mod peer_voice;
mod roaming;
pub(crate) mod rtp_voice;
pub(crate) mod sockets;
mod sources;
#[cfg(test)]
mod tests;
mod told;
mod transport_events;
pub(crate) mod voice;

pub(crate) use self::negotiation::overcome;

use std::time::Duration;

use securecall_crypto::{Epoch, MediaSeed};
use securecall_media::{
    Effort, EncodedFrame, FrameSize, Reach, Tick, Transport, TransportError, TransportOutput,
    VoiceWish,
};
use securecall_relay::{Datagram, Inbound};
use securecall_relay_client::{StreamNews, Streams, TunnelNews, Tunnels};
use securecall_session::{MediaEvent, MediaFailure, Protection};
use tokio::sync::watch;
use web_time::Instant;

use self::gathering::Gathering;
use self::peer_voice::{PeerVoice, VoiceError};
use self::roaming::Doubt;
use self::sockets::{Received, Sockets};
use self::told::Told;
use self::voice::SendEpoch;
use crate::clock;
use crate::config::{Network, Servers};
use crate::event::Event;
use crate::ghostnet::{Carriers, GhostNet};
use crate::media_output::MediaOutputs;
use crate::network_watch::NetworkState;

/// How often figures are told.
const STATS_INTERVAL: Duration = Duration::from_secs(1);
/// After so long without a word of the peer the relays are asked whether they still know us. Frames come every 20 ms, muted
/// or not.
const SILENCE: Duration = Duration::from_secs(1);
/// Datagrams taken in one go before anything else has its turn.
pub(crate) const DATAGRAM_BURST: usize = 16;

/// The connection to one peer.
pub(crate) struct PeerConnection {
    outputs: MediaOutputs,
    sockets: Sockets,
    streams: Streams,
    tunnels: Tunnels,
    /// What is known of GhostNet, and who carries the call there.
    ghostnet: Option<(GhostNet, Carriers)>,
    gathering: Gathering,
    /// The servers that are known.
    servers: watch::Receiver<Servers>,
    /// How this machine was connected last.
    network: Option<NetworkState>,
    /// Candidates were asked for: sockets are bound to what addresses there are.
    has_gathered: bool,
    /// A candidate of ours was found.
    has_candidate: bool,
    /// `None` before the first order, and after a failure.
    transport: Option<Transport>,
    /// When the transport wants to be woken.
    deadline: Option<Instant>,
    voice: Option<PeerVoice>,
    /// When the peer's first frame came.
    heard_at: Option<Instant>,
    /// When it answered a check of the path, as far as that was counted.
    answered_at: Option<Instant>,
    told: Told,
    /// When figures are told next; `None` until the path is up.
    stats_at: Option<Instant>,
    /// When the peer has been silent for too long; `None` until it has said something.
    silent_at: Option<Instant>,
    /// The path is known to be dead, and nothing was heard since.
    path_lost: bool,
    /// The path may be dead.
    doubt: Option<Doubt>,
}

/// What came to a peer connection.
pub(crate) enum Arrival {
    /// A datagram.
    Datagram(Received),
    /// News of a stream to a relay.
    Stream(StreamNews),
    /// News of a tunnel through two relays.
    Tunnel(TunnelNews),
    /// Other servers are known than before.
    Servers,
}

/// What tests need no network for.
#[cfg(test)]
impl PeerConnection {
    /// As when ICE and DTLS are up.
    pub(crate) fn set_path_up(&mut self, now: Instant) {
        self.stats_at = Some(now + STATS_INTERVAL);
    }

    /// Its voice.
    pub(crate) const fn voice_mut(&mut self) -> &mut Option<PeerVoice> {
        &mut self.voice
    }
}

impl PeerConnection {
    /// No socket is open and nothing is sent before the first offer or answer.
    pub(crate) fn new(
        outputs: MediaOutputs,
        network: Network,
        servers: &watch::Receiver<Servers>,
    ) -> Self {
        let (sources, carriers) = sources::all(network.candidate_map.clone(), servers);
        let (trust, ghostnet) = {
            let known = servers.borrow();
            (known.trust.clone(), known.ghostnet.clone())
        };
        let mut tunnels = Tunnels::new(trust.clone());
        if network.reach == Reach::ThisMachine {
            tunnels = tunnels.in_laboratory();
        }
        Self {
            outputs,
            gathering: Gathering::new(sources),
            tunnels,
            ghostnet: ghostnet.map(|ghostnet| (ghostnet, carriers)),
            streams: Streams::new(trust),
            sockets: Sockets::new(network),
            servers: servers.clone(),
            network: None,
            has_gathered: false,
            has_candidate: false,
            transport: None,
            deadline: None,
            voice: None,
            heard_at: None,
            answered_at: None,
            told: Told::default(),
            stats_at: None,
            silent_at: None,
            path_lost: false,
            doubt: None,
        }
    }

    /// Seals and opens frames from now on, as far as there is a path.
    pub(crate) fn start_voice(&mut self, protection: Protection) -> Result<(), VoiceError> {
        let agreed = self.transport.as_ref().and_then(Transport::agreed_audio);
        let mut voice = PeerVoice::new(protection, agreed)?;
        let before = self.transport.as_ref().and_then(|it| it.stats().rtt);
        if let (PeerVoice::Rtp(voice), Some(before)) = (&mut voice, before) {
            // Before any voice was on the way, and so before it could wait.
            voice.handle_round_trip(before);
        }
        self.voice = Some(voice);
        Ok(())
    }

    /// No frame is sealed or opened any more; the keys are gone.
    pub(crate) fn stop_voice(&mut self) {
        self.voice = None;
    }

    /// Seals with this epoch from now on.
    pub(crate) fn use_send_epoch(&mut self, now: Instant, begun: SendEpoch) {
        if let Some(voice) = &mut self.voice {
            voice.use_send_epoch(now, begun);
        }
    }

    /// What the path to the peer would bear of the frames of all, in its next epoch, once there is voice.
    pub(crate) fn next_size(&self) -> Option<FrameSize> {
        self.voice.as_ref().map(PeerVoice::next_size)
    }

    /// The peer may seal with this epoch from now on.
    pub(crate) fn add_receive_epoch(&mut self, epoch: Epoch, seed: MediaSeed) {
        if let Some(voice) = &mut self.voice {
            voice.add_receive_epoch(epoch, seed);
        }
    }

    /// What the path to the peer asks of the encoder, once there is voice.
    pub(crate) fn wish(&self) -> Option<VoiceWish> {
        self.voice.as_ref().and_then(PeerVoice::wish)
    }

    /// Whether there is voice whose cost depends on the effort.
    pub(crate) fn codes_opus(&self) -> bool {
        self.voice.as_ref().is_some_and(PeerVoice::codes_opus)
    }

    /// Whether ICE and DTLS have been up.
    pub(crate) fn is_path_up(&self) -> bool {
        self.stats_at.is_some()
    }

    /// When the first frame of the peer came.
    pub(crate) const fn heard_at(&self) -> Option<Instant> {
        self.heard_at
    }

    /// How loud the peer is, once there is voice.
    pub(crate) fn level(&self) -> Option<f32> {
        self.voice.as_ref().map(PeerVoice::level)
    }

    /// How loud our microphone is, where the peer has an encoder of its own.
    pub(crate) fn own_level(&self) -> Option<f32> {
        match self.voice.as_ref()? {
            PeerVoice::Sealed(_) => None,
            PeerVoice::Rtp(voice) => Some(voice.own_level()),
        }
    }

    /// Sends silence in place of the microphone, or the microphone again, where the peer has an encoder of its own.
    pub(crate) fn set_muted(&mut self, muted: bool) {
        if let Some(PeerVoice::Rtp(voice)) = &mut self.voice {
            voice.set_muted(muted);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        [
            self.deadline,
            self.gathering.deadline(),
            self.stats_at,
            self.silent_at,
            self.doubt.as_ref().map(Doubt::until),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due. `card_latencies` says how late microphone and speaker are, in milliseconds, where they are sound cards.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        card_latencies: impl FnOnce() -> [Option<f64>; 2],
    ) {
        if self.deadline.is_some_and(|at| at <= now) {
            self.deadline = None;
            self.drive(|transport| transport.handle_timeout(now));
        }
        if self.gathering.deadline().is_some_and(|at| at <= now) {
            self.gathering.handle_timeout(now);
            self.follow_sources(now);
        }
        if self.silent_at.is_some_and(|at| at <= now) {
            self.silent_at = Some(now + SILENCE);
            self.gathering.check(now);
            self.follow_sources(now);
        }
        if self
            .doubt
            .as_ref()
            .is_some_and(|doubt| doubt.until() <= now)
        {
            self.decide_doubt(now);
        }
        if self.stats_at.is_some_and(|at| at <= now) {
            self.stats_at = Some(now + STATS_INTERVAL);
            self.count_answers(now);
            self.tell_stats(card_latencies());
        }
    }

    /// Sends one message on the data channel.
    pub(crate) fn send_control(&mut self, now: Instant, bytes: &[u8]) {
        // Not open or full: a lost message, and those are sent again.
        self.drive(|transport| transport.send_control(now, bytes).map(|_sent| ()));
    }

    /// Waits for a datagram, or for news of a stream; for ever while there is neither.
    pub(crate) async fn receive(&mut self) -> Arrival {
        tokio::select! {
            received = self.sockets.receive() => Arrival::Datagram(received),
            news = self.streams.next() => Arrival::Stream(news),
            news = self.tunnels.next() => Arrival::Tunnel(news),
            Ok(()) = self.servers.changed() => Arrival::Servers,
        }
    }

    /// Takes what came.
    pub(crate) fn handle_arrival(&mut self, now: Instant, arrival: &Arrival) {
        match arrival {
            Arrival::Datagram(received) => self.handle_datagrams(now, received),
            // Without a transport nobody would take what a relay brings, and it would pile up.
            Arrival::Stream(_) | Arrival::Tunnel(_) | Arrival::Servers
                if self.transport.is_none() => {}
            Arrival::Stream(news) => {
                self.gathering.handle_stream(now, news.stream, news.event());
                self.follow_sources(now);
                self.drain();
            }
            Arrival::Servers => {
                self.gathering.servers_changed(now);
                self.follow_sources(now);
                self.drain();
            }
            Arrival::Tunnel(news) => {
                let event = news.event();
                if let Some((_, carriers)) = &self.ghostnet {
                    carriers.happened(news.tunnel, &event);
                }
                self.gathering.handle_tunnel(now, news.tunnel, event);
                self.follow_sources(now);
                self.drain();
            }
        }
    }

    /// Takes a datagram, and those that came with it.
    fn handle_datagrams(&mut self, now: Instant, received: &Received) {
        self.take_datagram(now, received);
        // So that ticks and orders have their turn, whatever anybody sends.
        for _ in 1..DATAGRAM_BURST {
            let Some(received) = self.sockets.try_receive() else {
                break;
            };
            self.take_datagram(now, &received);
        }
    }

    /// Seals a frame and sends it.
    pub(crate) fn send_frame(&mut self, now: Instant, encoded: EncodedFrame<'_>) {
        let (Some(PeerVoice::Sealed(voice)), Some(transport)) =
            (&mut self.voice, &mut self.transport)
        else {
            return;
        };
        // What the sealer refuses is not sent; it has logged why.
        if let Ok(frame) = voice.seal(encoded)
            && let Err(error) = transport.send_frame(now, frame.media_time, frame.bytes)
        {
            self.fail(&error);
        }
    }

    /// Encodes 10 ms of the microphone for this peer alone, and sends what came of it.
    pub(crate) fn send_samples(&mut self, now: Instant, samples: &Tick) {
        let (Some(PeerVoice::Rtp(voice)), Some(transport)) = (&mut self.voice, &mut self.transport)
        else {
            return;
        };
        if let Some(agreed) = transport.agreed_audio() {
            voice.follow(agreed);
        }
        if let Some(packet) = voice.push(now, samples)
            && let Err(error) = transport.send_packet(now, &packet)
        {
            self.fail(&error);
        }
    }

    /// Works on the voices as hard as this machine can.
    pub(crate) fn set_effort(&mut self, effort: Effort) {
        if let Some(voice) = &mut self.voice {
            voice.set_effort(effort);
        }
    }

    /// Gives the 10 ms of the peer to be heard from `now` on: silence while there is no voice.
    pub(crate) fn playback(&mut self, now: Instant, tick: &mut Tick) {
        match &mut self.voice {
            Some(voice) => voice.playback(now, tick),
            None => tick.fill(0.0),
        }
    }

    /// How much earlier the peer could be heard, in microseconds; below 0, how much later it should be.
    pub(crate) fn spare(&self) -> Option<i64> {
        self.voice.as_ref()?.spare()
    }

    /// Tells what the last tick brought.
    pub(crate) fn tell_voice(&mut self, now: Instant) {
        let Some(voice) = &self.voice else {
            return;
        };
        let (has_played, muted) = (voice.has_played(), voice.peer_is_muted());
        if has_played && self.told.first_audio() {
            self.outputs.event(MediaEvent::FirstAudioPlayed);
        }
        if self.told.peer_mute(now, muted) {
            self.outputs.event(MediaEvent::PeerMuted(muted));
        }
    }

    /// Carries out what the transport wants until it wants nothing more.
    pub(crate) fn drain(&mut self) {
        loop {
            let Some(transport) = &mut self.transport else {
                return;
            };
            match transport.poll_output() {
                TransportOutput::Transmit(datagram) => self.send(datagram),
                TransportOutput::Event(event) => self.handle_event(event),
                TransportOutput::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    /// Says goodbye to the peer's transport.
    pub(crate) fn close(&mut self, now: Instant) {
        if let Some(transport) = &mut self.transport {
            transport.close(now);
        }
        self.drain();
        // After the goodbye, which may go through a relay.
        self.give_back_addresses(now);
    }

    /// Nothing goes on with this peer.
    pub(crate) fn fail(&mut self, error: &TransportError) {
        let reason = match error {
            TransportError::FingerprintChanged
            | TransportError::CertificateMismatch
            | TransportError::Fingerprint => MediaFailure::FingerprintMismatch,
            TransportError::DescriptionTooLong
            | TransportError::Description(_)
            | TransportError::MediaLines
            | TransportError::NoAudio
            | TransportError::NoCodec
            | TransportError::Candidate => MediaFailure::UnusableSdp,
            TransportError::HandshakeTimedOut | TransportError::HandshakeBroken => {
                MediaFailure::NoPath
            }
            TransportError::MalformedDatagram
            | TransportError::Misuse
            | TransportError::Closed
            | TransportError::Engine(_)
            | TransportError::EnginePanicked => MediaFailure::Local,
        };
        tracing::debug!(%error, "the media of the call failed");
        self.transport = None;
        self.deadline = None;
        self.outputs.event(MediaEvent::Failed { reason });
    }

    fn take_datagram(&mut self, now: Instant, received: &Received) {
        let Some(transport) = &mut self.transport else {
            return;
        };
        let datagram = Inbound {
            source: received.source,
            destination: received.destination,
            contents: self.sockets.bytes(received),
        };
        let taken = match self.gathering.handle_datagram(now, datagram) {
            Some(of_peer) => transport.handle_datagram(
                now,
                of_peer.source,
                of_peer.destination,
                of_peer.contents,
            ),
            // It was for a source, which may have found something by it.
            None => self.take_candidates(now),
        };
        if let Err(error) = taken {
            self.fail(&error);
        }
        self.drain();
    }

    /// What the transport sends leaves through the source of the candidate it is sent from.
    fn send(&mut self, datagram: securecall_media::Datagram) {
        let securecall_media::Datagram {
            source,
            destination,
            contents,
        } = datagram;
        let now = clock::now();
        self.gathering.send(
            now,
            Datagram {
                source,
                destination,
                contents,
            },
        );
        self.follow_sources(now);
    }

    /// Does what the sources want, and tells what they found.
    fn follow_sources(&mut self, now: Instant) {
        if self.transport.is_some()
            && let Err(error) = self.take_candidates(now)
        {
            self.fail(&error);
        }
    }

    /// Does something with the transport, if there is one.
    fn drive(&mut self, act: impl FnOnce(&mut Transport) -> Result<(), TransportError>) {
        if let Some(Err(error)) = self.transport.as_mut().map(act) {
            self.fail(&error);
        }
    }

    fn tell_stats(&self, card_latencies: [Option<f64>; 2]) {
        let (Some(voice), Some(transport)) = (&self.voice, &self.transport) else {
            return;
        };
        let stats = voice.stats(transport.stats(), card_latencies);
        self.outputs.tell(|call| Event::Stats {
            call: call.clone(),
            stats,
        });
    }
}
