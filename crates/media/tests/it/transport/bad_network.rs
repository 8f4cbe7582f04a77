//! How soon a call has its path where every fifth packet is lost, and what the repetitions cost.

use std::time::Duration;

use securecall_media::{LocalCandidate, TransportError, TransportEvent};

use super::pair::{OfHandshake, Pair, Side};

/// Set-ups that are measured, a seed each.
const SEEDS: u64 = 200;
const SIDES: [Side; 2] = [Side::Caller, Side::Callee];
/// Who answers begins the handshake.
const CLIENT: Side = Side::Callee;
const SERVER: Side = Side::Caller;

/// Two transports that know each other's candidates, 20 ms apart.
fn set_up_begins(lose: impl FnOnce(&mut Pair)) -> Pair {
    let mut pair = Pair::new();
    pair.delay = Duration::from_millis(20);
    lose(&mut pair);
    pair.negotiate();
    pair.exchange_candidates();
    pair
}

/// How long the two halves of a set-up took, in virtual time.
struct Took {
    /// From both candidates known to the first datagram of DTLS.
    checks: Duration,
    /// From there until both sides are up.
    handshake: Duration,
}

fn measure(seed: u64) -> Took {
    let mut pair = set_up_begins(|pair| pair.lose(seed, 5));
    let checks = pair.run_until(|pair| !pair.handshake.is_empty());
    let handshake = pair.run_until(Pair::both_up);
    Took { checks, handshake }
}

fn percentile(durations: &mut [Duration], percent: usize) -> Duration {
    durations.sort_unstable();
    durations[(durations.len() - 1) * percent / 100]
}

/// The engine spreads its waits by chance that cannot be seeded; what is lost goes by the seed alone. The 95th percentile was
/// between 0.8 and 1.0 s in every run.
#[test]
fn a_path_that_loses_every_fifth_packet_each_way_is_mostly_up_within_three_seconds() {
    let all: Vec<Took> = (0..SEEDS).map(measure).collect();
    let mut checks: Vec<_> = all.iter().map(|took| took.checks).collect();
    let mut handshakes: Vec<_> = all.iter().map(|took| took.handshake).collect();
    let mut whole: Vec<_> = all
        .iter()
        .map(|took| took.checks + took.handshake)
        .collect();
    for (what, durations) in [
        ("checks", &mut checks),
        ("handshake", &mut handshakes),
        ("both", &mut whole),
    ] {
        let percentiles =
            [50, 90, 95, 99, 100].map(|percent| percentile(durations, percent).as_millis());
        println!("{what}: 50, 90, 95, 99, 100 % after {percentiles:?} ms");
    }
    let whole = percentile(&mut whole, 95);
    assert!(whole < Duration::from_secs(3), "{whole:?} of virtual time");
}

/// What of the handshake a side has sent.
fn sent_by(pair: &Pair, side: Side) -> Vec<&OfHandshake> {
    let sent = pair.handshake.iter();
    sent.filter(|sent| sent.from == side).collect()
}

fn bytes(sent: &[&OfHandshake]) -> usize {
    sent.iter().map(|sent| sent.contents.len()).sum()
}

/// The first flight of a side, of those that it has sent.
fn first_flight<'a>(sent: &[&'a OfHandshake]) -> Vec<&'a OfHandshake> {
    let of_first = sent.iter().take_while(|later| later.at == sent[0].at);
    of_first.copied().collect()
}

#[test]
fn a_path_that_loses_nothing_has_nothing_repeated_though_candidates_come_late() {
    let at_once = {
        let mut pair = set_up_begins(|_| {});
        pair.run_until(Pair::both_up);
        SIDES.map(|side| sent_by(&pair, side).len())
    };
    let mut pair = Pair::new();
    pair.delay = Duration::from_millis(20);
    pair.negotiate();
    pair.run_for(Duration::from_secs(20));
    pair.exchange_candidates();
    let took = pair.run_until(Pair::both_up);
    assert!(took < Duration::from_millis(300), "{took:?}");
    pair.run_for(Duration::from_secs(30));
    assert_eq!(SIDES.map(|side| sent_by(&pair, side).len()), at_once);
}

#[test]
fn a_round_trip_of_a_second_repeats_flights_that_were_not_lost_and_comes_up_all_the_same() {
    let mut pair = Pair::new();
    pair.delay = Duration::from_millis(500);
    pair.negotiate();
    pair.exchange_candidates();
    pair.run_until(|pair| !pair.handshake.is_empty());
    let took = pair.run_until(Pair::both_up);
    assert!(took < Duration::from_secs(2), "{took:?} of virtual time");
    assert!(pair.handshake.len() < 30, "{}", pair.handshake.len());
}

#[test]
fn once_both_sides_are_up_the_last_flight_goes_once_more_at_most_and_then_nothing() {
    for seed in 0..50 {
        let mut pair = set_up_begins(|pair| pair.lose(seed, 5));
        pair.run_until(Pair::both_up);
        pair.lose_nothing();
        pair.run_for(Duration::from_millis(40));
        pair.handshake.clear();
        pair.run_for(Duration::from_secs(60));
        let all: Vec<_> = pair.handshake.iter().collect();
        // Its acknowledgement may have been lost, so it goes again until one comes.
        let last = all.first().map_or(0, |_| first_flight(&all).len());
        assert_eq!(all.len(), last, "seed {seed}: {all:?}");
        assert!(all.iter().all(|sent| sent.from == CLIENT), "seed {seed}");
    }
}

#[test]
fn to_a_peer_that_is_not_heard_a_flight_goes_ten_times_at_most_and_once_more_when_there_is_a_pair()
{
    for sender in SIDES {
        // The client's first flight gets no answer that arrives, and the server's no flight but that one.
        let mut pair = set_up_begins(|pair| pair.unheard = Some(SERVER));
        pair.run_for(Duration::from_secs(60));
        let sent = sent_by(&pair, sender);
        let (all, flight) = (bytes(&sent), bytes(&first_flight(&sent)));
        println!("{sender:?}: {all} bytes in flights of {flight}");
        assert!(all > flight && all <= 11 * flight, "{all}, {flight} bytes");
    }
}

#[test]
fn a_flood_of_one_flight_of_the_peer_is_answered_ten_times_at_most() {
    let mut pair = set_up_begins(|pair| pair.unheard = Some(SERVER));
    pair.run_until(|pair| !sent_by(pair, SERVER).is_empty());
    let hello = sent_by(&pair, CLIENT)[0].contents.clone();
    let (from, to) = (pair.address(CLIENT), pair.address(SERVER));
    for _ in 0..1000 {
        let now = pair.now;
        pair.caller.handle_datagram(now, from, to, &hello).unwrap();
        pair.run_for(Duration::from_millis(10));
    }
    let sent = sent_by(&pair, SERVER);
    let (all, flight) = (bytes(&sent), bytes(&first_flight(&sent)));
    assert!(all <= 10 * flight, "{all}, {flight} bytes");
}

#[test]
fn a_handshake_whose_peer_is_not_heard_times_out_and_is_told_from_faults_of_the_engine() {
    for unheard in SIDES {
        let mut pair = set_up_begins(|pair| pair.unheard = Some(unheard));
        pair.run_for(Duration::from_secs(29));
        assert_eq!(pair.error(CLIENT), None);
        pair.run_for(Duration::from_secs(3));
        let timed_out = Some(&TransportError::HandshakeTimedOut);
        assert_eq!(pair.error(CLIENT), timed_out, "{unheard:?}");
        // The server waits for a flight, or for an answer to its own.
        let server = timed_out.filter(|_| unheard == SERVER);
        assert_eq!(pair.error(SERVER), server, "{unheard:?}");
    }
}

#[test]
fn a_datagram_that_comes_when_the_handshake_is_due_to_time_out_does_not_hide_it() {
    let mut pair = set_up_begins(|pair| pair.unheard = Some(SERVER));
    pair.run_until(|pair| !sent_by(pair, SERVER).is_empty());
    let hello = sent_by(&pair, CLIENT)[0].contents.clone();
    let (from, to) = (pair.address(CLIENT), pair.address(SERVER));
    let late = pair.now + Duration::from_secs(31);
    let handled = pair.caller.handle_datagram(late, from, to, &hello);
    assert_eq!(handled, Err(TransportError::HandshakeTimedOut));
}

#[test]
fn checks_that_find_no_pair_say_that_there_is_no_path_and_fail_nothing() {
    let mut pair = set_up_begins(|pair| pair.cut = true);
    pair.run_for(Duration::from_secs(120));
    for side in SIDES {
        assert_eq!(pair.count(side, &TransportEvent::PathDown), 1, "{side:?}");
        assert_eq!(pair.error(side), None, "{side:?}");
    }
    // The first flight goes with a check, on the chance that it arrives, and is not repeated to an address that nobody answers from.
    assert_eq!(sent_by(&pair, CLIENT).len(), 1);
    assert!(sent_by(&pair, SERVER).is_empty());
}

#[test]
fn where_both_ends_open_their_nats_to_each_other_the_path_is_up_one_round_trip_after_the_callee_knows_where_to_look()
 {
    let mut pair = Pair::new();
    pair.delay = Duration::from_millis(40);
    pair.negotiate();
    let [of_caller, of_callee] = SIDES.map(|side| {
        let (now, local) = (pair.now, LocalCandidate::host(pair.address(side)));
        pair.side(side).add_local_candidate(now, local).unwrap()
    });
    let now = pair.now;
    pair.caller.add_remote_candidate(now, &of_callee).unwrap();
    pair.run_for(Duration::from_millis(20));
    let now = pair.now;
    pair.callee.add_remote_candidate(now, &of_caller).unwrap();
    let callee_up = pair.run_until(|pair| pair.callee.is_path_up());
    assert!(callee_up <= Duration::from_millis(85), "{callee_up:?}");
    let caller_up = pair.run_until(|pair| pair.caller.is_path_up());
    assert!(caller_up <= Duration::from_millis(45), "{caller_up:?}");
    for side in SIDES {
        assert!(pair.side(side).selected_pair().is_some(), "{side:?}");
    }
}
