//! A caller made by hand from the written protocol: it can break the rules, and shows that the format is what the documents say.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use securecall_crypto::{Established, Initiator, InitiatorAwaiting, WordsNonce};
use securecall_session::{
    EndReason, Event, MAX_CANDIDATES, MediaEvent, MissedReason, PathRoute, SignalRefused,
};
use securecall_signaling::{BundleError, CallId};
use securecall_testkit::{DeviceId, DeviceOptions, Envelope, Universe};

pub(crate) struct HandMade {
    pub(crate) universe: Universe,
    pub(crate) caller: DeviceId,
    pub(crate) callee: DeviceId,
    pub(crate) call: CallId,
    awaiting: InitiatorAwaiting,
    message_1: Vec<u8>,
}

pub(crate) fn prologue(
    universe: &Universe,
    call: CallId,
    caller: DeviceId,
    callee: DeviceId,
) -> Vec<u8> {
    let (caller, callee) = (&universe.devices[caller], &universe.devices[callee]);
    let call = call.to_string();
    let fields: [&[u8]; 8] = [
        b"securecall",
        b"1",
        call.as_bytes(),
        caller.matrix_id.as_str().as_bytes(),
        callee.matrix_id.as_str().as_bytes(),
        callee.own.device_id.as_str().as_bytes(),
        caller.own.olm_key.as_bytes(),
        callee.own.olm_key.as_bytes(),
    ];
    fields
        .iter()
        .flat_map(|field| {
            (field.len() as u16)
                .to_be_bytes()
                .into_iter()
                .chain(field.iter().copied())
        })
        .collect()
}

pub(crate) fn bundle(call: CallId, contents: &str) -> String {
    format!(
        r#"{{"version":"1","call_id":"{call}","party_id":"DEVICE0","contents":[{contents}],"wants_acknowledgement":true}}"#
    )
}

pub(crate) fn invite(nonce: &WordsNonce, lifetime: u64, sent_at: u64) -> String {
    let hex: String = nonce
        .commitment()
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let sdp = format!(
        "v=0\\r\\na=fingerprint:sha-256 {}\\r\\n",
        ["AB"; 32].join(":")
    );
    format!(
        r#"{{"type":"m.call.invite","offer":{{"type":"offer","sdp":"{sdp}"}},"lifetime":{lifetime},"sent_at":{sent_at},"words_commitment":"{hex}"}}"#
    )
}

pub(crate) fn signal(call: CallId, kind: u8, sealed: &[u8]) -> String {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&(sealed.len() as u16).to_be_bytes());
    bytes.extend_from_slice(sealed);
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    format!(
        r#"{{"version":"1","call_id":"{call}","box":"{}"}}"#,
        BASE64URL_NOPAD.encode(&bytes)
    )
}

/// What is sealed in a box.
pub(crate) fn unbox(envelope: &Envelope) -> Vec<u8> {
    let text = envelope.content.split("\"box\":\"").nth(1).unwrap();
    let bytes = BASE64URL_NOPAD
        .decode(text.trim_end_matches("\"}").as_bytes())
        .unwrap();
    let length = usize::from(u16::from_be_bytes([bytes[1], bytes[2]]));
    bytes[3..3 + length].to_vec()
}

fn write_message_1(
    universe: &mut Universe,
    caller: DeviceId,
    callee: DeviceId,
    call: CallId,
    payload: impl Fn(&WordsNonce, u64) -> String,
) -> (InitiatorAwaiting, Vec<u8>) {
    let nonce = WordsNonce::from_bytes([1; 32]);
    let payload = payload(&nonce, universe.wallclock_ms(callee));
    let prologue = prologue(universe, call, caller, callee);
    let [own, peer] = [caller, callee].map(|it| universe.identity(universe.devices[it].user));
    let initiator = Initiator::new(&own, peer.public(), &prologue);
    initiator.write_message_1(universe.rng(), payload.as_bytes())
}

impl HandMade {
    fn new(contents: impl Fn(&WordsNonce, u64) -> String) -> Self {
        Self::with_payload(|call, nonce, now| bundle(call, &contents(nonce, now)))
    }

    /// Message 1 with a payload of the test's choice.
    pub(crate) fn with_payload(payload: impl Fn(CallId, &WordsNonce, u64) -> String) -> Self {
        let mut universe = Universe::new(11);
        let (mallory, bob) = (universe.add_user("Mallory"), universe.add_user("Bob"));
        let caller = universe.add_device(mallory, DeviceOptions::default());
        let callee = universe.add_device(bob, DeviceOptions::default());
        universe.befriend(mallory, bob);
        let call = CallId::from_random([0xaa; 16]);
        let (awaiting, message_1) =
            write_message_1(&mut universe, caller, callee, call, |nonce, now| {
                payload(call, nonce, now)
            });
        let mut hand_made = Self {
            universe,
            caller,
            callee,
            call,
            awaiting,
            message_1,
        };
        let message_1 = hand_made.message_1.clone();
        hand_made.send(1, &message_1);
        hand_made
    }

    /// Nothing sent yet, in a universe where more goes on.
    pub(crate) fn against(mut universe: Universe, callee: DeviceId) -> Self {
        let mallory = universe.add_user("Mallory");
        let caller = universe.add_device(mallory, DeviceOptions::default());
        let call = CallId::from_random([0xaa; 16]);
        let payload = |nonce: &WordsNonce, now| bundle(call, &invite(nonce, 60_000, now));
        let (awaiting, message_1) = write_message_1(&mut universe, caller, callee, call, payload);
        Self {
            universe,
            caller,
            callee,
            call,
            awaiting,
            message_1,
        }
    }

    /// Another call to the same device, by this device.
    pub(crate) fn invite_from(&mut self, caller: DeviceId, call: CallId) {
        (self.caller, self.call) = (caller, call);
        let payload = |nonce: &WordsNonce, now| bundle(call, &invite(nonce, 60_000, now));
        (self.awaiting, self.message_1) =
            write_message_1(&mut self.universe, caller, self.callee, call, payload);
        let message_1 = self.message_1.clone();
        self.send(1, &message_1);
    }

    /// Another call by this device, with an invite that the test changes.
    pub(crate) fn invite_with(&mut self, call: CallId, change: impl Fn(&str) -> String) {
        self.call = call;
        let party = self.universe.devices[self.caller].own.device_id.to_string();
        let payload = |nonce: &WordsNonce, now| {
            bundle(call, &change(&invite(nonce, 60_000, now))).replace("DEVICE0", &party)
        };
        (self.awaiting, self.message_1) =
            write_message_1(&mut self.universe, self.caller, self.callee, call, payload);
        let message_1 = self.message_1.clone();
        self.send(1, &message_1);
    }

    pub(crate) fn good() -> Self {
        Self::new(|nonce, now| invite(nonce, 60_000, now))
    }

    pub(crate) fn send(&mut self, kind: u8, sealed: &[u8]) {
        let content = signal(self.call, kind, sealed);
        let envelope = self.universe.envelope(self.caller, self.callee, content);
        self.universe.inject(&envelope);
    }

    pub(crate) fn established(&mut self) -> Established {
        let sent = self
            .universe
            .homeserver
            .sent
            .iter()
            .find(|envelope| envelope.kind() == 2)
            .unwrap();
        self.awaiting.read_message_2(&unbox(sent)).unwrap().0
    }

    pub(crate) fn say(&mut self, established: &mut Established, contents: &str) {
        let payload = bundle(self.call, contents);
        self.say_raw(established, &payload);
    }

    pub(crate) fn say_raw(&mut self, established: &mut Established, payload: &str) {
        let sealed = established
            .ratchet
            .encrypt(self.universe.rng(), payload.as_bytes());
        self.send(3, &sealed.bytes);
    }

    /// Everything the callee's ratchet messages say.
    pub(crate) fn heard(&self, established: &mut Established) -> String {
        self.heard_messages(established).concat()
    }

    /// The same, one by one.
    pub(crate) fn heard_messages(&self, established: &mut Established) -> Vec<String> {
        let sent = self.universe.homeserver.sent.iter();
        sent.filter(|it| it.from == self.callee && it.kind() == 3)
            .filter_map(|it| established.ratchet.decrypt(&unbox(it)).ok())
            .map(|it| String::from_utf8(it.plaintext.to_vec()).unwrap())
            .collect()
    }

    pub(crate) fn refused(&self) -> &[SignalRefused] {
        &self.universe.devices[self.callee].refused
    }
}

pub(crate) fn nonce(byte: &str) -> String {
    format!(
        r#"{{"type":"tech.stealthx.securecall.words_nonce","nonce":"{}"}}"#,
        byte.repeat(32)
    )
}

const HANGUP: &str = r#"{"type":"m.call.hangup","reason":"user_hangup"}"#;

#[test]
fn an_offer_with_candidates_in_message_1_does_not_ring() {
    let caller = HandMade::new(|nonce, now| {
        let candidate = "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host\\r\\n";
        invite(nonce, 60_000, now).replace("v=0\\r\\n", &format!("v=0\\r\\n{candidate}"))
    });
    assert_eq!(caller.refused(), [SignalRefused::Candidates]);
    assert!(caller.universe.incoming(caller.callee).is_none());
    assert!(caller.universe.homeserver.sent.is_empty());
}

#[test]
fn an_answer_in_place_of_the_offer_does_not_ring() {
    let caller = HandMade::new(|nonce, now| {
        invite(nonce, 60_000, now).replace(r#""type":"offer""#, r#""type":"answer""#)
    });
    assert_eq!(
        caller.refused(),
        [SignalRefused::Bundle(BundleError::DescriptionKind)]
    );
    assert!(caller.universe.incoming(caller.callee).is_none());
}

#[test]
fn a_caller_made_from_the_documents_rings_and_hangs_up() {
    let mut caller = HandMade::good();
    assert_eq!(caller.universe.incoming(caller.callee), Some(caller.call));
    let mut established = caller.established();
    caller.say(&mut established, &format!("{},{HANGUP}", nonce("01")));
    assert_eq!(caller.refused(), []);
    assert_eq!(
        caller.universe.ended(caller.callee),
        Some(EndReason::CallerCancelled)
    );
}

#[test]
fn a_wrong_nonce_ends_the_call() {
    let mut caller = HandMade::good();
    let mut established = caller.established();
    caller.say(&mut established, &nonce("02"));
    assert_eq!(
        caller.universe.ended(caller.callee),
        Some(EndReason::WordsMismatch)
    );
}

#[test]
fn a_first_message_without_the_nonce_ends_the_call() {
    let mut caller = HandMade::good();
    let mut established = caller.established();
    caller.say(
        &mut established,
        r#"{"type":"m.call.candidates","candidates":[]}"#,
    );
    assert_eq!(
        caller.universe.ended(caller.callee),
        Some(EndReason::WordsMismatch)
    );
}

#[test]
fn contents_that_are_not_the_callers_to_say_are_ignored() {
    let mut caller = HandMade::good();
    let mut established = caller.established();
    let contents = [
        r#"{"type":"m.call.reject"}"#,
        r#"{"type":"tech.stealthx.securecall.busy"}"#,
        r#"{"type":"tech.stealthx.securecall.rekey"}"#,
        r#"{"type":"m.call.answer","answer":{"type":"answer","sdp":""}}"#,
    ];
    caller.say(
        &mut established,
        &format!("{},{}", nonce("01"), contents.join(",")),
    );
    assert!(caller.universe.ended(caller.callee).is_none());
    caller.universe.reject(caller.callee, caller.call);
    caller.universe.run_for(Duration::from_secs(1));
    let said = caller.heard(&mut established);
    assert!(said.contains("m.call.reject") && !said.contains("m.call.hangup"));
}

#[test]
fn a_first_message_that_cannot_be_read_ends_the_call() {
    let mut caller = HandMade::good();
    let mut established = caller.established();
    caller.say_raw(&mut established, "{}");
    assert!(matches!(caller.refused(), [SignalRefused::Bundle(_)]));
    assert_eq!(
        caller.universe.ended(caller.callee),
        Some(EndReason::PeerMisbehaved)
    );
}

#[test]
fn a_later_message_that_cannot_be_read_is_acknowledged_and_ignored() {
    let mut caller = HandMade::good();
    let mut established = caller.established();
    caller.say(&mut established, &nonce("01"));
    caller.say_raw(&mut established, "{}");
    caller.universe.run_for(Duration::from_secs(2));
    assert!(caller.universe.ended(caller.callee).is_none());
    assert!(
        caller
            .heard(&mut established)
            .contains(r#""acknowledges":[[1,0],[1,1]]"#)
    );
    caller.universe.answer(caller.callee, caller.call);
}

#[test]
fn a_nonce_counts_in_the_first_message_alone() {
    let mut caller = HandMade::good();
    let mut established = caller.established();
    caller.say(&mut established, &nonce("01"));
    caller.say(&mut established, &nonce("02"));
    assert!(caller.universe.ended(caller.callee).is_none());
}

#[test]
fn no_more_than_sixty_four_candidates_are_tried() {
    let mut caller = HandMade::good();
    let mut established = caller.established();
    let line = r#"{"candidate":"candidate:1 1 udp 1 10.0.0.9 5000 typ host","sdpMid":"0"}"#;
    let candidates = format!(
        r#"{{"type":"m.call.candidates","candidates":[{}]}}"#,
        [line; 32].join(",")
    );
    caller.say(&mut established, &format!("{},{candidates}", nonce("01")));
    caller.say(&mut established, &candidates);
    caller.universe.answer(caller.callee, caller.call);
    caller.say(&mut established, &candidates);
    let media = &caller.universe.devices[caller.callee].media[&caller.call];
    assert_eq!(media.remote_candidates.len(), MAX_CANDIDATES);
}

#[test]
fn a_lifetime_beyond_ninety_seconds_is_not_taken() {
    for (lifetime, rings) in [(90_000, true), (90_001, false)] {
        let caller = HandMade::new(|nonce, now| invite(nonce, lifetime, now));
        assert_eq!(caller.universe.incoming(caller.callee).is_some(), rings);
        let missed = caller.universe.devices[caller.callee].told(|event| {
            matches!(
                event,
                Event::Missed {
                    why: MissedReason::ClocksDiffer,
                    ..
                }
            )
        });
        assert_eq!(missed, !rings);
    }
}

#[test]
fn message_1_with_anything_but_one_invite_does_not_ring() {
    let twice = HandMade::new(|nonce, now| format!("{0},{0}", invite(nonce, 60_000, now)));
    assert_eq!(twice.refused(), [SignalRefused::OutOfPlace]);
    let hangup = HandMade::new(|_, _| HANGUP.to_owned());
    assert_eq!(hangup.refused(), [SignalRefused::OutOfPlace]);
    let junk = HandMade::new(|_, _| "{}".to_owned());
    assert!(matches!(junk.refused(), [SignalRefused::Bundle(_)]));
    assert!(
        [twice, hangup, junk]
            .iter()
            .all(|caller| caller.universe.incoming(caller.callee).is_none())
    );
}

#[test]
fn a_repeated_message_1_gets_message_2_again_but_not_without_bound() {
    let mut caller = HandMade::good();
    for _ in 0..10 {
        let message_1 = caller.message_1.clone();
        caller.send(1, &message_1);
        caller.universe.run_for(Duration::from_secs(1));
    }
    caller.universe.run_for(Duration::from_secs(30));
    let copies = caller
        .universe
        .homeserver
        .sent
        .iter()
        .filter(|envelope| envelope.kind() == 2)
        .count();
    assert_eq!(copies, 3);
}

/// A thief of the callee's identity key can make message 1 in anybody's name, and nothing after it: message 2 needs the caller's key.
#[test]
fn a_forged_message_1_leads_to_no_connection_and_opens_no_microphone() {
    let mut caller = HandMade::good();
    let (callee, call) = (caller.callee, caller.call);
    caller.universe.answer(callee, call);
    let route = PathRoute::Direct;
    for event in [
        MediaEvent::PathUp { route },
        MediaEvent::DataChannelOpen,
        MediaEvent::AuthenticatedPacket,
    ] {
        caller.universe.inject_media(callee, call, event);
    }
    for _ in 0..40 {
        caller.universe.inject_control(callee, call, &[1; 256]);
        caller.send(3, &[1; 256]);
        assert!(!caller.universe.inject_frame(callee, call, vec![1; 101]));
        caller.universe.run_for(Duration::from_secs(1));
    }
    assert!(!caller.universe.connected(callee));
    let commands = &caller.universe.devices[callee].media[&call].commands;
    assert!(!commands.iter().any(|it| it == "OpenMicrophone"));
    assert_eq!(caller.universe.ended(callee), Some(EndReason::IceFailed));
}
