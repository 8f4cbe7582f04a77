//! Mute, as the user and the media engine see it.

use std::time::Duration;

use securecall_session::Event;
use securecall_testkit::{Pair, connected_pair, ringing_pair};

/// What the caller was told of its own microphone.
fn told(pair: &Pair) -> Vec<bool> {
    let events = pair.universe.devices[pair.caller].events.iter();
    let muted = events.filter_map(|event| match event {
        Event::Muted {
            local: true, muted, ..
        } => Some(*muted),
        _ => None,
    });
    muted.collect()
}

#[test]
fn muting_who_is_muted_changes_nothing_and_is_not_told() {
    let mut pair = connected_pair();
    let (caller, call) = (pair.caller, pair.call());
    for muted in [false, true, true, false, false] {
        pair.universe.set_muted(caller, call, muted);
    }
    assert_eq!(told(&pair), [true, false]);
    let commands = pair.universe.devices[caller].media[&call].commands.iter();
    let orders: Vec<_> = commands.filter(|it| it.contains("SetMuted")).collect();
    assert_eq!(orders, ["SetMuted(true)", "SetMuted(false)"]);
}

#[test]
fn who_is_muted_when_the_call_is_connected_is_so_from_its_first_frame_and_nobody_else_is() {
    for muted in [false, true] {
        let mut pair = ringing_pair();
        let (caller, call) = (pair.caller, pair.call());
        if muted {
            pair.universe.set_muted(caller, call, true);
        }
        pair.universe.answer(pair.callee, call);
        pair.universe.run_for(Duration::from_secs(2));
        let commands = pair.universe.devices[caller].media[&call].commands.iter();
        let mut later = commands.skip_while(|it| *it != "OpenMicrophone").skip(1);
        let order = later.find(|it| it.contains("SetMuted"));
        assert_eq!(order.is_some(), muted, "{order:?}");
    }
}
