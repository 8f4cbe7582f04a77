//! IPv6 behind routers, and the way from there to IPv4.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
};

use securecall_interop::network::{Host, Nat, Network, NetworkError, nat64_address};

use super::{next, patient, seen, send, socket};

fn ipv6_socket(host: &Host) -> UdpSocket {
    let address = SocketAddr::new(host.ipv6_address().unwrap().into(), 0);
    patient(host.udp_socket_at(address).unwrap())
}

/// How an IPv4 server is called where there is only IPv6.
fn through_nat64(server: SocketAddr) -> SocketAddr {
    match server.ip() {
        IpAddr::V4(ip) => (nat64_address(ip), server.port()).into(),
        IpAddr::V6(_) => server,
    }
}

#[test]
fn a_home_with_ipv6_keeps_its_own_addresses_outside_and_lets_in_answers_only() {
    let network = Network::new().unwrap();
    let internet = network.internet();
    let [server, stranger] = ["server", "stranger"].map(|name| internet.host(name).unwrap());
    let home = internet
        .nat("home", Nat::port_restricted().with_ipv6())
        .unwrap();
    let host = home.host("host").unwrap();
    let (client, at) = (ipv6_socket(&host), ipv6_socket(&server));
    let seen_at = seen(&client, &at);
    assert_eq!(seen_at, super::address(&client));
    send(&ipv6_socket(&stranger), "not let in", seen_at);
    send(&at, "nothing before this", seen_at);
    assert_eq!(next(&client).0, "nothing before this");
    // IPv4 is translated as ever.
    let outside = seen(&socket(&host), &socket(&server)).ip();
    assert_eq!(Some(outside), home.outside_address().map(IpAddr::V4));
}

#[test]
fn two_homes_with_ipv6_meet_when_both_have_sent() {
    let network = Network::new().unwrap();
    let [ada, ben] = ["ada", "ben"].map(|name| {
        let nat = Nat::port_restricted().with_ipv6();
        let home = network.internet().nat(name, nat).unwrap();
        ipv6_socket(&home.host(name).unwrap())
    });
    send(&ada, "too early", super::address(&ben));
    send(&ben, "through the hole", super::address(&ada));
    assert_eq!(next(&ada).0, "through the hole");
}

#[test]
fn where_there_is_only_ipv6_a_server_with_ipv4_is_reached_through_a_translator_that_is_a_nat() {
    let network = Network::new().unwrap();
    let internet = network.internet();
    let server_host = internet.host("server").unwrap();
    let mobile = internet.nat64("mobile", Nat::port_restricted()).unwrap();
    let host = mobile.host("host").unwrap();
    assert!(host.addresses().iter().all(IpAddr::is_ipv6));
    let (client, server) = (socket(&host), socket(&server_host));
    client
        .send_to(b"by translation", through_nat64(super::address(&server)))
        .unwrap();
    let (text, outside) = next(&server);
    assert_eq!(text, "by translation");
    assert_eq!(Some(outside.ip()), mobile.outside_address().map(IpAddr::V4));
    send(&server, "back", outside);
    assert_eq!(
        next(&client),
        ("back".to_owned(), through_nat64(super::address(&server)))
    );
    // IPv6 goes there as it is.
    let at = ipv6_socket(&server_host);
    assert_eq!(seen(&client, &at), super::address(&client));
}

#[test]
fn through_a_translator_a_connection_carries_more_than_fits_into_a_packet() {
    let network = Network::new().unwrap();
    let internet = network.internet();
    let listener = internet.host("server").unwrap().tcp_listener(443).unwrap();
    let mobile = internet.nat64("mobile", Nat::symmetric()).unwrap();
    let host = mobile.host("host").unwrap();
    let mut client = host
        .tcp_stream(through_nat64(listener.local_addr().unwrap()))
        .unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let much = vec![7; 100_000];
    let sent = much.clone();
    let writer = std::thread::spawn(move || server.write_all(&sent));
    let mut came = Vec::new();
    client.read_to_end(&mut came).unwrap();
    writer.join().unwrap().unwrap();
    assert!(came == much, "{} bytes came", came.len());
}

#[test]
fn a_host_moves_from_ipv4_to_where_there_is_only_ipv6_and_back() {
    let network = Network::new().unwrap();
    let internet = network.internet();
    let server = socket(&internet.host("server").unwrap());
    let home = internet.nat("home", Nat::port_restricted()).unwrap();
    let mobile = internet.nat64("mobile", Nat::port_restricted()).unwrap();
    let host = home.host("host").unwrap();
    assert!(host.address().is_ipv4());
    host.move_to(&mobile).unwrap();
    assert!(host.address().is_ipv6() && host.addresses().len() == 1);
    let client = socket(&host);
    client
        .send_to(b"moved", through_nat64(super::address(&server)))
        .unwrap();
    assert_eq!(next(&server).0, "moved");
    host.move_to(&home).unwrap();
    assert_eq!(
        seen(&socket(&host), &server).ip(),
        home.outside_address().unwrap()
    );
}

#[test]
fn behind_a_network_without_ipv6_there_is_none() {
    let network = Network::new().unwrap();
    let carrier = network.internet().nat("carrier", Nat::symmetric()).unwrap();
    let nat = Nat::port_restricted().with_ipv6();
    for made in [carrier.nat("home", nat), carrier.nat64("mobile", nat)] {
        assert!(
            matches!(made, Err(NetworkError::NoCommonAddressFamily)),
            "{made:?}"
        );
    }
    assert_eq!(
        nat64_address(Ipv4Addr::new(192, 0, 2, 1)).segments()[7],
        0x201
    );
}
