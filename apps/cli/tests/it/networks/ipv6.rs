//! People of whom one has IPv6 only, as mobile carriers give it.

use std::net::IpAddr;

use securecall_interop::network::{Nat, nat64_address};

use super::{Place, TURN, World, goes};
use crate::talker::User;

#[test]
fn one_with_ipv6_only_and_one_with_both_talk_directly() {
    let world = World::dual_stack();
    let (ada, bo) = User::acquainted();
    let internet = world.network.internet();
    let mobile = internet.nat64("mobile", Nat::port_restricted()).unwrap();
    let home = world.behind("home", Nat::port_restricted().with_ipv6());
    let ada = Place::new(&world, &mobile, &ada, "ada").with_turn(world.turn_ipv6);
    assert!(ada.host.address().is_ipv6());
    let bo = Place::new(&world, &home, &bo, "bo");
    goes(&ada, &bo, TURN, "direct");
    // So it was IPv6, through two firewalls and no server.
    goes(&bo, &ada, "", "direct");
}

#[test]
fn one_with_ipv6_only_and_one_with_ipv4_only_meet_at_a_relay() {
    let world = World::dual_stack();
    let (ada, bo) = User::acquainted();
    let internet = world.network.internet();
    let mobile = internet.nat64("mobile", Nat::symmetric()).unwrap();
    let home = world.behind("home", Nat::port_restricted());
    let ada = Place::new(&world, &mobile, &ada, "ada").with_turn(world.turn_ipv6);
    let bo = Place::new(&world, &home, &bo, "bo");
    assert!(bo.host.addresses().iter().all(IpAddr::is_ipv4));
    goes(&ada, &bo, TURN, "relay");

    // A server with IPv4 only is reached by translation, at the address that a name service of that network would give.
    let IpAddr::V4(server) = world.coturn.address().ip() else {
        panic!("it has an IPv4 address");
    };
    let ada = ada.with_turn(nat64_address(server));
    for servers in [TURN, "turn:SERVER?transport=tcp"] {
        goes(&bo, &ada, servers, "relay");
    }
}
