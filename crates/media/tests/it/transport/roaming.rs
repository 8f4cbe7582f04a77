//! Addresses that change under a call, without a word over another carrier than the path.

use std::{net::SocketAddr, time::Duration};

use securecall_media::{LocalCandidate, PathKind, SelectedPair, TransportEvent};

use super::pair::{FRAME, Pair, Side};

const SIDES: [(Side, Side); 2] = [(Side::Caller, Side::Callee), (Side::Callee, Side::Caller)];
const TICK: Duration = Duration::from_millis(20);

/// A connected pair that has talked for a while.
fn talking() -> Pair {
    let mut pair = Pair::connected();
    pair.delay = Duration::from_millis(20);
    talk(&mut pair, Duration::from_secs(3));
    pair
}

/// Both sides send a frame every 20 ms.
fn talk(pair: &mut Pair, time: Duration) {
    let end = pair.now + time;
    while pair.now < end {
        let now = pair.now;
        for side in [Side::Caller, Side::Callee] {
            pair.side(side).send_frame(now, 960, &FRAME).unwrap();
        }
        pair.run_for(TICK);
    }
}

/// Talks until a side hears a frame; gives how long that took.
fn until_heard(pair: &mut Pair, at: Side) -> Duration {
    pair.clear_events();
    let began = pair.now;
    while pair.frames(at).is_empty() {
        assert!(pair.now - began < Duration::from_secs(60), "it never came");
        talk(pair, TICK);
    }
    pair.now - began
}

/// The one side loses its address and gets another, which it tells nobody.
fn moves(pair: &mut Pair, side: Side, to: &str) {
    loses_its_address(pair, side);
    arrives(pair, side, to);
}

fn loses_its_address(pair: &mut Pair, side: Side) {
    let (now, old) = (pair.now, pair.address(side));
    pair.set_address(side, "198.51.100.1:1".parse().unwrap());
    let gone = LocalCandidate::host(old);
    pair.side(side).remove_local_candidate(now, gone).unwrap();
}

fn arrives(pair: &mut Pair, side: Side, to: &str) {
    let (now, to): (_, SocketAddr) = (pair.now, to.parse().unwrap());
    pair.set_address(side, to);
    pair.side(side)
        .add_local_candidate(now, LocalCandidate::host(to))
        .unwrap();
}

fn pair_of(pair: &Pair, own: Side, other: Side) -> SelectedPair {
    SelectedPair {
        local: pair.address(own),
        remote: pair.address(other),
    }
}

#[test]
fn who_moves_is_heard_again_and_hears_within_half_a_second_without_any_signaling() {
    for (mover, other) in SIDES {
        let mut pair = talking();
        pair.clear_events();
        moves(&mut pair, mover, "10.0.1.1:6001");
        pair.run_for(Duration::from_millis(1));
        assert_eq!(pair.count(mover, &TransportEvent::PathLost), 1);
        let heard = until_heard(&mut pair, other);
        let hears = until_heard(&mut pair, mover);
        println!("{mover:?} moved: heard after {heard:?}, hears {hears:?} later");
        assert!(heard + hears < Duration::from_millis(500), "{mover:?}");
        // And so it stays, whatever the engines agree on later.
        for _ in 0..60 {
            pair.clear_events();
            talk(&mut pair, Duration::from_secs(1));
            for (own, peer) in SIDES {
                assert!(pair.frames(own).len() > 40, "{own:?}");
                let expected = Some(pair_of(&pair, own, peer));
                assert_eq!(pair.side(own).selected_pair(), expected);
            }
        }
    }
}

#[test]
fn who_moves_often_stays_in_the_call() {
    for (mover, other) in SIDES {
        let mut pair = talking();
        for round in 1..=20 {
            moves(&mut pair, mover, &format!("10.0.1.{round}:6001"));
            let heard = until_heard(&mut pair, other) + until_heard(&mut pair, mover);
            assert!(
                heard < Duration::from_millis(500),
                "{heard:?} in round {round}"
            );
            talk(&mut pair, Duration::from_secs(2));
        }
        // There is room for all of it in a description.
        pair.restart();
        talk(&mut pair, Duration::from_secs(5));
        assert_eq!(pair.error(Side::Caller).or(pair.error(Side::Callee)), None);
        until_heard(&mut pair, other);
    }
}

#[test]
fn a_nat_that_makes_another_mapping_is_followed_without_a_restart() {
    for (behind, other) in SIDES {
        let mut pair = talking();
        pair.map(behind, "203.0.113.7:7007".parse().unwrap());
        let heard = until_heard(&mut pair, other);
        let hears = until_heard(&mut pair, behind);
        println!("{behind:?} mapped: heard after {heard:?}, hears {hears:?} later");
        assert!(heard + hears < Duration::from_millis(500));
        talk(&mut pair, Duration::from_secs(60));
        until_heard(&mut pair, behind);
        assert_eq!(pair.count(behind, &TransportEvent::PathLost), 0);
    }
}

#[test]
fn mappings_of_a_nat_do_not_fill_descriptions_however_many_there_were() {
    for (behind, other) in SIDES {
        let mut pair = talking();
        for round in 1..=40 {
            let outside = SocketAddr::from(([203, 0, 113, 7], 7000 + round));
            pair.map(behind, outside);
            until_heard(&mut pair, other);
            talk(&mut pair, Duration::from_secs(2));
        }
        pair.restart();
        assert_eq!(pair.error(Side::Caller).or(pair.error(Side::Callee)), None);
        until_heard(&mut pair, other);
        until_heard(&mut pair, behind);
    }
}

#[test]
fn a_network_that_is_away_for_25_s_is_waited_for_and_control_messages_arrive_after_it() {
    for (mover, other) in SIDES {
        let mut pair = talking();
        loses_its_address(&mut pair, mover);
        for number in 0..12_u8 {
            for side in [mover, other] {
                let now = pair.now;
                let _full = pair.side(side).send_control(now, &[number]).unwrap();
            }
            talk(&mut pair, Duration::from_secs(2));
        }
        arrives(&mut pair, mover, "10.0.1.1:6001");
        let back = until_heard(&mut pair, other) + until_heard(&mut pair, mover);
        assert!(back < Duration::from_secs(1), "{mover:?}: {back:?}");
        pair.clear_events();
        let began = pair.now;
        for side in [mover, other] {
            while pair.control(side).is_empty() {
                assert!(pair.now - began < Duration::from_secs(2), "{side:?} waits");
                for side in [mover, other] {
                    let now = pair.now;
                    let _full = pair.side(side).send_control(now, b"after").unwrap();
                }
                talk(&mut pair, Duration::from_millis(250));
            }
        }
    }
}

#[test]
fn a_second_path_that_works_takes_over_at_once_and_nothing_is_lost() {
    for (mover, other) in SIDES {
        let mut pair = talking();
        let second: SocketAddr = "10.0.1.1:6001".parse().unwrap();
        let now = pair.now;
        pair.add_address(mover, second);
        let line = pair
            .side(mover)
            .add_local_candidate(now, LocalCandidate::host(second))
            .unwrap();
        pair.side(other).add_remote_candidate(now, &line).unwrap();
        talk(&mut pair, Duration::from_secs(3));
        let old = pair.address(mover);
        let used = pair.side(mover).selected_pair().unwrap().local;
        let (gone, left) = if used == old {
            (old, second)
        } else {
            (second, old)
        };
        let now = pair.now;
        pair.set_address(mover, left);
        pair.clear_events();
        let candidate = LocalCandidate::host(gone);
        pair.side(mover)
            .remove_local_candidate(now, candidate)
            .unwrap();
        assert_eq!(
            pair.side(mover).selected_pair().map(|pair| pair.local),
            Some(used)
        );
        talk(&mut pair, Duration::from_secs(1));
        assert_eq!(pair.count(mover, &TransportEvent::PathLost), 0);
        assert_eq!(pair.side(mover).selected_pair().unwrap().local, left);
        // What was under way to the address that is gone is lost, and what was sent there until the other side knew.
        assert!(
            pair.frames(other).len() >= 48,
            "{}",
            pair.frames(other).len()
        );
        assert!(
            pair.frames(mover).len() >= 35,
            "{}",
            pair.frames(mover).len()
        );
    }
}

#[test]
fn both_at_new_addresses_need_a_restart_and_it_brings_them_together_at_once() {
    let mut pair = talking();
    moves(&mut pair, Side::Caller, "10.0.1.1:6001");
    moves(&mut pair, Side::Callee, "10.0.1.2:6002");
    talk(&mut pair, Duration::from_secs(2));
    pair.clear_events();
    talk(&mut pair, Duration::from_secs(1));
    assert!(pair.frames(Side::Caller).is_empty() && pair.frames(Side::Callee).is_empty());
    pair.restart();
    let back = until_heard(&mut pair, Side::Caller) + until_heard(&mut pair, Side::Callee);
    assert!(back < Duration::from_millis(500), "{back:?}");
}

/// Checks of the callee go into the void until the caller has its answer, and are repeated ever more rarely.
#[test]
fn an_answer_to_a_restart_that_is_long_on_its_way_is_not_waited_for_twice() {
    for on_its_way in [300, 600, 1100, 2000] {
        let mut pair = talking();
        moves(&mut pair, Side::Caller, "10.0.1.1:6001");
        moves(&mut pair, Side::Callee, "10.0.1.2:6002");
        talk(&mut pair, Duration::from_secs(2));
        let now = pair.now;
        let offer = pair.caller.create_restart_offer(now).unwrap();
        let answer = pair.callee.accept_restart_offer(now, &offer).unwrap();
        talk(&mut pair, Duration::from_millis(on_its_way));
        pair.clear_events();
        let now = pair.now;
        pair.caller.set_answer(now, &answer).unwrap();
        let back = until_heard(&mut pair, Side::Caller) + until_heard(&mut pair, Side::Callee);
        println!("{on_its_way} ms on its way: back after {back:?}");
        assert!(back < Duration::from_millis(200), "{on_its_way}: {back:?}");
    }
}

#[test]
fn a_candidate_that_overtakes_the_restart_it_belongs_to_is_not_lost() {
    for late in [Side::Caller, Side::Callee] {
        let mut pair = talking();
        let peer = if late == Side::Caller {
            Side::Callee
        } else {
            Side::Caller
        };
        // Nobody knows where the others are: what the one says of its address comes by itself, too early.
        loses_its_address(&mut pair, Side::Caller);
        loses_its_address(&mut pair, Side::Callee);
        arrives(&mut pair, peer, "10.0.1.2:6002");
        let now = pair.now;
        let offer = pair.caller.create_restart_offer(now).unwrap();
        let to: SocketAddr = "10.0.1.1:6001".parse().unwrap();
        pair.set_address(late, to);
        let trickle = |pair: &mut Pair| {
            let host = LocalCandidate::host(to);
            let line = pair.side(late).add_local_candidate(now, host).unwrap();
            pair.side(peer).add_remote_candidate(now, &line).unwrap();
        };
        if late == Side::Caller {
            trickle(&mut pair);
        }
        let answer = pair.callee.accept_restart_offer(now, &offer).unwrap();
        if late == Side::Callee {
            trickle(&mut pair);
        }
        pair.caller.set_answer(now, &answer).unwrap();
        // What was sent before the restart is not what is tried here.
        pair.run_for(Duration::from_millis(5));
        // The other one is behind something that lets nothing in from where it has not sent to.
        pair.shield(peer);
        let back = until_heard(&mut pair, Side::Caller) + until_heard(&mut pair, Side::Callee);
        assert!(back < Duration::from_secs(1), "{late:?}: {back:?}");
    }
}

#[test]
fn a_path_that_is_doubted_is_another_one_if_there_is_one_and_lost_if_not() {
    let mut pair = talking();
    let now = pair.now;
    pair.caller.distrust_path(now).unwrap();
    talk(&mut pair, TICK);
    assert_eq!(pair.count(Side::Caller, &TransportEvent::PathLost), 1);
    // It works, and the next check shows that.
    until_heard(&mut pair, Side::Callee);
    talk(&mut pair, Duration::from_secs(2));
    let now = pair.now;
    assert!(
        pair.caller
            .last_answer()
            .is_some_and(|at| now - at <= Duration::from_secs(2))
    );
}

#[test]
fn a_relay_that_is_left_for_a_direct_path_by_a_move_is_told_of() {
    let mut pair = Pair::new();
    pair.negotiate();
    pair.exchange_candidates_of(|side, address| match side {
        Side::Caller => LocalCandidate::relay(address),
        Side::Callee => LocalCandidate::host(address),
    });
    pair.run_until(Pair::both_up);
    talk(&mut pair, Duration::from_secs(3));
    pair.clear_events();
    let (now, old) = (pair.now, pair.address(Side::Caller));
    pair.set_address(Side::Caller, "198.51.100.1:1".parse().unwrap());
    pair.caller
        .remove_local_candidate(now, LocalCandidate::relay(old))
        .unwrap();
    arrives(&mut pair, Side::Caller, "10.0.1.1:6001");
    talk(&mut pair, Duration::from_secs(2));
    for (own, peer) in SIDES {
        let changed = TransportEvent::PathChanged {
            kind: PathKind::Direct,
            pair: pair_of(&pair, own, peer),
        };
        assert_eq!(pair.count(own, &changed), 1, "{own:?}");
    }
}
