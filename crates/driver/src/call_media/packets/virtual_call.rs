//! Two ends joined as the task joins them, on virtual time, every datagram noted.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use securecall_contact::{Device, MatrixId, OlmKey, SecureCallId, ServerName};
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_media::{
    Datagram, Effort, FrameSize, LocalCandidate, Reach, TICK_SAMPLES, Transport, TransportEvent,
    TransportOutput, VoiceEncoder,
};
use securecall_netem::{Conditions, Link};
use securecall_session::{
    AnswerPolicy, CallHandle, CallOptions, Callee, Config, Contacts, Endpoint, Event,
    InboundSignal, MediaCommand, MediaEvent, Output, PathRoute, Protection, Request, RingPolicy,
    Route,
};
use web_time::Instant;

use crate::audio_engine::TICK;
use crate::peer_connection::voice::{SendEpoch, Voice};

pub(super) const CALLER: usize = 0;
pub(super) const CALLEE: usize = 1;
/// One way through the network.
const DELAY: Duration = Duration::from_millis(5);
/// UDP and IP around a datagram.
const OVERHEAD: usize = 28;
const WALLCLOCK_MS: u64 = 1_800_000_000_000;

pub(super) struct End {
    endpoint: Endpoint,
    matrix_id: MatrixId,
    device: Device,
    address: SocketAddr,
    transport: Option<Transport>,
    encoder: VoiceEncoder,
    voice: Option<Voice>,
    next_tick: Option<Instant>,
    transport_deadline: Option<Instant>,
    endpoint_deadline: Option<Instant>,
    frames_opened: u64,
    /// The key ID, which is the epoch, and the size of each sealed frame.
    pub(super) sealed: Vec<(u16, usize)>,
    peer_muted: bool,
    call: Option<CallHandle>,
    pub(super) events: Vec<Event>,
}

/// One datagram as the network has it.
pub(super) struct Packet {
    pub(super) at: Instant,
    pub(super) from: usize,
    pub(super) contents: Vec<u8>,
}

impl Packet {
    /// Voice: RTP with the payload type of Opus.
    pub(super) fn is_voice(&self) -> bool {
        matches!(self.contents[..], [128..=191, second, ..] if second & 0x7f == 111)
    }

    /// Anything on the data channel is DTLS outside (RFC 7983).
    pub(super) fn is_data_channel(&self) -> bool {
        matches!(self.contents[..], [20..=63, ..])
    }
}

pub(super) struct VirtualCall {
    pub(super) now: Instant,
    rng: ChaCha20Rng,
    pub(super) ends: [End; 2],
    signals: VecDeque<(usize, String)>,
    /// From each end.
    links: [Link<Datagram>; 2],
    pub(super) packets: Vec<Packet>,
    /// What the path does to voice, beside its delay. The data channel suffers outages alone, so that epochs begin in time.
    pub(super) conditions: Conditions,
}

fn direct() -> CallOptions {
    CallOptions {
        route: Some(Route::Direct),
        ..CallOptions::default()
    }
}

fn identity(number: u8) -> IdentityKeyPair {
    IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([number; 32]))
}

fn matrix_id(number: u8) -> MatrixId {
    let server: ServerName = "example.org".parse().unwrap();
    MatrixId::of_securecall_id(&SecureCallId::new(&identity(number).public()), &server)
}

fn end(number: u8) -> End {
    let device = Device {
        device_id: format!("DEVICE{number}").parse().unwrap(),
        olm_key: OlmKey::from_bytes([number; 32]),
    };
    let config = Config {
        matrix_id: matrix_id(number),
        device: device.clone(),
        ring: RingPolicy::Anyone,
        answer: AnswerPolicy::Auto,
        inbound: direct(),
        relays: Default::default(),
    };
    End {
        endpoint: Endpoint::new(config, identity(number), Contacts::default(), None).unwrap(),
        matrix_id: matrix_id(number),
        device,
        address: SocketAddr::from(([10, 0, 0, number], 5000)),
        transport: None,
        encoder: VoiceEncoder::new().unwrap(),
        voice: None,
        next_tick: None,
        transport_deadline: None,
        endpoint_deadline: None,
        frames_opened: 0,
        sealed: Vec::new(),
        peer_muted: false,
        call: None,
        events: Vec::new(),
    }
}

impl VirtualCall {
    /// A call that has been connected for two seconds: what belongs to its beginning is over.
    pub(super) fn connected() -> Self {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let mut ends = [end(1), end(2)];
        let now = crate::clock::now();
        let callee = Callee {
            identity: Some(identity(2).public()),
            matrix_id: matrix_id(2),
        };
        let caller = &mut ends[CALLER].endpoint;
        caller
            .call(now, WALLCLOCK_MS, &mut rng, callee, &direct())
            .unwrap();
        let mut this = Self {
            now,
            rng,
            ends,
            signals: VecDeque::new(),
            links: [1, 2].map(|seed| Link::new(seed, Conditions::default())),
            packets: Vec::new(),
            conditions: Conditions::default(),
        };
        this.drain(CALLER);
        this.run_for(Duration::from_secs(1));
        for end in &this.ends {
            let connected = |event: &Event| matches!(event, Event::Connected { .. });
            assert!(end.events.iter().any(connected), "{:?}", end.events);
        }
        this.run_for(Duration::from_secs(2));
        this
    }

    pub(super) fn set_muted(&mut self, index: usize, muted: bool) {
        let call = self.ends[index].call();
        let endpoint = &mut self.ends[index].endpoint;
        endpoint
            .set_muted(self.now, &mut self.rng, call, muted)
            .unwrap();
        self.drain(index);
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step(until);
        }
    }

    /// Goes to the next thing that is due, at most to `until`.
    fn step(&mut self, until: Instant) {
        while let Some((from, content)) = self.signals.pop_front() {
            self.deliver_signal(from, &content);
        }
        let ends = self.ends.iter();
        let deadlines =
            ends.flat_map(|it| [it.transport_deadline, it.endpoint_deadline, it.next_tick]);
        let arrivals = self.links.iter().map(Link::next_arrival);
        let next = deadlines.chain(arrivals).flatten().min();
        self.now = next.unwrap_or(until).clamp(self.now, until);
        let now = self.now;
        for from in [CALLER, CALLEE] {
            while let Some((_, datagram)) = self.links[from].receive(now) {
                self.deliver(1 - from, &datagram);
            }
        }
        for index in [CALLER, CALLEE] {
            let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
            let end = &mut self.ends[index];
            if is_due(end.transport_deadline) {
                end.transport_deadline = None;
                let transport = end.transport.as_mut().unwrap();
                transport.handle_timeout(self.now).unwrap();
                self.drain_transport(index);
            }
            let end = &mut self.ends[index];
            if is_due(end.endpoint_deadline) {
                end.endpoint.handle_timeout(self.now, &mut self.rng);
            }
            if is_due(end.next_tick) {
                self.tick(index);
            }
            self.drain(index);
        }
    }

    fn deliver(&mut self, to: usize, datagram: &Datagram) {
        let transport = self.ends[to].transport.as_mut().unwrap();
        let (from, to_address) = (datagram.source, datagram.destination);
        transport
            .handle_datagram(self.now, from, to_address, &datagram.contents)
            .unwrap();
        self.drain_transport(to);
        self.drain(to);
    }

    fn deliver_signal(&mut self, from: usize, content: &str) {
        let to = 1 - from;
        let sender = self.ends[from].matrix_id.clone();
        let signal = InboundSignal {
            sender: &sender,
            sender_olm_key: self.ends[from].device.olm_key,
            content,
        };
        let endpoint = &mut self.ends[to].endpoint;
        endpoint
            .handle_signal(self.now, WALLCLOCK_MS, &mut self.rng, signal)
            .unwrap();
        endpoint.handle_sync_complete(self.now, &mut self.rng);
        self.drain(to);
    }

    fn drain(&mut self, index: usize) {
        loop {
            let end = &mut self.ends[index];
            match end.endpoint.poll_output() {
                Output::Timeout(at) => {
                    end.endpoint_deadline = at;
                    return;
                }
                Output::Event(event) => {
                    if let Event::Dialing { call, .. } | Event::Incoming { call, .. } = &event {
                        end.call = Some(call.handle);
                    }
                    end.events.push(event);
                }
                Output::Persist(_) => {
                    end.endpoint
                        .handle_persisted(self.now, &mut self.rng, Ok(()));
                }
                Output::Request(Request::QueryDevices { id, .. }) => {
                    let devices = vec![self.ends[1 - index].device.clone()];
                    let endpoint = &mut self.ends[index].endpoint;
                    endpoint.handle_devices(self.now, &mut self.rng, id, Ok(devices));
                }
                Output::Request(Request::Send { id, content, .. }) => {
                    end.endpoint
                        .handle_response(self.now, &mut self.rng, id, Ok(()));
                    self.signals.push_back((index, content));
                }
                Output::Request(
                    Request::FindRoom { .. }
                    | Request::MakeRoom { .. }
                    | Request::JoinRoom { .. }
                    | Request::LeaveRoom { .. }
                    | Request::PrepareRoom { .. }
                    | Request::SendToRoom { .. }
                    | Request::Redact { .. }
                    | Request::SendToDevice { .. }
                    | Request::OwnMembership { .. }
                    | Request::WriteGroupCall { .. },
                ) => {
                    panic!("a sealed call is in no room");
                }
                Output::Control(_, bytes) => {
                    let transport = end.transport.as_mut().unwrap();
                    transport.send_control(self.now, &bytes).unwrap();
                    self.drain_transport(index);
                }
                Output::Media(_, command) => self.carry_out(index, command),
            }
        }
    }

    fn carry_out(&mut self, index: usize, command: MediaCommand) {
        let (now, end) = (self.now, &mut self.ends[index]);
        let event = match command {
            MediaCommand::CreateOffer { .. } => {
                let transport = Transport::new(now, Reach::OtherMachines).unwrap();
                let sdp = end.transport.insert(transport).create_offer(now).unwrap();
                Some(MediaEvent::LocalOffer { sdp })
            }
            MediaCommand::AcceptOffer { sdp, .. } => {
                let transport = Transport::new(now, Reach::OtherMachines).unwrap();
                let transport = end.transport.insert(transport);
                let sdp = transport.accept_offer(now, &sdp).unwrap();
                Some(MediaEvent::LocalAnswer { sdp })
            }
            MediaCommand::SetAnswer { sdp } => {
                end.transport().set_answer(now, &sdp).unwrap();
                None
            }
            MediaCommand::Gather => {
                let address = end.address;
                let line = end
                    .transport()
                    .add_local_candidate(now, LocalCandidate::host(address));
                Some(MediaEvent::LocalCandidates {
                    candidates: vec![line.unwrap()],
                    complete: true,
                })
            }
            MediaCommand::AddRemoteCandidates(lines) => {
                for line in lines {
                    end.transport().add_remote_candidate(now, &line).unwrap();
                }
                None
            }
            MediaCommand::StartAudio { protection } => {
                let Protection::Sealed {
                    direction,
                    outbound,
                    inbound,
                } = protection
                else {
                    panic!("a sealed call");
                };
                end.voice = Some(Voice::new(direction, outbound, inbound).unwrap());
                None
            }
            MediaCommand::UseSendEpoch { epoch, seed } => {
                let begun = SendEpoch {
                    epoch,
                    seed,
                    ceiling: FrameSize::Kbps32,
                };
                end.voice().use_send_epoch(now, begun);
                None
            }
            MediaCommand::AddReceiveEpoch { epoch, seed } => {
                end.voice().add_receive_epoch(epoch, seed);
                None
            }
            MediaCommand::OpenMicrophone => None,
            MediaCommand::SetMuted(muted) => {
                end.encoder.set_muted(muted);
                None
            }
            other => panic!("not in this call: {other:?}"),
        };
        self.drain_transport(index);
        if let Some(event) = event {
            self.tell(index, event);
        }
    }

    fn tell(&mut self, index: usize, event: MediaEvent) {
        let call = self.ends[index].call();
        let endpoint = &mut self.ends[index].endpoint;
        endpoint.handle_media(self.now, &mut self.rng, call, event);
    }

    fn drain_transport(&mut self, index: usize) {
        loop {
            let Some(transport) = &mut self.ends[index].transport else {
                return;
            };
            match transport.poll_output() {
                TransportOutput::Timeout(at) => {
                    self.ends[index].transport_deadline = at;
                    return;
                }
                TransportOutput::Transmit(datagram) => {
                    let packet = Packet {
                        at: self.now,
                        from: index,
                        contents: datagram.contents.clone(),
                    };
                    let conditions = self.conditions_of(&packet);
                    let on_wire = packet.contents.len() + OVERHEAD;
                    self.packets.push(packet);
                    let link = &mut self.links[index];
                    link.set_conditions(conditions);
                    link.send(self.now, on_wire, datagram);
                }
                TransportOutput::Event(event) => self.transport_event(index, event),
            }
        }
    }

    fn transport_event(&mut self, index: usize, event: TransportEvent) {
        match event {
            TransportEvent::PathChanged { .. } => {}
            TransportEvent::PathUp { .. } => {
                let route = PathRoute::Direct;
                self.tell(index, MediaEvent::PathUp { route });
                self.ends[index].next_tick = Some(self.now);
            }
            TransportEvent::ChannelOpen => self.tell(index, MediaEvent::DataChannelOpen),
            TransportEvent::Control(bytes) => {
                let call = self.ends[index].call();
                let endpoint = &mut self.ends[index].endpoint;
                endpoint
                    .handle_control(self.now, &mut self.rng, call, &bytes)
                    .unwrap();
            }
            TransportEvent::Frame(mut frame) => {
                let end = &mut self.ends[index];
                end.voice().handle_frame(self.now, &mut frame).unwrap();
                end.frames_opened += 1;
                if end.frames_opened == 1 {
                    self.tell(index, MediaEvent::FirstFrameOpened);
                }
                self.tell(index, MediaEvent::AuthenticatedPacket);
            }
            TransportEvent::PathDown
            | TransportEvent::PathLost
            | TransportEvent::PathSilent
            | TransportEvent::Packet(_)
            | TransportEvent::PeerReport(_)
            | TransportEvent::RoundTrip(_)
            | TransportEvent::AuthenticatedPacket
            | TransportEvent::Closed => {}
        }
    }

    fn tick(&mut self, index: usize) {
        let end = &mut self.ends[index];
        end.next_tick = Some(self.now + TICK);
        let mut samples = [0.0; TICK_SAMPLES];
        let voice = end.voice.as_mut().unwrap();
        voice.playback(self.now, &mut samples);
        let muted = voice.receive().peer_is_muted();
        end.encoder
            .configure(voice.wish().settings(Effort::Medium))
            .unwrap();
        // A voice of sorts.
        let tick = std::array::from_fn(|i| ((i * 37 % 480) as f32 / 480.0 - 0.5) * 0.2);
        if let Some(encoded) = end.encoder.push(&tick).unwrap() {
            let frame = voice.seal(encoded).unwrap();
            let key_id = [frame.bytes[1], frame.bytes[2]];
            end.sealed
                .push((u16::from_be_bytes(key_id), frame.bytes.len()));
            let transport = end.transport.as_mut().unwrap();
            transport
                .send_frame(self.now, frame.media_time, frame.bytes)
                .unwrap();
        }
        if muted != std::mem::replace(&mut end.peer_muted, muted) {
            self.tell(index, MediaEvent::PeerMuted(muted));
        }
        self.drain_transport(index);
    }

    fn conditions_of(&self, packet: &Packet) -> Conditions {
        if packet.is_voice() {
            return Conditions {
                delay: DELAY,
                ..self.conditions
            };
        }
        Conditions {
            delay: DELAY,
            cut: self.conditions.cut,
            ..Conditions::default()
        }
    }
}

impl End {
    fn transport(&mut self) -> &mut Transport {
        self.transport.as_mut().unwrap()
    }

    fn voice(&mut self) -> &mut Voice {
        self.voice.as_mut().unwrap()
    }

    fn call(&self) -> CallHandle {
        self.call.unwrap()
    }
}
