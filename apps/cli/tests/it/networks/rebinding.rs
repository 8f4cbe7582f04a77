//! NATs that forget in the middle of a call where packets go, as a router does that is switched off and on.

use std::thread;

use securecall_interop::network::Nat;

use super::roaming::missing_after;
use super::{Homeserver, InCall, Place, TURN, Way, World, acquainted_at};
use crate::talker::User;

/// NATs forget, and whether everybody is found soon. A machine that stands still meanwhile proves nothing, so there is another try,
/// and a third; whoever is found late for a reason of their own is so each time.
#[track_caller]
fn soon_or_once_more(who: &str, mut is_soon: impl FnMut() -> bool) {
    assert!((0..3).any(|_| is_soon()), "late three times: {who}");
}

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
        soon_or_once_more(who, || {
            for home in forgetful {
                home.forget_mappings().unwrap();
            }
            thread::scope(|scope| {
                let found = calls.each_mut().map(|(name, call)| {
                    scope.spawn(move || {
                        call.was_lost = false;
                        let (missing, routes) = missing_after(call);
                        eprintln!(
                            "{name}: {who}: {missing:?} ms of sound were missing, {routes:?}"
                        );
                        let is_relayed = *name == "relay";
                        assert!(!is_relayed || routes.is_empty(), "{routes:?}");
                        // Found before the path counted as dead (3 s), and so without a restart.
                        is_relayed || !call.was_lost
                    })
                });
                found.map(|found| found.join().unwrap()) == [true; 3]
            })
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
    let [ada, bo] = Place::through_network(&world, hosts, &users, &homeserver);
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
            soon_or_once_more(who, || {
                for home in forgetful {
                    home.forget_mappings().unwrap();
                }
                let (missing, _) = missing_after(&mut call);
                eprintln!("{name}: {who}, homeserver too: {missing:?} ms of sound were missing");
                // Without a doubt of them, a connection is believed in for 3.5 s.
                missing.iter().all(|ms| *ms < 3_000)
            });
        }
        call.hang_up();
    }
}
