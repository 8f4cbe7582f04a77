//! NATs that forget in the middle of a call where packets go, as a router does that is switched off and on.

#![expect(
    clippy::disallowed_methods,
    reason = "prints how long a call was silent"
)]

use std::thread;
use std::time::Instant;

use securecall_interop::network::Nat;

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
        (name, InCall::begin(&caller, &callee, way))
    });
    for forgetful in [&[&adas_home][..], &[&bos_home], &[&adas_home, &bos_home]] {
        for home in forgetful {
            home.forget_mappings().unwrap();
        }
        let began = Instant::now();
        thread::scope(|scope| {
            for (name, call) in &mut calls {
                scope.spawn(move || {
                    let routes = call.hear_each_other();
                    eprintln!("{name}: heard for a second {:?} after", began.elapsed());
                    assert!(*name != "relay" || routes.is_empty(), "{routes:?}");
                });
            }
        });
    }
    for (_, call) in calls {
        call.hang_up();
    }
}
