//! A peer names addresses of somebody else, who never answers: how much a call sends there, at most.

use std::net::SocketAddr;
use std::time::Duration;

use securecall_media::LocalCandidate;

use super::pair::{Pair, Side};

/// As long as a call waits for its path.
const CONNECTING: Duration = Duration::from_secs(30);
/// A check is no longer than this, with its header of IP and UDP.
const CHECK_LEN: usize = 160;

/// A call of ours whose machine has so many sockets.
fn call_with_sockets(sockets: u16) -> Pair {
    let mut pair = Pair::new();
    pair.negotiate();
    pair.watch_sent(Side::Caller);
    for number in 0..sockets {
        let now = pair.now;
        let base = SocketAddr::from(([10, 0, 0, 1], 5001 + number));
        pair.own(Side::Caller, base);
        pair.caller
            .add_local_candidate(now, LocalCandidate::host(base))
            .unwrap();
    }
    pair
}

/// A thousand candidates of one host, of all shapes.
fn thousand(host: &str) -> Vec<String> {
    let kinds = [
        "typ host",
        "typ srflx raddr 0.0.0.0 rport 0",
        "typ relay raddr 10.0.0.7 rport 9",
        "typ prflx raddr 0.0.0.0 rport 0",
    ];
    (0..1000_u32)
        .map(|index| {
            let kind = kinds[index as usize % 4];
            let priority = 2_130_706_431 - index;
            let port = 1 + index * 65;
            format!("candidate:{index} 1 udp {priority} {host} {port} {kind}")
        })
        .collect()
}

fn name_all(pair: &mut Pair, lines: &[String]) -> usize {
    let now = pair.now;
    let taken = lines
        .iter()
        .filter(|line| pair.caller.add_remote_candidate(now, line).is_ok());
    taken.count()
}

#[test]
fn an_address_that_never_answers_gets_a_check_a_second_from_each_socket_and_no_more() {
    let mut pair = call_with_sockets(1);
    name_all(&mut pair, &thousand("192.0.2.66")[..1]);
    pair.run_for(CONNECTING + Duration::from_secs(30));
    let sent = pair.sent_to();
    assert_eq!(sent.len(), 1);
    let (count, bytes) = sent.values().next().copied().unwrap();
    assert!((30..=36).contains(&count), "{count} checks");
    assert!(bytes <= count * CHECK_LEN, "{bytes} bytes in {count}");
}

#[test]
fn a_thousand_candidates_of_one_host_are_thirty_two_in_a_hundred_pairs() {
    let mut pair = call_with_sockets(16);
    assert_eq!(name_all(&mut pair, &thousand("192.0.2.66")), 32);
    let mut most_in_a_second = 0;
    let mut before = 0;
    for _ in 0..60 {
        pair.run_for(Duration::from_secs(1));
        let sent: usize = pair.sent_to().values().map(|(count, _)| count).sum();
        most_in_a_second = most_in_a_second.max(sent - before);
        before = sent;
    }
    let sent = pair.sent_to();
    assert!(sent.len() <= 32, "{} addresses", sent.len());
    let bytes: usize = sent.values().map(|(_, bytes)| bytes).sum();
    println!("{before} checks, {bytes} bytes, at most {most_in_a_second} in a second");
    assert!(before <= 100 * 36, "{before} checks");
    assert!(bytes <= 100 * 36 * CHECK_LEN, "{bytes} bytes");
    assert!(most_in_a_second <= 500, "{most_in_a_second} in a second");
}

/// The caller of a connected call restarts ICE again and again, each time with other candidates.
#[test]
fn restarts_without_end_send_no_more_in_a_second_than_checks_are_paced() {
    let mut pair = Pair::connected();
    pair.watch_sent(Side::Callee);
    let mut restarts = 0;
    let began = pair.now;
    while pair.now - began < Duration::from_secs(10) {
        let now = pair.now;
        let offer = pair.caller.create_restart_offer(now).unwrap();
        let lines: String = thousand("192.0.2.66")[restarts % 900..][..31]
            .iter()
            .map(|line| format!("a={line}\r\n"))
            .collect();
        pair.callee
            .accept_restart_offer(now, &(offer + &lines))
            .unwrap();
        restarts += 1;
        pair.run_for(Duration::from_millis(50));
    }
    let victim: std::net::IpAddr = "192.0.2.66".parse().unwrap();
    let sent = pair.sent_to();
    let to_victim = sent.iter().filter(|(address, _)| address.ip() == victim);
    let checks: usize = to_victim.map(|(_, (count, _))| count).sum();
    println!("{restarts} restarts, {checks} checks in ten seconds");
    assert!((100..=4000).contains(&checks), "{checks}");
}

/// The callee's first flight of DTLS follows its first check of a pair, whoever is there.
#[test]
fn sixteen_of_a_thousand_candidates_get_a_hello_once() {
    let mut pair = Pair::new();
    pair.negotiate();
    pair.watch_sent(Side::Callee);
    let (now, base) = (pair.now, pair.address(Side::Callee));
    let host = LocalCandidate::host(base);
    pair.callee.add_local_candidate(now, host).unwrap();
    for line in thousand("192.0.2.66") {
        let _one_too_many = pair.callee.add_remote_candidate(now, &line);
    }
    pair.run_for(CONNECTING + Duration::from_secs(30));
    let sent = pair.sent_to();
    assert_eq!(sent.len(), 32);
    let bytes: usize = sent.values().map(|(_, bytes)| bytes).sum();
    let checks: usize = sent.values().map(|(count, _)| count).sum();
    let greeted = sent
        .values()
        .filter(|(count, bytes)| *bytes > count * CHECK_LEN);
    let greeted = greeted.count();
    let hellos = pair.handshake.len();
    println!("{checks} datagrams, {hellos} hellos, {bytes} bytes");
    assert_eq!((greeted, hellos), (16, 16));
    let long = pair.handshake.iter().map(|it| it.contents.len()).max();
    assert!(long <= Some(1200), "{long:?}");
}

/// A check that the peer has signed comes from addresses of others while the call connects, by the peer itself or by somebody who
/// repeats it; and the call never gets a pair. Each address gets checks, and a few get flights of DTLS, which are sent before there is
/// a pair: the callee's first, or the caller's answer to that.
#[test]
fn a_check_that_comes_from_elsewhere_has_a_bounded_number_of_bytes_sent_there() {
    for (watched, peer) in [(Side::Caller, Side::Callee), (Side::Callee, Side::Caller)] {
        let mut pair = Pair::new();
        pair.negotiate();
        pair.exchange_candidates();
        pair.watch_sent(watched);
        pair.run_until(|pair| {
            let next = pair.under_way_to(watched);
            next.is_some_and(|datagram| datagram.contents.starts_with(&[0, 1]))
        });
        let check = pair.under_way_to(watched).unwrap().contents.clone();
        let theirs = pair.address(peer);
        pair.set_address(peer, "198.51.100.1:1".parse().unwrap());
        let ours = pair.address(watched);
        let now = pair.now;
        for number in 1..=200_u8 {
            let from = SocketAddr::from(([192, 0, 2, number], 7000));
            pair.side(watched)
                .handle_datagram(now, from, ours, &check)
                .unwrap();
        }
        if watched == Side::Caller {
            pair.run_until(|pair| !pair.handshake.is_empty());
            let first = pair.handshake[0].contents.clone();
            pair.throw_in(peer, watched, &first);
        }
        pair.run_for(CONNECTING + Duration::from_secs(30));
        let mut sent = pair.sent_to();
        sent.remove(&theirs);
        let most = sent.values().map(|(_, bytes)| *bytes).max().unwrap();
        let all: usize = sent.values().map(|(_, bytes)| bytes).sum();
        println!(
            "{watched:?}: {} addresses, {most} bytes to one, {all} in all",
            sent.len()
        );
        assert_eq!(sent.len(), 17);
        assert!(most <= 10_000, "{most} bytes to one");
        assert!(all <= 300_000, "{all} bytes in all");
    }
}
