//! A call under attack: junk and changed true messages on both carriers, before and after the answer; the call must still end well.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use securecall_contact::{Device, DeviceId, MatrixId, OlmKey, SecureCallId, ServerName};
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_fuzz::START;
use securecall_session::{
    AnswerPolicy, CallHandle, CallOptions, Callee, Config, Contact, Contacts, Endpoint, Event,
    InboundSignal, MediaCommand, MediaEvent, Output, PathRoute, Request, RingPolicy,
};
use web_time::Instant;

const WALLCLOCK: u64 = 1_800_000_000_000;

/// Both ends of a call, and everything under way between them.
struct Pair {
    ends: [Endpoint; 2],
    accounts: [MatrixId; 2],
    own: [Device; 2],
    rng: ChaCha20Rng,
    now: Instant,
    /// To whom, and what.
    signals: Vec<(usize, String)>,
    controls: Vec<(usize, Vec<u8>)>,
    /// The call, as each end names it.
    calls: [Option<CallHandle>; 2],
}

fn end(
    own: usize,
    identities: &[IdentityKeyPair; 2],
    accounts: &[MatrixId; 2],
    devices: &[Device; 2],
) -> Option<Endpoint> {
    let other = 1 - own;
    let contact = Contact {
        name: "peer".into(),
        identity: identities[other].public(),
        matrix_id: accounts[other].clone(),
    };
    let config = Config {
        matrix_id: accounts[own].clone(),
        device: devices[own].clone(),
        ring: RingPolicy::Anyone,
        answer: AnswerPolicy::Auto,
        inbound: CallOptions::default(),
        relays: Default::default(),
    };
    let identity = IdentityKeyPair::from_seed(&seed(own));
    Endpoint::new(config, identity, Contacts::new([contact]), None).ok()
}

fn seed(own: usize) -> IdentitySeed {
    IdentitySeed::from_bytes([own as u8 + 1; 32])
}

fn pair() -> Option<Pair> {
    let identities = [0, 1].map(|own| IdentityKeyPair::from_seed(&seed(own)));
    let server: ServerName = "example.org".parse().ok()?;
    let accounts = [0, 1].map(|own: usize| {
        MatrixId::of_securecall_id(&SecureCallId::new(&identities[own].public()), &server)
    });
    let device_ids: [DeviceId; 2] = ["DEVICE0".parse().ok()?, "DEVICE1".parse().ok()?];
    let own = [0, 1].map(|own: usize| Device {
        device_id: device_ids[own].clone(),
        olm_key: OlmKey::from_bytes([own as u8 + 7; 32]),
    });
    let ends = [
        end(0, &identities, &accounts, &own)?,
        end(1, &identities, &accounts, &own)?,
    ];
    Some(Pair {
        ends,
        accounts,
        own,
        rng: ChaCha20Rng::seed_from_u64(1),
        now: *START,
        signals: Vec::new(),
        controls: Vec::new(),
        calls: [None; 2],
    })
}

impl Pair {
    fn drain(&mut self, own: usize) {
        loop {
            match self.ends[own].poll_output() {
                Output::Timeout(_) => return,
                Output::Request(Request::QueryDevices { id, .. }) => {
                    let devices = vec![self.own[1 - own].clone()];
                    self.ends[own].handle_devices(self.now, &mut self.rng, id, Ok(devices));
                }
                Output::Request(
                    Request::FindRoom { .. }
                    | Request::MakeRoom { .. }
                    | Request::JoinRoom { .. }
                    | Request::LeaveRoom { .. }
                    | Request::PrepareRoom { .. }
                    | Request::SendToRoom { .. }
                    | Request::SendToDevice { .. }
                    | Request::OwnMembership { .. }
                    | Request::WriteGroupCall { .. }
                    | Request::Redact { .. },
                ) => {
                    panic!("a sealed call is in no room");
                }
                Output::Request(Request::Send { id, content, .. }) => {
                    self.signals.push((1 - own, content));
                    self.ends[own].handle_response(self.now, &mut self.rng, id, Ok(()));
                }
                Output::Control(_, bytes) => self.controls.push((1 - own, bytes)),
                Output::Media(call, command) => self.media(own, call, &command),
                Output::Persist(_) => {
                    self.ends[own].handle_persisted(self.now, &mut self.rng, Ok(()));
                }
                Output::Event(Event::Dialing { call, .. } | Event::Incoming { call, .. }) => {
                    self.calls[own] = Some(call.handle);
                }
                Output::Event(_) => {}
            }
        }
    }

    fn media(&mut self, own: usize, call: CallHandle, command: &MediaCommand) {
        let sdp = format!(
            "v=0\r\na=fingerprint:sha-256 {}\r\n",
            [format!("0{own}").as_str(); 32].join(":")
        );
        let events = match command {
            MediaCommand::CreateOffer { .. } => vec![MediaEvent::LocalOffer { sdp }],
            MediaCommand::AcceptOffer { .. } => vec![MediaEvent::LocalAnswer { sdp }],
            MediaCommand::Gather => vec![MediaEvent::LocalCandidates {
                candidates: vec!["candidate:1".into()],
                complete: true,
            }],
            MediaCommand::StartAudio { .. } => {
                vec![
                    MediaEvent::PathUp {
                        route: PathRoute::Direct,
                    },
                    MediaEvent::DataChannelOpen,
                    MediaEvent::FirstFrameOpened,
                ]
            }
            _ => Vec::new(),
        };
        for event in events {
            self.ends[own].handle_media(self.now, &mut self.rng, call, event);
        }
    }

    fn signal(&mut self, to: usize, content: &str) {
        let signal = InboundSignal {
            sender: &self.accounts[1 - to],
            sender_olm_key: self.own[1 - to].olm_key,
            content,
        };
        let _ = self.ends[to].handle_signal(self.now, WALLCLOCK, &mut self.rng, signal);
        self.ends[to].handle_sync_complete(self.now, &mut self.rng);
        self.drain(to);
    }

    fn control(&mut self, to: usize, bytes: &[u8]) {
        let Some(call) = self.calls[to] else { return };
        let _ = self.ends[to].handle_control(self.now, &mut self.rng, call, bytes);
        self.drain(to);
    }

    /// Delivers one message, after a changed copy of it.
    fn step(&mut self, attack: &[u8]) -> bool {
        if !self.signals.is_empty() {
            let (to, content) = self.signals.remove(0);
            let mut changed = content.clone().into_bytes();
            for (place, change) in attack.iter().enumerate() {
                let at = place * 37 % changed.len();
                changed[at] ^= change;
            }
            if changed != content.as_bytes() {
                self.signal(to, &String::from_utf8_lossy(&changed));
            }
            self.signal(to, &String::from_utf8_lossy(attack));
            self.signal(to, &content);
            return true;
        }
        if !self.controls.is_empty() {
            let (to, bytes) = self.controls.remove(0);
            let mut changed = bytes.clone();
            changed
                .iter_mut()
                .zip(attack)
                .for_each(|(byte, change)| *byte ^= change);
            if changed != bytes {
                self.control(to, &changed);
            }
            self.control(to, attack);
            self.control(to, &bytes);
            return true;
        }
        false
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(mut pair) = pair() else {
        unreachable!("our own configuration")
    };
    let matrix_id = pair.accounts[1].clone();
    let Some(identity) = matrix_id.securecall_id().map(SecureCallId::identity_key) else {
        unreachable!("an @sc_ address")
    };
    let callee = Callee {
        identity: Some(identity),
        matrix_id,
    };
    let Ok(call) = pair.ends[0].call(
        pair.now,
        WALLCLOCK,
        &mut pair.rng,
        callee,
        &CallOptions::default(),
    ) else {
        unreachable!("no other call")
    };
    let call = call.handle;
    pair.drain(0);
    for attack in data.chunks(64).chain(std::iter::repeat(&[][..])).take(200) {
        if !pair.step(attack) {
            break;
        }
    }
    // Whatever came in between, the true messages made a call, and it ends.
    assert!(pair.ends[0].hang_up(pair.now, &mut pair.rng, call).is_ok());
    pair.drain(0);
    while pair.step(&[]) {}
    let Some(call) = pair.calls[1] else {
        unreachable!("the true messages made it ring")
    };
    assert!(pair.ends[1].hang_up(pair.now, &mut pair.rng, call).is_err());
});
