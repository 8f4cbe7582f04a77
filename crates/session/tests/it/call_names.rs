//! What opens names its call and its sender once more, and holds only what its kind of message may hold.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use securecall_session::{EndReason, Event, SignalRefused};
use securecall_signaling::CallId;
use securecall_testkit::{DeviceOptions, Fate, Pair, pair};

use crate::hand_made_callee::message_1;
use crate::hand_made_caller::{HandMade, bundle, invite, nonce, signal};

const RINGING: &str = r#"{"type":"tech.stealthx.securecall.ringing"}"#;
const HANGUP: &str = r#"{"type":"m.call.hangup","reason":"user_hangup"}"#;

fn another_call() -> CallId {
    CallId::from_random([0xbb; 16])
}

/// A call under way to a callee whose messages the test makes.
fn dialing() -> Pair {
    let mut pair = pair();
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.call = Some(pair.universe.call(pair.caller, pair.callee_user).unwrap());
    pair.universe.run_for(Duration::from_secs(1));
    pair
}

/// Message 2 with this payload, handed to the caller. Returns why it was refused.
fn inject_message_2(pair: &mut Pair, payload: &str) -> Option<SignalRefused> {
    let received = message_1(pair, pair.callee);
    let (_, message_2) = received.write_message_2(pair.universe.rng(), payload.as_bytes());
    let content = signal(pair.call(), 2, &message_2);
    let envelope = pair.universe.envelope(pair.callee, pair.caller, content);
    let before = pair.universe.devices[pair.caller].refused.len();
    pair.universe.inject(&envelope);
    let refused = &pair.universe.devices[pair.caller].refused;
    refused.get(before).cloned()
}

fn message_2(call: CallId, party: &str, contents: &str) -> String {
    format!(
        r#"{{"version":"1","call_id":"{call}","party_id":"{party}","contents":[{contents}],"wants_acknowledgement":true}}"#
    )
}

#[test]
fn message_2_names_its_call_and_its_device_and_holds_nothing_out_of_place() {
    let mut pair = dialing();
    let (call, told) = (pair.call(), pair.universe.devices[pair.caller].events.len());
    let commands = pair.universe.devices[pair.caller].media[&call]
        .commands
        .len();
    let mut bad = vec![
        message_2(another_call(), "DEVICE1", RINGING),
        message_2(call, "DEVICE2", RINGING),
    ];
    let out_of_place = [
        HANGUP,
        r#"{"type":"m.call.reject"}"#,
        r#"{"type":"m.call.select_answer","selected_party_id":"DEVICE1"}"#,
        r#"{"type":"tech.stealthx.securecall.rekey"}"#,
        r#"{"type":"tech.stealthx.securecall.restart_please"}"#,
    ];
    bad.extend(out_of_place.map(|it| message_2(call, "DEVICE1", it)));
    bad.extend(out_of_place.map(|it| message_2(call, "DEVICE1", &format!("{RINGING},{it}"))));
    for payload in bad {
        let why = inject_message_2(&mut pair, &payload);
        assert_eq!(why, Some(SignalRefused::OutOfPlace), "{payload}");
    }
    let media = &pair.universe.devices[pair.caller].media[&call];
    assert_eq!(media.commands.len(), commands);
    assert_eq!(
        pair.universe.devices[pair.caller].events.len(),
        told,
        "nothing was told"
    );
    let good = message_2(call, "DEVICE1", RINGING);
    assert_eq!(inject_message_2(&mut pair, &good), None);
    assert_eq!(pair.universe.devices[pair.caller].events.len(), told + 1);
}

#[test]
fn a_ratchet_message_names_its_call_and_its_device() {
    let mut caller = HandMade::good();
    let mut established = caller.established();
    caller.say(&mut established, &nonce("01"));
    let call = caller.call;
    let of_another_call = bundle(another_call(), HANGUP);
    let of_another_device = bundle(call, HANGUP).replace("DEVICE0", "DEVICE1");
    for payload in [of_another_call, of_another_device] {
        let before = caller.refused().len();
        caller.say_raw(&mut established, &payload);
        assert_eq!(caller.refused()[before..], [SignalRefused::OutOfPlace]);
        assert_eq!(caller.universe.ended(caller.callee), None, "{payload}");
    }
    caller.say(&mut established, HANGUP);
    assert_eq!(
        caller.universe.ended(caller.callee),
        Some(EndReason::CallerCancelled)
    );
}

#[test]
fn an_invite_names_its_call() {
    let wrong =
        HandMade::with_payload(|_, nonce, now| bundle(another_call(), &invite(nonce, 60_000, now)));
    assert_eq!(wrong.refused(), [SignalRefused::OutOfPlace]);
    assert_eq!(wrong.universe.incoming(wrong.callee), None);
    let right =
        HandMade::with_payload(|call, nonce, now| bundle(call, &invite(nonce, 60_000, now)));
    assert_eq!(right.universe.incoming(right.callee), Some(right.call));
}

/// Chance does not bring it about, and nobody can foresee the ID of a call of ours; if it is so all the same, our call goes on.
#[test]
fn an_invite_with_the_id_of_a_call_of_ours_does_not_take_its_place() {
    let mut caller = HandMade::good();
    caller.universe.restart(caller.callee);
    let carol = caller.universe.add_user("Carol");
    let bob = caller.universe.devices[caller.callee].user;
    caller.universe.befriend(bob, carol);
    let mallory = caller.universe.devices[caller.caller].user;
    caller.universe.befriend(bob, mallory);
    let mut bytes = [0; 16];
    ChaCha20Rng::seed_from_u64(99).fill_bytes(&mut bytes);
    let ours = CallId::from_random(bytes);
    caller.universe.devices[caller.callee].sync_unfinished = true;
    caller.invite_from(caller.caller, ours);
    *caller.universe.rng() = Box::new(ChaCha20Rng::seed_from_u64(99));
    assert_eq!(caller.universe.call(caller.callee, carol), Ok(ours));
    let told = caller.universe.devices[caller.callee].events.len();
    caller.universe.finish_sync(caller.callee);
    assert_eq!(caller.universe.devices[caller.callee].events.len(), told);
    let media = &caller.universe.devices[caller.callee].media[&ours];
    assert_eq!(media.commands, ["CreateOffer(direct)", "Gather"]);
    // Still the caller's end of it: nobody can answer it here.
    caller.universe.hang_up(caller.callee, ours);
    assert_eq!(
        caller.universe.ended(caller.callee),
        Some(EndReason::Cancelled)
    );
}

/// Whoever calls chooses the ID, and can choose one that is somebody else's.
#[test]
fn of_two_peers_that_choose_one_id_neither_reaches_the_others_call() {
    let mut first = HandMade::good();
    let mut established = first.established();
    let (mallory, bob) = (first.caller, first.universe.devices[first.callee].user);
    let carol = first.universe.add_user("Carol");
    let carols = first.universe.add_device(carol, DeviceOptions::default());
    first.universe.befriend(bob, carol);
    let id = first.call;
    let told = first.universe.devices[first.callee].events.len();
    let sent = first.universe.homeserver.sent.len();

    // Carol's invite, and Mallory's own message from Carol's device.
    first.invite_from(carols, id);
    let payload = bundle(id, &format!("{},{HANGUP}", nonce("01")));
    let hangup = established
        .ratchet
        .encrypt(first.universe.rng(), payload.as_bytes());
    for kind in [1, 2, 3] {
        first.send(kind, &hangup.bytes);
    }
    assert_eq!(first.refused(), vec![SignalRefused::UnknownDevice; 4]);
    let device = &first.universe.devices[first.callee];
    assert_eq!(device.events.len(), told, "nothing was told");
    assert_eq!(first.universe.homeserver.sent.len(), sent, "nor sent");

    // The call that rings is what it was, and its caller is heard.
    first.caller = mallory;
    first.send(3, &hangup.bytes);
    let ended = first.universe.ended(first.callee);
    assert_eq!(ended, Some(EndReason::CallerCancelled));

    // An ID that no call has any more is anybody's, and the call is another one.
    first.universe.run_for(Duration::from_secs(400));
    assert!(first.universe.devices[first.callee].endpoint.is_empty());
    let before = first.universe.handle(first.callee, id);
    first.invite_from(carols, id);
    let last = first.universe.devices[first.callee].events.last();
    assert!(
        matches!(last, Some(Event::Incoming { call, .. })
            if call.id == id.into() && call.handle != before),
        "{last:?}"
    );
}
