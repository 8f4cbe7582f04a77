//! NATs that forget in the middle of a call where packets go, as a router does that is switched off and on.

use std::thread;

use securecall_interop::network::Nat;

use super::roaming::missing_after;
use super::{InCall, Place, TURN, Way, World};
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
                    // Found before the path counted as dead (3 s), and so without a restart.
                    assert!(*name == "relay" || !call.was_lost, "{name}: {who}");
                });
            }
        });
    }
    for (_, call) in calls {
        call.hang_up();
    }
}
