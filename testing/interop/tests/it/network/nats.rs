//! What the kinds of NAT do, seen as RFC 5780 sees it: by a server with two addresses and two ports on each.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Barrier,
    thread,
    time::Duration,
};

use securecall_interop::network::{Host, Nat, Network};

use super::{address, next, next_in_time, patient, seen, send, socket};

/// The four addresses of RFC 5780: two of one address, then two of the other.
fn four_sockets(server: &Host) -> [UdpSocket; 4] {
    let (first, second) = (server.address(), server.add_address().unwrap());
    [first, first, second, second]
        .map(|address| patient(server.udp_socket_at(SocketAddr::new(address, 0)).unwrap()))
}

/// Which of the server's sockets get through to `client`, which has sent to the first one, where it was seen as `outside`.
fn let_in(servers: &[UdpSocket; 4], outside: SocketAddr, client: &UdpSocket) -> Vec<usize> {
    for (index, server) in servers.iter().enumerate().rev() {
        send(server, &index.to_string(), outside);
    }
    let mut heard = Vec::new();
    loop {
        let index = next(client).0.parse().unwrap();
        heard.insert(0, index);
        if index == 0 {
            return heard;
        }
    }
}

struct Seen {
    /// Where each of the server's sockets sees the client.
    mapped: Vec<SocketAddr>,
    /// Who was let in when the client had sent to the first one only.
    let_in: Vec<usize>,
}

fn look_at(nat: Nat) -> Seen {
    let network = Network::new().unwrap();
    let servers = four_sockets(&network.internet().host("server").unwrap());
    let home = network.internet().nat("home", nat).unwrap();
    let client = socket(&home.host("client").unwrap());
    let outside = seen(&client, &servers[0]);
    assert_eq!(Some(outside.ip()), home.outside_address().map(IpAddr::V4));
    let let_in = let_in(&servers, outside, &client);
    let mapped = servers.iter().map(|server| seen(&client, server));
    Seen {
        mapped: mapped.collect(),
        let_in,
    }
}

fn is_the_same_everywhere(seen: &Seen) -> bool {
    seen.mapped.iter().collect::<BTreeSet<_>>().len() == 1
}

#[test]
fn behind_a_full_cone_a_socket_has_one_address_and_hears_everybody() {
    let seen = look_at(Nat::full_cone());
    assert!(is_the_same_everywhere(&seen), "{:?}", seen.mapped);
    assert_eq!(seen.let_in, [0, 1, 2, 3]);
}

#[test]
fn behind_an_address_restricted_nat_a_socket_hears_addresses_it_has_sent_to() {
    let seen = look_at(Nat::address_restricted());
    assert!(is_the_same_everywhere(&seen), "{:?}", seen.mapped);
    assert_eq!(seen.let_in, [0, 1]);
}

#[test]
fn behind_a_port_restricted_nat_a_socket_hears_ports_it_has_sent_to() {
    let seen = look_at(Nat::port_restricted());
    assert!(is_the_same_everywhere(&seen), "{:?}", seen.mapped);
    assert_eq!(seen.let_in, [0]);
}

#[test]
fn behind_a_symmetric_nat_a_socket_has_another_address_for_each_peer() {
    let seen = look_at(Nat::symmetric());
    // By chance two may be equal; all four never are.
    assert!(!is_the_same_everywhere(&seen), "{:?}", seen.mapped);
    assert_eq!(seen.let_in, [0]);
}

#[test]
fn two_hosts_with_one_port_inside_have_two_outside() {
    let network = Network::new().unwrap();
    let server = socket(&network.internet().host("server").unwrap());
    let home = network.internet().nat("home", Nat::full_cone()).unwrap();
    let [ada, ben] = ["ada", "ben"].map(|name| {
        let host = home.host(name).unwrap();
        patient(
            host.udp_socket_at(SocketAddr::new(host.address(), 5000))
                .unwrap(),
        )
    });
    let (of_ada, of_ben) = (seen(&ada, &server), seen(&ben, &server));
    assert_ne!(of_ada, of_ben);
    send(&server, "for Ben", of_ben);
    send(&server, "for Ada", of_ada);
    assert_eq!(next(&ben).0, "for Ben");
    assert_eq!(next(&ada).0, "for Ada");
}

/// A program may ask two servers in one moment, and the packets pass the router on two processors.
#[test]
fn behind_a_full_cone_a_socket_that_asks_two_servers_at_once_has_one_address() {
    const SOCKETS: usize = 1000;
    let network = Network::new().unwrap();
    let servers = ["one", "two"].map(|name| socket(&network.internet().host(name).unwrap()));
    let home = network.internet().nat("home", Nat::full_cone()).unwrap();
    let host = home.host("client").unwrap();
    for number in 0..SOCKETS {
        let client = socket(&host);
        let both = Barrier::new(2);
        let [first, second] = thread::scope(|scope| {
            let ask = |server| {
                let (client, both) = (&client, &both);
                scope.spawn(move || {
                    both.wait();
                    seen(client, server)
                })
            };
            let [first, second] = servers.each_ref().map(ask);
            [first.join().unwrap(), second.join().unwrap()]
        });
        assert_eq!(first, second, "of socket {number}");
    }
}

/// Two hosts behind NATs of their own, and where a server has seen a socket of each.
fn two_homes(network: &Network, nats: [Nat; 2]) -> [(UdpSocket, SocketAddr); 2] {
    let internet = network.internet();
    let server = socket(&internet.host("server").unwrap());
    nats.map(|nat| {
        let home = internet.nat("home", nat).unwrap();
        let socket = socket(&home.host("host").unwrap());
        let outside = seen(&socket, &server);
        (socket, outside)
    })
}

#[test]
fn two_port_restricted_nats_let_their_hosts_punch_holes() {
    let network = Network::new().unwrap();
    let [(ada, of_ada), (ben, of_ben)] =
        two_homes(&network, [Nat::port_restricted(), Nat::port_restricted()]);
    let witness = socket(&network.internet().host("witness").unwrap());
    send(&ada, "too early", of_ben);
    seen(&ada, &witness); // and by then it has been turned away
    send(&ben, "through the hole", of_ada);
    assert_eq!(next(&ada), ("through the hole".to_owned(), of_ben));
    send(&ada, "back", of_ben);
    assert_eq!(next(&ben), ("back".to_owned(), of_ada));
}

#[test]
fn no_hole_leads_through_a_symmetric_and_a_port_restricted_nat() {
    let network = Network::new().unwrap();
    let [(ada, of_ada), (ben, of_ben)] =
        two_homes(&network, [Nat::symmetric(), Nat::port_restricted()]);
    for _ in 0..3 {
        send(&ada, "from another port", of_ben);
        send(&ben, "to the server's port", of_ada);
    }
    let witness = socket(&network.internet().host("witness").unwrap());
    for side in [&ada, &ben] {
        let outside = seen(side, &witness);
        send(&witness, "nothing before this", outside);
        assert_eq!(next(side).0, "nothing before this");
    }
}

#[test]
fn a_host_cannot_be_reached_from_outside_by_its_private_address() {
    let network = Network::new().unwrap();
    let internet = network.internet();
    let [ada, ben] = ["ada", "ben"].map(|name| {
        let home = internet.nat("home", Nat::full_cone()).unwrap();
        socket(&home.host(name).unwrap())
    });
    let server = socket(&internet.host("server").unwrap());
    let outside = seen(&ben, &server);
    send(&ada, "to a private address", address(&ben));
    send(&server, "to the one outside", outside);
    assert_eq!(next(&ben).0, "to the one outside");
}

#[test]
fn hosts_of_one_network_see_each_others_private_addresses() {
    let network = Network::new().unwrap();
    let home = network.internet().nat("home", Nat::symmetric()).unwrap();
    let [ada, ben] = ["ada", "ben"].map(|name| socket(&home.host(name).unwrap()));
    assert_eq!(seen(&ada, &ben), address(&ada));
}

/// Who of a server with four sockets is let in through both a carrier's NAT and one at home.
fn look_at_both(carrier: Nat, home: Nat) -> Seen {
    let network = Network::new().unwrap();
    let servers = four_sockets(&network.internet().host("server").unwrap());
    let carrier = network.internet().nat("carrier", carrier).unwrap();
    let home = carrier.nat("home", home).unwrap();
    let client = socket(&home.host("client").unwrap());
    let outside = seen(&client, &servers[0]);
    assert_eq!(
        Some(outside.ip()),
        carrier.outside_address().map(IpAddr::V4)
    );
    let let_in = let_in(&servers, outside, &client);
    let mapped = servers.iter().map(|server| seen(&client, server));
    Seen {
        mapped: mapped.collect(),
        let_in,
    }
}

#[test]
fn behind_two_nats_the_stricter_one_decides() {
    let seen = look_at_both(Nat::full_cone(), Nat::full_cone());
    assert!(is_the_same_everywhere(&seen), "{:?}", seen.mapped);
    assert_eq!(seen.let_in, [0, 1, 2, 3]);
    let seen = look_at_both(Nat::symmetric(), Nat::full_cone());
    assert!(!is_the_same_everywhere(&seen), "{:?}", seen.mapped);
    assert_eq!(seen.let_in, [0]);
    let seen = look_at_both(Nat::full_cone(), Nat::address_restricted());
    assert!(is_the_same_everywhere(&seen), "{:?}", seen.mapped);
    assert_eq!(seen.let_in, [0, 1]);
}

#[test]
fn a_nat_closes_a_hole_that_nothing_went_through_for_so_long() {
    let network = Network::new().unwrap();
    let server = socket(&network.internet().host("server").unwrap());
    let nat = Nat::port_restricted();
    let home = network.internet().nat("home", nat).unwrap();
    home.set_udp_timeout(1).unwrap();
    let client = socket(&home.host("host").unwrap());
    let outside = seen(&client, &server);
    send(&server, "in time", outside);
    assert_eq!(next(&client).0, "in time");
    // Linux counts by itself how long that is.
    client
        .set_read_timeout(Some(Duration::from_millis(2500)))
        .unwrap();
    assert_eq!(next_in_time(&client), None);
    send(&server, "too late", outside);
    assert_eq!(seen(&client, &server).ip(), outside.ip());
    send(&server, "nothing before this", seen(&client, &server));
    assert_eq!(next(&client).0, "nothing before this");
}
