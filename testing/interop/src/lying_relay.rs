//! A relay of GhostNet, entry or exit, that does what it should not.
//!
//! Its QUIC and HTTP/3 are those of the crates that the daemon has, too; what a relay is on top of them is written anew here.

mod bound;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use data_encoding::BASE64;
use h3::server::{RequestResolver, RequestStream};
use http::Response;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, ServerConfig, TransportConfig};
use rcgen::PublicKeyData as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use self::bound::Contexts;
use crate::Flow;

/// What becomes of a packet: these packets, each so much later.
type Handling = Arc<dyn Fn(Flow, &[u8]) -> Vec<(Duration, Vec<u8>)> + Send + Sync>;

/// What such a relay does. Without anything of it, it does what it should.
#[derive(Clone, Default)]
pub struct RelayManner {
    /// An entry leads there, instead of where the client asks.
    pub leads_to: Option<SocketAddr>,
    /// What becomes of each packet of a flow. An entry has packets for the exit, which are sealed; an exit those for the peer.
    pub handling: Option<Handling>,
    /// What an exit says it has bound: the field as it is to be.
    pub public: Option<String>,
    /// It answers, and then carries nothing, but this in its place.
    pub garbage: Option<Vec<u8>>,
    /// Bytes on the stream, right after the answer.
    pub capsules: Vec<u8>,
    /// Of several relays with this mark only the one lies that is used first.
    pub first: Option<Arc<OnceLock<SocketAddr>>>,
}

impl std::fmt::Debug for RelayManner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelayManner(..)")
    }
}

/// What such a relay has seen.
#[derive(Clone, Debug, Default)]
pub struct RelayNotes {
    /// Handshakes that have begun.
    pub handshakes: usize,
    /// From where clients came.
    pub clients: Vec<SocketAddr>,
    /// What they asked for.
    pub paths: Vec<String>,
    /// To whom an exit was to send.
    pub peers: Vec<SocketAddr>,
    /// Every packet that it could look into: when it came, and which way it went.
    pub packets: Vec<(Instant, Flow, Vec<u8>)>,
}

/// An order to all flows there are.
#[derive(Clone, Debug)]
enum Order {
    /// A packet for the client, as if it came from there.
    Packet(SocketAddr, Vec<u8>),
    /// Bytes on the stream.
    Capsules(Vec<u8>),
    /// No context any more.
    CloseContexts,
}

/// The relay. It ends when this value is dropped.
pub struct LyingRelay {
    address: SocketAddr,
    pin: String,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

struct Shared {
    address: SocketAddr,
    manner: Mutex<RelayManner>,
    notes: Mutex<RelayNotes>,
    flows: Mutex<Vec<UnboundedSender<Order>>>,
}

impl std::fmt::Debug for LyingRelay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LyingRelay({})", self.address)
    }
}

impl LyingRelay {
    /// Starts one. Whoever does so inside a [`Host`](crate::network::Host) has it there.
    ///
    /// # Errors
    ///
    /// When the socket is not to be had.
    pub fn start(at: SocketAddr, manner: RelayManner) -> io::Result<Self> {
        let key = rcgen::generate_simple_self_signed(["relay.test".to_owned()]);
        let key = key.map_err(io::Error::other)?;
        let spki = key.signing_key.subject_public_key_info();
        let secret =
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], secret)
            .map_err(io::Error::other)?;
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let tls = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
        let mut config = ServerConfig::with_crypto(Arc::new(tls));
        let mut transport = TransportConfig::default();
        // As wide as another connection within needs it.
        transport.initial_mtu(1350);
        config.transport_config(Arc::new(transport));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let inside = runtime.enter();
        let endpoint = Endpoint::server(config, at)?;
        drop(inside);
        let address = endpoint.local_addr()?;
        let shared = Arc::new(Shared {
            address,
            manner: Mutex::new(manner),
            notes: Mutex::default(),
            flows: Mutex::default(),
        });
        runtime.spawn(accept(endpoint, Arc::clone(&shared)));
        Ok(Self {
            address,
            pin: BASE64.encode(&Sha256::digest(spki)),
            shared,
            runtime: Some(runtime),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The pin of its key, as a list has it.
    #[must_use]
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// What it does from now on: with packets at once, else with the next flow.
    pub fn behave(&self, manner: RelayManner) {
        *lock(&self.shared.manner) = manner;
    }

    /// Whether it is the one of those with its mark that lies.
    #[must_use]
    pub fn lies(&self) -> bool {
        let manner = lock(&self.shared.manner);
        let first = manner.first.as_ref().and_then(|first| first.get());
        first == Some(&self.address)
    }

    /// What it has seen so far.
    #[must_use]
    pub fn notes(&self) -> RelayNotes {
        lock(&self.shared.notes).clone()
    }

    /// Gives all its clients a packet, as if this sender had sent it. An entry has one sender only: the exit.
    pub fn make_up(&self, from: SocketAddr, packet: &[u8]) {
        self.order(&Order::Packet(from, packet.to_vec()));
    }

    /// Writes to the streams of all its flows.
    pub fn write(&self, capsules: &[u8]) {
        self.order(&Order::Capsules(capsules.to_vec()));
    }

    /// Closes all contexts of all its flows.
    pub fn close_contexts(&self) {
        self.order(&Order::CloseContexts);
    }

    fn order(&self, order: &Order) {
        for flow in &*lock(&self.shared.flows) {
            let _ = flow.send(order.clone());
        }
    }
}

impl Drop for LyingRelay {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    /// What it does now: an honest relay's part where another one lies.
    fn manner(&self) -> RelayManner {
        let manner = lock(&self.manner).clone();
        match &manner.first {
            Some(first) if *first.get_or_init(|| self.address) != self.address => {
                RelayManner::default()
            }
            _ => manner,
        }
    }

    /// Notes a packet; gives what becomes of it.
    fn handle(&self, way: Flow, packet: &[u8]) -> Vec<(Duration, Vec<u8>)> {
        let note = (Instant::now(), way, packet.to_vec());
        lock(&self.notes).packets.push(note);
        match self.manner().handling {
            Some(handling) => handling(way, packet),
            None => vec![(Duration::ZERO, packet.to_vec())],
        }
    }
}

async fn accept(endpoint: Endpoint, shared: Arc<Shared>) {
    while let Some(incoming) = endpoint.accept().await {
        let shared = Arc::clone(&shared);
        lock(&shared.notes).handshakes += 1;
        tokio::spawn(async move {
            if let Ok(quic) = incoming.await {
                lock(&shared.notes).clients.push(quic.remote_address());
                serve(quic, shared).await;
            }
        });
    }
}

type Receivers = Arc<Mutex<BTreeMap<u64, UnboundedSender<Bytes>>>>;

async fn serve(quic: Connection, shared: Arc<Shared>) {
    let http = h3::server::builder()
        .enable_datagram(true)
        .enable_extended_connect(true)
        .build(h3_quinn::Connection::new(quic.clone()))
        .await;
    let Ok(mut http) = http else { return };
    let receivers = Receivers::default();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(deliver(quic.clone(), Arc::clone(&receivers)));
    while let Ok(Some(request)) = http.accept().await {
        let flow = flow(
            request,
            quic.clone(),
            Arc::clone(&shared),
            Arc::clone(&receivers),
        );
        tasks.spawn(async {
            let _ = flow.await;
        });
    }
}

/// Gives each datagram to its flow.
async fn deliver(quic: Connection, receivers: Receivers) {
    while let Ok(datagram) = quic.read_datagram().await {
        if let Some((id, rest)) = wire::read_varint(&datagram)
            && let Some(receiver) = lock(&receivers).get(&id)
        {
            let _ = receiver.send(Bytes::copy_from_slice(rest));
        }
    }
}

/// What a flow has of its client.
struct Client {
    quic: Connection,
    quarter: Vec<u8>,
    datagrams: UnboundedReceiver<Bytes>,
    capsules: UnboundedReceiver<Vec<u8>>,
    orders: UnboundedReceiver<Order>,
}

impl Client {
    fn send_after(&self, delay: Duration, contents: &[&[u8]]) {
        let datagram = [&[self.quarter.as_slice()][..], contents].concat().concat();
        let quic = self.quic.clone();
        if delay.is_zero() {
            let _ = quic.send_datagram(datagram.into());
        } else {
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                let _ = quic.send_datagram(datagram.into());
            });
        }
    }
}

/// Sends a packet, at once or later.
fn send_after(socket: &Arc<UdpSocket>, delay: Duration, to: SocketAddr, packet: Vec<u8>) {
    if delay.is_zero() {
        let _ = socket.try_send_to(&packet, to);
    } else {
        let socket = Arc::clone(socket);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let _ = socket.send_to(&packet, to).await;
        });
    }
}

type Writer = RequestStream<h3_quinn::SendStream<Bytes>, Bytes>;
type Reader = RequestStream<h3_quinn::RecvStream, Bytes>;

async fn flow(
    request: RequestResolver<h3_quinn::Connection, Bytes>,
    quic: Connection,
    shared: Arc<Shared>,
    receivers: Receivers,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (request, stream) = request.resolve_request().await?;
    let path = request.uri().path().to_owned();
    let target = wire::target(&path).ok_or("no target")?;
    lock(&shared.notes).paths.push(path);
    let manner = shared.manner();
    let socket = Arc::new(UdpSocket::bind((shared.address.ip(), 0)).await?);
    let id = stream.id().into_inner() / 4;
    let (mut writer, reader) = stream.split();
    let mut response = Response::builder().header("capsule-protocol", "?1");
    if target.is_none() {
        let own = format!("\"{}\"", socket.local_addr()?);
        response = response
            .header("connect-udp-bind", "?1")
            .header("proxy-public-address", manner.public.unwrap_or(own));
    }
    let (datagrams, orders) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    lock(&receivers).insert(id, datagrams.0);
    lock(&shared.flows).push(orders.0);
    writer.send_response(response.body(())?).await?;
    if !manner.capsules.is_empty() {
        writer.send_data(manner.capsules.into()).await?;
    }
    let (read, capsules) = mpsc::unbounded_channel();
    tokio::spawn(read_stream(reader, read));
    let client = Client {
        quic,
        quarter: wire::varint(id),
        datagrams: datagrams.1,
        capsules,
        orders: orders.1,
    };
    if let Some(garbage) = manner.garbage {
        return talk_rubbish(client, &garbage).await;
    }
    match target {
        Some(exit) => {
            let to = manner.leads_to.unwrap_or(exit);
            forward(client, &mut writer, &socket, to, &shared).await
        }
        None => lend(client, &mut writer, &socket, &shared).await,
    }
}

async fn read_stream(mut reader: Reader, into: UnboundedSender<Vec<u8>>) {
    while let Ok(Some(mut data)) = reader.recv_data().await {
        let bytes = data.copy_to_bytes(data.remaining());
        if into.send(bytes.to_vec()).is_err() {
            return;
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// For each packet of the client something else.
async fn talk_rubbish(mut client: Client, garbage: &[u8]) -> Outcome {
    while client.datagrams.recv().await.is_some() {
        client.send_after(Duration::ZERO, &[garbage]);
    }
    Ok(())
}

/// As an entry: packets in context 0, to one relay and back.
async fn forward(
    mut client: Client,
    writer: &mut Writer,
    socket: &Arc<UdpSocket>,
    to: SocketAddr,
    shared: &Shared,
) -> Outcome {
    let mut packet = vec![0; 2048];
    loop {
        tokio::select! {
            datagram = client.datagrams.recv() => {
                let datagram = datagram.ok_or("the client is gone")?;
                if let [0, payload @ ..] = &datagram[..] {
                    for (delay, payload) in shared.handle(Flow::ToTarget, payload) {
                        send_after(socket, delay, to, payload);
                    }
                }
            }
            received = socket.recv_from(&mut packet) => {
                // Where nobody listens, the system says so at the next turn.
                let Ok((length, from)) = received else { continue };
                if from == to {
                    let payload = packet.get(..length).unwrap_or_default();
                    for (delay, payload) in shared.handle(Flow::FromTarget, payload) {
                        client.send_after(delay, &[&[0][..], &payload]);
                    }
                }
            }
            order = client.orders.recv() => match order.ok_or("over")? {
                Order::Packet(_, packet) => client.send_after(Duration::ZERO, &[&[0][..], &packet]),
                Order::Capsules(bytes) => writer.send_data(bytes.into()).await?,
                Order::CloseContexts => {}
            },
            read = client.capsules.recv() => drop(read.ok_or("the client has ended it")?),
        }
    }
}

/// As an exit: packets of whichever context, to whomever and back.
async fn lend(
    mut client: Client,
    writer: &mut Writer,
    socket: &Arc<UdpSocket>,
    shared: &Shared,
) -> Outcome {
    let mut contexts = Contexts::default();
    let mut packet = vec![0; 2048];
    loop {
        tokio::select! {
            datagram = client.datagrams.recv() => {
                let datagram = datagram.ok_or("the client is gone")?;
                if let Some((peer, payload)) = contexts.read(&datagram) {
                    lock(&shared.notes).peers.push(peer);
                    for (delay, payload) in shared.handle(Flow::ToTarget, payload) {
                        send_after(socket, delay, peer, payload);
                    }
                }
            }
            received = socket.recv_from(&mut packet) => {
                let Ok((length, from)) = received else { continue };
                let payload = packet.get(..length).unwrap_or_default();
                for (delay, payload) in shared.handle(Flow::FromTarget, payload) {
                    if let Some(header) = contexts.header(from) {
                        client.send_after(delay, &[&header[..], &payload]);
                    }
                }
            }
            order = client.orders.recv() => match order.ok_or("over")? {
                Order::Packet(from, packet) => {
                    if let Some(header) = contexts.header(from) {
                        client.send_after(Duration::ZERO, &[&header[..], &packet]);
                    }
                }
                Order::Capsules(bytes) => writer.send_data(bytes.into()).await?,
                Order::CloseContexts => {
                    writer.send_data(contexts.close_all().into()).await?;
                }
            },
            read = client.capsules.recv() => {
                let bytes = read.ok_or("the client has ended it")?;
                let answers = contexts.take(&bytes);
                if !answers.is_empty() {
                    writer.send_data(answers.into()).await?;
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
