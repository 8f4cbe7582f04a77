//! A media engine without sound: it answers commands, finds a path once both sides know each other, and carries sealed frames and control
//! messages over a network that can be cut.

use std::collections::BTreeSet;
use std::time::Duration;

use securecall_crypto::{FrameOpener, FrameSealer, HEADER_LEN, OVERHEAD};
use securecall_session::{
    CallHandle, MediaCommand, MediaEvent, MediaFailure, PathRoute, Protection, Route,
};
use securecall_signaling::CallId;
use web_time::Instant;

use crate::indices::DeviceId;

/// Bytes of an encoded frame, as the real engine's.
const FRAME: usize = 80;

/// The network between all devices.
#[derive(Clone, Debug)]
pub struct Network {
    /// How long a frame or a message takes from one device to the other.
    pub delay: Duration,
    /// How long it takes to gather candidates.
    pub gathering: Duration,
    /// Whether frames pass.
    pub frames: bool,
    /// Whether data-channel messages pass.
    pub channel: bool,
    /// The pair of addresses in use is dead for good: only an ICE restart finds another.
    pub needs_restart: bool,
    /// A man in the middle answers with another certificate.
    pub impostor: bool,
    /// No pair of candidates ever works.
    pub unreachable: bool,
    /// Nothing arrives at this device.
    pub deaf: Option<DeviceId>,
    /// One data-channel message in so many is lost; 0: none.
    pub channel_loss: u32,
    /// Pairs of devices between which nothing passes.
    pub cut: BTreeSet<(DeviceId, DeviceId)>,
}

impl Network {
    pub(crate) const fn new() -> Self {
        Self {
            delay: Duration::from_millis(5),
            gathering: Duration::from_millis(1),
            frames: true,
            channel: true,
            needs_restart: false,
            impostor: false,
            unreachable: false,
            deaf: None,
            channel_loss: 0,
            cut: BTreeSet::new(),
        }
    }

    /// Cuts, or heals, all ways between two devices.
    pub fn set_cut(&mut self, one: DeviceId, other: DeviceId, cut: bool) {
        for pair in [(one, other), (other, one)] {
            if cut {
                self.cut.insert(pair);
            } else {
                self.cut.remove(&pair);
            }
        }
    }

    /// Whether anything gets from one device to another.
    pub(crate) fn passes(&self, from: DeviceId, to: DeviceId) -> bool {
        self.deaf != Some(to) && !self.cut.contains(&(from, to))
    }

    /// Cuts, or heals, everything.
    pub const fn set_up(&mut self, up: bool) {
        self.frames = up;
        self.channel = up;
    }
}

/// The media engine of one call on one device.
#[derive(Default)]
pub struct FakeMedia {
    /// Every command it was given, by name, in order.
    pub commands: Vec<String>,
    /// Candidates of the peer that it was told, in their order.
    pub remote_candidates: Vec<String>,
    /// The device its remote description belongs to.
    pub remote: Option<DeviceId>,
    /// The route it was told.
    pub route: Option<Route>,
    /// The call whose microphone and speaker it uses.
    pub beside: Option<CallHandle>,
    /// Whether the microphone may be heard.
    pub microphone_open: bool,
    /// Whether the microphone is muted.
    pub muted: bool,
    /// Frames sealed.
    pub sent: u64,
    /// Frames opened.
    pub received: u64,
    /// Frames that did not open.
    pub refused: u64,
    /// The epochs its sealer used.
    pub send_epochs: Vec<u16>,
    /// Restart offers it accepted; its answers are numbered by that.
    pub restarts: u32,
    /// What the peer answered to its ICE restarts.
    pub restart_answers: Vec<String>,
    /// Every frame it sent has this size.
    pub frame_sizes: Vec<usize>,
    pub(crate) sealer: Option<FrameSealer>,
    pub(crate) opener: Option<FrameOpener>,
    pub(crate) connected: bool,
    pub(crate) closed: bool,
    last_packet: Option<Instant>,
    /// Epoch and counter of the peer's newest frame, and whether it said that the peer is muted.
    newest: Option<(u16, u64, bool)>,
}

/// The frame ciphers of a call.
fn ciphers(protection: Protection) -> (FrameSealer, FrameOpener) {
    let Protection::Sealed {
        direction,
        outbound,
        inbound,
    } = protection
    else {
        panic!("a sealed call");
    };
    let mut sealer = FrameSealer::new(direction, outbound.first);
    for (epoch, seed) in outbound.later {
        sealer.install_epoch(epoch, seed).expect("epochs only grow");
    }
    let mut opener = FrameOpener::new(direction.reverse(), inbound.first);
    for (epoch, seed) in inbound.later {
        opener.add_epoch(epoch, seed).expect("epochs only grow");
    }
    (sealer, opener)
}

/// What a command leads to, later.
pub(crate) enum Reaction {
    Event(MediaEvent),
    TryPath,
    Restarted,
}

impl FakeMedia {
    pub(crate) fn handle(
        &mut self,
        device: DeviceId,
        call: CallId,
        command: MediaCommand,
    ) -> Vec<Reaction> {
        self.commands.push(format!("{command:?}"));
        assert!(!self.closed, "a command after Close: {command:?}");
        match command {
            MediaCommand::CreateOffer { route, beside, .. } => {
                self.route = Some(route);
                self.beside = beside;
                vec![Reaction::Event(MediaEvent::LocalOffer {
                    sdp: sdp(device, call),
                })]
            }
            MediaCommand::AcceptOffer {
                sdp: remote,
                route,
                beside,
                ..
            } => {
                self.route = Some(route);
                self.beside = beside;
                self.remote = device_of(&remote);
                vec![Reaction::Event(MediaEvent::LocalAnswer {
                    sdp: sdp(device, call),
                })]
            }
            MediaCommand::SetAnswer { sdp } => {
                self.remote = device_of(&sdp);
                vec![Reaction::TryPath]
            }
            MediaCommand::Gather => {
                let candidates = vec![format!("candidate:1 1 udp 1 10.0.0.{device} 5000 typ host")];
                vec![Reaction::Event(MediaEvent::LocalCandidates {
                    candidates,
                    complete: true,
                })]
            }
            MediaCommand::AddRemoteCandidates(candidates) => {
                self.remote_candidates.extend(candidates);
                vec![Reaction::TryPath]
            }
            MediaCommand::StartAudio { protection } => {
                let (sealer, opener) = ciphers(protection);
                self.send_epochs.push(sealer.epoch().number());
                self.sealer = Some(sealer);
                self.opener = Some(opener);
                Vec::new()
            }
            MediaCommand::UseSendEpoch { epoch, seed } => {
                let sealer = self.sealer.as_mut().expect("StartAudio comes first");
                sealer.install_epoch(epoch, seed).expect("epochs only grow");
                self.send_epochs.push(epoch.number());
                Vec::new()
            }
            MediaCommand::AddReceiveEpoch { epoch, seed } => {
                let opener = self.opener.as_mut().expect("StartAudio comes first");
                opener.add_epoch(epoch, seed).expect("epochs only grow");
                Vec::new()
            }
            MediaCommand::OpenMicrophone => {
                self.microphone_open = true;
                Vec::new()
            }
            MediaCommand::SetHeld { .. } => Vec::new(),
            MediaCommand::SetMuted(muted) => {
                self.muted = muted;
                Vec::new()
            }
            MediaCommand::CreateRestartOffer => vec![Reaction::Event(MediaEvent::RestartOffer {
                sdp: sdp(device, call),
            })],
            MediaCommand::AcceptRestartOffer { .. } => {
                self.restarts += 1;
                let sdp = format!("{}a=x-restart:{}\r\n", sdp(device, call), self.restarts);
                vec![Reaction::Event(MediaEvent::RestartAnswer { sdp })]
            }
            MediaCommand::SetRestartAnswer { sdp } => {
                self.restart_answers.push(sdp);
                vec![Reaction::Restarted]
            }
            MediaCommand::StopAudio => {
                self.microphone_open = false;
                self.sealer = None;
                self.opener = None;
                Vec::new()
            }
            MediaCommand::Close => {
                self.closed = true;
                self.microphone_open = false;
                self.sealer = None;
                self.opener = None;
                Vec::new()
            }
        }
    }

    /// Seals the next frame: sound or silence, the size is the same.
    pub(crate) fn next_frame(&mut self) -> Option<Vec<u8>> {
        let sealer = self.sealer.as_mut().filter(|_| self.connected)?;
        let mut frame = vec![0; FRAME + OVERHEAD];
        // Where the real engine has Opus, or what stands for a muted frame: here one byte says which.
        frame[HEADER_LEN] = u8::from(self.muted);
        sealer.seal(&mut frame).expect("a frame of a fresh chain");
        self.sent += 1;
        if !self.frame_sizes.contains(&frame.len()) {
            self.frame_sizes.push(frame.len());
        }
        Some(frame)
    }

    /// A frame of the peer. Returns what is to be told.
    pub(crate) fn handle_frame(&mut self, now: Instant, mut frame: Vec<u8>) -> Vec<MediaEvent> {
        let Some(opener) = &mut self.opener else {
            return Vec::new();
        };
        opener.handle_timeout(now);
        let Ok(opened) = opener.open(now, &mut frame) else {
            self.refused += 1;
            return Vec::new();
        };
        let place = (opened.epoch.number(), opened.counter);
        let muted = opened.payload.first() == Some(&1);
        self.received += 1;
        let mut events = Vec::new();
        let before = self.newest;
        if before.is_none_or(|(epoch, counter, _)| (epoch, counter) < place) {
            self.newest = Some((place.0, place.1, muted));
            if before.is_some_and(|(.., before)| before) != muted {
                events.push(MediaEvent::PeerMuted(muted));
            }
        }
        if self.received == 1 {
            events.extend([MediaEvent::FirstFrameOpened, MediaEvent::FirstAudioPlayed]);
        }
        events.extend(self.authenticated(now));
        events
    }

    /// At most one event in 250 ms.
    pub(crate) fn authenticated(&mut self, now: Instant) -> Option<MediaEvent> {
        if self
            .last_packet
            .is_some_and(|last| now < last + Duration::from_millis(250))
        {
            return None;
        }
        self.last_packet = Some(now);
        Some(MediaEvent::AuthenticatedPacket)
    }
}

/// The events of a path that was found, or the failure. Without a path there are none: nothing says that none is found later.
pub(crate) fn path_events(network: &Network) -> Vec<(Duration, MediaEvent)> {
    if network.unreachable {
        return Vec::new();
    }
    if network.impostor {
        return vec![(
            network.delay * 2,
            MediaEvent::Failed {
                reason: MediaFailure::FingerprintMismatch,
            },
        )];
    }
    let up = MediaEvent::PathUp {
        route: PathRoute::Direct,
    };
    vec![
        (network.delay * 2, up),
        (network.delay * 3, MediaEvent::DataChannelOpen),
    ]
}

/// A session description that names its device; the fingerprint is the device's.
pub(crate) fn sdp(device: DeviceId, call: CallId) -> String {
    let byte = format!("{:02X}", device + 1);
    format!(
        "v=0\r\no=- {device} 1 IN IP4 0.0.0.0\r\ns={call}\r\na=fingerprint:sha-256 {}\r\n",
        [byte.as_str(); 32].join(":")
    )
}

fn device_of(sdp: &str) -> Option<DeviceId> {
    let origin = sdp.lines().find_map(|line| line.strip_prefix("o=- "))?;
    origin.split(' ').next()?.parse().ok()
}
