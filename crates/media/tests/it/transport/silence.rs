//! A path that leads nowhere any more without anybody saying so: a NAT has forgotten it, or a link is gone.

use std::{net::SocketAddr, time::Duration};

use securecall_media::{LocalCandidate, PathKind, TransportEvent};

use super::pair::{FRAME, Pair, Side};

const SIDES: [(Side, Side); 2] = [(Side::Caller, Side::Callee), (Side::Callee, Side::Caller)];
const TICK: Duration = Duration::from_millis(20);
/// What a server needs to say how it sees a socket, and a homeserver to tell the peer.
const TOLD_AFTER: Duration = Duration::from_millis(200);
/// So soon the sound is back.
const SOON: Duration = Duration::from_secs(1);

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

fn talking() -> Pair {
    let mut pair = Pair::connected();
    pair.delay = Duration::from_millis(20);
    talk(&mut pair, Duration::from_secs(3));
    pair.clear_events();
    pair
}

fn silences(pair: &Pair) -> usize {
    let count = |side| pair.count(side, &TransportEvent::PathSilent);
    count(Side::Caller) + count(Side::Callee)
}

/// Talks until both have heard a frame that comes from now on; gives how long that took.
fn until_both_hear(pair: &mut Pair) -> Duration {
    let heard = [Side::Caller, Side::Callee].map(|side| pair.frames(side).len());
    let began = pair.now;
    while SIDES
        .iter()
        .zip(heard)
        .any(|((side, _), heard)| pair.frames(*side).len() == heard)
    {
        assert!(pair.now - began < Duration::from_secs(60), "it never came");
        talk(pair, TICK);
    }
    pair.now - began
}

/// A NAT that lets answers in alone forgets its mappings, and makes another.
fn forgets(pair: &mut Pair, side: Side, outside: SocketAddr) {
    pair.map(side, outside);
    pair.shield(side);
}

/// What driver and session do when the transport says that the peer is silent: a server says how it sees us, and the peer is told.
fn asks_how_it_is_seen(pair: &mut Pair, side: Side, peer: Side, outside: SocketAddr) {
    let (now, base) = (pair.now, pair.address(side));
    let host = LocalCandidate::host(base);
    let seen = LocalCandidate {
        address: outside,
        kind: securecall_media::CandidateKind::ServerReflexive,
        ..host
    };
    let line = pair.side(side).add_local_candidate(now, seen).unwrap();
    pair.side(peer).add_remote_candidate(now, &line).unwrap();
}

/// The NATs of these have forgotten; whoever notices the silence finds out and tells. Gives how long nobody heard the other.
fn after_forgetting(pair: &mut Pair, forgetful: &[(Side, Side)], round: u16) -> Duration {
    let outside = |side| SocketAddr::from(([203, 0, 113, 1 + side as u8], 7000 + round));
    for (side, _) in forgetful {
        forgets(pair, *side, outside(*side));
    }
    // What is under way still arrives.
    talk(pair, 2 * TICK);
    pair.clear_events();
    let began = pair.now;
    while silences(pair) < 2 {
        assert!(pair.now - began < SOON, "nobody notices");
        talk(pair, TICK);
    }
    talk(pair, TOLD_AFTER);
    for (side, peer) in forgetful {
        asks_how_it_is_seen(pair, *side, *peer, outside(*side));
    }
    until_both_hear(pair);
    pair.now - began
}

#[test]
fn when_nats_forget_their_mappings_the_sound_is_back_within_a_second_without_a_restart() {
    for forgetful in [&SIDES[..1], &SIDES[1..], &SIDES] {
        let mut pair = talking();
        for side in [Side::Caller, Side::Callee] {
            pair.shield(side);
        }
        talk(&mut pair, Duration::from_secs(1));
        // Again soon, too: what one NAT has done says nothing of the jitter.
        for round in 0..3 {
            let silent_for = after_forgetting(&mut pair, forgetful, round);
            println!("{forgetful:?}: silent for {silent_for:?}");
            assert!(silent_for < SOON, "{silent_for:?}");
            talk(&mut pair, Duration::from_secs(5));
            for side in [Side::Caller, Side::Callee] {
                assert_eq!(pair.count(side, &TransportEvent::PathLost), 0);
                assert!(pair.frames(side).len() > 200);
            }
        }
    }
}

/// A pair with a relay that stands by: the address of the relay, and that of the caller itself.
fn with_relay() -> (Pair, SocketAddr, SocketAddr) {
    let mut pair = talking();
    let (now, direct) = (pair.now, pair.address(Side::Caller));
    let relay: SocketAddr = "192.0.2.9:5009".parse().unwrap();
    pair.add_address(Side::Caller, relay);
    let line = pair
        .caller
        .add_local_candidate(now, LocalCandidate::relay(relay))
        .unwrap();
    pair.callee.add_remote_candidate(now, &line).unwrap();
    talk(&mut pair, Duration::from_secs(3));
    pair.clear_events();
    assert_eq!(pair.caller.path_kind(), PathKind::Direct);
    (pair, direct, relay)
}

#[test]
fn a_relay_that_stands_by_takes_over_within_half_a_second_when_the_direct_path_is_cut_and_gives_it_back()
 {
    let (mut pair, direct, relay) = with_relay();
    pair.set_address(Side::Caller, relay);
    // What is under way still arrives.
    talk(&mut pair, 2 * TICK);
    let silent_for = until_both_hear(&mut pair);
    println!("silent for {silent_for:?}");
    assert!(silent_for <= Duration::from_millis(500), "{silent_for:?}");
    talk(&mut pair, Duration::from_secs(5));
    for side in [Side::Caller, Side::Callee] {
        assert_eq!(pair.side(side).path_kind(), PathKind::Relay);
        assert!(pair.frames(side).len() > 240);
    }
    pair.add_address(Side::Caller, direct);
    talk(&mut pair, Duration::from_secs(3));
    pair.clear_events();
    talk(&mut pair, Duration::from_secs(1));
    for side in [Side::Caller, Side::Callee] {
        assert_eq!(pair.side(side).path_kind(), PathKind::Direct, "{side:?}");
        assert!(pair.frames(side).len() >= 49);
    }
}

/// Nothing gets through for a while.
fn pause(pair: &mut Pair, time: Duration) {
    pair.cut = true;
    talk(pair, time);
    pair.cut = false;
}

#[test]
fn a_network_that_pauses_again_and_again_is_learned_and_no_path_is_left_for_it() {
    let (mut pair, ..) = with_relay();
    for _ in 0..60 {
        pause(&mut pair, Duration::from_millis(400));
        talk(&mut pair, Duration::from_secs(5));
    }
    // The first pause on each side.
    assert_eq!(silences(&pair), 2);
    for side in [Side::Caller, Side::Callee] {
        let changes = pair
            .events_of(side)
            .filter(|event| matches!(event, TransportEvent::PathChanged { .. }));
        assert_eq!(changes.count(), 0, "{side:?}");
        assert_eq!(pair.count(side, &TransportEvent::PathLost), 0);
    }
}

#[test]
fn who_is_silent_again_and_again_has_the_addresses_it_named_tried_no_more_often() {
    let mut pair = talking();
    let now = pair.now;
    let line = "candidate:1 1 udp 1 192.0.2.66 5000 typ host";
    pair.callee.add_remote_candidate(now, line).unwrap();
    // It is given up, as every address is that never answers.
    talk(&mut pair, Duration::from_secs(60));
    pair.watch_sent(Side::Callee);
    pair.clear_events();
    let victim: SocketAddr = "192.0.2.66:5000".parse().unwrap();
    for _ in 0..120 {
        // The peer alone is silent; for longer than any network is believed to pause.
        pair.run_for(Duration::from_millis(1200));
        talk(&mut pair, 5 * TICK);
    }
    let noticed = pair.count(Side::Callee, &TransportEvent::PathSilent);
    // Four in one go, then one in ten seconds, of 156 s.
    assert!((4..=20).contains(&noticed), "{noticed}");
    let (checks, _) = pair.sent_to().get(&victim).copied().unwrap_or_default();
    println!("{noticed} times, {checks} checks of the victim");
    // Seven until they are a second apart, and one a second then.
    assert!(checks <= 156 + 7 * noticed, "{checks}");
}

#[test]
fn a_peer_that_need_not_speak_is_silent_only_when_it_answers_nothing() {
    let mut pair = Pair::of_browsers();
    pair.negotiate();
    pair.exchange_candidates();
    pair.run_until(Pair::both_up);
    pair.run_for(Duration::from_secs(60));
    assert_eq!(silences(&pair), 0);
    pair.cut = true;
    pair.run_for(Duration::from_secs(3));
    assert_eq!(silences(&pair), 2);
    pair.run_for(Duration::from_secs(20));
    assert_eq!(silences(&pair), 2, "once for each silence");
}
