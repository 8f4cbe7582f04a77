//! Devices of a callee made by hand from the written protocol, to see what a caller tells whom.

use std::time::Duration;

use securecall_crypto::{ReceivedMessage1, Responder, WordsCommitment, WordsNonce};
use securecall_testkit::{DeviceId, DeviceOptions, Envelope, Fate, Pair, pair};

use crate::hand_made_caller::{prologue, signal, unbox};

fn hex32(text: &str) -> [u8; 32] {
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
    bytes.try_into().unwrap()
}

/// What message 1 to a device holds, opened with the callee's identity key.
pub(crate) fn message_1(pair: &Pair, device: DeviceId) -> ReceivedMessage1 {
    let sent = &pair.universe.homeserver.sent;
    let invite = sent
        .iter()
        .find(|envelope| envelope.kind() == 1 && envelope.to == device)
        .unwrap();
    let prologue = prologue(&pair.universe, pair.call(), pair.caller, device);
    let identity = pair.universe.identity(pair.callee_user);
    Responder::read_message_1(&identity, &prologue, &unbox(invite)).unwrap()
}

fn commitment(message_1: &ReceivedMessage1) -> [u8; 32] {
    let payload: serde_json::Value = serde_json::from_slice(message_1.payload()).unwrap();
    let text = payload["contents"][0]["words_commitment"].as_str().unwrap();
    hex32(text)
}

#[test]
fn the_nonce_told_to_one_device_opens_no_commitment_made_to_another() {
    let mut pair = pair();
    let second = pair
        .universe
        .add_device(pair.callee_user, DeviceOptions::default());
    pair.universe.befriend(pair.caller_user, pair.callee_user);
    // The devices are ours: nothing reaches the honest ones.
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.call = Some(pair.universe.call(pair.caller, pair.callee_user).unwrap());
    pair.universe.run_for(Duration::from_secs(1));
    let (first_1, second_1) = (message_1(&pair, pair.callee), message_1(&pair, second));
    let commitments = [commitment(&first_1), commitment(&second_1)];
    assert_ne!(commitments[0], commitments[1]);

    let own = pair.universe.devices[pair.callee].own.clone();
    let payload = format!(
        r#"{{"version":"1","call_id":"{}","party_id":"{}","contents":[{{"type":"tech.stealthx.securecall.ringing"}}],"wants_acknowledgement":true}}"#,
        pair.call(),
        own.device_id
    );
    let (mut established, message_2) =
        first_1.write_message_2(pair.universe.rng(), payload.as_bytes());
    let content = signal(pair.call(), 2, &message_2);
    let ringing = pair.universe.envelope(pair.callee, pair.caller, content);
    pair.universe.inject(&ringing);
    pair.universe.run_for(Duration::from_secs(2));
    let sent = &pair.universe.homeserver.sent;
    let told = sent.iter().find(|envelope| envelope.kind() == 3).unwrap();
    assert_eq!(told.to, pair.callee);
    let opened = established.ratchet.decrypt(&unbox(told)).unwrap();
    let bundle: serde_json::Value = serde_json::from_slice(&opened.plaintext).unwrap();
    let nonce = WordsNonce::from_bytes(hex32(bundle["contents"][0]["nonce"].as_str().unwrap()));
    let [first, second] = commitments.map(WordsCommitment::from_bytes);
    assert!(first.verify(&nonce));
    assert!(!second.verify(&nonce));
}

/// The session of a device that lost goes on for its last words. What it says of a conference is nothing to us.
#[test]
fn a_device_that_was_not_taken_makes_no_conference_of_the_call() {
    let mut pair = pair();
    let second = pair
        .universe
        .add_device(pair.callee_user, DeviceOptions::default());
    pair.universe.befriend(pair.caller_user, pair.callee_user);
    let honest = move |envelope: &mut Envelope| match envelope.to == second {
        true => Fate::Drop,
        false => Fate::Deliver,
    };
    pair.universe.homeserver.set_script(honest);
    pair.call = Some(pair.universe.call(pair.caller, pair.callee_user).unwrap());
    pair.universe.run_for(Duration::from_secs(1));
    let message_1 = message_1(&pair, second);
    let own = pair.universe.devices[second].own.clone();
    let say = |contents: &str| {
        format!(
            r#"{{"version":"1","call_id":"{}","party_id":"{}","contents":[{contents}],"wants_acknowledgement":true}}"#,
            pair.call(),
            own.device_id
        )
    };
    let ringing = say(r#"{"type":"tech.stealthx.securecall.ringing"}"#);
    let roster = say(
        r#"{"type":"tech.stealthx.securecall.roster","conference_id":"00000000000000000000000000000007","number":1,"members":[]}"#,
    );
    let (mut established, message_2) =
        message_1.write_message_2(pair.universe.rng(), ringing.as_bytes());
    let content = signal(pair.call(), 2, &message_2);
    let ringing = pair.universe.envelope(second, pair.caller, content);
    pair.universe.inject(&ringing);
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(3));
    assert!(pair.universe.connected(pair.caller));
    let sealed = established
        .ratchet
        .encrypt(pair.universe.rng(), roster.as_bytes());
    let content = signal(pair.call(), 3, &sealed.bytes);
    let roster = pair.universe.envelope(second, pair.caller, content);
    pair.universe.inject(&roster);
    pair.universe.run_for(Duration::from_secs(3));
    assert_eq!(pair.universe.devices[pair.caller].refused, []);
    assert_eq!(pair.universe.conference_events(pair.caller).count(), 0);
}
