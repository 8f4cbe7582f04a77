//! A network with IPv6 only, whose name service makes up addresses of servers that have IPv4 only (DNS64, RFC 6147). The operating
//! system asks it, as everywhere.

use std::net::IpAddr;

use securecall_interop::network::{NameServer, Names, Nat, Synthesis};

use super::homeserver::NAME;
use super::roaming::goes_on;
use super::{Homeserver, InCall, Place, Way, World, acquaint};

const TURN_NAME: &str = "turn.example.org";

#[test]
fn a_call_begins_where_names_lead_to_addresses_that_are_made_up_and_goes_on_where_they_do_not() {
    let world = World::new();
    let homeserver = Homeserver::with_ipv4_only(&world.network);
    let internet = world.network.internet();
    let plain = internet.host("names").unwrap();
    let translating = internet.host("dns64").unwrap();
    let plain = NameServer::start(&plain, Synthesis::None).unwrap();
    let translating = NameServer::start(&translating, Synthesis::Dns64).unwrap();
    for service in [&plain, &translating] {
        service.add(NAME, &[homeserver.address()]);
        service.add(TURN_NAME, &[world.coturn.address().ip()]);
    }
    let [home, office] = ["home", "office"].map(|name| world.behind(name, Nat::port_restricted()));
    let mobile = internet.nat64("mobile", Nat::symmetric()).unwrap();
    let hosts = [mobile.host("ada").unwrap(), office.host("bo").unwrap()];
    assert!(hosts[0].addresses().iter().all(IpAddr::is_ipv6));
    let of_ada = Names::new().unwrap();
    of_ada.ask(translating.address()).unwrap();
    let of_bo = Names::new().unwrap();
    of_bo.ask(plain.address()).unwrap();
    let users = [(&hosts[0], &of_ada), (&hosts[1], &of_bo)];
    let users = acquaint(users.map(|(host, names)| homeserver.user_who_knows(host, names)));
    let [ada, bo] = Place::through_network(&world, hosts, &users, &homeserver);
    let (ada, bo) = (ada.with_names(&of_ada), bo.with_names(&of_bo));
    for port in ["443", "443?transport=tcp"] {
        let servers = format!("turn:{TURN_NAME}:{port}");
        let way = Way::of_contacts(&servers);
        // Either calls the other.
        for (caller, callee) in [(&ada, &bo), (&bo, &ada)] {
            let mut call = InCall::begin(caller, callee, way);
            call.hear_each_other();
            call.hang_up();
        }
        let mut call = InCall::begin(&ada, &bo, way);
        call.hear_each_other();
        goes_on(&mut call, "who had IPv6 only moves to IPv4", || {
            of_ada.ask(plain.address()).unwrap();
            ada.host.move_to(&home).unwrap();
        });
        goes_on(&mut call, "and back", || {
            of_ada.ask(translating.address()).unwrap();
            ada.host.move_to(&mobile).unwrap();
        });
        call.hang_up();
    }
}
