//! Clients of a relay of GhostNet: a connection and a flow each.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{
    AckFrequencyConfig, ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint,
    EndpointConfig, Event, StreamEvent, StreamId, TransportConfig, VarInt,
};
use rustls::crypto::aws_lc_rs;
use securecall_interop::ShownCertificate;
use securecall_relay::masque::Target;

use crate::http3;
use crate::load::{self, Peer, Socket};

/// Handshakes at a time: a relay gives one network no more than a quarter of its places, and would have addresses proven.
const AT_A_TIME: usize = 32;
/// How long all flows may take to open.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often timers are looked at.
const TIMERS: Duration = Duration::from_millis(2);
/// The context of the peer at an exit.
const CONTEXT: u8 = 2;

/// What the relay is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Entry,
    Exit,
}

/// All clients, at one socket.
pub(crate) struct Clients {
    endpoint: Endpoint,
    socket: Socket,
    clients: Vec<Client>,
    /// By handle.
    places: Vec<Option<usize>>,
    incoming: Vec<(SocketAddr, BytesMut)>,
    next_timers: Instant,
    scratch: Vec<u8>,
    context: u8,
    overhead: usize,
}

struct Client {
    handle: ConnectionHandle,
    connection: Connection,
    asked: Option<StreamId>,
    answer: Vec<u8>,
    open: bool,
}

/// As `relay-client` has it.
fn config() -> ClientConfig {
    let mut tls =
        rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(ShownCertificate::default().verifier())
            .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let tls = QuicClientConfig::try_from(tls).expect("TLS for QUIC");
    let mut transport = TransportConfig::default();
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(9))
        .max_ack_delay(Some(Duration::from_millis(100)));
    transport
        .ack_frequency_config(Some(acks))
        .keep_alive_interval(Some(Duration::from_millis(500)))
        .datagram_send_buffer_size(64 * 1024)
        .mtu_discovery_config(None);
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport));
    config
}

impl Clients {
    /// Opens all flows.
    pub(crate) fn open(
        relay: SocketAddr,
        authorization: &str,
        role: Role,
        peer: &Peer,
        flows: usize,
    ) -> Self {
        let mut clients = Self {
            endpoint: Endpoint::new(Arc::new(EndpointConfig::default()), None, true, None),
            socket: Socket::bind((Ipv4Addr::LOCALHOST, 0).into()),
            clients: Vec::new(),
            places: Vec::new(),
            incoming: Vec::new(),
            next_timers: Instant::now(),
            scratch: Vec::new(),
            context: match role {
                Role::Entry => 0,
                Role::Exit => CONTEXT,
            },
            overhead: usize::MAX,
        };
        let target = match role {
            Role::Entry => Target::Address(peer.address()),
            Role::Exit => Target::Any,
        };
        let mut ask = http3::request(&target.path(), authorization, role == Role::Exit);
        if role == Role::Exit {
            ask.extend(http3::data(&assign(peer.address())));
        }
        let deadline = Instant::now() + PATIENCE;
        let config = config();
        loop {
            let open = clients.clients.iter().filter(|client| client.open).count();
            if open == flows {
                return clients;
            }
            assert!(
                Instant::now() < deadline,
                "{open} of {flows} flows are open"
            );
            while clients.clients.len() < flows.min(open + AT_A_TIME) {
                clients.connect(relay, config.clone());
            }
            clients.receive_all(&mut |_| {}, &ask);
        }
    }

    fn connect(&mut self, relay: SocketAddr, config: ClientConfig) {
        let now = Instant::now();
        let (handle, connection) = self
            .endpoint
            .connect(now, config, relay, "relay.test")
            .expect("no connection");
        self.places
            .resize(self.places.len().max(handle.0 + 1), None);
        self.places[handle.0] = Some(self.clients.len());
        self.clients.push(Client {
            handle,
            connection,
            asked: None,
            answer: Vec::new(),
            open: false,
        });
        self.transmit(self.clients.len() - 1, now);
    }

    fn receive_all(&mut self, each: &mut dyn FnMut(&[u8]), ask: &[u8]) {
        let now = Instant::now();
        let incoming = &mut self.incoming;
        self.socket
            .receive(|from, packet| incoming.push((from, BytesMut::from(packet))));
        for (from, packet) in std::mem::take(&mut self.incoming) {
            let event = self
                .endpoint
                .handle(now, from, None, None, packet, &mut self.scratch);
            self.scratch.clear();
            let Some(DatagramEvent::ConnectionEvent(handle, event)) = event else {
                continue;
            };
            let Some(place) = self.places[handle.0] else {
                continue;
            };
            self.clients[place].connection.handle_event(event);
            self.drive(place, now, each, ask);
        }
        if now >= self.next_timers {
            self.next_timers = now + TIMERS;
            for place in 0..self.clients.len() {
                let connection = &mut self.clients[place].connection;
                if connection.poll_timeout().is_some_and(|due| due <= now) {
                    connection.handle_timeout(now);
                    self.drive(place, now, each, ask);
                }
            }
        }
    }

    fn drive(&mut self, place: usize, now: Instant, each: &mut dyn FnMut(&[u8]), ask: &[u8]) {
        let client = &mut self.clients[place];
        while let Some(event) = client.connection.poll() {
            match event {
                Event::Connected => client.ask(ask),
                Event::Stream(StreamEvent::Readable { id }) if Some(id) == client.asked => {
                    client.read(id, self.context);
                }
                Event::ConnectionLost { reason } => panic!("a connection is lost: {reason}"),
                _ => {}
            }
        }
        while let Some(datagram) = client.connection.datagrams().recv() {
            each(datagram.get(2..).unwrap_or_default());
        }
        while let Some(event) = client.connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(client.handle, event) {
                client.connection.handle_event(event);
            }
        }
        self.transmit(place, now);
    }

    /// Gives the size of the last packet, if there was one.
    fn transmit(&mut self, place: usize, now: Instant) -> Option<usize> {
        let connection = &mut self.clients[place].connection;
        let mut last = None;
        while let Some(transmit) = connection.poll_transmit(now, 1, &mut self.scratch) {
            self.socket
                .send(transmit.destination, &self.scratch[..transmit.size]);
            self.scratch.clear();
            last = Some(transmit.size);
        }
        last
    }
}

/// A capsule that registers the peer.
fn assign(peer: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(peer) = peer else {
        panic!("the peer is elsewhere");
    };
    let mut capsule = vec![0x11, 8, CONTEXT, 4];
    capsule.extend(peer.ip().octets());
    capsule.extend(peer.port().to_be_bytes());
    capsule
}

impl Client {
    fn ask(&mut self, ask: &[u8]) {
        let mut open = |dir, bytes: &[u8]| {
            let id = self.connection.streams().open(dir).expect("no stream");
            let written = self.connection.send_stream(id).write(bytes);
            assert_eq!(written, Ok(bytes.len()), "a stream takes nothing");
            id
        };
        open(Dir::Uni, &http3::CONTROL);
        self.asked = Some(open(Dir::Bi, ask));
    }

    fn read(&mut self, id: StreamId, context: u8) {
        let mut stream = self.connection.recv_stream(id);
        let mut chunks = stream.read(true).expect("no stream");
        while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
            self.answer.extend(&chunk.bytes);
        }
        let _ = chunks.finalize();
        // An exit agrees to the context of the peer.
        let agreed = [0x12, 1, CONTEXT];
        self.open = http3::answer(&self.answer)
            .is_some_and(|said| context == 0 || said.windows(3).any(|word| word == agreed));
    }
}

impl load::Clients for Clients {
    fn send(&mut self, flow: usize, packet: &[u8]) {
        // Quarter stream ID 0, and the context.
        let datagram: Bytes = [&[0, self.context], packet].concat().into();
        let connection = &mut self.clients[flow].connection;
        connection
            .datagrams()
            .send(datagram, true)
            .expect("no datagrams");
        if let Some(size) = self.transmit(flow, Instant::now()) {
            // Some bring an acknowledgement along.
            let grown = size.saturating_sub(packet.len());
            self.overhead = self.overhead.min(grown);
        }
    }

    fn receive(&mut self, each: &mut dyn FnMut(&[u8])) {
        self.receive_all(each, &[]);
    }

    fn overhead(&self) -> usize {
        self.overhead
    }

    fn port(&self) -> Option<u16> {
        Some(self.socket.address().port())
    }
}
