//! In the manners of matrix-dart-sdk 10.0.

use securecall_interop::Manner;

use super::{
    OURS, Pair, both_hear_by_a_relay_alone, both_hear_where_candidates_come_one_by_one,
    each_gives_up, they_call_and_hang_up, they_decline, we_call_and_hang_up,
};

#[test]
fn dart_calls_is_heard_hears_and_hangs_up() {
    let mut pair = Pair::new(Manner::Dart);
    they_call_and_hang_up(&mut pair);
    pair.we_have_heard_them();
}

#[test]
fn dart_is_called_is_heard_hears_and_is_hung_up_on() {
    let mut pair = Pair::new(Manner::Dart);
    we_call_and_hang_up(&mut pair);
    pair.we_have_heard_them();
}

#[test]
fn dart_is_heard_and_hears_in_an_encrypted_room_whoever_calls() {
    let mut pair = Pair::encrypted(Manner::Dart);
    they_call_and_hang_up(&mut pair);
    we_call_and_hang_up(&mut pair);
    pair.we_have_heard_them();
}

#[test]
fn dart_is_heard_and_hears_by_turn_alone_whoever_calls() {
    both_hear_by_a_relay_alone(Manner::Dart);
}

#[test]
fn dart_that_says_each_candidate_by_itself_is_heard_and_hears() {
    both_hear_where_candidates_come_one_by_one(Manner::Dart);
}

#[test]
fn dart_calls_and_is_declined() {
    let mut pair = Pair::new(Manner::Dart);
    pair.they_call();
    pair.listener.order("reject");
    pair.is_over("local_reject", "declined");
}

#[test]
fn dart_is_called_and_declines() {
    they_decline(Manner::Dart);
}

#[test]
fn dart_is_called_and_given_up_and_calls_and_gives_up() {
    each_gives_up(Manner::Dart);
}

#[test]
fn dart_and_we_see_each_other_muted() {
    let mut pair = Pair::new(Manner::Dart);
    pair.they_call();
    pair.answer();
    pair.listener.order("mute");
    assert_eq!(pair.peer.wait_for("peer_muted").unwrap()["muted"], true);
    pair.peer.wait_until_it_hears_nothing().unwrap();
    pair.listener.order("unmute");
    assert_eq!(pair.peer.wait_for("peer_muted").unwrap()["muted"], false);
    pair.peer.wait_until_it_hears(OURS).unwrap();
    pair.peer.tell("mute").unwrap();
    while pair.listener.wait_for("muted")["by"] != "peer" {}
    pair.peer.tell("hang_up").unwrap();
    pair.is_over("remote_hangup", "user_hangup");
}

/// It does not send them again; to a relay's address of ours nothing would get through but from addresses that were named.
#[test]
fn dart_says_its_candidates_before_its_invite_and_they_count() {
    let mut pair = Pair::with(Manner::Dart, false, "direct", |listen| {
        listen.env("SECURECALL_LOG", "securecall_driver=debug");
    });
    pair.they_call();
    let said = pair.peer.so_far().iter().filter(|it| it["event"] == "said");
    let first = said.map(|it| it["type"].clone()).next();
    assert_eq!(first.unwrap(), "m.call.candidates");
    pair.answer();
    pair.peer.tell("hang_up").unwrap();
    pair.is_over("remote_hangup", "user_hangup");
    pair.listener.order("quit");
    let log = pair.listener.end_with_log();
    // Those of TCP, which webrtcbin has.
    assert!(log.contains("a candidate of the peer cannot be used"));
}
