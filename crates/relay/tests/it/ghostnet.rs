//! Which tunnels are ordered, what is told of them, and what becomes of it when relays fail.

use std::net::SocketAddr;

use securecall_relay::{
    Candidate, CandidateSource as _, Datagram, HopRole, TunnelFailureKind, TunnelId,
};

use crate::exits::{Exits, Fate, LONG, Planned, SETUP, exit, failure, good, planned, public};
use crate::network::{DELAY, MS, address};

const FIRST: TunnelId = TunnelId(0);

fn peer() -> SocketAddr {
    address("203.0.113.9:7000")
}

fn broken(number: u8, hop: HopRole, kind: TunnelFailureKind) -> Planned {
    planned(number, Fate::Fails(2 * DELAY, failure(hop, kind)))
}

/// All others fail at their entry.
fn in_call_by_the_only_good_path() -> Exits {
    let silent = |number| broken(number, HopRole::Entry, TunnelFailureKind::Silent);
    let paths = [good(1)].into_iter().chain((2..=60).map(silent));
    Exits::in_call(paths, peer())
}

#[test]
fn the_address_at_the_exit_is_the_only_candidate() {
    let mut exits = Exits::new([good(1), good(2)]);
    assert!(exits.source.hides_address() && exits.source.is_anonymous());
    exits.drive(|source, now| source.gather(now, &[address("10.0.0.2:5000")]));
    assert_eq!(exits.opened.len(), 1);
    assert!(exits.answered.is_empty());
    exits.run_for(LONG);
    let found: Vec<Candidate> = exits.candidates.iter().map(|(_, found)| *found).collect();
    assert_eq!(found, [Candidate::relayed(public(1))]);
    assert_eq!(exits.answered.len(), 1);
    assert_eq!(exits.candidates[0].0, exits.answered[0]);
    // Nothing else is ordered while the exit answers.
    assert_eq!((exits.opened.len(), exits.paths_left()), (1, 1));
    assert_eq!(*exits.asked.lock().unwrap(), [None]);
    assert_eq!(exits.source.way_of(public(1)), None);
}

#[test]
fn packets_go_and_come_by_the_exit_and_cost_one_byte_in_a_call() {
    let mut exits = Exits::in_call([good(1)], peer());
    assert_eq!(exits.at_peers, [(FIRST, peer(), b"check".to_vec())]);
    assert_eq!(exits.sent, [5 + 8]);
    exits.send(public(1), peer(), b"voice");
    exits.run_for(4 * DELAY);
    assert_eq!(exits.sent[1], 5 + 1);
    assert_eq!(exits.at_peers[1], (FIRST, peer(), b"voice".to_vec()));
    assert!(exits.peer_sends(peer(), public(1), b"voice too"));
    exits.run_for(4 * DELAY);
    let packet = Datagram {
        source: peer(),
        destination: public(1),
        contents: b"voice too".to_vec(),
    };
    assert_eq!(exits.packets, [packet]);
    // Whoever else knows the address gets nothing through.
    assert!(!exits.peer_sends(address("203.0.113.9:7001"), public(1), b"hello"));
    // What is not of its candidates is not its own.
    let other = Datagram {
        source: public(2),
        destination: peer(),
        contents: Vec::new(),
    };
    let back = exits.drive(|source, now| source.send(now, other.clone()));
    assert_eq!(back, Err(other));
}

#[test]
fn a_path_that_is_looked_for_again_finds_the_exit_open_and_closes_it() {
    let mut exits = Exits::in_call([good(1)], peer());
    let moved = address("203.0.113.77:9000");
    // An ICE restart.
    exits.gather();
    assert_eq!(exits.answered.len(), 2);
    exits.send(public(1), moved, b"check");
    exits.run_for(4 * DELAY);
    assert!(exits.peer_sends(moved, public(1), b"answer"));
    exits.drive(|source, now| source.prefer_peer(now, public(1), moved));
    exits.run_for(10 * DELAY);
    assert!(exits.peer_sends(moved, public(1), b"voice"));
    assert!(!exits.peer_sends(address("203.0.113.77:9001"), public(1), b"hello"));
    // A peer that is named later, without a restart, is let in, and the firewall closed again.
    let named = address("203.0.113.78:9000");
    exits.drive(|source, now| source.allow_peer(now, named));
    exits.send(public(1), named, b"check");
    exits.run_for(4 * DELAY);
    assert!(exits.peer_sends(named, public(1), b"answer"));
    exits.run_for(30_000 * MS);
    assert!(!exits.peer_sends(named, public(1), b"hello"));
    assert!(exits.peer_sends(moved, public(1), b"voice"));
    // One that was named before changes nothing.
    exits.drive(|source, now| source.allow_peer(now, named));
    exits.run_for(4 * DELAY);
    assert!(!exits.peer_sends(named, public(1), b"hello"));
    assert_eq!(exits.opened.len(), 1);
    // But not for ever: who names others without end is not remembered whole.
    for number in 0..64 {
        let other = SocketAddr::from(([203, 0, 113, 100], 1000 + number));
        exits.drive(|source, now| source.allow_peer(now, other));
    }
    exits.run_for(31_000 * MS);
    exits.drive(|source, now| source.allow_peer(now, named));
    exits.run_for(4 * DELAY);
    assert!(exits.peer_sends(named, public(1), b"hello"));
}

#[test]
fn an_exit_that_fails_is_replaced_at_once() {
    for kind in [
        TunnelFailureKind::Silent,
        TunnelFailureKind::WrongCertificate,
        TunnelFailureKind::Unauthorized,
        TunnelFailureKind::Busy,
        TunnelFailureKind::Refused(403),
    ] {
        let failed = failure(HopRole::Exit, kind);
        let mut exits = Exits::new([broken(1, failed.hop, kind), good(2)]);
        exits.gather();
        exits.run_for(2 * DELAY);
        assert_eq!(exits.opened.len(), 2, "{kind:?}");
        assert_eq!(exits.opened[1].0, exits.failures[0].0);
        assert_eq!(*exits.asked.lock().unwrap(), [None, Some(failed)]);
        assert!(exits.answered.is_empty());
        exits.run_for(SETUP);
        assert_eq!(exits.candidates[0].1, Candidate::relayed(public(2)));
        assert_eq!(exits.source.failures().collect::<Vec<_>>(), [&failed]);
        assert_eq!(exits.answered.len(), 1);
    }
}

#[test]
fn an_entry_that_fails_is_told_and_another_path_asked_for() {
    let silent = failure(HopRole::Entry, TunnelFailureKind::Silent);
    // Two are being made by it when that comes out: the first is slow.
    let late = planned(1, Fate::Fails(2000 * MS, silent));
    let other = Planned {
        entry: address("192.0.2.60:443"),
        ..good(3)
    };
    let mut exits = Exits::new([late, planned(2, Fate::Silent), other]);
    exits.gather();
    exits.run_for(2000 * MS);
    assert_eq!(exits.opened.len(), 3);
    assert_eq!(exits.failures.len(), 1);
    assert_eq!(exits.failures[0].1, silent);
    assert_eq!(*exits.asked.lock().unwrap(), [None, None, Some(silent)]);
    // The one beside it would have failed, too.
    assert_eq!(exits.closed, [TunnelId(1)]);
    exits.run_for(SETUP);
    assert_eq!(exits.candidates[0].1, Candidate::relayed(public(3)));
}

#[test]
fn what_is_tried_beside_a_path_that_fails_is_waited_for() {
    let silent = failure(HopRole::Entry, TunnelFailureKind::Silent);
    let late = planned(1, Fate::Fails(2000 * MS, silent));
    let other = Planned {
        entry: address("192.0.2.60:443"),
        ..planned(2, Fate::Silent)
    };
    let mut exits = Exits::new([late, other, good(3)]);
    exits.gather();
    // By another entry it need not fail; and a third is ordered only when it is slow itself.
    exits.run_for(2999 * MS);
    assert_eq!((exits.opened.len(), exits.failures.len()), (2, 1));
    assert!(exits.closed.is_empty());
    exits.run_for(MS);
    assert_eq!(exits.opened.len(), 3);
}

#[test]
fn a_path_that_takes_long_gets_one_beside_it_and_the_first_wins() {
    let mut exits = Exits::new([planned(1, Fate::Silent), good(2), good(3)]);
    exits.gather();
    exits.run_for(1499 * MS);
    assert_eq!(exits.opened.len(), 1);
    exits.run_for(MS + SETUP);
    assert_eq!(exits.opened.len(), 2);
    assert_eq!(exits.candidates[0].1, Candidate::relayed(public(2)));
    assert_eq!(exits.closed, [FIRST]);
    assert!(exits.failures.is_empty());
    exits.run_for(LONG);
    assert_eq!(exits.opened.len(), 2);
}

#[test]
fn all_tries_are_bounded_and_wait_ever_longer() {
    let paths = (1..=20).map(|number| broken(number, HopRole::Exit, TunnelFailureKind::Busy));
    let mut exits = Exits::new(paths);
    exits.gather();
    exits.run_for(2 * LONG);
    assert_eq!(exits.opened.len(), 8);
    let times: Vec<_> = exits.opened.iter().map(|(at, ..)| *at).collect();
    let waits: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.is_sorted() && waits[0] == 2 * DELAY, "{waits:?}");
    assert!(waits[6] >= 8000 * MS, "{waits:?}");
    assert_eq!(exits.answered.len(), 1);
    assert!(exits.candidates.is_empty());
    assert_eq!(exits.source.failures().count(), 8);
    // Who gathers again tries again.
    exits.gather();
    assert_eq!(exits.opened.len(), 9);
    exits.run_for(2 * LONG);
    exits.gather();
    exits.run_for(2 * LONG);
    assert_eq!(exits.failures.len(), 20);
    assert_eq!(exits.source.failures().count(), 16);
}

#[test]
fn silent_paths_are_given_up_and_nothing_else_is_tried_without_paths() {
    let mut exits = Exits::new([planned(1, Fate::Silent), planned(2, Fate::Silent)]);
    exits.gather();
    exits.run_for(LONG);
    assert_eq!(exits.closed, [TunnelId(0), TunnelId(1)]);
    let silent = failure(HopRole::Exit, TunnelFailureKind::Silent);
    assert!(exits.failures.iter().all(|(_, failure)| *failure == silent));
    assert_eq!(exits.answered.len(), 1);
    // Two at a time, and not without end.
    let mut exits = Exits::new((1..=20).map(|number| planned(number, Fate::Silent)));
    exits.gather();
    exits.run_for(9_000 * MS);
    assert_eq!(exits.opened.len(), 2);
    exits.run_for(3 * LONG);
    assert_eq!((exits.opened.len(), exits.closed.len()), (8, 8));
    assert_eq!(exits.answered.len(), 1);
    // Those beside others count: the eighth here has none.
    let first = broken(1, HopRole::Exit, TunnelFailureKind::Busy);
    let silent = (2..=20).map(|number| planned(number, Fate::Silent));
    let mut exits = Exits::new([first].into_iter().chain(silent));
    exits.gather();
    exits.run_for(3 * LONG);
    assert_eq!(exits.opened.len(), 8);
    let mut exits = Exits::new([]);
    exits.gather();
    assert_eq!(exits.answered.len(), 1);
    exits.run_for(LONG);
    assert!(exits.opened.is_empty() && exits.candidates.is_empty());
}

#[test]
fn an_exit_that_dies_in_a_call_is_replaced_within_three_seconds() {
    // The connections find out.
    let mut exits = Exits::in_call([good(1), good(2)], peer());
    let died = exits.now;
    exits.close(FIRST, failure(HopRole::Exit, TunnelFailureKind::Silent));
    assert_eq!(exits.lost, [(died, Candidate::relayed(public(1)))]);
    exits.run_for(3000 * MS);
    assert_eq!(
        exits.candidates[1],
        (died + SETUP, Candidate::relayed(public(2)))
    );
    // It is gone for whoever sends.
    assert_eq!(exits.source.send(exits.now, to_peer(1)), Err(to_peer(1)));

    // Nobody finds out but the call, to which nothing comes; and the first that is tried is of no use.
    let mut exits = Exits::in_call([good(1), planned(2, Fate::Silent), good(3)], peer());
    let died = exits.now;
    exits.dead.push(FIRST);
    exits.drive(|source, now| source.check(now));
    exits.run_for(999 * MS);
    assert!(exits.lost.is_empty() && exits.failures.is_empty());
    exits.run_for(2001 * MS);
    let silent = failure(HopRole::Exit, TunnelFailureKind::Silent);
    assert_eq!(exits.failures, [(died + 1000 * MS, silent)]);
    let (at, found) = exits.candidates[1];
    assert_eq!(found, Candidate::relayed(public(3)));
    assert!(at <= died + 3000 * MS, "{:?}", at - died);
    // Lost only when there is another.
    assert_eq!(exits.lost, [(at, Candidate::relayed(public(1)))]);
    assert_eq!(exits.closed, [FIRST, TunnelId(1)]);
    // The new one is as the old: the peer is looked for, then the firewall closed.
    exits.send(public(3), peer(), b"check");
    exits.run_for(4 * DELAY);
    exits.drive(|source, now| source.prefer_peer(now, public(3), peer()));
    exits.run_for(10 * DELAY);
    assert!(exits.peer_sends(peer(), public(3), b"voice"));
    assert!(!exits.peer_sends(address("203.0.113.9:7001"), public(3), b"hello"));
}

fn to_peer(number: u8) -> Datagram {
    Datagram {
        source: public(number),
        destination: peer(),
        contents: b"voice".to_vec(),
    }
}

#[test]
fn an_exit_that_does_not_agree_to_a_peer_in_time_is_doubted() {
    let mut exits = Exits::gathered([good(1), planned(2, Fate::Silent), good(3)]);
    exits.dead.push(FIRST);
    exits.drive(|source, now| source.prefer_peer(now, public(1), peer()));
    exits.run_for(999 * MS);
    assert_eq!(exits.opened.len(), 1);
    exits.run_for(MS);
    assert_eq!(exits.opened.len(), 2);
    // Whoever asks on does not have more ordered.
    for _ in 0..14 {
        exits.drive(|source, now| source.check(now));
        exits.run_for(100 * MS);
    }
    assert_eq!(exits.opened.len(), 2);
}

#[test]
fn an_exit_that_answers_after_all_is_kept() {
    let mut exits = Exits::in_call([good(1), planned(2, Fate::Silent), good(3)], peer());
    // Our own network is out for a while: nothing gets to the exit, and nothing by other paths.
    exits.drive(|source, now| source.check(now));
    exits.dead.push(FIRST);
    exits.run_for(1200 * MS);
    assert_eq!(exits.opened.len(), 2);
    exits.dead.clear();
    // What was written to the stream arrives in the end: the answer to the question.
    exits.exit_says(FIRST, &[0x12, 1, 6]);
    assert_eq!(exits.closed, [TunnelId(1)]);
    exits.run_for(LONG);
    assert!(exits.lost.is_empty());
    assert_eq!((exits.opened.len(), exits.candidates.len()), (2, 1));
    exits.send(public(1), peer(), b"voice");
    exits.run_for(4 * DELAY);
    assert_eq!(exits.at_peers.last().unwrap().2, b"voice");
    // Asked anew it answers, and nothing is ordered.
    exits.drive(|source, now| source.check(now));
    exits.drive(|source, now| source.sockets_closed(now, &[]));
    exits.run_for(LONG);
    assert_eq!((exits.opened.len(), exits.failures.len()), (2, 1));
}

#[test]
fn an_exit_that_opens_and_hangs_up_again_and_again_is_tried_ever_more_rarely() {
    let mut exits = Exits::new((1..=20).map(good));
    exits.gather();
    let ended = failure(HopRole::Exit, TunnelFailureKind::Ended);
    for _ in 0..20 {
        exits.run_for(LONG / 4);
        let last = exits.opened.last().unwrap().1;
        if !exits.dead.contains(&last) {
            exits.close(last, ended);
        }
    }
    assert_eq!(exits.opened.len(), 8);
    // One that was there for a minute is worth a fresh start.
    let mut exits = Exits::new((1..=20).map(good));
    exits.gather();
    for _ in 0..12 {
        exits.run_for(LONG + SETUP);
        exits.close(exits.opened.last().unwrap().1, ended);
        exits.run_for(MS);
    }
    assert_eq!(exits.opened.len(), 13);
}

#[test]
fn a_network_that_is_out_for_long_costs_no_more_paths_than_others() {
    let mut exits = in_call_by_the_only_good_path();
    exits.run_for(2 * LONG);
    // Nothing comes for two minutes, and the call looks again each second.
    exits.dead.push(FIRST);
    for _ in 0..120 {
        exits.drive(|source, now| source.check(now));
        exits.run_for(1000 * MS);
    }
    assert_eq!(exits.opened.len(), 1 + 8);
    // That it does not answer is told once.
    let told = exits.failures.iter();
    let told = told.filter(|(_, failure)| failure.hop == HopRole::Exit);
    assert_eq!(told.count(), 1);
    // The exit is kept all the time, for it may answer.
    assert!(exits.lost.is_empty() && !exits.closed.contains(&FIRST));
    // What it was asked before counts when somebody looks for a path again.
    exits.close(FIRST, failure(HopRole::Entry, TunnelFailureKind::Silent));
    exits.run_for(LONG);
    assert_eq!(exits.opened.len(), 1 + 8);
    exits.gather();
    exits.run_for(LONG);
    assert_eq!(exits.opened.len(), 1 + 16);
}

/// Each path costs a token of both relays: an exit must not have us spend them by being silent for a moment, again and again.
#[test]
fn an_exit_that_is_silent_now_and_then_costs_no_more_paths_than_others() {
    let mut exits = in_call_by_the_only_good_path();
    exits.run_for(61_000 * MS);
    for _ in 0..10 {
        exits.keep_silent(FIRST);
        exits.drive(|source, now| source.check(now));
        exits.run_for(3000 * MS);
        exits.speak();
        exits.run_for(1000 * MS);
    }
    // One fresh start, for the minute at the beginning.
    let so_far = exits.opened.len();
    assert!(so_far <= 1 + 8, "{so_far}");
    // It is earned anew by a minute without a break.
    exits.run_for(61_000 * MS);
    exits.keep_silent(FIRST);
    exits.drive(|source, now| source.check(now));
    exits.run_for(2 * LONG);
    assert_eq!(exits.opened.len(), so_far + 8);
}

#[test]
fn addresses_that_cannot_be_are_not_told() {
    let socket = address("203.0.113.200:5000");
    let both = vec![public(1), address("[2001:db8::1]:40000")];
    for bound in [
        vec![],
        vec![public(1), public(2)],
        vec![public(1), address("[2001:db8::1]:1"), public(3)],
        vec![address("10.0.0.1:40000")],
        vec![address("127.0.0.1:40000")],
        vec![address("224.0.0.1:40000")],
        vec![address("198.51.100.1:0")],
        vec![address("[::ffff:198.51.100.1]:40000")],
        vec![socket],
    ] {
        let mut exits = Exits::new([planned(1, Fate::Opens(bound.clone())), good(2)]);
        exits.drive(|source, now| source.gather(now, &[socket]));
        exits.run_for(SETUP);
        let wrong = failure(HopRole::Exit, TunnelFailureKind::Protocol);
        assert_eq!(exits.failures[0].1, wrong, "{bound:?}");
        assert_eq!(exits.closed, [FIRST], "{bound:?}");
        exits.run_for(SETUP);
        assert_eq!(exits.candidates.len(), 1, "{bound:?}");
        assert_eq!(exits.candidates[0].1, Candidate::relayed(public(2)));
    }
    // One of each family is well; each peer is reached by its own.
    let mut exits = Exits::new([planned(1, Fate::Opens(both.clone()))]);
    exits.gather();
    exits.run_for(SETUP);
    assert_eq!(exits.candidates.len(), 2);
    let far = address("[2001:db8::9]:7000");
    exits.send(both[1], far, b"check");
    exits.run_for(4 * DELAY);
    assert_eq!(exits.at_peers[0].1, far);
    assert!(exits.peer_sends(far, both[1], b"answer"));
    exits.run_for(4 * DELAY);
    assert_eq!(exits.packets[0].destination, both[1]);
    // In a lab the exit is where it says.
    let at_home = |bound| {
        let at_home = Planned {
            exit: address("127.0.0.1:443"),
            ..planned(9, Fate::Opens(vec![address(bound)]))
        };
        let mut exits = Exits::new([at_home]);
        exits.gather();
        exits.run_for(SETUP);
        exits
    };
    let lab = "127.0.0.1:40000";
    let found = at_home(lab).candidates[0].1;
    assert_eq!(found, Candidate::relayed(address(lab)));
    for wrong in ["224.0.0.1:40000", "127.0.0.1:0"] {
        let exits = at_home(wrong);
        assert!(exits.candidates.is_empty() && exits.failures.len() == 1);
    }
}

#[test]
fn an_address_that_another_exit_has_is_not_told_twice() {
    let twin = planned(2, Fate::Opens(vec![public(1)]));
    let mut exits = Exits::in_call([good(1), twin, good(3)], peer());
    exits.dead.push(FIRST);
    exits.drive(|source, now| source.check(now));
    exits.run_for(2000 * MS);
    let found: Vec<_> = exits
        .candidates
        .iter()
        .map(|(_, found)| found.base)
        .collect();
    assert_eq!(found, [public(1), public(3)]);
}

#[test]
fn an_exit_that_does_not_speak_the_protocol_is_left() {
    let wrong = failure(HopRole::Exit, TunnelFailureKind::Protocol);
    let acts: [fn(&mut Exits); 5] = [
        |exits| exits.exit_says(FIRST, &[0x12, 0]),
        |exits| exits.exit_says(FIRST, &[0x12, 1, 0x20]),
        |exits| exits.exit_says(FIRST, &[0x11, 2, 1, 0]),
        |exits| exits.exit_sends(FIRST, b"\x00payload"),
        |exits| exits.opens_again(FIRST, vec![public(1)]),
    ];
    for (number, act) in acts.into_iter().enumerate() {
        let mut exits = Exits::gathered([good(1), good(2)]);
        act(&mut exits);
        assert_eq!(exits.failures.len(), 1, "{number}");
        assert_eq!(exits.failures[0].1, wrong, "{number}");
        assert_eq!((exits.closed.len(), exits.lost.len()), (1, 1), "{number}");
        exits.run_for(SETUP);
        assert_eq!(exits.candidates.len(), 2, "{number}");
    }
    // One that closes the only context has ended the flow.
    let mut exits = Exits::gathered([good(1), good(2)]);
    exits.exit_says(FIRST, &[0x13, 1, 2]);
    let ended = failure(HopRole::Exit, TunnelFailureKind::Ended);
    assert_eq!(exits.failures[0].1, ended);
    // What is only lost changes nothing.
    let mut exits = Exits::gathered([good(1)]);
    for datagram in [
        &b""[..],
        b"\x08x",
        b"\x02\x05",
        b"\x02\x04\xe0\x00\x00\x01\x1b\x58x",
    ] {
        exits.exit_sends(FIRST, datagram);
    }
    exits.exit_says(FIRST, &[0x29, 2, 1, 1]);
    assert!(exits.failures.is_empty() && exits.packets.is_empty());
    // Before it is open it has nothing to say.
    let mut exits = Exits::new([planned(1, Fate::Silent)]);
    exits.gather();
    exits.exit_sends(FIRST, b"\x02\x04\xcb\x00\x71\x09\x1b\x58x");
    assert!(exits.packets.is_empty() && exits.failures.is_empty());
    exits.exit_says(FIRST, &[0x12, 1, 2]);
    assert_eq!(exits.failures[0].1, wrong);
}

#[test]
fn what_was_borrowed_is_given_back() {
    let mut exits = Exits::in_call([good(1), good(2)], peer());
    exits.drive(|source, now| source.close(now));
    assert_eq!(exits.closed, [FIRST]);
    exits.run_for(LONG);
    assert_eq!(exits.opened.len(), 1);
    let known = exits.drive(|source, now| {
        let event = securecall_relay::TunnelEvent::Datagram(b"\x02");
        source.handle_tunnel(now, FIRST, event)
    });
    assert!(!known);
    assert_eq!(exits.source.send(exits.now, to_peer(1)), Err(to_peer(1)));
    // While it is being made, too.
    let mut exits = Exits::new([good(1), good(2)]);
    exits.gather();
    exits.drive(|source, now| source.close(now));
    assert_eq!(exits.closed, [FIRST]);
    exits.run_for(LONG);
    assert!(exits.candidates.is_empty());
    assert_eq!(exits.opened, [(exits.opened[0].0, FIRST, exit(1))]);
}
