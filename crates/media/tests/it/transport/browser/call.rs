//! Calls of two engines of the profile `Matrix`, on virtual time.

use std::time::Duration;

use securecall_media::{
    Codec, LocalCandidate, OutboundPacket, PeerReport, ReceivedPacket, TransportEvent,
};

use super::super::pair::{Pair, Side};

const BOTH: [Side; 2] = [Side::Caller, Side::Callee];

fn connected() -> Pair {
    let mut pair = Pair::of_browsers();
    pair.negotiate();
    pair.exchange_candidates();
    pair.run_until(Pair::both_up);
    pair
}

/// One packet of each side's, 20 ms of time.
fn exchange(pair: &mut Pair, number: u32) {
    for side in BOTH {
        let now = pair.now;
        let packet = OutboundPacket {
            codec: Codec::Opus,
            rtp_time: number.wrapping_mul(960),
            marker: false,
            payload: &[number as u8; 40],
        };
        pair.side(side).send_packet(now, &packet).unwrap();
    }
    pair.run_for(Duration::from_millis(20));
}

fn packets(pair: &Pair, side: Side) -> Vec<ReceivedPacket> {
    let packets = pair.events_of(side).filter_map(|event| match event {
        TransportEvent::Packet(packet) => Some(packet.clone()),
        _ => None,
    });
    packets.collect()
}

fn reports(pair: &Pair, side: Side) -> Vec<PeerReport> {
    let reports = pair.events_of(side).filter_map(|event| match event {
        TransportEvent::PeerReport(report) => Some(*report),
        _ => None,
    });
    reports.collect()
}

fn assert_both_hear(pair: &mut Pair) {
    pair.clear_events();
    (0..10).for_each(|number| exchange(pair, number));
    for side in BOTH {
        assert!(packets(pair, side).len() >= 9, "{side:?}");
    }
}

/// An offer of one side, answered by the other.
fn renegotiate(pair: &mut Pair, from: Side, offer: &str) -> String {
    let to = if from == Side::Caller {
        Side::Callee
    } else {
        Side::Caller
    };
    let now = pair.now;
    let answer = pair.side(to).accept_restart_offer(now, offer).unwrap();
    pair.side(from).set_answer(now, &answer).unwrap();
    answer
}

/// A call whose answer takes so long to the caller, while the callee checks the caller's addresses. Gives how long it takes from there
/// until both can send.
fn after_an_answer_that_took(late: Duration, prepare: impl FnOnce(&mut Pair)) -> Duration {
    let mut pair = Pair::of_browsers();
    pair.delay = Duration::from_millis(10);
    prepare(&mut pair);
    for side in BOTH {
        let (now, host) = (pair.now, LocalCandidate::host(pair.address(side)));
        pair.side(side).add_local_candidate(now, host).unwrap();
    }
    let offer = pair.caller.create_offer(pair.now).unwrap();
    let answer = pair.callee.accept_offer(pair.now, &offer).unwrap();
    pair.run_for(late);
    pair.caller.set_answer(pair.now, &answer).unwrap();
    pair.run_until(Pair::both_up)
}

/// The longest of many, and how long the answer took there: from none of the callee's checks to those that come a second apart.
fn longest(prepare: impl Fn(&mut Pair)) -> (Duration, Duration) {
    let late = (0..=2000).step_by(13).map(Duration::from_millis);
    let took = late.map(|late| (after_an_answer_that_took(late, &prepare), late));
    took.max().unwrap()
}

#[test]
fn however_late_the_answer_comes_the_path_is_up_soon_after() {
    let (took, late) = longest(|_| {});
    assert!(took <= Duration::from_millis(60), "{took:?} after {late:?}");
}

#[test]
fn however_late_the_answer_comes_to_a_caller_behind_a_nat_the_path_is_up_soon_after() {
    let (took, late) = longest(|pair| pair.shield(Side::Caller));
    assert!(took <= Duration::from_millis(60), "{took:?} after {late:?}");
}

#[test]
fn packets_come_as_they_were_sent() {
    let mut pair = connected();
    (0..50).for_each(|number| exchange(&mut pair, number));
    for side in BOTH {
        let received = packets(&pair, side);
        assert_eq!(received.len(), 50);
        for (number, packet) in received.iter().enumerate() {
            assert_eq!(packet.codec, Codec::Opus);
            assert_eq!(packet.payload, [number as u8; 40]);
            assert_eq!(packet.rtp_time - received[0].rtp_time, number as u64 * 960);
            assert_eq!(packet.sequence - received[0].sequence, number as u64);
        }
        assert_eq!(pair.frames(side), [], "nothing of the other profile");
    }
    let stream = |pair: &Pair, side: Side| {
        let transport = if side == Side::Caller {
            &pair.caller
        } else {
            &pair.callee
        };
        transport
            .agreed_audio()
            .unwrap()
            .peer_stream
            .clone()
            .unwrap()
    };
    assert_eq!(stream(&pair, Side::Caller).as_str(), "callee-stream");
    assert_eq!(stream(&pair, Side::Callee).as_str(), "caller-stream");
}

#[test]
fn a_codec_that_was_not_agreed_on_is_not_sent() {
    let mut pair = connected();
    let now = pair.now;
    let packet = OutboundPacket {
        codec: Codec::Pcma,
        rtp_time: 0,
        marker: false,
        payload: &[0xd5; 160],
    };
    pair.caller.send_packet(now, &packet).unwrap();
    pair.run_for(Duration::from_millis(50));
    assert_eq!(packets(&pair, Side::Callee), []);
}

#[test]
fn whoever_is_on_hold_sends_nothing_until_it_is_over() {
    for from in BOTH {
        let mut pair = connected();
        let to = if from == Side::Caller {
            Side::Callee
        } else {
            Side::Caller
        };
        let now = pair.now;
        let offer = pair.side(from).create_hold_offer(now, true).unwrap();
        assert!(offer.contains("a=sendonly\r\n"), "{offer}");
        let answer = renegotiate(&mut pair, from, &offer);
        assert!(answer.contains("a=recvonly\r\n"), "{answer}");
        let agreed = pair.side(to).agreed_audio().unwrap();
        assert!(!agreed.we_send && agreed.peer_sends);
        pair.clear_events();
        (0..10).for_each(|number| exchange(&mut pair, number));
        assert_eq!(packets(&pair, from), []);
        assert_eq!(packets(&pair, to).len(), 10);
        // A restart meanwhile does not end it.
        let now = pair.now;
        let offer = pair.side(from).create_restart_offer(now).unwrap();
        renegotiate(&mut pair, from, &offer);
        assert!(!pair.side(to).agreed_audio().unwrap().we_send);
        let now = pair.now;
        let offer = pair.side(from).create_hold_offer(now, false).unwrap();
        renegotiate(&mut pair, from, &offer);
        assert_both_hear(&mut pair);
    }
}

#[test]
fn each_direction_of_the_peers_gets_its_answer() {
    for (offered, answered, we_send, peer_sends) in [
        ("sendrecv", "sendrecv", true, true),
        ("sendonly", "recvonly", false, true),
        ("recvonly", "sendonly", true, false),
        ("inactive", "inactive", false, false),
    ] {
        let mut pair = connected();
        let now = pair.now;
        let offer = pair.caller.create_restart_offer(now).unwrap();
        let offer = offer.replace("a=sendrecv", &format!("a={offered}"));
        let answer = pair.callee.accept_restart_offer(now, &offer).unwrap();
        assert!(answer.contains(&format!("a={answered}\r\n")), "{answer}");
        let agreed = pair.callee.agreed_audio().unwrap();
        assert_eq!((agreed.we_send, agreed.peer_sends), (we_send, peer_sends));
    }
}

#[test]
fn a_restart_of_either_side_finds_the_new_addresses() {
    for from in BOTH {
        let mut pair = connected();
        assert_both_hear(&mut pair);
        pair.cut = true;
        pair.run_for(Duration::from_secs(4));
        pair.move_to_new_addresses();
        let now = pair.now;
        let offer = pair.side(from).create_restart_offer(now).unwrap();
        assert!(offer.contains("a=candidate:"), "{offer}");
        let answer = renegotiate(&mut pair, from, &offer);
        assert!(answer.contains("a=candidate:"), "{answer}");
        pair.cut = false;
        pair.clear_events();
        let mut number = 0;
        pair.run_until(|pair| {
            exchange(pair, number);
            number += 1;
            BOTH.iter().all(|side| !packets(pair, *side).is_empty())
        });
    }
}

#[test]
fn a_line_that_the_peer_adds_is_declined_and_stays_so_in_offers_of_ours() {
    let mut pair = connected();
    let now = pair.now;
    let offer = pair.caller.create_hold_offer(now, false).unwrap();
    let more = format!(
        "{offer}m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\na=rtpmap:96 VP8/90000\r\na=sendrecv\r\n"
    );
    let answer = pair.callee.accept_restart_offer(now, &more).unwrap();
    assert!(
        answer.contains("m=video 0 UDP/TLS/RTP/SAVPF 96\r\n"),
        "{answer}"
    );
    // Fewer lines than there were are none of an honest peer.
    assert!(pair.callee.accept_restart_offer(now, &offer).is_err());
    let ours = pair.callee.create_restart_offer(now).unwrap();
    assert_eq!(ours.matches("\r\nm=").count(), 2, "{ours}");
    assert!(
        ours.contains("m=video 0 UDP/TLS/RTP/SAVPF 96\r\n"),
        "{ours}"
    );
}

#[test]
fn an_offer_of_the_peers_takes_the_place_of_ours() {
    for restarts in [true, false] {
        let mut pair = connected();
        let now = pair.now;
        let ours = if restarts {
            pair.callee.create_restart_offer(now).unwrap()
        } else {
            pair.callee.create_hold_offer(now, true).unwrap()
        };
        let theirs = pair.caller.create_restart_offer(now).unwrap();
        renegotiate(&mut pair, Side::Caller, &theirs);
        // Nobody waits for an answer to it any more.
        let late = theirs.replace("actpass", "active");
        assert!(pair.callee.set_answer(now, &late).is_err(), "{ours}");
        if restarts {
            assert_both_hear(&mut pair);
        }
    }
}

#[test]
fn round_trips_are_told_about_once_a_second() {
    let mut pair = connected();
    pair.clear_events();
    pair.delay = Duration::from_millis(70);
    (0..1_000).for_each(|number| exchange(&mut pair, number));
    for side in [Side::Caller, Side::Callee] {
        let told = pair.events_of(side).filter_map(|event| match event {
            TransportEvent::RoundTrip(round_trip) => Some(*round_trip),
            _ => None,
        });
        let round_trips: Vec<Duration> = told.collect();
        assert!((15..=22).contains(&round_trips.len()), "{round_trips:?}");
        let last = round_trips[round_trips.len() - 1];
        assert_eq!(last, 2 * pair.delay, "{round_trips:?}");
    }
}

#[test]
fn the_peers_reports_tell_of_loss_and_of_none() {
    let mut pair = connected();
    (0..300).for_each(|number| exchange(&mut pair, number));
    let clean = reports(&pair, Side::Caller);
    assert!(clean.len() >= 3, "{clean:?}");
    assert!(
        clean.iter().all(|report| report.loss_percent == 0),
        "{clean:?}"
    );
    pair.clear_events();
    pair.lose(1, 5);
    (300..900).for_each(|number| exchange(&mut pair, number));
    let lossy = reports(&pair, Side::Caller);
    let most = lossy.iter().map(|report| report.loss_percent).max();
    assert!(
        most.is_some_and(|most| (10..50).contains(&most)),
        "{lossy:?}"
    );
}
