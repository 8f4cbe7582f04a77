//! A TURN server that operators run, over real sockets.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use securecall_interop::{Coturn, CoturnUsers};
use securecall_relay::{
    Candidate, CandidateSource as _, Datagram, Inbound, ReflexiveSource, ServerLink, SourceOutput,
    StreamEvent, StreamId, TurnFailure, TurnServer, TurnSource,
};
use web_time::Instant;

use crate::network::ids;
use crate::scripted_server::credentials;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn coturn(extra: &[&str]) -> Coturn {
    let users = CoturnUsers::Static {
        username: "ada".to_owned(),
        password: "secret".to_owned(),
    };
    Coturn::start(users, extra).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a real server has real time")]
fn now() -> Instant {
    Instant::now()
}

/// A device with one socket, and the streams its source orders.
struct Device<S> {
    source: S,
    socket: UdpSocket,
    base: SocketAddr,
    streams: BTreeMap<StreamId, TcpStream>,
    deadline: Option<Instant>,
    candidates: Vec<Candidate>,
    lost: Vec<Candidate>,
    packets: Vec<Datagram>,
    answered: bool,
}

impl<S: securecall_relay::CandidateSource> Device<S> {
    fn new(source: S) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        let mut device = Self {
            source,
            base: socket.local_addr().unwrap(),
            socket,
            streams: BTreeMap::new(),
            deadline: None,
            candidates: Vec::new(),
            lost: Vec::new(),
            packets: Vec::new(),
            answered: false,
        };
        device.source.gather(now(), &[device.base]);
        device.drain();
        device
    }

    fn run_until(&mut self, what: &str, mut reached: impl FnMut(&Self) -> bool) {
        let end = now() + PATIENCE;
        while !reached(self) {
            assert!(now() < end, "not reached: {what}");
            self.step();
        }
    }

    fn step(&mut self) {
        let mut buffer = [0; 2048];
        if let Ok((len, source)) = self.socket.recv_from(&mut buffer) {
            let inbound = Inbound {
                source,
                destination: self.base,
                contents: &buffer[..len],
            };
            let _ = self.source.handle_datagram(now(), inbound);
            self.drain();
        }
        for stream in self.streams.keys().copied().collect::<Vec<_>>() {
            let Some(tcp) = self.streams.get_mut(&stream) else {
                continue;
            };
            match tcp.read(&mut buffer) {
                Ok(0) => {
                    self.source
                        .handle_stream(now(), stream, StreamEvent::Closed);
                }
                Ok(len) => {
                    let event = StreamEvent::Bytes(&buffer[..len]);
                    self.source.handle_stream(now(), stream, event);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                // The server is gone.
                Err(_) => {
                    self.source
                        .handle_stream(now(), stream, StreamEvent::Closed);
                }
            }
            self.drain();
        }
        if self.deadline.is_some_and(|at| at <= now()) {
            self.source.handle_timeout(now());
            self.drain();
        }
    }

    fn drain(&mut self) {
        loop {
            match self.source.poll_output() {
                SourceOutput::Transmit(datagram) => {
                    assert_eq!(datagram.source, self.base);
                    // An error is of a server that is gone.
                    let _ = self
                        .socket
                        .send_to(&datagram.contents, datagram.destination);
                }
                SourceOutput::Open { stream, target } => {
                    assert_eq!(target.tls_name, None);
                    let event = match TcpStream::connect(target.address) {
                        Ok(tcp) => {
                            tcp.set_read_timeout(Some(Duration::from_millis(5)))
                                .unwrap();
                            self.streams.insert(stream, tcp);
                            StreamEvent::Opened
                        }
                        Err(_) => StreamEvent::Closed,
                    };
                    self.source.handle_stream(now(), stream, event);
                }
                SourceOutput::Write { stream, bytes, .. } => {
                    let mut tcp = self.streams.get(&stream).unwrap();
                    // Reading tells that a server is gone.
                    let _ = tcp.write_all(&bytes);
                }
                SourceOutput::Close(stream) => {
                    self.streams.remove(&stream);
                }
                SourceOutput::Candidate(candidate) => self.candidates.push(candidate),
                SourceOutput::Lost(candidate) => self.lost.push(candidate),
                SourceOutput::Packet(packet) => self.packets.push(packet),
                SourceOutput::Bind(beside) => self.source.socket_bound(now(), beside, None),
                SourceOutput::Unbind(_)
                | SourceOutput::Tunnel(_)
                | SourceOutput::RelayFailed(_)
                | SourceOutput::CredentialsRefused => {}
                SourceOutput::Answered => self.answered = true,
                SourceOutput::Timeout(at) => {
                    self.deadline = at;
                    return;
                }
            }
        }
    }

    fn send(&mut self, own: SocketAddr, peer: SocketAddr, contents: &[u8]) {
        let datagram = Datagram {
            source: own,
            destination: peer,
            contents: contents.to_vec(),
        };
        self.source.send(now(), datagram).unwrap();
        self.drain();
    }
}

fn server(coturn: &Coturn, link: ServerLink) -> TurnServer {
    TurnServer {
        address: coturn.address(),
        link,
        credentials: credentials("ada", "secret"),
    }
}

fn failures(device: &Device<TurnSource>) -> Vec<TurnFailure> {
    let failures = device.source.failures();
    failures.map(|(_, _, failure)| failure.clone()).collect()
}

/// Packets of every length go both ways, before and after a channel is bound.
fn packets_go_both_ways(link: ServerLink) {
    let coturn = coturn(&[]);
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let at = peer.local_addr().unwrap();
    let mut device = Device::new(TurnSource::new([server(&coturn, link)], ids(7)));
    device.run_until("an address", |device| !device.candidates.is_empty());
    let own = device.candidates[0].address;
    device.source.allow_peer(now(), at);
    device.drain();
    let mut before = Vec::new();
    for round in 0..2 {
        for len in (1..=101).chain([500, 1200]) {
            let contents = vec![len as u8; len];
            let mut buffer = [0; 2048];
            // Until the permission is there, packets are lost, as on any network.
            let (received, from) = loop {
                device.send(own, at, &contents);
                peer.set_read_timeout(Some(Duration::from_millis(200)))
                    .unwrap();
                let mut received = peer.recv_from(&mut buffer);
                // One that was late was sent twice, and comes twice.
                while received
                    .as_ref()
                    .is_ok_and(|(len, _)| buffer[..*len] == before)
                {
                    received = peer.recv_from(&mut buffer);
                }
                if let Ok(received) = received {
                    break received;
                }
                device.step();
            };
            assert_eq!((&buffer[..received], from), (&contents[..], own));
            peer.send_to(&contents, own).unwrap();
            device.run_until("a packet of the peer", |device| !device.packets.is_empty());
            let expected = Datagram {
                source: at,
                destination: own,
                contents: contents.clone(),
            };
            assert_eq!(device.packets, [expected], "round {round}");
            device.packets.clear();
            before = contents;
        }
        device.source.prefer_peer(now(), own, at);
        device.drain();
    }
    assert_eq!(failures(&device), []);
    device.source.close(now());
    device.drain();
}

#[test]
fn packets_go_both_ways_over_udp() {
    packets_go_both_ways(ServerLink::Udp);
}

#[test]
fn packets_go_both_ways_over_tcp() {
    packets_go_both_ways(ServerLink::Tcp);
}

#[test]
fn credentials_that_a_homeserver_made_are_taken_and_others_named() {
    let secret = "a shared secret";
    let coturn = Coturn::start(CoturnUsers::SharedSecret(secret.to_owned()), &[]).unwrap();
    let good =
        securecall_relay::Credentials::of_shared_secret(secret, "2000000000", "ada").unwrap();
    let expired =
        securecall_relay::Credentials::of_shared_secret(secret, "1000000000", "ada").unwrap();
    let of = |credentials| TurnServer {
        address: coturn.address(),
        link: ServerLink::Udp,
        credentials,
    };
    let mut device = Device::new(TurnSource::new([of(good)], ids(8)));
    device.run_until("an address", |device| !device.candidates.is_empty());
    for wrong in [expired, credentials("2000000000:ada", "guess")] {
        let mut device = Device::new(TurnSource::new([of(wrong)], ids(9)));
        device.run_until("a refusal", |device| device.answered);
        assert_eq!(failures(&device), [TurnFailure::WrongCredentials]);
    }
}

/// coturn has its own number for the request for a second address, and refuses it where it is behind a NAT.
#[test]
fn an_address_of_each_family_is_granted_where_the_server_gives_both_at_once() {
    let both = ["relay-ip=::1"];
    let behind_a_nat = ["relay-ip=::1", "external-ip=203.0.113.7"];
    for (settings, families) in [
        (&both[..], &[4, 6][..]),
        (&[][..], &[4]),
        (&behind_a_nat, &[4]),
    ] {
        let coturn = coturn(settings);
        let source = TurnSource::new([server(&coturn, ServerLink::Udp)], ids(7));
        let mut device = Device::new(source);
        device.run_until("an answer", |device| device.answered);
        let found = device.candidates.iter();
        let found: Vec<u8> = found
            .map(|candidate| if candidate.address.is_ipv4() { 4 } else { 6 })
            .collect();
        assert_eq!(found, families, "{settings:?}");
    }
}

#[test]
fn a_quota_that_is_reached_is_named() {
    let coturn = coturn(&["user-quota=1"]);
    let first = TurnSource::new([server(&coturn, ServerLink::Udp)], ids(10));
    let mut first = Device::new(first);
    first.run_until("an address", |device| !device.candidates.is_empty());
    let second = TurnSource::new([server(&coturn, ServerLink::Udp)], ids(11));
    let mut second = Device::new(second);
    second.run_until("a refusal", |device| device.answered);
    assert_eq!(failures(&second), [TurnFailure::QuotaReached]);
}

#[test]
fn a_server_that_is_started_anew_grants_another_address() {
    for link in [ServerLink::Udp, ServerLink::Tcp] {
        let mut coturn = coturn(&[]);
        let mut device = Device::new(TurnSource::new([server(&coturn, link)], ids(12)));
        device.run_until("an address", |device| !device.candidates.is_empty());
        coturn.restart().unwrap();
        device.source.check(now());
        device.drain();
        device.run_until("the loss of it", |device| !device.lost.is_empty());
        device.run_until("another one", |device| device.candidates.len() > 1);
        coturn.stop().unwrap();
    }
}

#[test]
fn it_tells_where_it_sees_us() {
    let coturn = coturn(&[]);
    let mut device = Device::new(ReflexiveSource::new([coturn.address()], ids(13)));
    device.run_until("an answer", |device| device.answered);
    // There is no NAT between the two.
    assert_eq!(device.candidates, []);
}
