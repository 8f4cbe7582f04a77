//! True messages under a false label: another sender, another kind. Nothing outside the box is trusted.

use std::time::Duration;

use securecall_session::{EndReason, SignalRefused};
use securecall_testkit::{DeviceId, DeviceOptions, Envelope, Fate, Pair, pair, ringing_pair};

use crate::hand_made_caller::{signal, unbox};

const UNDER_WAY: Duration = Duration::from_millis(500);

/// The only refusals of a device since `before`.
fn refused_since(pair: &Pair, device: DeviceId, before: usize) -> &[SignalRefused] {
    &pair.universe.devices[device].refused[before..]
}

/// Hands over `envelope` and gives why it was refused, if it was; nothing must have been told, ordered or sent.
fn try_in_vain(pair: &mut Pair, envelope: &Envelope) -> Vec<SignalRefused> {
    let to = envelope.to;
    let seen = |pair: &Pair| {
        let device = &pair.universe.devices[to];
        let commands: usize = device.media.values().map(|it| it.commands.len()).sum();
        (
            device.events.len(),
            commands,
            pair.universe.homeserver.sent.len(),
        )
    };
    let (before, refused) = (seen(pair), pair.universe.devices[to].refused.len());
    pair.universe.inject(envelope);
    assert_eq!(seen(pair), before, "kind {}", envelope.kind());
    refused_since(pair, to, refused).to_vec()
}

/// As if another account of the same device had sent it.
fn from_mallory(envelope: &Envelope) -> Envelope {
    Envelope {
        sender: "@mallory:example.org".parse().unwrap(),
        ..envelope.clone()
    }
}

#[test]
fn message_2_counts_only_from_the_account_that_was_called() {
    let mut pair = pair();
    pair.universe.homeserver.set_script(|envelope| {
        if envelope.kind() == 2 {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(UNDER_WAY);
    let sent = pair.universe.homeserver.sent.iter();
    let message_2 = sent.last().filter(|it| it.kind() == 2).unwrap().clone();
    let why = try_in_vain(&mut pair, &from_mallory(&message_2));
    assert_eq!(why, [SignalRefused::UnknownDevice]);
    pair.universe.inject(&message_2);
    assert_eq!(
        pair.universe.devices[pair.caller].refused,
        [SignalRefused::UnknownDevice]
    );
    assert!(pair.universe.devices[pair.caller].events.len() > 1, "rings");
}

#[test]
fn a_ratchet_message_counts_only_from_the_account_that_was_called_or_calls() {
    for reject in [true, false] {
        let mut pair = ringing_pair();
        let (caller, callee, call) = (pair.caller, pair.callee, pair.call());
        pair.universe.homeserver.set_script(|_| Fate::Drop);
        if reject {
            pair.universe.reject(callee, call);
        } else {
            pair.universe.hang_up(caller, call);
        }
        pair.universe.run_for(UNDER_WAY);
        let last_word = pair.universe.homeserver.sent.last().unwrap().clone();
        assert_eq!(last_word.kind(), 3);
        let to = last_word.to;
        let why = try_in_vain(&mut pair, &from_mallory(&last_word));
        assert_eq!(why, [SignalRefused::UnknownDevice]);
        assert_eq!(pair.universe.ended(to), None);
        pair.universe.inject(&last_word);
        let expected = if reject {
            EndReason::Declined
        } else {
            EndReason::CallerCancelled
        };
        assert_eq!(pair.universe.ended(to), Some(expected));
    }
}

#[test]
fn a_message_counts_only_from_the_olm_key_of_a_device_of_the_call() {
    let mut pair = ringing_pair();
    let second = pair
        .universe
        .add_device(pair.caller_user, DeviceOptions::default());
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.universe.hang_up(pair.caller, pair.call());
    pair.universe.run_for(UNDER_WAY);
    let hangup = pair.universe.homeserver.sent.last().unwrap().clone();
    let moved = Envelope {
        sender_olm_key: pair.universe.devices[second].own.olm_key,
        ..hangup.clone()
    };
    let why = try_in_vain(&mut pair, &moved);
    assert_eq!(why, [SignalRefused::UnknownDevice]);
    pair.universe.inject(&hangup);
    assert_eq!(
        pair.universe.ended(pair.callee),
        Some(EndReason::CallerCancelled)
    );
}

#[test]
fn a_message_says_what_kind_it_is_and_counts_as_no_other() {
    let mut pair = ringing_pair();
    let call = pair.call();
    // A ratchet message of the callee, which the caller has not had.
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.universe.answer(pair.callee, call);
    pair.universe.run_for(UNDER_WAY);
    let sent = pair.universe.homeserver.sent.clone();
    for envelope in &sent {
        for kind in [1, 2, 3] {
            if kind == envelope.kind() {
                continue;
            }
            let relabelled = Envelope {
                content: signal(call, kind, &unbox(envelope)),
                ..envelope.clone()
            };
            let why = try_in_vain(&mut pair, &relabelled);
            let is_right = match kind {
                3 => matches!(why[..], [SignalRefused::Ratchet(_)]),
                _ => why == [SignalRefused::OutOfPlace],
            };
            assert!(is_right, "{} as {kind}: {why:?}", envelope.kind());
        }
    }
}

/// The same towards a device of the peer itself: what it sent comes back under a kind that it could be sent.
#[test]
fn a_reflected_message_counts_as_no_other_kind() {
    let mut pair = ringing_pair();
    let call = pair.call();
    let sent = pair.universe.homeserver.sent.clone();
    for envelope in &sent {
        for kind in [1, 2, 3] {
            let content = signal(call, kind, &unbox(envelope));
            let reflected = pair.universe.envelope(envelope.to, envelope.from, content);
            let why = try_in_vain(&mut pair, &reflected);
            assert_eq!(why.len(), 1, "{} as {kind}: {why:?}", envelope.kind());
        }
    }
}
