//! Contents that are authentic and come when they mean nothing: before the call is connected, after it is over, from a device that was not
//! taken, a second time.

use std::time::Duration;

use securecall_crypto::Established;
use securecall_session::{MediaEvent, PathRoute};
use securecall_signaling::CallId;
use securecall_testkit::{DeviceId, DeviceOptions, Fate, Pair, connected_pair, pair};

use crate::connecting::{Answered, Piece};
use crate::hand_made_callee::message_1;
use crate::hand_made_caller::signal;

pub(crate) const RESTART_PLEASE: &str = r#"{"type":"tech.stealthx.securecall.restart_please"}"#;
pub(crate) const REKEY: &str = r#"{"type":"tech.stealthx.securecall.rekey"}"#;

fn negotiate(kind: &str, number: u32, fingerprint: &str) -> String {
    let sdp = format!(
        "a=fingerprint:sha-256 {}\\r\\n",
        [fingerprint; 32].join(":")
    );
    format!(
        r#"{{"type":"m.call.negotiate","description":{{"type":"{kind}","sdp":"{sdp}"}},"negotiation":{number}}}"#
    )
}

impl Answered {
    fn restart_offer(&mut self, number: u32) {
        let offer = negotiate("offer", number, "AB");
        self.caller.say(&mut self.established, &offer);
        self.caller.universe.run_for(Duration::from_millis(100));
    }

    fn restarts(&self) -> u32 {
        self.caller.universe.devices[self.caller.callee].media[&self.caller.call].restarts
    }
}

#[test]
fn a_restart_offer_counts_only_in_a_connected_call() {
    let mut answered = Answered::new();
    answered.bring(Piece::Words);
    answered.restart_offer(1);
    assert_eq!(answered.restarts(), 0);
    answered.bring(Piece::Path);
    answered.bring(Piece::Frame);
    assert!(answered.is_connected());
    answered.restart_offer(1);
    assert_eq!(answered.restarts(), 1);
}

#[test]
fn a_restart_offer_of_a_number_that_was_taken_is_out_of_turn() {
    let mut answered = Answered::connected();
    for (number, restarts) in [(2, 1), (2, 1), (1, 1), (0, 1), (3, 2)] {
        answered.restart_offer(number);
        assert_eq!(answered.restarts(), restarts, "number {number}");
    }
}

#[test]
fn a_callee_answers_no_rekey_of_a_call_that_is_over() {
    for over in [false, true] {
        let mut answered = Answered::connected();
        let (callee, call) = (answered.caller.callee, answered.caller.call);
        answered.caller.heard(&mut answered.established);
        if over {
            answered.caller.universe.hang_up(callee, call);
        }
        answered.caller.say(&mut answered.established, REKEY);
        answered.caller.universe.run_for(Duration::from_secs(2));
        let heard = answered.caller.heard(&mut answered.established);
        assert_eq!(heard.contains("securecall.rekey"), !over, "{heard}");
    }
}

#[test]
fn a_callee_makes_no_restart_offer_however_it_is_asked() {
    let mut answered = Answered::connected();
    answered
        .caller
        .say(&mut answered.established, RESTART_PLEASE);
    let media = &answered.caller.universe.devices[answered.caller.callee].media;
    let commands = &media[&answered.caller.call].commands;
    assert!(!commands.contains(&"CreateRestartOffer".to_owned()));
}

#[test]
fn an_answer_is_given_once() {
    let mut answered = Answered::new();
    let (callee, call) = (answered.caller.callee, answered.caller.call);
    let sdp = format!("a=fingerprint:sha-256 {}\r\n", ["02"; 32].join(":"));
    let again = MediaEvent::LocalAnswer { sdp };
    answered.caller.universe.inject_media(callee, call, again);
    answered.caller.universe.run_for(Duration::from_secs(1));
    let heard = answered.caller.heard(&mut answered.established);
    assert_eq!(heard.matches("m.call.answer").count(), 1, "{heard}");
}

/// One device of a callee, whose messages the test makes.
pub(crate) struct HandMadeDevice {
    device: DeviceId,
    established: Established,
}

impl HandMadeDevice {
    /// Takes its invite, and sends message 2 with `contents`.
    pub(crate) fn new(pair: &mut Pair, device: DeviceId, contents: &str) -> Self {
        let payload = bundle(pair, device, contents);
        let received = message_1(pair, device);
        let (established, message_2) =
            received.write_message_2(pair.universe.rng(), payload.as_bytes());
        inject(pair, device, 2, &message_2);
        Self {
            device,
            established,
        }
    }

    pub(crate) fn say(&mut self, pair: &mut Pair, contents: &str) {
        let payload = bundle(pair, self.device, contents);
        let rng = pair.universe.rng();
        let sealed = self.established.ratchet.encrypt(rng, payload.as_bytes());
        inject(pair, self.device, 3, &sealed.bytes);
    }
}

fn bundle(pair: &Pair, device: DeviceId, contents: &str) -> String {
    format!(
        r#"{{"version":"1","call_id":"{}","party_id":"DEVICE{device}","contents":[{contents}],"wants_acknowledgement":false}}"#,
        pair.call()
    )
}

fn inject(pair: &mut Pair, device: DeviceId, kind: u8, sealed: &[u8]) {
    let content = signal(pair.call(), kind, sealed);
    let envelope = pair.universe.envelope(device, pair.caller, content);
    let before = pair.universe.devices[pair.caller].refused.len();
    pair.universe.inject(&envelope);
    assert_eq!(pair.universe.devices[pair.caller].refused[before..], []);
    pair.universe.run_for(Duration::from_millis(100));
}

/// A connected call with the first of two devices; the second rang as well.
pub(crate) fn connected_with_the_first_of_two() -> (Pair, HandMadeDevice, HandMadeDevice) {
    let mut pair = pair();
    let second = pair
        .universe
        .add_device(pair.callee_user, DeviceOptions::default());
    pair.universe.befriend(pair.caller_user, pair.callee_user);
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.call = Some(call);
    pair.universe.run_for(Duration::from_secs(1));
    let ringing = r#"{"type":"tech.stealthx.securecall.ringing"}"#;
    let loser = HandMadeDevice::new(&mut pair, second, ringing);
    let sdp = format!("a=fingerprint:sha-256 {}\\r\\n", ["CD"; 32].join(":"));
    let answer =
        format!(r#"{{"type":"m.call.answer","answer":{{"type":"answer","sdp":"{sdp}"}}}}"#);
    let callee = pair.callee;
    let winner = HandMadeDevice::new(&mut pair, callee, &answer);
    for event in [
        MediaEvent::PathUp {
            route: PathRoute::Direct,
        },
        MediaEvent::FirstFrameOpened,
    ] {
        pair.universe.inject_media(pair.caller, call, event);
    }
    assert!(pair.universe.connected(pair.caller));
    (pair, winner, loser)
}

pub(crate) fn commands(pair: &Pair, call: CallId) -> &[String] {
    &pair.universe.devices[pair.caller].media[&call].commands
}

#[test]
fn only_the_device_that_was_taken_can_ask_for_a_restart() {
    let (mut pair, mut winner, mut loser) = connected_with_the_first_of_two();
    let call = pair.call();
    let asked = "CreateRestartOffer".to_owned();
    loser.say(&mut pair, RESTART_PLEASE);
    assert!(!commands(&pair, call).contains(&asked));
    winner.say(&mut pair, RESTART_PLEASE);
    assert!(commands(&pair, call).contains(&asked));
}

#[test]
fn a_restart_answer_counts_once_it_was_asked_for_and_with_the_number_of_its_offer() {
    let (mut pair, mut winner, mut loser) = connected_with_the_first_of_two();
    let call = pair.call();
    let answers = |pair: &Pair| {
        let media = &pair.universe.devices[pair.caller].media[&call];
        media.restart_answers.len()
    };
    winner.say(&mut pair, &negotiate("answer", 1, "CD"));
    assert_eq!(answers(&pair), 0, "nothing was offered yet");
    winner.say(&mut pair, RESTART_PLEASE);
    for number in [0, 2] {
        winner.say(&mut pair, &negotiate("answer", number, "CD"));
        assert_eq!(answers(&pair), 0, "number {number}");
    }
    winner.say(&mut pair, &negotiate("answer", 1, "EE"));
    assert_eq!(answers(&pair), 0, "another fingerprint");
    winner.say(&mut pair, &negotiate("offer", 1, "CD"));
    assert_eq!(answers(&pair), 0, "an offer is no answer");
    loser.say(&mut pair, &negotiate("answer", 1, "CD"));
    assert_eq!(answers(&pair), 0, "from a device that was not taken");
    winner.say(&mut pair, &negotiate("answer", 1, "CD"));
    assert_eq!(answers(&pair), 1);
}

/// Six steps of the keys: each is told, answered and acknowledged, and that is all.
#[test]
fn only_a_callee_answers_a_rekey() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(2));
    let before = pair.universe.control_sent.len();
    pair.universe.run_for(Duration::from_secs(60));
    let said = pair.universe.control_sent.len() - before;
    assert!((18..=24).contains(&said), "{said} control messages in 60 s");
}

/// Each answer goes over the homeserver as well: a caller must not have the callee fill its own homeserver's patience.
#[test]
fn a_caller_that_restarts_without_end_has_few_messages_sent_to_the_callees_homeserver() {
    let mut answered = Answered::connected();
    let callee = answered.caller.callee;
    let sent = |answered: &Answered| {
        let sent = answered.caller.universe.homeserver.sent.iter();
        sent.filter(|it| it.from == callee).count()
    };
    let before = sent(&answered);
    for number in 1..=200 {
        let offer = negotiate("offer", number, "AB");
        answered.caller.say(&mut answered.established, &offer);
        answered.caller.universe.run_for(Duration::from_millis(50));
    }
    let sent = sent(&answered) - before;
    println!(
        "{} restarts, {sent} messages in ten seconds",
        answered.restarts()
    );
    assert!(sent <= 60, "{sent} messages");
    assert!(
        answered.restarts() <= 20,
        "{} restarts",
        answered.restarts()
    );
}
