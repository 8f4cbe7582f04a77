//! What is blocked, and what only looks so: TCP, IPv6.

use std::{
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use securecall_interop::network::{Host, Nat, Network, NetworkError};

use super::{next, patient, seen, send, socket};

fn connects(host: &Host, to: SocketAddr) -> bool {
    let patience = Duration::from_millis(300);
    host.enter(|| TcpStream::connect_timeout(&to, patience).is_ok())
        .unwrap()
}

#[test]
fn where_only_the_web_is_open_there_is_no_udp_but_to_name_servers() {
    let network = Network::new().unwrap();
    let server = network.internet().host("server").unwrap();
    let at = |port| SocketAddr::new(server.address(), port);
    let office = Nat::port_restricted().web_only();
    let office = network.internet().nat("office", office).unwrap();
    let host = office.host("host").unwrap();

    let [turn, names] = [3478, 53].map(|port| patient(server.udp_socket_at(at(port)).unwrap()));
    let client = socket(&host);
    send(&client, "blocked", at(3478));
    send(&client, "a question", at(53));
    let (question, from) = next(&names);
    assert_eq!(question, "a question");
    send(&names, "an answer", from);
    assert_eq!(next(&client).0, "an answer");
    turn.set_nonblocking(true).unwrap();
    assert!(turn.recv_from(&mut [0; 64]).is_err());

    let _listeners = [80, 443, 3478].map(|port| server.tcp_listener(port).unwrap());
    assert!(connects(&host, at(80)));
    assert!(connects(&host, at(443)));
    assert!(!connects(&host, at(3478)));
    assert!(connects(
        &network.internet().host("free").unwrap(),
        at(3478)
    ));
}

#[test]
fn a_connection_through_a_nat_shows_its_address_outside() {
    let network = Network::new().unwrap();
    let server = network.internet().host("server").unwrap();
    let listener = server.tcp_listener(80).unwrap();
    for nat in [Nat::full_cone(), Nat::symmetric()] {
        let home = network.internet().nat("home", nat).unwrap();
        let host = home.host("host").unwrap();
        let stream = host.tcp_stream(listener.local_addr().unwrap()).unwrap();
        let (_, from) = listener.accept().unwrap();
        assert_eq!(Some(from.ip()), home.outside_address().map(IpAddr::V4));
        assert_eq!(stream.local_addr().unwrap().ip(), host.address());
    }
}

#[test]
fn a_host_with_ipv6_only_reaches_that_of_a_server_and_no_ipv4() {
    let network = Network::new().unwrap();
    let internet = network.internet();
    let server = internet.host("server").unwrap();
    let (ipv4, ipv6) = (server.address(), server.ipv6_address().unwrap());
    assert!(ipv4.is_ipv4());
    let at = patient(
        server
            .udp_socket_at(SocketAddr::new(ipv6.into(), 0))
            .unwrap(),
    );
    let host = internet.ipv6_only_host("host").unwrap();
    assert!(host.addresses().iter().all(IpAddr::is_ipv6));
    assert_eq!(seen(&socket(&host), &at).ip(), host.address());
    let refused = host.enter(|| {
        UdpSocket::bind("0.0.0.0:0")
            .unwrap()
            .connect((ipv4, 9))
            .is_err()
    });
    assert!(refused.unwrap());

    let home = internet.nat("home", Nat::full_cone()).unwrap();
    let moved = host.move_to(&home);
    assert!(
        matches!(moved, Err(NetworkError::NoCommonAddressFamily)),
        "{moved:?}"
    );
    assert_eq!(seen(&socket(&host), &at).ip(), host.address());
}
