//! Calls by relay alone: what goes over the cables of both, packet by packet.

#![expect(clippy::disallowed_methods, reason = "measures a real silence")]

use std::net::IpAddr;
use std::thread;
use std::time::Instant;

use securecall_interop::network::{Capture, Nat, Packet, Segment};
use serde_json::Value;

use super::roaming::missing_after;
use super::{InCall, Place, TURN, Way, World};
use crate::talker::User;

/// Somebody at home, with all that goes in and out there.
struct Watched<'a> {
    place: Place<'a>,
    addresses: Vec<IpAddr>,
    captures: [Capture; 2],
}

impl<'a> Watched<'a> {
    /// At a home of both versions of IP.
    fn new(world: &World, user: &'a User, name: &str) -> Self {
        let home = world.behind(name, Nat::port_restricted().with_ipv6());
        let place = Place::new(world, &home, user, name);
        let captures = [place.host.capture().unwrap(), home.capture().unwrap()];
        Self {
            addresses: addresses(&place, &home),
            place,
            captures,
        }
    }

    fn packets(self) -> Vec<Packet> {
        let packets = self.captures.map(|capture| capture.stop().unwrap());
        packets.concat()
    }
}

/// Where somebody is: inside, outside, and by IPv6.
fn addresses(place: &Place<'_>, home: &Segment) -> Vec<IpAddr> {
    let outside = home.outside_address().unwrap();
    let mut addresses = place.host.addresses();
    addresses.push(outside.into());
    assert_eq!(addresses.len(), 3);
    addresses
}

/// Whether an address of somebody is on these cables: at an end of a packet, or in a message.
fn shows(packets: &[Packet], addresses: &[IpAddr]) -> [bool; 2] {
    let any = |shown: &dyn Fn(&Packet, IpAddr) -> bool| {
        packets
            .iter()
            .any(|packet| addresses.iter().any(|address| shown(packet, *address)))
    };
    [
        any(&|packet, address| [packet.source.ip(), packet.destination.ip()].contains(&address)),
        any(&|packet, address| packet.says(address)),
    ]
}

/// What each of the two has on the own cables of the other's addresses, as [`shows`] says it.
fn shown(pair: [Watched<'_>; 2]) -> [[bool; 2]; 2] {
    let [caller, callee] = pair;
    let addresses = [caller.addresses.clone(), callee.addresses.clone()];
    let packets = [caller.packets(), callee.packets()];
    for packets in &packets {
        assert!(packets.len() > 100, "nothing was recorded");
    }
    [
        shows(&packets[0], &addresses[1]),
        shows(&packets[1], &addresses[0]),
    ]
}

/// What a call in which nothing is hidden shows, so that the test below would see it.
#[test]
fn on_the_cables_of_a_direct_call_are_the_addresses_of_both() {
    let world = World::dual_stack();
    let (ada, bo) = User::acquainted();
    let pair = [("ada", &ada), ("bo", &bo)].map(|(name, user)| Watched::new(&world, user, name));
    let between = world.network.internet().capture().unwrap();
    let mut call = InCall::begin(&pair[0].place, &pair[1].place, Way::of_contacts(TURN));
    call.hear_each_other();
    call.hang_up();
    assert!(meet(&pair, &between.stop().unwrap()));
    assert_eq!(shown(pair), [[true; 2]; 2]);
}

#[test]
fn by_relay_no_address_of_one_is_on_the_cables_of_the_other_even_when_the_relay_is_lost() {
    let mut world = World::dual_stack();
    let (ada, bo) = User::acquainted();
    let (cem, dan) = (User::new(), User::new());
    let contacts =
        [("ada", &ada), ("bo", &bo)].map(|(name, user)| Watched::new(&world, user, name));
    let strangers =
        [("cem", &cem), ("dan", &dan)].map(|(name, user)| Watched::new(&world, user, name));
    let between = world.network.internet().capture().unwrap();
    let by_relay = Way::of_contacts(TURN).with(&["--route", "relay"]);
    // What nobody said about the route of strangers is the rule for them.
    let of_strangers = Way {
        whom: &dan.matrix_id,
        answer: "auto",
        ..Way::of_contacts(TURN)
    };
    let mut calls = [
        InCall::begin(&contacts[0].place, &contacts[1].place, by_relay),
        InCall::begin(&strangers[0].place, &strangers[1].place, of_strangers),
    ];
    assert!(calls.iter().all(|call| call.route == "relay"));
    all_hear_each_other(&mut calls);

    let began = Instant::now();
    world.coturn.restart().unwrap();
    let took = began.elapsed();
    for call in &mut calls {
        let (missing, routes) = missing_after(call);
        assert_eq!(routes, [""; 0]);
        eprintln!("the relay is started anew in {took:?}: {missing:?} ms of sound were missing");
    }

    world.coturn.stop().unwrap();
    for mut call in calls {
        for talker in [&mut call.caller, &mut call.callee] {
            let ended = talker.wait_for_any(&["ended", "route_changed"]);
            assert_eq!(ended["reason"], Value::from("ice_timeout"), "{ended}");
        }
        assert_eq!(
            [call.caller, call.callee].map(|talker| talker.end().0),
            [5, 5]
        );
    }
    let between = between.stop().unwrap();
    for pair in [contacts, strangers] {
        assert!(!meet(&pair, &between));
        assert_eq!(shown(pair), [[false; 2]; 2]);
    }
}

/// Whether any packet goes straight from one to the other.
fn meet(pair: &[Watched<'_>; 2], packets: &[Packet]) -> bool {
    packets.iter().any(|packet| {
        let [one, other] = pair.each_ref().map(|watched| watched.addresses.iter());
        one.flat_map(|one| other.clone().map(move |other| (*one, *other)))
            .any(|(one, other)| packet.is_between(one, other))
    })
}

/// All calls go on, and none by another route than before.
fn all_hear_each_other(calls: &mut [InCall]) {
    thread::scope(|scope| {
        for call in calls {
            scope.spawn(|| assert_eq!(call.hear_each_other(), [""; 0]));
        }
    });
}
