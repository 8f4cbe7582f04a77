//! From a network with IPv4 to one with IPv6 only that translates (NAT64), in the middle of a call. All servers have IPv4 only.

use std::net::IpAddr;

use securecall_interop::network::Nat;

use super::homeserver::ipv4_and_translated;
use super::roaming::goes_on;
use super::{Homeserver, InCall, Place, Way, World, acquainted_at};

#[test]
fn a_call_goes_on_when_either_or_both_move_to_a_network_that_translates_and_back() {
    let world = World::new();
    let mut homeserver = Homeserver::with_ipv4_only(&world.network);
    let server = ipv4_and_translated(world.coturn.address().ip());
    let names = homeserver.names_mut();
    names.add("turn.example.org", &server).unwrap();
    let internet = world.network.internet();
    let [home, office] = ["home", "office"].map(|name| world.behind(name, Nat::port_restricted()));
    let [mobile, carrier] =
        ["mobile", "carrier"].map(|name| internet.nat64(name, Nat::symmetric()).unwrap());
    let hosts = [home.host("ada").unwrap(), office.host("bo").unwrap()];
    let users = acquainted_at(&homeserver, &hosts);
    let [ada, bo] = Place::through_network(&world, hosts, &users, &homeserver);
    for port in ["443", "443?transport=tcp"] {
        let servers = format!("turn:turn.example.org:{port}");
        let mut call = InCall::begin(&ada, &bo, Way::of_contacts(&servers));
        call.hear_each_other();
        goes_on(&mut call, "the caller moves to IPv6 only", || {
            ada.host.move_to(&mobile).unwrap();
        });
        assert!(ada.host.addresses().iter().all(IpAddr::is_ipv6));
        goes_on(&mut call, "the callee, too", || {
            bo.host.move_to(&carrier).unwrap();
        });
        goes_on(&mut call, "the caller moves back", || {
            ada.host.move_to(&home).unwrap();
        });
        goes_on(&mut call, "the callee, too", || {
            bo.host.move_to(&office).unwrap();
        });
        goes_on(&mut call, "both move at once", || {
            ada.host.move_to(&carrier).unwrap();
            bo.host.move_to(&mobile).unwrap();
        });
        goes_on(&mut call, "and back", || {
            ada.host.move_to(&home).unwrap();
            bo.host.move_to(&office).unwrap();
        });
        call.hang_up();
    }
}
