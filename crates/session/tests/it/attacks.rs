//! A malicious homeserver: it gets no audio, lowers no tier, crashes nothing.

use std::time::Duration;

use securecall_contact::OlmKey;
use securecall_crypto::RatchetError;
use securecall_session::{EndReason, MediaEvent, MediaFailure, SignalRefused};
use securecall_testkit::{DeviceOptions, Envelope, Fate, Pair, connected_pair, pair, ringing_pair};

const LONG: Duration = Duration::from_secs(400);

#[test]
fn swapped_olm_keys_break_the_handshake() {
    let mut pair = pair();
    pair.universe.homeserver.device_script = Box::new(|_, devices| {
        devices
            .iter_mut()
            .for_each(|device| device.olm_key = OlmKey::from_bytes([9; 32]));
    });
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(95));
    assert!(pair.universe.incoming(pair.callee).is_none());
    assert!(
        pair.universe.devices[pair.callee]
            .refused
            .iter()
            .all(|why| matches!(why, SignalRefused::Handshake(_)))
    );
    assert!(!pair.universe.devices[pair.callee].refused.is_empty());
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::Unreachable)
    );
}

#[test]
fn a_swapped_olm_key_of_the_caller_breaks_the_handshake() {
    let mut pair = pair();
    pair.universe.homeserver.set_script(|envelope| {
        envelope.sender_olm_key = OlmKey::from_bytes([9; 32]);
        Fate::Deliver
    });
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(95));
    assert!(pair.universe.incoming(pair.callee).is_none());
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::Unreachable)
    );
}

#[test]
fn a_changed_sender_breaks_the_handshake() {
    let mut pair = pair();
    pair.universe.homeserver.set_script(|envelope| {
        envelope.sender = "@mallory:example.org".parse().unwrap();
        Fate::Deliver
    });
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(95));
    assert!(pair.universe.incoming(pair.callee).is_none());
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::Unreachable)
    );
}

#[test]
fn a_message_moved_to_another_device_does_not_open_there() {
    let mut pair = pair();
    let second = pair
        .universe
        .add_device(pair.callee_user, DeviceOptions::default());
    pair.universe.befriend(pair.caller_user, pair.callee_user);
    pair.universe.homeserver.device_script = Box::new(|_, devices| devices.truncate(1));
    pair.universe.homeserver.set_script(move |envelope| {
        if envelope.from == 0 {
            envelope.to = second;
        }
        Fate::Deliver
    });
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(95));
    assert!(pair.universe.incoming(second).is_none());
    assert!(
        pair.universe.devices[second]
            .refused
            .iter()
            .all(|why| matches!(why, SignalRefused::Handshake(_)))
    );
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::Unreachable)
    );
}

#[test]
fn any_changed_byte_of_any_message_before_the_answer_is_refused_without_effect() {
    for position in [3, 40, 200, 1300, 2000, 4000] {
        let mut pair = ringing_pair();
        let sent: Vec<Envelope> = pair.universe.homeserver.sent.clone();
        let told =
            [pair.caller, pair.callee].map(|device| pair.universe.devices[device].events.len());
        for envelope in sent {
            pair.universe.inject(&tampered(&envelope, position));
        }
        assert_eq!(
            told,
            [pair.caller, pair.callee].map(|device| pair.universe.devices[device].events.len()),
            "byte {position}"
        );
        pair.universe.answer(pair.callee, pair.call());
        pair.universe.run_for(Duration::from_secs(3));
        assert!(
            pair.universe.connected(pair.caller) && pair.universe.connected(pair.callee),
            "byte {position}"
        );
    }
}

fn tampered(envelope: &Envelope, position: usize) -> Envelope {
    let start = envelope.content.find("\"box\":\"").unwrap() + 7;
    let mut content = envelope.content.clone().into_bytes();
    let at = start + position * 4 / 3;
    content[at] = if content[at] == b'A' { b'B' } else { b'A' };
    Envelope {
        content: String::from_utf8(content).unwrap(),
        ..envelope.clone()
    }
}

#[test]
fn forged_hangups_and_answers_do_nothing() {
    let mut pair = ringing_pair();
    let call = pair.call();
    let forged = |kind: u8, from: usize, to: usize| {
        let mut bytes = vec![kind, 0, 200];
        bytes.resize(4096, 0x42);
        bytes[203..].fill(0);
        let content = format!(
            "{{\"version\":\"1\",\"call_id\":\"{call}\",\"box\":\"{}\"}}",
            data_encoding::BASE64URL_NOPAD.encode(&bytes)
        );
        let template = pair
            .universe
            .homeserver
            .sent
            .iter()
            .find(|envelope| envelope.from == from)
            .unwrap();
        Envelope {
            to,
            content,
            ..template.clone()
        }
    };
    let plain = |from: usize, to: usize| Envelope {
        content: format!("{{\"type\":\"m.call.hangup\",\"call_id\":\"{call}\"}}"),
        ..forged(3, from, to)
    };
    let (caller, callee) = (pair.caller, pair.callee);
    let attacks: Vec<_> = [1, 2, 3]
        .into_iter()
        .flat_map(|kind| [forged(kind, caller, callee), forged(kind, callee, caller)])
        .chain([plain(caller, callee), plain(callee, caller)])
        .collect();
    let count = attacks.len();
    for attack in attacks {
        pair.universe.inject(&attack);
    }
    let refused = pair
        .universe
        .devices
        .iter()
        .map(|device| device.refused.len())
        .sum::<usize>();
    assert_eq!(refused, count);
    assert!(pair.universe.ended(caller).is_none() && pair.universe.ended(callee).is_none());
    pair.universe.answer(callee, call);
    pair.universe.run_for(Duration::from_secs(3));
    assert!(pair.universe.connected(caller));
}

#[test]
fn everything_replayed_changes_nothing() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(2));
    let devices = [pair.caller, pair.callee];
    let told = devices.map(|device| pair.universe.devices[device].events.len());
    let sent = pair.universe.homeserver.sent.clone();
    for envelope in sent.iter().rev() {
        pair.universe.inject(envelope);
        pair.universe.inject(envelope);
    }
    pair.universe.run_for(Duration::from_secs(30));
    let told_again = devices.map(|device| pair.universe.devices[device].events.len());
    assert_eq!(told, told_again);
    let sent = pair.universe.homeserver.sent.clone();
    pair.universe.hang_up(pair.caller, pair.call());
    // Long enough for the call to be forgotten, and so short that its invite is still fresh.
    pair.universe.run_for(Duration::from_secs(45));
    assert!(pair.all_empty());
    let told = devices.map(|device| pair.universe.devices[device].events.len());
    for envelope in &sent {
        pair.universe.inject(envelope);
        let why = pair.universe.devices[envelope.to].refused.last();
        let expected = match envelope.kind() {
            1 => SignalRefused::Replayed,
            _ => SignalRefused::UnknownCall,
        };
        assert_eq!(why, Some(&expected), "kind {}", envelope.kind());
        assert!(pair.all_empty());
    }
    let told_again = devices.map(|device| pair.universe.devices[device].events.len());
    assert_eq!(told, told_again);
}

#[test]
fn reflected_messages_are_refused() {
    let mut pair = connected_pair();
    let devices = [pair.caller, pair.callee];
    let told = devices.map(|device| pair.universe.devices[device].events.len());
    let sent = pair.universe.homeserver.sent.clone();
    for envelope in &sent {
        let content = envelope.content.clone();
        let reflected = pair.universe.envelope(envelope.to, envelope.from, content);
        let before = pair.universe.devices[envelope.from].refused.len();
        pair.universe.inject(&reflected);
        let expected = match envelope.kind() {
            3 => SignalRefused::Ratchet(RatchetError::WrongDirection),
            _ => SignalRefused::OutOfPlace,
        };
        assert_eq!(
            pair.universe.devices[envelope.from].refused[before..],
            [expected],
            "kind {}",
            envelope.kind()
        );
    }
    assert_eq!(pair.universe.homeserver.sent.len(), sent.len());
    let told_again = devices.map(|device| pair.universe.devices[device].events.len());
    assert_eq!(told, told_again);
}

#[test]
fn reordered_messages_still_make_a_call() {
    for seed in 0..6_u64 {
        let mut pair = pair();
        let mut number = seed;
        pair.universe.homeserver.set_script(move |_| {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            Fate::Delay(Duration::from_millis((number >> 33) % 1500))
        });
        let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
        let callee = pair.callee;
        assert!(pair.universe.run_until(Duration::from_secs(5), |universe| {
            universe.incoming(callee).is_some()
        }));
        pair.universe.answer(callee, call);
        pair.universe.run_for(Duration::from_secs(10));
        assert!(
            pair.universe.connected(pair.caller) && pair.universe.connected(pair.callee),
            "{seed}"
        );
    }
}

#[test]
fn messages_withheld_end_the_call_on_both_sides_without_audio() {
    let mut pair = ringing_pair();
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(95));
    assert!(
        pair.universe.ended(pair.caller).is_some() && pair.universe.ended(pair.callee).is_some()
    );
    assert!(!pair.universe.devices[pair.callee].media[&pair.call()].microphone_open);
    pair.universe.run_for(LONG);
    assert!(pair.all_empty());
}

#[test]
fn a_transport_with_another_fingerprint_ends_the_call() {
    let mut pair = ringing_pair();
    pair.universe.network.impostor = true;
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(5));
    let ends = [pair.caller, pair.callee].map(|device| pair.universe.ended(device).unwrap());
    assert!(ends.contains(&EndReason::FingerprintMismatch), "{ends:?}");
    assert!(!pair.universe.connected(pair.caller) && !pair.universe.connected(pair.callee));
    for device in [pair.caller, pair.callee] {
        assert!(
            !pair.universe.devices[device].media[&pair.call()]
                .commands
                .contains(&"OpenMicrophone".to_owned())
        );
    }
}

#[test]
fn an_answer_without_exactly_one_fingerprint_is_not_taken() {
    for sdp in ["v=0\r\n", "a=fingerprint:sha-1 AB\r\n"] {
        let mut pair = ringing_pair();
        let call = pair.call();
        pair.universe.answer(pair.callee, call);
        // The callee's own media engine makes nonsense, faster than the real answer.
        pair.universe.inject_media(
            pair.callee,
            call,
            MediaEvent::LocalAnswer { sdp: sdp.into() },
        );
        pair.universe.run_for(Duration::from_secs(3));
        assert_eq!(
            pair.universe.ended(pair.caller),
            Some(EndReason::FingerprintMismatch)
        );
        assert!(pair.universe.ended(pair.callee).is_some());
        assert!(!pair.universe.connected(pair.callee));
    }
}

#[test]
fn an_offer_without_exactly_one_fingerprint_does_not_ring() {
    let mut pair = pair();
    let call = pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.inject_media(
        pair.caller,
        call,
        MediaEvent::LocalOffer {
            sdp: "v=0\r\n".into(),
        },
    );
    pair.universe.run_for(Duration::from_secs(2));
    assert!(pair.universe.incoming(pair.callee).is_none());
    assert!(
        pair.universe.devices[pair.callee]
            .refused
            .contains(&SignalRefused::Fingerprint)
    );
}

#[test]
fn a_restart_offer_with_another_fingerprint_is_refused() {
    let mut pair = connected_pair();
    let call = pair.call();
    let sdp = format!("a=fingerprint:sha-256 {}\r\n", ["EE"; 32].join(":"));
    pair.universe
        .inject_media(pair.caller, call, MediaEvent::RestartOffer { sdp });
    pair.universe.run_for(Duration::from_secs(2));
    let commands = &pair.universe.devices[pair.callee].media[&call].commands;
    assert!(!commands.contains(&"AcceptRestartOffer".to_owned()));
    assert!(pair.universe.ended(pair.callee).is_none());
}

#[test]
fn the_callee_is_not_connected_before_the_caller_is_proven() {
    let mut pair = pair();
    let (caller, callee) = (pair.caller, pair.callee);
    // The caller's ratchet messages are withheld, and no packet of its passes.
    pair.universe.homeserver.set_script(move |envelope| {
        if envelope.from == caller && envelope.kind() == 3 {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    pair.universe.network.set_up(false);
    let call = pair.universe.call(caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    pair.universe.answer(callee, call);
    pair.universe.run_for(Duration::from_secs(8));
    assert!(
        pair.universe.devices[callee].media[&call]
            .commands
            .iter()
            .any(|command| command == "StartAudio")
    );
    assert!(
        !pair.universe.connected(callee)
            && !pair.universe.devices[callee].media[&call].microphone_open
    );
    pair.universe.network.set_up(true);
    pair.universe.run_for(Duration::from_secs(4));
    assert!(
        pair.universe.connected(callee)
            && pair.universe.devices[callee].media[&call].microphone_open
    );
}

#[test]
fn junk_on_the_data_channel_is_refused() {
    let mut pair = connected_pair();
    let call = pair.call();
    for junk in [&b""[..], &[0; 10], &[1; 300], &[0xff; 20_000]] {
        pair.universe.inject_control(pair.callee, call, junk);
    }
    assert_eq!(pair.universe.devices[pair.callee].refused.len(), 4);
    pair.universe.run_for(Duration::from_secs(30));
    assert!(pair.universe.ended(pair.callee).is_none());
}

/// The last message that the caller sent on the data channel.
fn last_control(pair: &Pair) -> Vec<u8> {
    let mut sent = pair.universe.control_sent.iter().rev();
    let (.., message) = sent.find(|(to, ..)| *to == pair.callee).unwrap();
    message.clone()
}

/// A control message as its own sender could forge it: far ahead in its chain, so that many keys are derived for it.
pub(crate) fn forged(pair: &Pair, number: u8) -> Vec<u8> {
    let mut forged = last_control(pair);
    // Version, direction, step in four bytes, number in four.
    forged[9] = forged[9].wrapping_add(100 + number % 100);
    forged
}

#[test]
fn forged_control_messages_are_looked_at_a_few_times_a_second() {
    let mut pair = connected_pair();
    let call = pair.call();
    pair.universe.run_for(Duration::from_secs(11));
    let failed = |pair: &Pair| {
        let refused = pair.universe.devices[pair.callee].refused.iter();
        let failed =
            |why: &&SignalRefused| **why == SignalRefused::Ratchet(RatchetError::OpenFailed);
        refused.filter(failed).count()
    };
    for number in 0..=255 {
        let forged = forged(&pair, number);
        pair.universe.inject_control(pair.callee, call, &forged);
    }
    assert_eq!(failed(&pair), 8);
    for _ in 0..10 {
        pair.universe.run_for(Duration::from_secs(1));
        for number in 0..=255 {
            let forged = forged(&pair, number);
            pair.universe.inject_control(pair.callee, call, &forged);
        }
    }
    assert!((40..=50).contains(&failed(&pair)), "{}", failed(&pair));
    // The call was not disturbed for good, and goes on once that is over.
    let epochs = pair.universe.devices[pair.callee].media[&call]
        .send_epochs
        .len();
    pair.universe.run_for(Duration::from_secs(60));
    let media = &pair.universe.devices[pair.callee].media[&call];
    assert!(media.send_epochs.len() >= epochs + 5);
    assert!(pair.universe.ended(pair.callee).is_none());
}

#[test]
fn control_messages_repeated_without_end_are_not_acknowledged_without_end() {
    let mut pair = connected_pair();
    let call = pair.call();
    pair.universe.run_for(Duration::from_secs(11));
    // The caller's last words are an acknowledgement, which wants none; those before it are its step.
    let controls = pair.universe.control_sent.iter().rev();
    let mut to_callee = controls.filter(|(to, ..)| *to == pair.callee);
    let (.., repeated) = to_callee.nth(1).unwrap().clone();
    let before = pair.universe.control_sent.len();
    for _ in 0..1000 {
        pair.universe.inject_control(pair.callee, call, &repeated);
    }
    let acknowledged = pair.universe.control_sent.len() - before;
    assert!((1..=64).contains(&acknowledged), "{acknowledged}");
}

#[test]
fn a_failure_event_after_the_end_changes_nothing() {
    let mut pair = connected_pair();
    let call = pair.call();
    pair.universe.hang_up(pair.caller, call);
    pair.universe.inject_media(
        pair.caller,
        call,
        MediaEvent::Failed {
            reason: MediaFailure::FingerprintMismatch,
        },
    );
    assert_eq!(
        pair.universe.ended(pair.caller),
        Some(EndReason::LocalHangup)
    );
}
