//! In the manners of Nheko 0.12.1.

use securecall_interop::Manner;

use super::{
    OURS, Pair, both_hear_by_a_relay_alone, both_hear_where_candidates_come_one_by_one,
    each_gives_up, they_call_and_hang_up, they_decline, we_call_and_hang_up,
};

#[test]
fn nheko_calls_is_heard_hears_and_hangs_up() {
    let mut pair = Pair::new(Manner::Nheko);
    they_call_and_hang_up(&mut pair);
    pair.we_have_heard_them();
}

#[test]
fn nheko_is_called_is_heard_hears_and_is_hung_up_on() {
    let mut pair = Pair::new(Manner::Nheko);
    we_call_and_hang_up(&mut pair);
    pair.we_have_heard_them();
}

#[test]
fn nheko_is_heard_and_hears_in_an_encrypted_room_whoever_calls() {
    let mut pair = Pair::encrypted(Manner::Nheko);
    they_call_and_hang_up(&mut pair);
    we_call_and_hang_up(&mut pair);
    pair.we_have_heard_them();
}

#[test]
fn nheko_is_heard_and_hears_by_turn_alone_whoever_calls() {
    both_hear_by_a_relay_alone(Manner::Nheko);
}

#[test]
fn nheko_that_says_each_candidate_by_itself_is_heard_and_hears() {
    both_hear_where_candidates_come_one_by_one(Manner::Nheko);
}

#[test]
fn nheko_calls_and_is_declined() {
    let mut pair = Pair::new(Manner::Nheko);
    pair.they_call();
    pair.listener.order("reject");
    pair.is_over("local_reject", "declined");
    // It tells all devices of ours which of them has declined.
    let said = pair.peer.wait_for_event("said", "m.call.select_answer");
    said.unwrap();
}

#[test]
fn nheko_is_called_and_declines() {
    they_decline(Manner::Nheko);
}

#[test]
fn nheko_is_called_and_given_up_and_calls_and_gives_up() {
    each_gives_up(Manner::Nheko);
}

#[test]
fn nheko_that_is_put_on_hold_gets_no_offer_at_which_it_would_hang_up() {
    let mut pair = Pair::new(Manner::Nheko);
    pair.they_call();
    pair.answer();
    pair.listener.order("mute");
    pair.peer.wait_until_it_hears_nothing().unwrap();
    pair.listener.order("unmute");
    pair.peer.wait_until_it_hears(OURS).unwrap();
    pair.listener.order("hold");
    pair.peer.wait_until_it_hears_nothing().unwrap();
    pair.listener.order("resume");
    pair.peer.wait_until_it_hears(OURS).unwrap();
    pair.peer.tell("hang_up").unwrap();
    pair.is_over("remote_hangup", "user_hangup");
    let received = pair.peer.so_far().iter();
    let mut offers = received.filter(|it| it["type"] == "m.call.negotiate");
    assert_eq!(offers.next(), None);
}
