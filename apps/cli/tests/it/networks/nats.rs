//! NATs of all kinds on both sides, one behind another, and firewalls.

use securecall_interop::network::{Names, Nat, Packet, Segment};

use super::{Place, TURN, World, goes};
use crate::talker::User;

#[test]
fn two_people_behind_nats_talk_directly_unless_one_is_symmetric() {
    let world = World::new();
    let (ada, bo) = User::acquainted();
    let kinds = [
        ("full", Nat::full_cone()),
        ("address", Nat::address_restricted()),
        ("port", Nat::port_restricted()),
        ("symmetric", Nat::symmetric()),
    ];
    let at = |user, label: &str, nat| {
        let segment = world.behind(label, nat);
        Place::new(&world, &segment, user, &format!("{label}host"))
    };
    let adas = kinds.map(|(label, nat)| (label, at(&ada, &format!("a{label}"), nat)));
    let bos = kinds.map(|(label, nat)| (label, at(&bo, &format!("b{label}"), nat)));
    for (first, (of_ada, adas_place)) in adas.iter().enumerate() {
        for (of_bo, bos_place) in &bos[first..] {
            let relayed = *of_bo == "symmetric" && ["port", "symmetric"].contains(of_ada);
            let expected = if relayed { "relay" } else { "direct" };
            eprintln!("{of_ada} and {of_bo}");
            goes(adas_place, bos_place, TURN, expected);
        }
    }
}

/// A home behind a carrier's NAT.
fn home(carrier: &Segment) -> Segment {
    carrier.nat("home", Nat::port_restricted()).unwrap()
}

#[test]
fn behind_two_nats_one_after_another_the_stricter_one_decides() {
    let world = World::new();
    let (ada, bo) = User::acquainted();
    let behind = |user, segment: &Segment| Place::new(&world, segment, user, "host");
    let port_restricted = || world.behind("carrier", Nat::port_restricted());
    let once = behind(&ada, &port_restricted());
    let twice = behind(&ada, &home(&port_restricted()));
    let bo_twice = behind(&bo, &home(&port_restricted()));
    goes(&once, &bo_twice, TURN, "direct");
    goes(&twice, &bo_twice, TURN, "direct");
    let symmetric = world.behind("carrier", Nat::symmetric());
    let bo_behind_a_symmetric_one = behind(&bo, &home(&symmetric));
    goes(&twice, &bo_behind_a_symmetric_one, TURN, "relay");
}

#[test]
fn two_homes_of_one_carrier_meet_by_its_hairpin_or_at_the_relay() {
    let world = World::new();
    let (ada, bo) = User::acquainted();
    for (nat, expected) in [
        (Nat::port_restricted().with_hairpin(), "direct"),
        (Nat::port_restricted(), "relay"),
    ] {
        let carrier = world.behind("carrier", nat);
        let [of_ada, of_bo] =
            [&ada, &bo].map(|user| Place::new(&world, &home(&carrier), user, "host"));
        goes(&of_ada, &of_bo, TURN, expected);
    }
}

#[test]
fn where_udp_is_blocked_a_call_goes_through_the_relay_by_tcp() {
    let world = World::new();
    let (ada, bo) = User::acquainted();
    let office = world.behind("office", Nat::port_restricted().web_only());
    let home = world.behind("home", Nat::port_restricted());
    let ada = Place::new(&world, &office, &ada, "ada");
    let bo = Place::new(&world, &home, &bo, "bo");
    let servers = "turn:SERVER turn:SERVER?transport=tcp";
    goes(&ada, &bo, servers, "relay");
}

/// The office drops UDP, and the server speaks nothing but TLS at the ports that it leaves.
#[test]
fn where_udp_is_blocked_and_the_server_has_tls_alone_at_443_a_call_goes_through_that() {
    let world = World::with_tls_at_443();
    let mut names = Names::new().unwrap();
    names
        .add("turn.example.org", &[world.coturn.address().ip()])
        .unwrap();
    names.trust(&world.coturn.certificate_pem()).unwrap();
    let (ada, bo) = User::acquainted();
    let office = world.behind("office", Nat::port_restricted().web_only());
    let home = world.behind("home", Nat::port_restricted());
    let ada = Place::new(&world, &office, &ada, "ada").with_names(&names);
    let bo = Place::new(&world, &home, &bo, "bo").with_names(&names);
    let sent = office.capture().unwrap();
    let servers = "turn:SERVER turn:SERVER?transport=tcp turns:turn.example.org:443";
    for (caller, callee) in [(&ada, &bo), (&bo, &ada)] {
        goes(caller, callee, servers, "relay");
    }
    let to_server =
        |packet: &Packet| !packet.is_udp && packet.destination == world.coturn.tls_address();
    let packets = sent.stop().unwrap();
    assert!(packets.iter().any(to_server), "nothing was recorded");
    // The secret's user name would stand there in plain text.
    let name = b":securecall";
    let shows = |packet: &Packet| packet.contents.windows(name.len()).any(|it| it == name);
    assert!(
        !packets
            .iter()
            .any(|packet| to_server(packet) && shows(packet))
    );
}

#[test]
fn without_a_server_two_people_behind_nats_do_not_find_each_other_and_nobody_is_blamed() {
    let world = World::new();
    let (ada, bo) = User::acquainted();
    let of_ada = world.behind("ada", Nat::port_restricted());
    let of_bo = world.behind("bo", Nat::port_restricted());
    let ada = Place::new(&world, &of_ada, &ada, "adahost");
    let bo = Place::new(&world, &of_bo, &bo, "bohost");
    let mut listening = bo.talk(&["listen", "--answer", "contacts", "--once"], "");
    listening.wait_for("ready");
    let mut calling = ada.talk(&["call", "peer"], "");
    for talker in [&mut calling, &mut listening] {
        assert_eq!(talker.wait_for("ended")["reason"], "ice_failed");
    }
    assert_eq!((calling.end().0, listening.end().0), (5, 5));
}
