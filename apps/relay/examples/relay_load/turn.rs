//! Clients of a TURN server that asks for no credentials: an allocation and a channel each.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::load::{self, Peer};

/// RFC 8656, RFC 8489.
const ALLOCATE: u16 = 0x0003;
const CHANNEL_BIND: u16 = 0x0009;
const SUCCESS: u16 = 0x0100;
const COOKIE: u32 = 0x2112_A442;
const REQUESTED_TRANSPORT: u16 = 0x0019;
const CHANNEL_NUMBER: u16 = 0x000C;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const UDP: [u8; 4] = [17, 0, 0, 0];
const CHANNEL: u16 = 0x4000;

/// All clients, each at a socket of its own: an allocation is known by its address.
pub(crate) struct Clients {
    sockets: Vec<UdpSocket>,
    packet: Vec<u8>,
    /// Whose socket is read next.
    next: usize,
}

impl Clients {
    pub(crate) fn open(server: SocketAddr, peer: &Peer, flows: usize) -> Self {
        let sockets = (0..flows).map(|_| open(server, peer.address())).collect();
        Self {
            sockets,
            packet: Vec::new(),
            next: 0,
        }
    }
}

fn open(server: SocketAddr, peer: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("no socket");
    socket.connect(server).expect("no such server");
    socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .expect("no patience");
    ask(&socket, ALLOCATE, &[(REQUESTED_TRANSPORT, UDP.to_vec())]);
    let SocketAddr::V4(peer) = peer else {
        panic!("the peer is elsewhere");
    };
    let mut address = vec![0, 1];
    address.extend((peer.port() ^ (COOKIE >> 16) as u16).to_be_bytes());
    address.extend((u32::from(*peer.ip()) ^ COOKIE).to_be_bytes());
    let number = [&CHANNEL.to_be_bytes()[..], &[0, 0]].concat();
    ask(
        &socket,
        CHANNEL_BIND,
        &[(CHANNEL_NUMBER, number), (XOR_PEER_ADDRESS, address)],
    );
    socket.set_nonblocking(true).expect("a socket that waits");
    socket
}

/// A request, until it is answered with success.
fn ask(socket: &UdpSocket, method: u16, attributes: &[(u16, Vec<u8>)]) {
    let body: Vec<u8> = attributes
        .iter()
        .flat_map(|(kind, value)| {
            let length = value.len() as u16;
            [&kind.to_be_bytes(), &length.to_be_bytes(), value.as_slice()].concat()
        })
        .collect();
    let mut request = method.to_be_bytes().to_vec();
    request.extend((body.len() as u16).to_be_bytes());
    request.extend(COOKIE.to_be_bytes());
    request.extend([method as u8; 12]);
    request.extend(body);
    let mut answer = [0; 1500];
    for _ in 0..5 {
        socket.send(&request).expect("the server is not there");
        if let Ok(length) = socket.recv(&mut answer) {
            let kind = u16::from_be_bytes([answer[0], answer[1]]);
            assert_eq!(kind, method | SUCCESS, "refused: {:?}", &answer[..length]);
            return;
        }
    }
    panic!("the server does not answer");
}

impl load::Clients for Clients {
    fn send(&mut self, flow: usize, packet: &[u8]) {
        self.packet.clear();
        self.packet.extend(CHANNEL.to_be_bytes());
        self.packet.extend((packet.len() as u16).to_be_bytes());
        self.packet.extend(packet);
        let _ = self.sockets[flow].send(&self.packet);
    }

    /// A few sockets at a time, in turn: more would take longer than the packets.
    fn receive(&mut self, each: &mut dyn FnMut(&[u8])) {
        let mut buffer = [0; 2048];
        for _ in 0..8 {
            if let Ok(length) = self.sockets[self.next].recv(&mut buffer) {
                each(buffer[..length].get(4..).unwrap_or_default());
            }
            self.next = (self.next + 1) % self.sockets.len();
        }
    }

    fn overhead(&self) -> usize {
        4
    }

    fn port(&self) -> Option<u16> {
        None
    }
}
