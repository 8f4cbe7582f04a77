//! Connectivity checks from where the peer has not said it is.

use std::{net::SocketAddr, time::Duration};

use securecall_media::{LocalCandidate, Transport, TransportOutput};

use super::{
    datagrams_to,
    pair::{Pair, Side},
};

/// The check that one side sends to another, as it would come from elsewhere.
pub(super) fn a_check(pair: &mut Pair) -> Vec<u8> {
    pair.negotiate();
    let (now, own, other) = (
        pair.now,
        pair.address(Side::Caller),
        pair.address(Side::Callee),
    );
    pair.caller
        .add_local_candidate(now, LocalCandidate::host(own))
        .unwrap();
    pair.callee
        .add_local_candidate(now, LocalCandidate::host(other))
        .unwrap();
    let line = format!(
        "candidate:1 1 udp 2130706431 {} {} typ host",
        other.ip(),
        other.port()
    );
    pair.caller.add_remote_candidate(now, &line).unwrap();
    loop {
        match pair.caller.poll_output() {
            TransportOutput::Transmit(datagram) => return datagram.contents,
            TransportOutput::Event(_) => {}
            TransportOutput::Timeout(_) => panic!("no check"),
        }
    }
}

/// How many answers to checks go there.
fn answers_to(transport: &mut Transport, to: SocketAddr) -> usize {
    let mut count = 0;
    loop {
        match transport.poll_output() {
            TransportOutput::Transmit(datagram) if datagram.destination == to => {
                count += usize::from(datagram.contents.starts_with(&[1, 1]));
            }
            TransportOutput::Timeout(_) => return count,
            _ => {}
        }
    }
}

/// The callee hears where the caller is, which is not where anything comes from here.
fn tell_an_address(pair: &mut Pair) {
    let (now, line) = (pair.now, "candidate:1 1 udp 1 10.0.0.6 5006 typ host");
    pair.callee.add_remote_candidate(now, line).unwrap();
}

#[test]
fn a_check_that_overtakes_the_peers_word_where_it_is_waits_for_that() {
    let mut pair = Pair::new();
    let check = a_check(&mut pair);
    let (now, to) = (pair.now, pair.address(Side::Callee));
    let source = "10.0.0.6:5006".parse().unwrap();
    let handled = pair.callee.handle_datagram(now, source, to, &check);
    handled.unwrap();
    assert_eq!(answers_to(&mut pair.callee, source), 0);
    tell_an_address(&mut pair);
    assert_eq!(answers_to(&mut pair.callee, source), 1);
}

#[test]
fn a_check_that_overtakes_the_answer_to_an_offer_is_answered_with_that() {
    let mut pair = Pair::of_browsers();
    for side in [Side::Caller, Side::Callee] {
        let (now, host) = (pair.now, LocalCandidate::host(pair.address(side)));
        pair.side(side).add_local_candidate(now, host).unwrap();
    }
    let offer = pair.caller.create_offer(pair.now).unwrap();
    let answer = pair.callee.accept_offer(pair.now, &offer).unwrap();
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.sent(Side::Caller), 0);
    pair.caller.set_answer(pair.now, &answer).unwrap();
    let callee = pair.address(Side::Callee);
    assert_eq!(answers_to(&mut pair.caller, callee), 1);
}

#[test]
fn a_check_from_where_the_peer_has_not_said_it_is_is_answered_once_it_has_said_anything() {
    let mut pair = Pair::new();
    let check = a_check(&mut pair);
    let (now, to) = (pair.now, pair.address(Side::Callee));
    let source = "10.0.0.7:5001".parse().unwrap();
    for answered in [false, true] {
        let handled = pair.callee.handle_datagram(now, source, to, &check);
        handled.unwrap();
        let sent = datagrams_to(&mut pair.callee, source);
        assert_eq!(sent > 0, answered);
        tell_an_address(&mut pair);
    }
}

#[test]
fn no_address_is_learned_from_a_check_that_comes_from_where_no_peer_can_be() {
    for (source, answered) in [
        ("127.0.0.1:5001", false),
        ("[fe80::1]:5001", false),
        ("10.0.0.7:0", false),
        ("10.0.0.7:5001", true),
    ] {
        let mut pair = Pair::new();
        let check = a_check(&mut pair);
        tell_an_address(&mut pair);
        let (now, to) = (pair.now, pair.address(Side::Callee));
        let source = source.parse().unwrap();
        pair.callee
            .handle_datagram(now, source, to, &check)
            .unwrap();
        let sent = datagrams_to(&mut pair.callee, source);
        assert_eq!(sent > 0, answered, "{source}");
    }
}

/// Checks that one side sends to another, each of them only once.
fn checks(pair: &mut Pair, count: usize) -> Vec<Vec<u8>> {
    let mut checks = vec![a_check(pair)];
    for port in 1..=8 {
        let now = pair.now;
        let host = LocalCandidate::host(SocketAddr::from(([10, 0, 0, 1], port)));
        pair.caller.add_local_candidate(now, host).unwrap();
    }
    while checks.len() < count {
        match pair.caller.poll_output() {
            TransportOutput::Transmit(datagram) => checks.push(datagram.contents),
            TransportOutput::Event(_) => {}
            TransportOutput::Timeout(at) => {
                pair.caller
                    .handle_timeout(at.expect("no more checks"))
                    .unwrap();
            }
        }
    }
    checks
}

/// How many of these checks are answered, each of which comes from a source of its own.
fn answered(pair: &mut Pair, network: u8, checks: impl Iterator<Item = Vec<u8>>) -> usize {
    let (now, to) = (pair.now, pair.address(Side::Callee));
    let mut answered = 0;
    for (port, check) in (1..).zip(checks) {
        let source = SocketAddr::from(([10, 0, network, 7], port));
        let handled = pair.callee.handle_datagram(now, source, to, &check);
        handled.unwrap();
        answered += usize::from(answers_to(&mut pair.callee, source) > 0);
    }
    answered
}

#[test]
fn no_more_than_64_addresses_are_learned_from_checks() {
    let mut pair = Pair::new();
    let checks = checks(&mut pair, 200);
    tell_an_address(&mut pair);
    assert_eq!(answered(&mut pair, 1, checks.into_iter()), 64);
}

#[test]
fn whoever_forges_checks_or_repeats_them_does_not_crowd_out_the_peer() {
    let mut pair = Pair::new();
    let checks = checks(&mut pair, 20);
    tell_an_address(&mut pair);
    // With all that is written in it, but not signed.
    let forged = |number: u16| {
        let mut check = checks[0].clone();
        check[10..12].copy_from_slice(&number.to_be_bytes());
        check
    };
    assert_eq!(answered(&mut pair, 1, (0..200).map(forged)), 0);
    let repeated = std::iter::repeat_n(checks[0].clone(), 200);
    assert_eq!(answered(&mut pair, 2, repeated), 17);
    assert_eq!(answered(&mut pair, 3, checks[1..].iter().cloned()), 19);
}

#[test]
fn forged_checks_do_not_take_the_place_of_one_that_waits_for_the_peers_word() {
    let mut pair = Pair::new();
    let check = a_check(&mut pair);
    let (now, to) = (pair.now, pair.address(Side::Callee));
    let mut forged = check.clone();
    forged[10] ^= 1;
    let genuine = ("10.0.0.6:5006".parse().unwrap(), check);
    let others = (1..100).map(|port| (SocketAddr::from(([10, 0, 0, 8], port)), forged.clone()));
    for (source, check) in std::iter::once(genuine).chain(others) {
        pair.callee
            .handle_datagram(now, source, to, &check)
            .unwrap();
    }
    tell_an_address(&mut pair);
    let source = "10.0.0.6:5006".parse().unwrap();
    assert_eq!(answers_to(&mut pair.callee, source), 1);
}
