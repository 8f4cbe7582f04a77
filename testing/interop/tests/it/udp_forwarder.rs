use std::{net::UdpSocket, time::Duration};

use securecall_interop::{PacketClass, UdpForwarder};

/// Long enough for a datagram on loopback even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, std::net::SocketAddr) {
    let mut buffer = [0; 2000];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..length].to_vec(), from)
}

#[test]
fn answers_find_their_way_back_to_each_sender() {
    let target = socket();
    let forwarder = UdpForwarder::in_front_of(target.local_addr().unwrap()).unwrap();
    let senders = [socket(), socket()];
    let mut seen = Vec::new();
    for (number, sender) in senders.iter().enumerate() {
        sender
            .send_to(&[number as u8], forwarder.address())
            .unwrap();
        let (datagram, from) = receive(&target);
        assert_eq!(datagram, [number as u8]);
        target.send_to(&[10 + number as u8], from).unwrap();
        seen.push(from);
    }
    assert_ne!(seen[0], seen[1]);
    for (number, sender) in senders.iter().enumerate() {
        let (datagram, from) = receive(sender);
        assert_eq!(datagram, [10 + number as u8]);
        assert_eq!(from, forwarder.address());
    }
    // The last one is counted after it has been sent.
    while forwarder.forwarded() < 4 {
        std::thread::yield_now();
    }
}

#[test]
fn a_cut_path_carries_nothing_until_it_heals() {
    let (target, sender) = (socket(), socket());
    let forwarder = UdpForwarder::in_front_of(target.local_addr().unwrap()).unwrap();
    forwarder.cut();
    sender.send_to(b"lost", forwarder.address()).unwrap();
    while forwarder.dropped() < 1 {
        std::thread::yield_now();
    }
    forwarder.heal();
    sender.send_to(b"through", forwarder.address()).unwrap();
    assert_eq!(receive(&target).0, b"through");
}

#[test]
fn one_class_of_packets_can_be_dropped_alone() {
    let (target, sender) = (socket(), socket());
    let forwarder = UdpForwarder::in_front_of(target.local_addr().unwrap()).unwrap();
    forwarder.drop_class(PacketClass::Dtls);
    for datagram in [&[23, 254, 253][..], &[0x80, 111], &[0, 1]] {
        sender.send_to(datagram, forwarder.address()).unwrap();
    }
    assert_eq!(receive(&target).0, [0x80, 111]);
    assert_eq!(receive(&target).0, [0, 1]);
    assert_eq!(forwarder.dropped(), 1);
}

#[test]
fn packets_are_told_apart_by_their_first_bytes() {
    assert_eq!(PacketClass::of(&[0, 1, 0, 0]), PacketClass::Stun);
    assert_eq!(PacketClass::of(&[22, 254, 253]), PacketClass::Dtls);
    assert_eq!(PacketClass::of(&[0x80, 111]), PacketClass::Rtp);
    assert_eq!(PacketClass::of(&[0x90, 0x80 | 111]), PacketClass::Rtp);
    assert_eq!(PacketClass::of(&[0x80, 200]), PacketClass::Rtcp);
    assert_eq!(PacketClass::of(&[]), PacketClass::Other);
}
