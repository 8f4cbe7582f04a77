//! The group call of a room in which we are: state events, events of devices and answers of the homeserver, one a line, in any order. Bounds hold,
//! and when we have left, nothing is left of it.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use securecall_contact::{Device, DeviceId, MatrixId, OlmKey, RoomId, SecureCallId};
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_fuzz::{START, VirtualTime};
use securecall_session::{
    CallHandle, CallOptions, Config, Contacts, Endpoint, GroupRoomEvent, GroupRoomEventKind,
    GroupRoomOrder, GroupRoomState, InboundDeviceEvent, MediaCommand, MediaEvent,
    MembershipFailure, MembershipRequest, MembershipResponse, Output, Request, RequestError, Route,
};
use web_time::Instant;

const WALLCLOCK: u64 = 1_795_892_916_000;
const OWN: &str = "@m:example.org";
/// By the first byte behind the command. Half of them call us.
const USERS: [&str; 4] = ["@a:example.org", "@b:example.org", "@x:example.org", OWN];
const TYPES: [&str; 8] = [
    "m.call.invite",
    "m.call.answer",
    "m.call.candidates",
    "m.call.select_answer",
    "m.call.negotiate",
    "m.call.reject",
    "m.call.hangup",
    "m.call.sdp_stream_metadata_changed",
];
const SDP: &str = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
     a=fingerprint:sha-256 00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00\r\n\
     a=msid:stream track\r\na=sendrecv\r\n";

struct World {
    endpoint: Endpoint,
    rng: ChaCha20Rng,
    now: Instant,
    room: RoomId,
    /// Our member event.
    own: Option<Vec<u8>>,
    /// Our call and our session in it, once they were written.
    place: (String, String),
    /// The homeserver does not do what it is asked for.
    refuses: bool,
    live: std::collections::BTreeSet<CallHandle>,
    wake: Option<Instant>,
}

impl VirtualTime for World {
    fn now(&mut self) -> &mut Instant {
        &mut self.now
    }

    fn deadline(&self) -> Option<Instant> {
        self.wake
    }

    fn wake(&mut self) {
        self.endpoint.handle_timeout(self.now, &mut self.rng);
        self.drain();
    }
}

impl World {
    fn new() -> Self {
        let config = Config {
            matrix_id: id(OWN),
            device: Device {
                device_id: device("OWN"),
                olm_key: OlmKey::from_bytes([7; 32]),
            },
            ring: Default::default(),
            answer: Default::default(),
            inbound: CallOptions::default(),
            relays: Default::default(),
        };
        let identity = IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([1; 32]));
        let endpoint = Endpoint::new(config, identity, Contacts::default(), None);
        Self {
            endpoint: endpoint.expect("our own configuration"),
            rng: ChaCha20Rng::seed_from_u64(1),
            now: *START,
            room: "!room:example.org".parse().expect("an ID"),
            own: None,
            place: Default::default(),
            refuses: false,
            live: Default::default(),
            wake: None,
        }
    }

    fn join(&mut self) {
        let order = GroupRoomOrder {
            room: self.room.clone(),
            in_clear: true,
            muted: false,
            options: CallOptions {
                route: Some(Route::Direct),
                ..CallOptions::default()
            },
            state: GroupRoomState::default(),
        };
        // It may have a call over a media server now.
        let _ = self
            .endpoint
            .join_group_room(self.now, WALLCLOCK, &mut self.rng, order);
        self.drain();
    }

    fn leave(&mut self) {
        if let Some(conference) = self.endpoint.conference() {
            let left = self
                .endpoint
                .leave(self.now, &mut self.rng, conference.handle);
            assert_eq!(left, Ok(()));
            self.drain();
        }
    }

    /// One line of the fuzzer's. `$C` and `$S` stand for what only we know.
    fn line(&mut self, line: &[u8]) {
        let [command, choice, rest @ ..] = line else {
            return;
        };
        let rest = String::from_utf8_lossy(rest);
        let content = rest
            .replace("$C", &self.place.0)
            .replace("$S", &self.place.1);
        let user = id(USERS[usize::from(*choice) % USERS.len()]);
        match command {
            b'c' => self.state(user, GroupRoomEventKind::Call, *choice, content),
            b'm' => self.state(user, GroupRoomEventKind::Member, *choice, content),
            // Somebody whose key is known.
            b's' => self.state(sealed(*choice), GroupRoomEventKind::Member, 0, content),
            b'd' => {
                let event_type = TYPES[usize::from(choice >> 2) % TYPES.len()];
                self.device_event(&user, event_type, &content);
            }
            b'g' | b'j' => {
                let (room, is_in_room) = (self.room.clone(), *command == b'j');
                self.endpoint.handle_group_room_membership(
                    self.now,
                    &mut self.rng,
                    &room,
                    &user,
                    is_in_room,
                );
            }
            b'r' => self.refuses = choice & 1 == 1,
            b't' => self.pass(Duration::from_millis(u64::from(*choice) * 100)),
            b'l' => self.leave(),
            _ => self.join(),
        }
        self.drain();
    }

    fn state(&mut self, sender: MatrixId, kind: GroupRoomEventKind, choice: u8, content: String) {
        let event = GroupRoomEvent {
            state_key: match kind {
                GroupRoomEventKind::Call => format!("call{}", choice >> 6),
                GroupRoomEventKind::Member => sender.to_string(),
            },
            sender,
            kind,
            content,
            sent_ms: WALLCLOCK + u64::from(choice),
            age_ms: (choice & 0x20 == 0).then_some(i64::from(choice)),
        };
        let room = self.room.clone();
        self.endpoint
            .handle_group_room_event(self.now, &mut self.rng, &room, &event);
    }

    fn device_event(&mut self, sender: &MatrixId, event_type: &str, content: &str) {
        let event = InboundDeviceEvent {
            sender,
            proven: None,
            event_type,
            content,
        };
        let _ = self
            .endpoint
            .handle_device_event(self.now, &mut self.rng, event);
    }

    fn drain(&mut self) {
        loop {
            match self.endpoint.poll_output() {
                Output::Timeout(at) => {
                    self.wake = at;
                    return;
                }
                Output::Request(request) => self.answer(request),
                Output::Media(call, command) => self.media(call, &command),
                Output::Event(_) | Output::Control(..) => {}
                Output::Persist(_) => panic!("nobody calls us sealed"),
            }
            // One of those that are ending, and one more; and sealed legs.
            assert!(self.live.len() <= 2 * 32 + 1 + 7);
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::QueryDevices { id, .. } => {
                let devices = match self.refuses {
                    true => Err(RequestError::Unreachable),
                    false => Ok(vec![Device {
                        device_id: device("D"),
                        olm_key: OlmKey::from_bytes([8; 32]),
                    }]),
                };
                self.endpoint
                    .handle_devices(self.now, &mut self.rng, id, devices);
            }
            Request::SendToDevice { id, .. } | Request::Send { id, .. } => {
                let sent = match self.refuses {
                    true => Err(RequestError::Unreachable),
                    false => Ok(()),
                };
                self.endpoint
                    .handle_response(self.now, &mut self.rng, id, sent);
            }
            Request::OwnMembership { id, request, .. } => {
                let answer = self.membership(request);
                self.endpoint
                    .handle_group_room_response(self.now, &mut self.rng, id, answer);
            }
            Request::WriteGroupCall { id, .. } => {
                let answer = Ok(MembershipResponse::Done);
                self.endpoint
                    .handle_group_room_response(self.now, &mut self.rng, id, answer);
            }
            _ => panic!("a group call asks for nothing else"),
        }
    }

    fn membership(
        &mut self,
        request: MembershipRequest,
    ) -> Result<MembershipResponse, MembershipFailure> {
        if self.refuses {
            return Err(MembershipFailure::Later(Duration::ZERO));
        }
        match request {
            MembershipRequest::ReadMember => {
                let own = self.own.clone().ok_or(MembershipFailure::NotFound)?;
                Ok(MembershipResponse::Content(own))
            }
            MembershipRequest::WriteMember { content } => {
                let call = &content["m.calls"][0];
                let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
                self.place = (
                    text(&call["m.call_id"]),
                    text(&call["m.devices"][0]["session_id"]),
                );
                self.own = Some(content.to_string().into_bytes());
                Ok(MembershipResponse::Done)
            }
            _ => Err(MembershipFailure::Unsupported),
        }
    }

    fn media(&mut self, call: CallHandle, command: &MediaCommand) {
        let sdp = SDP.to_owned();
        let event = match command {
            MediaCommand::CreateOffer { .. } => {
                self.live.insert(call);
                MediaEvent::LocalOffer { sdp }
            }
            MediaCommand::AcceptOffer { .. } => {
                self.live.insert(call);
                MediaEvent::LocalAnswer { sdp }
            }
            MediaCommand::Gather => MediaEvent::LocalCandidates {
                candidates: vec!["candidate:1".into()],
                complete: true,
            },
            MediaCommand::StartAudio { .. } => MediaEvent::PathUp {
                route: securecall_session::PathRoute::Direct,
            },
            MediaCommand::CreateRestartOffer => MediaEvent::RestartOffer { sdp },
            MediaCommand::AcceptRestartOffer { .. } => MediaEvent::RestartAnswer { sdp },
            MediaCommand::Close => {
                self.live.remove(&call);
                return;
            }
            _ => return,
        };
        self.endpoint
            .handle_media(self.now, &mut self.rng, call, event);
    }
}

/// One of many, lesser and greater than we are.
fn sealed(number: u8) -> MatrixId {
    let seed = IdentitySeed::from_bytes([100 + number % 100; 32]);
    let id = SecureCallId::new(&IdentityKeyPair::from_seed(&seed).public());
    MatrixId::of_securecall_id(&id, &"example.org".parse().expect("a server's name"))
}

fn id(text: &str) -> MatrixId {
    text.parse().expect("an ID")
}

fn device(text: &str) -> DeviceId {
    text.parse().expect("an ID")
}

fuzz_target!(|data: &[u8]| {
    let mut world = World::new();
    world.join();
    for line in data.split(|byte| *byte == b'\n').take(300) {
        world.line(line);
    }
    world.refuses = false;
    world.leave();
    // What others say of us in our own event may have it written once more.
    world.pass(Duration::from_secs(400));
    assert!(world.endpoint.is_empty() && world.live.is_empty());
});
