//! Which pair carries a call, and what kind of path the transport says that is.

use std::time::Duration;

use securecall_media::{LocalCandidate, PathKind, SelectedPair, TransportEvent};

use super::checks::a_check;
use super::pair::{FRAME, Pair, Side};

/// An address to which nothing leads.
const NOWHERE: &str = "candidate:9 1 udp 1 192.0.2.9 5009 typ host";

/// The pair of addresses over which both sides of a [`Pair`] reach each other.
fn nominated(pair: &Pair, side: Side) -> SelectedPair {
    let (own, other) = match side {
        Side::Caller => (Side::Caller, Side::Callee),
        Side::Callee => (Side::Callee, Side::Caller),
    };
    SelectedPair {
        local: pair.address(own),
        remote: pair.address(other),
    }
}

#[test]
fn a_path_comes_up_with_the_pair_that_carries_it_though_others_are_tried_meanwhile() {
    // Checks of the dead pair come at other times than the delay, so one is the last before the path is up.
    for delay in (1..60).map(Duration::from_millis) {
        let mut pair = Pair::new();
        pair.delay = delay;
        pair.negotiate();
        pair.exchange_candidates();
        let now = pair.now;
        for side in [Side::Caller, Side::Callee] {
            pair.side(side).add_remote_candidate(now, NOWHERE).unwrap();
        }
        pair.run_until(Pair::both_up);
        for side in [Side::Caller, Side::Callee] {
            let expected = (PathKind::Direct, Some(nominated(&pair, side)));
            assert_eq!(pair.path_up(side), Some(expected), "{side:?} {delay:?}");
        }
    }
}

#[test]
fn a_later_datagram_of_another_pair_changes_nothing() {
    let mut pair = Pair::connected();
    let (now, to) = (pair.now, pair.address(Side::Callee));
    let expected = Some(nominated(&pair, Side::Callee));
    // Out: checks of a candidate that came late. In: what a stranger sends, and a check of the peer from elsewhere.
    pair.callee.add_remote_candidate(now, NOWHERE).unwrap();
    assert_eq!(pair.callee.selected_pair(), expected);
    let elsewhere = "192.0.2.10:5010".parse().unwrap();
    let check = a_check(&mut Pair::new());
    for datagram in [&FRAME[..], &check] {
        pair.callee
            .handle_datagram(now, elsewhere, to, datagram)
            .unwrap();
        assert_eq!(pair.callee.selected_pair(), expected);
    }
    let sent_nowhere = |pair: &Pair| {
        pair.destinations(Side::Callee)
            .any(|address| address == "192.0.2.9:5009".parse().unwrap())
    };
    for _ in 0..30 {
        pair.run_for(Duration::from_millis(100));
        assert_eq!(pair.callee.selected_pair(), expected);
    }
    assert!(sent_nowhere(&pair));
}

#[test]
fn a_pair_with_a_relay_on_either_side_is_a_path_through_a_relay() {
    for relayed in [Side::Caller, Side::Callee] {
        let mut pair = Pair::new();
        pair.negotiate();
        pair.exchange_candidates_of(|side, address| {
            if side == relayed {
                LocalCandidate::relay(address)
            } else {
                LocalCandidate::host(address)
            }
        });
        pair.run_until(Pair::both_up);
        for side in [Side::Caller, Side::Callee] {
            let expected = (PathKind::Relay, Some(nominated(&pair, side)));
            assert_eq!(pair.path_up(side), Some(expected), "{side:?} {relayed:?}");
            assert_eq!(pair.side(side).path_kind(), PathKind::Relay);
        }
    }
}

#[test]
fn a_relay_that_is_not_in_the_nominated_pair_makes_no_relayed_path() {
    let mut pair = Pair::new();
    pair.negotiate();
    pair.exchange_candidates();
    let now = pair.now;
    let relay = LocalCandidate::relay("192.0.2.9:5009".parse().unwrap());
    let line = pair.callee.add_local_candidate(now, relay).unwrap();
    pair.caller.add_remote_candidate(now, &line).unwrap();
    pair.run_until(Pair::both_up);
    for side in [Side::Caller, Side::Callee] {
        let expected = (PathKind::Direct, Some(nominated(&pair, side)));
        assert_eq!(pair.path_up(side), Some(expected), "{side:?}");
    }
}

#[test]
fn the_pair_follows_a_restart_to_new_addresses() {
    let mut pair = Pair::connected();
    pair.run_until(Pair::both_channels_open);
    pair.restart_at_new_addresses();
    for side in [Side::Caller, Side::Callee] {
        let expected = Some(nominated(&pair, side));
        assert_eq!(pair.side(side).selected_pair(), expected);
    }
}

#[test]
fn a_better_path_that_is_found_later_is_told_of_once() {
    let mut pair = Pair::new();
    pair.negotiate();
    pair.exchange_candidates_of(|_, address| LocalCandidate::relay(address));
    pair.run_until(Pair::both_up);
    pair.clear_events();
    pair.move_to_new_addresses();
    for (side, peer) in [(Side::Caller, Side::Callee), (Side::Callee, Side::Caller)] {
        let (now, own) = (pair.now, pair.address(side));
        let line = format!(
            "candidate:1 1 udp 2130706431 {} {} typ host",
            own.ip(),
            own.port()
        );
        pair.side(peer).add_remote_candidate(now, &line).unwrap();
    }
    pair.run_for(Duration::from_secs(5));
    for side in [Side::Caller, Side::Callee] {
        let changes: Vec<PathKind> = pair
            .events_of(side)
            .filter_map(|event| match event {
                TransportEvent::PathChanged { kind, .. } => Some(*kind),
                _ => None,
            })
            .collect();
        assert_eq!(changes, [PathKind::Direct], "{side:?}");
    }
}
