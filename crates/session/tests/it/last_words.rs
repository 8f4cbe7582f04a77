//! What is said last in a call: it arrives, the transport waits for it, and nobody waits for ever.

use std::time::Duration;

use securecall_session::{EndReason, MediaEvent, RequestError};
use securecall_testkit::{DeviceId, DeviceOptions, Fate, Pair, connected_pair, pair, ringing_pair};

use crate::out_of_turn::HandMadeDevice;

fn last_command(pair: &Pair, device: DeviceId) -> Option<&str> {
    let media = &pair.universe.devices[device].media[&pair.call()];
    media.commands.last().map(String::as_str)
}

#[test]
fn who_hangs_up_keeps_the_transport_until_that_is_acknowledged_and_no_longer() {
    let mut pair = connected_pair();
    let (caller, call) = (pair.caller, pair.call());
    pair.universe.run_for(Duration::from_secs(5));
    let to_caller = move |universe: &securecall_testkit::Universe| {
        let sent = universe.control_sent.iter();
        sent.filter(|(to, ..)| *to == caller).count()
    };
    let before = to_caller(&pair.universe);
    // The callee's part of a step of the keys is on its way, and says nothing of the hang-up.
    let limit = Duration::from_secs(11);
    let answers = pair.universe.run_until(limit, |it| to_caller(it) > before);
    assert!(answers);
    pair.universe.hang_up(caller, call);
    pair.universe.run_for(Duration::from_millis(7));
    assert_eq!(last_command(&pair, caller), Some("StopAudio"));
    pair.universe.run_for(Duration::from_millis(7));
    assert_eq!(last_command(&pair, caller), Some("Close"));
    // The other side keeps its transport a little longer, whatever comes, for the acknowledgement may be asked for again.
    assert_eq!(last_command(&pair, pair.callee), Some("StopAudio"));
    pair.universe.run_for(Duration::from_secs(1));
    assert_eq!(last_command(&pair, pair.callee), Some("Close"));
}

#[test]
fn last_words_that_get_lost_are_said_again() {
    for caller_hangs_up in [true, false] {
        let mut pair = ringing_pair();
        let (caller, callee, call) = (pair.caller, pair.callee, pair.call());
        pair.universe.run_for(Duration::from_secs(3));
        let mut lost = false;
        pair.universe
            .homeserver
            .set_script(move |_| match std::mem::replace(&mut lost, true) {
                true => Fate::Deliver,
                false => Fate::Drop,
            });
        let (ended, expected) = if caller_hangs_up {
            pair.universe.hang_up(caller, call);
            (callee, EndReason::CallerCancelled)
        } else {
            pair.universe.reject(callee, call);
            (caller, EndReason::Declined)
        };
        pair.universe.run_for(Duration::from_secs(1));
        assert_eq!(pair.universe.ended(ended), None);
        pair.universe.run_for(Duration::from_secs(4));
        assert_eq!(pair.universe.ended(ended), Some(expected));
        pair.universe.run_for(Duration::from_secs(5));
        assert!(pair.all_empty());
    }
}

#[test]
fn a_call_whose_last_words_cannot_be_sent_is_forgotten_after_half_a_minute() {
    let mut pair = ringing_pair();
    let caller = pair.caller;
    pair.universe.homeserver.fails = Some(RequestError::Unreachable);
    pair.universe.hang_up(caller, pair.call());
    pair.universe.run_for(Duration::from_secs(29));
    assert!(!pair.universe.devices[caller].endpoint.is_empty());
    pair.universe.run_for(Duration::from_secs(2));
    assert!(pair.universe.devices[caller].endpoint.is_empty());
}

#[test]
fn a_device_that_calls_anew_is_told_nothing_more_of_the_call_it_forgot() {
    let mut pair = pair();
    let (caller, callee) = (pair.caller, pair.callee);
    pair.universe.homeserver.set_script(|envelope| {
        if envelope.kind() == 2 {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    pair.universe.call(caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    pair.universe.restart(caller);
    pair.universe.homeserver.behave();
    let call = pair.universe.call(caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    assert_eq!(pair.universe.incoming(callee), Some(call));
    pair.universe.run_for(Duration::from_secs(30));
    // A repetition has the same bytes.
    let sent = pair.universe.homeserver.sent.iter();
    let mut told = sent.filter(|it| it.from == callee).map(|it| &it.content);
    let of_the_forgotten = told.next().unwrap();
    assert!(told.all(|it| it != of_the_forgotten));
}

#[test]
fn the_transport_waits_for_last_words_if_it_was_of_any_use_before() {
    // Connected, but the data channel is gone; the data channel is there, but no frame has come.
    let mut without_channel = connected_pair();
    let call = without_channel.call();
    let closed = MediaEvent::DataChannelClosed;
    let caller = without_channel.caller;
    without_channel.universe.inject_media(caller, call, closed);
    let mut without_frames = ringing_pair();
    without_frames.universe.network.frames = false;
    let (callee, call) = (without_frames.callee, without_frames.call());
    without_frames.universe.answer(callee, call);
    without_frames.universe.run_for(Duration::from_secs(2));
    assert!(!without_frames.universe.connected(caller));
    for mut pair in [without_channel, without_frames] {
        pair.universe.network.channel = false;
        pair.universe.homeserver.set_script(|_| Fate::Drop);
        pair.universe.hang_up(caller, pair.call());
        pair.universe.run_for(Duration::from_millis(1_400));
        assert_eq!(last_command(&pair, caller), Some("StopAudio"));
        pair.universe.run_for(Duration::from_millis(200));
        assert_eq!(last_command(&pair, caller), Some("Close"));
    }
}

#[test]
fn a_transport_that_never_was_of_use_is_closed_with_the_call() {
    let mut pair = ringing_pair();
    pair.universe.network.unreachable = true;
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(2));
    pair.universe.hang_up(pair.caller, pair.call());
    assert_eq!(last_command(&pair, pair.caller), Some("Close"));
    pair.universe.run_for(Duration::from_millis(100));
    assert_eq!(last_command(&pair, pair.callee), Some("Close"));
}

#[test]
fn last_words_arrive_after_a_long_call_too_although_a_device_of_the_peer_never_spoke() {
    let mut pair = pair();
    let absent = pair
        .universe
        .add_device(pair.callee_user, DeviceOptions::default());
    pair.universe.set_online(absent, false);
    pair.connect();
    pair.universe.run_for(Duration::from_secs(7 * 60));
    pair.universe.network.channel = false;
    pair.universe.hang_up(pair.caller, pair.call());
    pair.universe.run_for(Duration::from_secs(2));
    let reason = pair.universe.ended(pair.callee);
    assert_eq!(reason, Some(EndReason::RemoteHangup));
}

#[test]
fn a_call_whose_last_words_nobody_acknowledges_is_forgotten_after_their_third_copy() {
    let mut pair = ringing_pair();
    let caller = pair.caller;
    pair.universe.set_online(pair.callee, false);
    pair.universe.hang_up(caller, pair.call());
    pair.universe.run_for(Duration::from_secs(12));
    assert!(!pair.universe.devices[caller].endpoint.is_empty());
    pair.universe.run_for(Duration::from_secs(1));
    assert!(pair.universe.devices[caller].endpoint.is_empty());
}

#[test]
fn a_device_whose_answer_cannot_be_taken_is_told_so_without_waiting_for_candidates() {
    let mut pair = pair();
    // Another may still answer, so the call goes on.
    pair.universe
        .add_device(pair.callee_user, DeviceOptions::default());
    pair.universe.network.gathering = Duration::from_secs(1);
    pair.universe.homeserver.set_script(|_| Fate::Drop);
    pair.call = Some(pair.universe.call(pair.caller, pair.callee_user).unwrap());
    pair.universe.run_for(Duration::from_secs(1));
    let before = pair.universe.homeserver.sent.len();
    let answer = r#"{"type":"m.call.answer","answer":{"type":"answer","sdp":"v=0"}}"#;
    let callee = pair.callee;
    HandMadeDevice::new(&mut pair, callee, answer);
    assert_eq!(pair.universe.homeserver.sent.len(), before + 1);
}
