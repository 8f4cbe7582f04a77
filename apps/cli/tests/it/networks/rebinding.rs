//! NATs that forget in the middle of a call where packets go, as a router does that is switched off and on. How long it takes until
//! all is found is told and never judged: it is the homeserver's pace.

use std::thread;

use securecall_interop::network::Nat;

use super::roaming::missing_after;
use super::{Homeserver, InCall, Place, TURN, Way, World, acquainted_at};
use crate::talker::User;

#[test]
fn calls_go_on_when_nats_forget_their_mappings() {
    let world = World::new();
    let [adas_home, bos_home] =
        ["ada", "bo"].map(|name| world.behind(name, Nat::port_restricted()));
    let ways = [
        ("direct", Way::of_contacts(TURN)),
        ("direct, by STUN alone", Way::of_contacts("stun:SERVER")),
        ("relay", Way::of_contacts(TURN).with(&["--route", "relay"])),
    ];
    let people = ways.map(|_| User::acquainted());
    let mut calls = [0, 1, 2].map(|number| {
        let ((name, way), (caller, callee)) = (ways[number], &people[number]);
        let caller = Place::new(&world, &adas_home, caller, "caller");
        let callee = Place::new(&world, &bos_home, callee, "callee");
        let mut call = InCall::begin(&caller, &callee, way);
        call.hear_each_other();
        (name, call)
    });
    for (who, forgetful) in [
        ("the caller's", &[&adas_home][..]),
        ("the callee's", &[&bos_home]),
        ("both", &[&adas_home, &bos_home]),
    ] {
        for home in forgetful {
            home.forget_mappings().unwrap();
        }
        thread::scope(|scope| {
            for (name, call) in &mut calls {
                scope.spawn(move || {
                    let (missing, routes) = missing_after(call);
                    eprintln!("{name}: {who}: {missing:?} ms of sound were missing, {routes:?}");
                    assert!(*name != "relay" || routes.is_empty(), "{routes:?}");
                });
            }
        });
    }
    for (_, call) in calls {
        call.hang_up();
    }
}

/// The NATs forget the connections to the homeserver as well, and drop what is sent over them without a word.
#[test]
fn calls_go_on_when_nats_forget_the_connections_to_the_homeserver_too() {
    let world = World::new();
    let homeserver = Homeserver::start(&world.network);
    let homes = ["ada", "bo"].map(|name| world.behind(name, Nat::port_restricted()));
    let hosts = homes.each_ref().map(|home| home.host("host").unwrap());
    let users = acquainted_at(&homeserver, &hosts);
    let places = Place::through_network(&world, hosts, &users, &homeserver);
    let [ada, bo] = places.map(|place| place.with_log("securecall_matrix=debug"));
    for (name, way) in [
        ("direct", Way::of_contacts(TURN)),
        ("direct, by STUN alone", Way::of_contacts("stun:SERVER")),
        ("relay", Way::of_contacts(TURN).with(&["--route", "relay"])),
    ] {
        let mut call = InCall::begin(&ada, &bo, way);
        call.hear_each_other();
        for (who, forgetful) in [
            ("the caller's", &homes[..1]),
            ("the callee's", &homes[1..]),
            ("both", &homes[..]),
        ] {
            for home in forgetful {
                home.forget_mappings().unwrap();
            }
            let (missing, _) = missing_after(&mut call);
            eprintln!("{name}: {who}, homeserver too: {missing:?} ms of sound were missing");
        }
        // Else connections that lead nowhere would have been believed in for seconds before the new addresses are told.
        for log in call.hang_up_with_logs() {
            assert!(
                log.contains("connections to the homeserver are in doubt"),
                "{log}"
            );
        }
    }
}
