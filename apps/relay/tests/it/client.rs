//! A client of a relay.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use h3::client::{RequestStream, SendRequest};
use http::{Request, Response};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, TransportConfig};
use rustls::crypto::aws_lc_rs;
use securecall_interop::ShownCertificate;
use securecall_relay::masque::{BoundClient, Target, parse_public_addresses, varint};
use tokio::time::timeout;

use crate::daemon::bearer;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// TLS as clients of relays have it, with a change for a test.
pub(crate) fn config(
    shown: &ShownCertificate,
    change: impl FnOnce(&mut rustls::ClientConfig),
) -> ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(shown.verifier())
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    change(&mut tls);
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut transport = TransportConfig::default();
    transport
        .initial_mtu(1350)
        .min_mtu(1240)
        .keep_alive_interval(Some(Duration::from_secs(1)));
    config.transport_config(Arc::new(transport));
    config
}

/// A connection to a relay that speaks HTTP/3.
pub(crate) struct Client {
    pub(crate) quic: Connection,
    pub(crate) shown: ShownCertificate,
    pub(crate) requests: SendRequest<h3_quinn::OpenStreams, Bytes>,
    _endpoint: Endpoint,
}

pub(crate) fn endpoint() -> Endpoint {
    Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap()
}

/// QUIC alone.
pub(crate) async fn handshake(relay: SocketAddr) -> Connection {
    let connecting = endpoint()
        .connect_with(
            config(&ShownCertificate::default(), |_| {}),
            relay,
            "relay.test",
        )
        .unwrap();
    timeout(PATIENCE, connecting).await.unwrap().unwrap()
}

impl Client {
    pub(crate) async fn connect(relay: SocketAddr) -> Self {
        Self::connect_by(endpoint(), relay).await
    }

    pub(crate) async fn connect_by(endpoint: Endpoint, relay: SocketAddr) -> Self {
        let shown = ShownCertificate::default();
        let connecting = endpoint
            .connect_with(config(&shown, |_| {}), relay, "relay.test")
            .unwrap();
        let quic = timeout(PATIENCE, connecting).await.unwrap().unwrap();
        let (mut driver, requests) = h3::client::builder()
            .enable_datagram(true)
            .enable_extended_connect(true)
            .build::<_, _, Bytes>(h3_quinn::Connection::new(quic.clone()))
            .await
            .unwrap();
        tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
        Self {
            quic,
            shown,
            requests,
            _endpoint: endpoint,
        }
    }

    /// Asks with these fields and waits for the answer.
    pub(crate) async fn ask(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut request = Request::connect(format!("https://relay.test{path}"))
            .extension(h3::ext::Protocol::CONNECT_UDP)
            .header("capsule-protocol", "?1");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.send(request.body(()).unwrap()).await
    }

    pub(crate) async fn send(&mut self, request: Request<()>) -> Answer {
        let mut stream = self.requests.send_request(request).await.unwrap();
        let quarter = stream.id().into_inner() / 4;
        let response = timeout(PATIENCE, stream.recv_response())
            .await
            .expect("an answer in time")
            .unwrap();
        Answer {
            response,
            stream,
            quarter,
        }
    }

    /// Asks an entry to forward to a relay.
    pub(crate) async fn forward(&mut self, to: SocketAddr) -> Answer {
        let path = Target::Address(to).path();
        self.ask(&path, &[("authorization", &bearer())]).await
    }

    /// Asks an exit for addresses.
    pub(crate) async fn bind(&mut self) -> Answer {
        self.bind_by(&bearer()).await
    }

    pub(crate) async fn bind_by(&mut self, authorization: &str) -> Answer {
        let fields = [("authorization", authorization), ("connect-udp-bind", "?1")];
        self.ask(&Target::Any.path(), &fields).await
    }

    /// An exit's flow with the uncompressed context open.
    pub(crate) async fn bound(&mut self) -> Bound {
        let answer = self.bind().await;
        assert_eq!(answer.status(), 200);
        Bound::new(answer, self.quic.clone()).await
    }
}

/// What a relay answered.
pub(crate) struct Answer {
    pub(crate) response: Response<()>,
    pub(crate) stream: RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>,
    pub(crate) quarter: u64,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        let value = self.response.headers().get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// A QUIC datagram of this flow.
    pub(crate) fn datagram(&self, contents: &[u8]) -> Bytes {
        [varint::encode(self.quarter).as_ref(), contents]
            .concat()
            .into()
    }

    /// Waits for the end of the stream: whether it was a proper one.
    pub(crate) async fn ends(&mut self) -> bool {
        loop {
            match timeout(PATIENCE, self.stream.recv_data()).await.unwrap() {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }
}

/// An exit's flow, at the client.
pub(crate) struct Bound {
    pub(crate) answer: Answer,
    pub(crate) quic: Connection,
    pub(crate) contexts: BoundClient,
    pub(crate) public: SocketAddr,
}

impl Bound {
    async fn new(answer: Answer, quic: Connection) -> Self {
        let public = parse_public_addresses(answer.field("proxy-public-address")).unwrap();
        let mut bound = Self {
            answer,
            quic,
            contexts: BoundClient::new(&public),
            public: public[0],
        };
        bound.contexts.open();
        bound.exchange().await;
        bound
    }

    /// Writes the capsules that wait, and reads an answer.
    pub(crate) async fn exchange(&mut self) {
        let capsules = self.contexts.poll_capsules().unwrap();
        self.answer.stream.send_data(capsules.into()).await.unwrap();
        let mut data = timeout(PATIENCE, self.answer.stream.recv_data())
            .await
            .expect("capsules in time")
            .unwrap()
            .expect("no end");
        let bytes = data.copy_to_bytes(data.remaining());
        self.contexts.handle_capsules(&bytes).unwrap();
    }

    pub(crate) fn send(&self, peer: SocketAddr, payload: &[u8]) {
        let datagram = self.contexts.datagram(peer, payload).unwrap();
        self.quic
            .send_datagram(self.answer.datagram(&datagram))
            .unwrap();
    }

    /// To somebody to whom no client of ours would send: in the uncompressed context, which is the first.
    pub(crate) fn send_raw(&self, peer: SocketAddr, payload: &[u8]) {
        let ip = match peer.ip() {
            IpAddr::V4(ip) => [&[4][..], &ip.octets()].concat(),
            IpAddr::V6(ip) => [&[6][..], &ip.octets()].concat(),
        };
        let port = peer.port().to_be_bytes();
        let datagram = [&[2][..], &ip, &port, payload].concat();
        self.quic
            .send_datagram(self.answer.datagram(&datagram))
            .unwrap();
    }

    pub(crate) async fn receive(&self) -> (SocketAddr, Vec<u8>) {
        let datagram = timeout(PATIENCE, self.quic.read_datagram())
            .await
            .expect("a datagram in time")
            .unwrap();
        let (quarter, rest) = varint::read(&datagram).unwrap();
        assert_eq!(quarter, self.answer.quarter);
        let (peer, payload) = self.contexts.handle_datagram(rest).unwrap();
        (peer, payload.to_vec())
    }
}

/// What comes to a socket, in time.
pub(crate) async fn receive(socket: &tokio::net::UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (size, from) = timeout(PATIENCE, socket.recv_from(&mut buffer))
        .await
        .expect("a packet in time")
        .unwrap();
    (buffer[..size].to_vec(), from)
}
