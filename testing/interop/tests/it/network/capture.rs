//! What a capture shows of the packets that go by.

use std::net::{IpAddr, SocketAddr};

use securecall_interop::network::{Nat, Network, Packet};

use super::{address, next, seen, send, socket};

/// A binding response of STUN that names an address as `XOR-MAPPED-ADDRESS` does, behind a header of some other protocol.
fn hidden(address: IpAddr) -> Vec<u8> {
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    let mut message = b"\x40\x01\0\x1c\x01\x01\0\x14".to_vec();
    let mask: Vec<u8> = COOKIE.iter().copied().chain(1..=12).collect();
    message.extend(&mask);
    let bytes = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    message.extend(bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
    message
}

fn contents(packets: &[Packet]) -> Vec<&[u8]> {
    let packets = packets.iter();
    packets.map(|packet| packet.contents.as_slice()).collect()
}

#[test]
fn a_host_and_the_routers_on_the_way_see_a_packet_with_the_addresses_that_it_has_there() {
    let network = Network::new().unwrap();
    let internet = network.internet();
    let server_host = internet.host("server").unwrap();
    let home = internet.nat("home", Nat::full_cone()).unwrap();
    let host = home.host("host").unwrap();
    let captures = [
        host.capture().unwrap(),
        home.capture().unwrap(),
        internet.capture().unwrap(),
        server_host.capture().unwrap(),
    ];
    let (client, server) = (socket(&host), socket(&server_host));
    let outside = seen(&client, &server);
    send(&server, "an answer", outside);
    assert_eq!(next(&client).0, "an answer");

    let [of_host, of_home, of_internet, of_server] =
        captures.map(|capture| capture.stop().unwrap());
    let way = |from: SocketAddr, to| {
        move |packet: &&Packet| (packet.source, packet.destination) == (from, to)
    };
    assert_eq!(contents(&of_host), [&b"where am I"[..], b"an answer"]);
    assert_eq!(
        of_host
            .iter()
            .find(way(address(&client), address(&server)))
            .unwrap()
            .contents,
        b"where am I"
    );
    assert_eq!(contents(&of_server), [&b"where am I"[..], b"an answer"]);
    assert_eq!(
        of_server
            .iter()
            .filter(way(outside, address(&server)))
            .count(),
        1
    );
    // Both sides of the NAT.
    for (client, server) in [
        (address(&client), address(&server)),
        (outside, address(&server)),
    ] {
        assert!(of_home.iter().any(|packet| way(client, server)(&packet)));
        assert!(of_home.iter().any(|packet| way(server, client)(&packet)));
    }
    let between = |packet: &Packet| packet.is_between(outside.ip(), server_host.address());
    assert!(!of_internet.is_empty() && of_internet.iter().all(between));
    assert!(of_internet.iter().all(|packet| packet.is_udp));
}

#[test]
fn an_address_is_found_in_messages_of_stun_in_every_form_and_in_nothing_else() {
    let network = Network::new().unwrap();
    let [ada, ben] = ["ada", "ben"].map(|name| network.internet().host(name).unwrap());
    let capture = ben.capture().unwrap();
    let (from, to) = (socket(&ada), socket(&ben));
    let cookie = b"\x21\x12\xa4\x42".as_slice();
    for address in ["192.168.7.9", "2001:db8::17"] {
        let address: IpAddr = address.parse().unwrap();
        let text = [cookie, b"its address is ", address.to_string().as_bytes()].concat();
        let plain = match address {
            IpAddr::V4(address) => [cookie, &address.octets()].concat(),
            IpAddr::V6(address) => [cookie, &address.octets()].concat(),
        };
        for message in [hidden(address), text, plain.clone(), plain[4..].to_vec()] {
            from.send_to(&message, super::address(&to)).unwrap();
        }
        super::next_in_time(&to).unwrap();
    }
    let packets = capture.stop().unwrap();
    for (index, address) in ["192.168.7.9", "2001:db8::17"].iter().enumerate() {
        let says: Vec<bool> = packets
            .iter()
            .map(|packet| packet.says(address.parse().unwrap()))
            .collect();
        let mut expected = vec![false; 8];
        expected[index * 4..index * 4 + 3].fill(true);
        assert_eq!(says, expected, "{address}");
    }
}
