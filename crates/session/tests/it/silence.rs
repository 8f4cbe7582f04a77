//! A peer that is silent for longer than it should be, before its path counts as dead.

use std::time::Duration;

use securecall_session::{Event, MediaEvent};
use securecall_testkit::{Pair, connected_pair};

const SOON: Duration = Duration::from_millis(400);

fn sends(pair: &Pair) -> usize {
    pair.universe.homeserver.sent.len()
}

fn finds(pair: &mut Pair, device: usize, port: u16) {
    let candidates = vec![format!(
        "candidate:1 1 udp 1 203.0.113.1 {port} typ srflx raddr 0.0.0.0 rport 0"
    )];
    let event = MediaEvent::LocalCandidates {
        candidates,
        complete: false,
    };
    let call = pair.call();
    pair.universe.inject_media(device, call, event);
}

/// A pair that talks.
fn talking() -> Pair {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_secs(2));
    pair
}

#[test]
fn an_address_that_is_found_in_a_silence_goes_over_matrix_at_once_and_nothing_else_does() {
    for of in [|pair: &Pair| pair.caller, |pair: &Pair| pair.callee] {
        let mut pair = talking();
        let (call, device) = (pair.call(), of(&pair));
        let peer = pair.caller + pair.callee - device;
        let before = sends(&pair);
        // While the peer is heard the data channel is enough.
        finds(&mut pair, device, 7000);
        pair.universe.run_for(SOON);
        assert_eq!(sends(&pair), before);

        pair.universe.network.set_up(false);
        let silent = MediaEvent::PathSilent;
        pair.universe.inject_media(device, call, silent.clone());
        pair.universe.run_for(SOON);
        assert_eq!(sends(&pair), before, "there is nothing to say");
        finds(&mut pair, device, 7001);
        pair.universe.run_for(SOON);
        assert_eq!(sends(&pair), before + 1);
        let told = &pair.universe.devices[peer].media[&call].remote_candidates;
        assert!(told.last().unwrap().contains("7001"), "{told:?}");
        let reconnecting = |event: &Event| matches!(event, Event::Reconnecting { .. });
        assert!(!pair.universe.devices[device].told(reconnecting));

        // Heard again: as before.
        pair.universe.network.set_up(true);
        pair.universe.run_for(Duration::from_secs(1));
        let before = sends(&pair);
        finds(&mut pair, device, 7002);
        pair.universe.run_for(Duration::from_secs(1));
        assert_eq!(sends(&pair), before);
    }
}

#[test]
fn keys_that_are_renewed_in_a_silence_wait_for_the_path() {
    let mut pair = connected_pair();
    pair.universe.run_for(Duration::from_millis(9_500));
    let (before, call) = (sends(&pair), pair.call());
    pair.universe.network.set_up(false);
    for device in [pair.caller, pair.callee] {
        pair.universe
            .inject_media(device, call, MediaEvent::PathSilent);
    }
    // In this time a step of the keys is begun.
    pair.universe.run_for(Duration::from_secs(2));
    assert_eq!(sends(&pair), before);
}

#[test]
fn who_has_lost_the_path_tells_where_it_is_without_a_pause() {
    let mut pair = talking();
    let call = pair.call();
    let caller = pair.caller;
    finds(&mut pair, caller, 7000);
    pair.universe.network.set_up(false);
    pair.universe
        .inject_media(caller, call, MediaEvent::PathLost);
    let before = sends(&pair);
    finds(&mut pair, caller, 7001);
    assert_eq!(sends(&pair), before + 1);
}
