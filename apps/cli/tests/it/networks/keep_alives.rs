//! NATs forget what nothing goes through, some after 30 seconds: how often something does, on each flow that a call needs.

#![expect(clippy::disallowed_methods, reason = "measures real silences")]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use securecall_interop::network::{Nat, Packet, Segment};

use super::{InCall, Place, TURN, Way, World};
use crate::talker::User;

/// For how many seconds the flows are watched.
const WATCHED: usize = 10;
/// Each is used every second; a busy machine is late. RFC 4787 (section 4.3) lets no NAT forget sooner than after 120 s, and
/// what is in homes does so after 30 s.
const LONGEST: Duration = Duration::from_secs(4);
/// What both NATs here do in seconds.
const FORGOTTEN_AFTER: u32 = 6;

/// How somebody asks for an address at a TURN server (RFC 8656, section 17).
const ALLOCATE_REQUEST: [u8; 2] = [0, 3];

/// How long a flow was silent.
#[derive(Debug)]
struct Flow {
    last: Instant,
    longest: Duration,
}

/// The longest silence on each flow of UDP between these two moments, by where it comes from and goes to.
fn silences(
    packets: &[Packet],
    began: Instant,
    until: Instant,
) -> BTreeMap<(SocketAddr, SocketAddr), Duration> {
    let mut flows = BTreeMap::new();
    for packet in packets.iter().filter(|packet| packet.is_udp) {
        let silent = Flow {
            last: began,
            longest: Duration::ZERO,
        };
        let flow = flows
            .entry((packet.source, packet.destination))
            .or_insert(silent);
        flow.longest = flow
            .longest
            .max(packet.at.saturating_duration_since(flow.last));
        flow.last = packet.at;
    }
    let whole = flows.into_iter().map(|(ends, Flow { last, longest })| {
        let at_the_end = until.saturating_duration_since(last);
        (ends, longest.max(at_the_end))
    });
    whole.collect()
}

#[test]
fn nats_have_no_time_to_forget_a_call_that_is_muted_or_on_hold_nor_the_relay_that_stands_by() {
    let world = World::new();
    let (ada, bo) = User::acquainted();
    let homes = ["ada", "bo"].map(|name| {
        let home = world.behind(name, Nat::port_restricted());
        home.set_udp_timeout(FORGOTTEN_AFTER).unwrap();
        home
    });
    let places = [(&homes[0], &ada), (&homes[1], &bo)]
        .map(|(home, user)| Place::new(&world, home, user, "host"));
    let mut call = InCall::begin(&places[0], &places[1], Way::of_contacts(TURN));
    call.hear_each_other();
    for talker in [&mut call.caller, &mut call.callee] {
        talker.order("mute");
        talker.wait_for("muted");
    }

    is_kept_up(&mut call, &world, &places, &homes);

    for talker in [&mut call.caller, &mut call.callee] {
        talker.order("unmute");
        talker.order("hold");
        talker.wait_for("held");
    }
    is_kept_up(&mut call, &world, &places, &homes);
    for talker in [&mut call.caller, &mut call.callee] {
        talker.order("resume");
        talker.wait_for("held");
    }

    // So it takes over at once, by the address that was granted at the beginning.
    let capture = places[0].host.capture().unwrap();
    cut(&places[0], outside(&homes[1]));
    while !call.hear_each_other().contains(&"relay".to_owned()) {}
    call.hang_up();
    let asks = |packet: &Packet| packet.contents.starts_with(&ALLOCATE_REQUEST);
    assert!(!capture.stop().unwrap().iter().any(asks));
}

/// Watches a call for a while: something goes over each flow that it needs, in both directions, and often.
#[track_caller]
fn is_kept_up(call: &mut InCall, world: &World, places: &[Place<'_>; 2], homes: &[Segment; 2]) {
    let captures = places.each_ref().map(|place| place.host.capture().unwrap());
    let began = Instant::now();
    call.caller.so_far();
    for _ in 0..WATCHED {
        call.caller.wait_for("stats");
    }
    let until = Instant::now();
    for (capture, (own, other)) in captures.into_iter().zip([(0, 1), (1, 0)]) {
        let silences = silences(&capture.stop().unwrap(), began, until);
        let own = |address: SocketAddr| address.ip() == places[own].host.address();
        // The flow that carries the call, and the one to the server, which would carry it otherwise.
        let peer = |address: SocketAddr| address.ip() == outside(&homes[other]);
        let server = |address: SocketAddr| address == world.coturn.address();
        let ways: [[&dyn Fn(SocketAddr) -> bool; 2]; 4] = [
            [&own, &peer],
            [&peer, &own],
            [&own, &server],
            [&server, &own],
        ];
        for [is_from, is_to] in ways {
            let mut of_way = silences
                .iter()
                .filter(|((from, to), _)| is_from(*from) && is_to(*to));
            let is_used = of_way.any(|(_, silence)| *silence < LONGEST);
            assert!(is_used, "{silences:?}");
        }
    }
}

fn outside(home: &Segment) -> IpAddr {
    home.outside_address().unwrap().into()
}

/// From now on nothing goes from a host to an address, or comes from there.
fn cut(place: &Place<'_>, other: IpAddr) {
    for (chain, end) in [("output", "daddr"), ("input", "saddr")] {
        let rules = format!(
            "add table ip cut; \
             add chain ip cut {chain} {{ type filter hook {chain} priority filter; }}; \
             add rule ip cut {chain} ip {end} {other} drop"
        );
        let mut nft = Command::new("nft");
        nft.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg(rules);
        let done = place.host.run(&mut nft).unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}
