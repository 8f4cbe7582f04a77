//! A small relay of the tests: an entry or an exit, honest or as a test wishes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use h3::ext::Protocol;
use h3::server::{RequestResolver, RequestStream};
use http::{Request, Response};
use quinn::{Connection, Endpoint, ServerConfig, TransportConfig};
use rcgen::PublicKeyData as _;
use rustls::NamedGroup;
use rustls::crypto::SupportedKxGroup;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use securecall_relay::masque::{Target, varint};
use securecall_relay::{Hop, HopProof};
use sha2::{Digest as _, Sha256};
use tokio::net::UdpSocket;
use tokio::time::sleep;
use zeroize::Zeroizing;

/// What a relay does.
#[derive(Clone, Debug, Default)]
pub(super) struct Manner {
    /// Instead of 200.
    pub(super) status: Option<u16>,
    /// The fields of the answer, instead of what is right.
    pub(super) fields: Option<Vec<(&'static str, String)>>,
    /// It never answers.
    pub(super) is_mute: bool,
    /// Numbered datagrams to each flow: so many before the answer, and so many after it.
    pub(super) flood: (u8, u32),
    /// As many bytes of capsules, in one piece, after the answer.
    pub(super) capsules: usize,
    /// It ends each flow after so long.
    pub(super) ends_after: Option<Duration>,
    /// Its packets are never larger than 1200 bytes.
    pub(super) is_narrow: bool,
    /// The only key exchanges that it takes, if there is one.
    pub(super) groups: Vec<NamedGroup>,
}

/// What a relay has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// From where connections came, and come now.
    pub(super) connections: Vec<Connection>,
    pub(super) authorizations: Vec<String>,
    pub(super) paths: Vec<String>,
    /// How connections ended.
    pub(super) ends: Vec<String>,
}

/// A relay on the loopback interface.
pub(super) struct TestRelay {
    pub(super) address: SocketAddr,
    pub(super) certificate: Vec<u8>,
    pub(super) pin: [u8; 32],
    pub(super) seen: Arc<Mutex<Seen>>,
    pub(super) endpoint: Endpoint,
}

pub(super) const NAME: &str = "relay.example";

impl TestRelay {
    /// An honest one.
    pub(super) fn start() -> Self {
        Self::with_manner(Manner::default())
    }

    pub(super) fn with_manner(manner: Manner) -> Self {
        let (relay, seen) = Self::listen(&manner);
        let endpoint = relay.endpoint.clone();
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                let Ok(quic) = incoming.await else { continue };
                seen.lock().unwrap().connections.push(quic.clone());
                tokio::spawn(serve(quic, manner.clone(), Arc::clone(&seen)));
            }
        });
        relay
    }

    /// One that speaks QUIC, and then the bytes that `speak` says.
    pub(super) fn raw<F: Future<Output = ()> + Send>(
        speak: impl Fn(Connection) -> F + Send + Sync + 'static,
    ) -> Self {
        let (relay, _) = Self::listen(&Manner::default());
        let endpoint = relay.endpoint.clone();
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                speak(incoming.await.unwrap()).await;
            }
        });
        relay
    }

    fn listen(manner: &Manner) -> (Self, Arc<Mutex<Seen>>) {
        let key = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let certificate = key.cert.der().to_vec();
        let spki = key.signing_key.subject_public_key_info();
        let secret =
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        if !manner.groups.is_empty() {
            let is_wanted = |group: &&dyn SupportedKxGroup| manner.groups.contains(&group.name());
            provider.kx_groups.retain(is_wanted);
        }
        let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], secret)
            .unwrap();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let tls = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let mut config = ServerConfig::with_crypto(Arc::new(tls));
        let mut transport = TransportConfig::default();
        match manner.is_narrow {
            true => transport.mtu_discovery_config(None),
            false => transport.initial_mtu(1350),
        };
        config.transport_config(Arc::new(transport));
        let endpoint = Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let relay = Self {
            address: endpoint.local_addr().unwrap(),
            certificate,
            pin: Sha256::digest(spki).into(),
            seen: Arc::clone(&seen),
            endpoint,
        };
        (relay, seen)
    }

    /// It as a hop of a path.
    pub(super) fn hop(&self) -> Hop {
        Hop {
            address: self.address,
            name: NAME.to_owned(),
            proof: HopProof::Spki(self.pin),
            authorization: Some(Zeroizing::new("Bearer of-the-lab".to_owned())),
        }
    }
}

async fn serve(quic: Connection, manner: Manner, seen: Arc<Mutex<Seen>>) {
    let http = h3::server::builder()
        .enable_datagram(true)
        .enable_extended_connect(true)
        .build(h3_quinn::Connection::new(quic.clone()))
        .await;
    let Ok(mut http) = http else { return };
    let mut flows = tokio::task::JoinSet::new();
    let receivers = Arc::new(Mutex::new(std::collections::BTreeMap::new()));
    let read = tokio::spawn(deliver(quic.clone(), Arc::clone(&receivers)));
    let end = loop {
        let request = match http.accept().await {
            Ok(Some(request)) => request,
            Ok(None) => break None,
            Err(error) => break Some(error.to_string()),
        };
        let flow = answer(
            request,
            quic.clone(),
            manner.clone(),
            Arc::clone(&seen),
            Arc::clone(&receivers),
        );
        flows.spawn(flow);
    };
    seen.lock().unwrap().ends.extend(end);
    read.abort();
}

type Receivers =
    Arc<Mutex<std::collections::BTreeMap<u64, tokio::sync::mpsc::UnboundedSender<Bytes>>>>;

async fn deliver(quic: Connection, receivers: Receivers) {
    while let Ok(datagram) = quic.read_datagram().await {
        let (id, contents) = varint::read(&datagram).unwrap();
        if let Some(receiver) = receivers.lock().unwrap().get(&id) {
            let _ = receiver.send(Bytes::copy_from_slice(contents));
        }
    }
}

type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

async fn answer(
    request: RequestResolver<h3_quinn::Connection, Bytes>,
    quic: Connection,
    manner: Manner,
    seen: Arc<Mutex<Seen>>,
    receivers: Receivers,
) {
    let Ok((request, mut stream)) = request.resolve_request().await else {
        return;
    };
    let target = check(&request, &seen);
    let id = stream.id().into_inner() / 4;
    let quarter = varint::encode(id);
    let send = |contents: &[u8]| {
        let _ = quic.send_datagram([quarter.as_ref(), contents].concat().into());
    };
    for number in 0..manner.flood.0 {
        send(&[2, number]);
    }
    if manner.is_mute {
        return std::future::pending().await;
    }
    if manner.flood.0 > 0 {
        sleep(Duration::from_millis(100)).await;
    }
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut response = Response::builder().status(manner.status.unwrap_or(200));
    let fields = manner.fields.clone().unwrap_or_else(|| match target {
        Target::Address(_) => vec![("capsule-protocol", "?1".to_owned())],
        Target::Any => vec![
            ("capsule-protocol", "?1".to_owned()),
            ("connect-udp-bind", "?1".to_owned()),
            (
                "proxy-public-address",
                format!("\"{}\"", socket.local_addr().unwrap()),
            ),
        ],
    });
    for (name, value) in fields {
        response = response.header(name, value);
    }
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    receivers.lock().unwrap().insert(id, sender);
    if stream
        .send_response(response.body(()).unwrap())
        .await
        .is_err()
    {
        return;
    }
    for number in 0..manner.flood.1 {
        send(&[&[2][..], &number.to_be_bytes()].concat());
    }
    if manner.capsules > 0 {
        let _ = stream.send_data(vec![0x17; manner.capsules].into()).await;
    }
    let end = async {
        match manner.ends_after {
            Some(after) => sleep(after).await,
            None => std::future::pending().await,
        }
    };
    if manner.status.is_none() {
        tokio::select! {
            () = carry(target, &socket, receiver, &send) => {}
            () = echo(&mut stream, target) => {}
            () = end => {}
        }
    }
    let _ = stream.finish().await;
}

/// What the client asks for must be well formed.
fn check(request: &Request<()>, seen: &Mutex<Seen>) -> Target {
    assert_eq!(request.method(), http::Method::CONNECT);
    assert_eq!(request.uri().scheme_str(), Some("https"));
    assert_eq!(request.uri().host(), Some(NAME));
    let protocol = request.extensions().get::<Protocol>();
    assert_eq!(protocol, Some(&Protocol::CONNECT_UDP));
    let fields = request.headers();
    assert_eq!(fields["capsule-protocol"], "?1");
    let path = request.uri().path();
    let target = Target::parse(path).unwrap();
    let asks_to_bind = fields
        .get("connect-udp-bind")
        .is_some_and(|value| value == "?1");
    assert_eq!(asks_to_bind, target == Target::Any);
    let mut seen = seen.lock().unwrap();
    seen.paths.push(path.to_owned());
    let authorization = fields["authorization"].to_str().unwrap();
    seen.authorizations.push(authorization.to_owned());
    target
}

/// Carries packets: to one address with context ID 0, or, of the bound flow, in context 2 as draft-ietf-masque-connect-udp-listen
/// says of the uncompressed one.
async fn carry(
    target: Target,
    socket: &UdpSocket,
    mut receiver: tokio::sync::mpsc::UnboundedReceiver<Bytes>,
    send: &impl Fn(&[u8]),
) {
    let mut packet = [0; 2048];
    loop {
        tokio::select! {
            datagram = receiver.recv() => {
                let Some(datagram) = datagram else { return };
                match (target, &datagram[..]) {
                    (Target::Address(exit), [0, payload @ ..]) => {
                        let _ = socket.send_to(payload, exit).await;
                    }
                    (Target::Any, [2, 4, a, b, c, d, high, low, payload @ ..]) => {
                        let port = u16::from_be_bytes([*high, *low]);
                        let peer = (Ipv4Addr::new(*a, *b, *c, *d), port);
                        let _ = socket.send_to(payload, peer).await;
                    }
                    other => panic!("{other:?}"),
                }
            }
            received = socket.recv_from(&mut packet) => {
                let Ok((len, from)) = received else { continue };
                match (target, from) {
                    (Target::Address(exit), from) if from == exit => {
                        send(&[&[0], &packet[..len]].concat());
                    }
                    (Target::Any, SocketAddr::V4(from)) => {
                        let ip = from.ip().octets();
                        let port = from.port().to_be_bytes();
                        send(&[&[2, 4][..], &ip, &port, &packet[..len]].concat());
                    }
                    _ => {}
                }
            }
        }
    }
}

/// An exit of the tests gives capsules back as they came.
async fn echo(stream: &mut Stream, target: Target) {
    while let Ok(Some(mut bytes)) = stream.recv_data().await {
        assert_eq!(target, Target::Any);
        let bytes = bytes.copy_to_bytes(bytes.remaining());
        if stream.send_data(bytes).await.is_err() {
            return;
        }
    }
}
