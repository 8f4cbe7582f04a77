//! Addresses and mappings that change during a test.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::IpAddr,
};

use securecall_interop::network::{Nat, Network, Segment, Standing};

use super::{address, next, one_home, seen, send, socket};

#[test]
fn a_host_that_changes_its_address_cannot_use_the_old_one() {
    let network = Network::new().unwrap();
    let server = socket(&network.internet().host("server").unwrap());
    let host = network.internet().host("host").unwrap();
    let (before, old) = (host.address(), socket(&host));
    assert_eq!(seen(&old, &server).ip(), before);
    host.change_addresses().unwrap();
    assert_ne!(host.address(), before);
    assert!(old.send_to(b"from nowhere", address(&server)).is_err());
    assert_eq!(seen(&socket(&host), &server).ip(), host.address());
}

#[test]
fn a_host_moves_between_networks() {
    let network = Network::new().unwrap();
    let internet = network.internet();
    let server = socket(&internet.host("server").unwrap());
    let home = internet.nat("home", Nat::port_restricted()).unwrap();
    let mobile = internet.nat("mobile", Nat::symmetric()).unwrap();
    let host = home.host("host").unwrap();
    let outside = |segment: &Segment| IpAddr::V4(segment.outside_address().unwrap());
    let old = socket(&host);
    assert_eq!(seen(&old, &server).ip(), outside(&home));
    host.move_to(&mobile).unwrap();
    assert!(old.send_to(b"from nowhere", address(&server)).is_err());
    assert_eq!(seen(&socket(&host), &server).ip(), outside(&mobile));
    host.move_to(&internet).unwrap();
    assert_eq!(seen(&socket(&host), &server).ip(), host.address());
    host.move_to(&home).unwrap();
    assert_eq!(seen(&socket(&host), &server).ip(), outside(&home));
}

#[test]
fn a_host_that_joins_a_second_network_is_in_both_until_it_leaves_the_first() {
    for (standing, leaves_by_the_new_one) in
        [(Standing::Preferred, true), (Standing::Standby, false)]
    {
        let network = Network::new().unwrap();
        let internet = network.internet();
        let server = socket(&internet.host("server").unwrap());
        let [mobile, home] =
            ["mobile", "home"].map(|name| internet.nat(name, Nat::port_restricted()).unwrap());
        let outside = |segment: &Segment| IpAddr::V4(segment.outside_address().unwrap());
        let host = mobile.host("host").unwrap();
        let first = host.addresses();
        for _ in 0..2 {
            host.join(&home, standing).unwrap();
            assert_eq!(host.addresses()[..1], first);
            assert_eq!(host.addresses().len(), 2);
        }
        // To everywhere, as whoever does not mind from which address.
        let somewhere = host
            .enter(|| std::net::UdpSocket::bind("0.0.0.0:0"))
            .unwrap();
        let anywhere = somewhere.unwrap();
        anywhere.connect(address(&server)).unwrap();
        let uses_new = host.addresses()[1] == anywhere.local_addr().unwrap().ip();
        assert_eq!(uses_new, leaves_by_the_new_one, "{standing:?}");
        host.leave_first().unwrap();
        assert_eq!(host.addresses().len(), 1);
        assert_eq!(seen(&socket(&host), &server).ip(), outside(&home));
        host.join(&mobile, standing).unwrap();
        host.leave_first().unwrap();
        assert_eq!(seen(&socket(&host), &server).ip(), outside(&mobile));
    }
}

#[test]
fn a_nat_that_forgets_its_mappings_makes_new_ones() {
    for nat in [Nat::full_cone(), Nat::port_restricted(), Nat::symmetric()] {
        let network = Network::new().unwrap();
        let [server, witness] =
            ["server", "witness"].map(|name| socket(&network.internet().host(name).unwrap()));
        let home = network.internet().nat("home", nat).unwrap();
        let host = home.host("host").unwrap();
        // By chance a port may be the old one; those of all three never are.
        let clients = [socket(&host), socket(&host), socket(&host)];
        let before = clients.each_ref().map(|client| seen(client, &server));
        home.forget_mappings().unwrap();
        send(&server, "to a mapping that is gone", before[0]);
        let now = seen(&clients[0], &witness);
        send(&witness, "nothing before this", now);
        assert_eq!(next(&clients[0]).0, "nothing before this");
        assert_ne!(
            clients.each_ref().map(|client| seen(client, &server)),
            before
        );
    }
}

#[test]
fn a_connection_of_tcp_does_not_outlive_the_mappings() {
    let network = Network::new().unwrap();
    let listener = network
        .internet()
        .host("server")
        .unwrap()
        .tcp_listener(80)
        .unwrap();
    let server = listener.local_addr().unwrap();
    for nat in [Nat::full_cone(), Nat::symmetric()] {
        let home = network.internet().nat("home", nat).unwrap();
        let host = home.host("host").unwrap();
        let mut old = host.tcp_stream(server).unwrap();
        let (mut of_old, _) = listener.accept().unwrap();
        old.write_all(b"before").unwrap();
        of_old.read_exact(&mut [0; 6]).unwrap();

        home.forget_mappings().unwrap();
        old.write_all(b"after").unwrap();
        let _new = host.tcp_stream(server).unwrap();
        listener.accept().unwrap();
        of_old.set_nonblocking(true).unwrap();
        let heard = of_old.read(&mut [0; 6]).unwrap_err();
        assert_eq!(heard.kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_nat_that_forgets_its_mappings_leaves_links_as_they_are() {
    let network = Network::new().unwrap();
    let home = network.internet().nat("home", Nat::full_cone()).unwrap();
    let [ada, ben] = ["ada", "ben"].map(|name| home.host(name).unwrap());
    let [of_ada, of_ben] = [&ada, &ben].map(socket);
    ada.link().set_loss(100).unwrap();
    home.forget_mappings().unwrap();
    send(&of_ada, "lost", address(&of_ben));
    ada.link().set_loss(0).unwrap();
    send(&of_ada, "not lost", address(&of_ben));
    assert_eq!(next(&of_ben).0, "not lost");
}

#[test]
fn a_nat_with_another_address_is_seen_under_that() {
    let network = Network::new().unwrap();
    let nat = Nat::full_cone().with_hairpin();
    let ([(ada, of_ada), _], server) = one_home(&network, nat);
    let home = network.internet().nat("home", nat).unwrap();
    let (cem, dan) = (
        socket(&home.host("cem").unwrap()),
        socket(&home.host("dan").unwrap()),
    );
    let before = seen(&cem, &server);
    home.change_outside_address().unwrap();
    let now = seen(&cem, &server);
    assert_ne!(now.ip(), before.ip());
    assert_eq!(Some(now.ip()), home.outside_address().map(IpAddr::V4));
    send(&dan, "by the hairpin", now);
    assert_eq!(next(&cem).0, "by the hairpin");
    // The neighbours notice nothing.
    assert_eq!(seen(&ada, &server), of_ada);
}
