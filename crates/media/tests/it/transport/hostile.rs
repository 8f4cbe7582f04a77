//! What anybody on the way, or the peer, may send: it goes nowhere else and ends nothing.

use std::time::Duration;

use securecall_media::{LocalCandidate, TransportEvent};

use super::pair::{FRAME, Pair, Side};

#[test]
fn packets_go_to_the_candidates_of_the_peer_and_nowhere_else() {
    let mut pair = Pair::new();
    pair.negotiate();
    let (now, own) = (pair.now, pair.address(Side::Caller));
    pair.caller
        .add_local_candidate(now, LocalCandidate::host(own))
        .unwrap();
    let good = "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host";
    pair.caller.add_remote_candidate(now, good).unwrap();
    for bad in [
        "candidate:2 1 udp 2130706431 224.0.0.251 5353 typ host",
        "candidate:3 1 udp 2130706431 255.255.255.255 5000 typ host",
        "candidate:4 1 udp 2130706431 0.0.0.0 5000 typ host",
        "candidate:5 1 udp 2130706431 192.0.2.2 0 typ host",
    ] {
        assert!(pair.caller.add_remote_candidate(now, bad).is_err(), "{bad}");
    }
    pair.run_for(Duration::from_secs(1));
    let destinations: Vec<_> = pair.destinations(Side::Caller).collect();
    assert_eq!(destinations, ["192.0.2.1:5000".parse().unwrap()]);
}

/// Every byte of a datagram under way in a connected call, changed alone.
#[test]
fn a_changed_datagram_of_a_connected_call_changes_nothing() {
    let mut pair = Pair::connected();
    pair.run_until(Pair::both_channels_open);
    // Longer than any datagram under way, so that each byte has its turn, whatever else is sent between two frames.
    let places = 3 * FRAME.len();
    for place in 0..places {
        let now = pair.now;
        pair.caller.send_frame(now, 0, &FRAME).unwrap();
        pair.run_until(|pair| pair.under_way_to(Side::Callee).is_some());
        let mut datagram = pair.under_way_to(Side::Callee).unwrap().clone();
        let at = place % datagram.contents.len();
        datagram.contents[at] ^= 0x20;
        let (now, source, destination) = (pair.now, datagram.source, datagram.destination);
        let before = pair.frames(Side::Callee).len();
        pair.callee
            .handle_datagram(now, source, destination, &datagram.contents)
            .unwrap();
        assert_eq!(pair.frames(Side::Callee).len(), before, "byte {at}");
        pair.run_for(Duration::from_millis(20));
    }
    assert_eq!(pair.frames(Side::Callee).len(), places);
    for side in [Side::Caller, Side::Callee] {
        assert_eq!(pair.error(side), None);
        assert_eq!(pair.count(side, &TransportEvent::Closed), 0);
        assert_eq!(pair.count(side, &TransportEvent::PathDown), 0);
    }
}

#[test]
fn descriptions_that_are_refused_leave_the_offer_open() {
    let mut pair = Pair::connected();
    let now = pair.now;
    let restart = pair.caller.create_restart_offer(now).unwrap();
    let answer = pair.callee.accept_restart_offer(now, &restart).unwrap();
    let own = pair.caller.local_fingerprint().to_string();
    let theirs = pair.callee.local_fingerprint().to_string();
    let of_a_stranger = answer.replace(&theirs, &own);
    let unreadable = answer.replace("a=mid:", "a=mid");
    for bad in [&of_a_stranger, &unreadable] {
        assert!(pair.caller.set_answer(now, bad).is_err(), "{bad}");
        assert!(pair.caller.accept_restart_offer(now, bad).is_err(), "{bad}");
    }
    assert_eq!(pair.caller.set_answer(now, &answer), Ok(()));
}
