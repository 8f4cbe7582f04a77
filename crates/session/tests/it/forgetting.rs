//! What is kept of calls that are over, and for how long.

use std::time::Duration;

use securecall_testkit::{DeviceOptions, connected_pair};

use crate::hand_made_caller::HandMade;
use crate::many_invites::{add_caller, call_number, make_contact};

#[test]
fn who_is_pushed_out_without_ever_having_had_a_transport_has_none_closed() {
    let pair = connected_pair();
    let (callee, call) = (pair.callee, pair.call());
    let mut flood = HandMade::against(pair.universe, callee);
    for number in 0..40 {
        let caller = add_caller(&mut flood, "Mallory");
        make_contact(&mut flood, caller);
        flood.invite_from(caller, call_number(number));
    }
    let media: Vec<_> = flood.universe.devices[callee].media.keys().collect();
    assert_eq!(media, [&call]);
}

#[test]
fn who_is_pushed_out_while_its_transport_waits_for_last_words_has_it_closed() {
    let mut pair = connected_pair();
    let (caller, first) = (pair.caller, pair.call());
    let carol = pair.universe.add_user("Carol");
    let absent = pair.universe.add_device(carol, DeviceOptions::default());
    pair.universe.set_online(absent, false);
    pair.universe.befriend(pair.caller_user, carol);
    pair.universe.homeserver.hop = Duration::from_millis(1);
    pair.universe.network.channel = false;
    pair.universe.hang_up(caller, first);
    let is_closed = |universe: &securecall_testkit::Universe| {
        let commands = &universe.devices[caller].media[&first].commands;
        commands.last().is_some_and(|it| it == "Close")
    };
    // Each of these calls is kept, for a device that has not said a word.
    for kept in 1..=32 {
        let call = pair.universe.call(caller, carol).unwrap();
        pair.universe.run_for(Duration::from_millis(5));
        pair.universe.hang_up(caller, call);
        assert_eq!(is_closed(&pair.universe), kept == 32, "{kept} calls");
    }
}
