use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use quinn::crypto::rustls::QuicClientConfig;
use quinn_proto::VarInt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;
use crate::tls::{Identity, SelfSigned};
use crate::transport::{ServerConfigs, listen};

const PATIENCE: Duration = Duration::from_secs(20);

/// An endpoint that lets everybody in, and what takes to be let in by it.
struct Stage {
    endpoint: Endpoint,
    address: SocketAddr,
    client: quinn::Endpoint,
    accepted: mpsc::UnboundedReceiver<Arc<Connection>>,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let SelfSigned { certificate, key } = SelfSigned::generate("relay.test").unwrap();
        let [certificate_file, key_file] =
            ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
        std::fs::write(&certificate_file, &certificate).unwrap();
        std::fs::write(&key_file, &*key).unwrap();
        let identity = Identity::load(&certificate_file, &key_file).unwrap();
        let configs = ServerConfigs::new(&identity, 8).unwrap();
        let endpoint = listen(([127, 0, 0, 1], 0).into(), &configs).unwrap();
        let address = endpoint.address();
        let (sender, accepted) = mpsc::unbounded_channel();
        let inner = endpoint.clone();
        tokio::spawn(async move {
            let admit = |incoming| {
                if let Some(connection) = inner.accept(incoming, configs.outer.clone()) {
                    let _ = sender.send(connection);
                }
            };
            inner.receive(admit).await;
        });
        let mut client = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
        client.set_default_client_config(trusting(&certificate));
        Self {
            endpoint,
            address,
            client,
            accepted,
        }
    }

    async fn connect(&mut self) -> (quinn::Connection, Arc<Connection>) {
        let connecting = self.client.connect(self.address, "relay.test").unwrap();
        let theirs = timeout(PATIENCE, connecting).await.unwrap().unwrap();
        let ours = timeout(PATIENCE, self.accepted.recv()).await.unwrap();
        let ours = ours.unwrap();
        assert!(timeout(PATIENCE, ours.connected()).await.unwrap());
        (theirs, ours)
    }
}

fn trusting(certificate: &str) -> quinn::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}

/// Notes what comes.
#[derive(Default)]
struct Noted(Mutex<Vec<Vec<u8>>>);

impl ReceivesDatagrams for Noted {
    fn handle_datagram(&self, datagram: &[u8]) {
        self.0.lock().unwrap().push(datagram.to_vec());
    }
}

impl Noted {
    async fn become_so_many(&self, count: usize) {
        let so_many = async {
            while self.0.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, so_many).await.expect("they come");
    }
}

async fn comes(theirs: &quinn::Connection) -> Bytes {
    let read = timeout(PATIENCE, theirs.read_datagram()).await;
    read.expect("it comes").unwrap()
}

#[tokio::test]
async fn datagrams_go_both_ways_in_order_and_those_that_came_early_are_kept() {
    let mut stage = Stage::new();
    let (theirs, ours) = stage.connect().await;
    let noted = Arc::new(Noted::default());
    theirs.send_datagram(Bytes::from_static(b"0")).unwrap();
    theirs.send_datagram(Bytes::from_static(b"1")).unwrap();
    // A round trip, so that they are there.
    ours.queue_datagram(Bytes::from_static(b"back")).unwrap();
    ours.flush();
    assert_eq!(comes(&theirs).await, "back");
    let receiver = Arc::downgrade(&noted);
    ours.set_receiver(receiver);
    theirs.send_datagram(Bytes::from_static(b"2")).unwrap();
    noted.become_so_many(3).await;
    assert_eq!(*noted.0.lock().unwrap(), [b"0", b"1", b"2"]);
    // Who is gone gets nothing, and nothing happens.
    drop(noted);
    theirs.send_datagram(Bytes::from_static(b"3")).unwrap();
    for number in 0..20_u8 {
        ours.queue_datagram(vec![number].into()).unwrap();
    }
    ours.flush();
    for number in 0..20_u8 {
        assert_eq!(comes(&theirs).await, vec![number]);
    }
}

#[tokio::test]
async fn what_the_socket_has_no_room_for_leaves_when_it_has() {
    let mut stage = Stage::new();
    let (theirs, ours) = stage.connect().await;
    stage.endpoint.fill(true);
    for number in 0..5_u8 {
        ours.queue_datagram(vec![number].into()).unwrap();
        ours.flush();
    }
    let early = timeout(Duration::from_millis(50), theirs.read_datagram()).await;
    assert!(early.is_err());
    stage.endpoint.fill(false);
    for number in 0..5_u8 {
        assert_eq!(comes(&theirs).await, vec![number]);
    }
}

#[tokio::test]
async fn connections_that_are_over_leave_nothing() {
    let mut stage = Stage::new();
    let mut all = Vec::new();
    for _ in 0..8 {
        all.push(stage.connect().await);
    }
    assert_eq!(stage.endpoint.open(), 8);
    // Some are ended there, and some here.
    for (theirs, _) in &all[..3] {
        theirs.close(7_u32.into(), b"");
    }
    for (_, ours) in &all[3..5] {
        ours.close(VarInt::from_u32(9));
    }
    let reason = timeout(PATIENCE, all[3].0.closed()).await.unwrap();
    let quinn::ConnectionError::ApplicationClosed(close) = reason else {
        panic!("{reason}");
    };
    assert_eq!(close.error_code, VarInt::from_u32(9));
    let ended = async {
        while stage.endpoint.open() > 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, ended).await.expect("they go");
    for (number, (_, ours)) in all.iter().enumerate() {
        assert_eq!(ours.is_over(), number < 5, "{number}");
        let queued = ours.queue_datagram(Bytes::from_static(b"?"));
        assert_eq!(queued.is_ok(), number >= 5);
    }
    // Then all others, and nobody comes in any more.
    stage.endpoint.close(VarInt::from_u32(0));
    timeout(PATIENCE, stage.endpoint.wait_idle())
        .await
        .expect("the last goes");
    assert!(stage.endpoint.has_no_timers());
    for (_, ours) in &all {
        assert_eq!(Arc::strong_count(ours), 1);
    }
    let late = stage.client.connect(stage.address, "relay.test").unwrap();
    assert!(timeout(Duration::from_millis(200), late).await.is_err());
}

#[tokio::test]
async fn who_waits_for_a_connection_that_ends_is_told() {
    let mut stage = Stage::new();
    let (theirs, ours) = stage.connect().await;
    let budget = crate::stream_budget::Budget::new();
    let mut streams = Streams::new(ours, budget);
    let accepted = std::future::poll_fn(|cx| {
        h3::quic::Connection::<Bytes>::poll_accept_recv(&mut streams, cx)
    });
    theirs.close(7_u32.into(), b"");
    let error = timeout(PATIENCE, accepted).await.expect("it is told").err();
    let Some(h3::quic::ConnectionErrorIncoming::ApplicationClose { error_code }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error_code, 7);
}

#[tokio::test]
async fn a_stream_is_read_to_its_end_stopped_and_reset() {
    use h3::quic::{RecvStream as _, SendStream as _};
    let mut stage = Stage::new();
    let (theirs, ours) = stage.connect().await;
    let mut streams = Streams::new(ours, crate::stream_budget::Budget::new());
    let mut accepted = Vec::new();
    for asked in [&b"one"[..], b"other"] {
        let (mut send, receive) = theirs.open_bi().await.unwrap();
        send.write_all(asked).await.unwrap();
        let accept = std::future::poll_fn(|cx| {
            h3::quic::Connection::<Bytes>::poll_accept_bidi(&mut streams, cx)
        });
        let mut both = timeout(PATIENCE, accept).await.unwrap().unwrap();
        let read = timeout(PATIENCE, std::future::poll_fn(|cx| both.poll_data(cx))).await;
        assert_eq!(read.unwrap().unwrap().unwrap(), asked);
        accepted.push((send, receive, both));
    }
    let (mut send, mut receive, mut both) = accepted.remove(0);
    // Who waits is woken by the end.
    let (_, end) = tokio::join!(
        async { send.finish().unwrap() },
        timeout(PATIENCE, std::future::poll_fn(|cx| both.poll_data(cx)))
    );
    assert_eq!(end.unwrap().unwrap(), None);
    both.reset(0x10c);
    let reset = timeout(PATIENCE, receive.read_to_end(10)).await.unwrap();
    let quinn::ReadToEndError::Read(quinn::ReadError::Reset(code)) = reset.unwrap_err() else {
        panic!("it is reset");
    };
    assert_eq!(code, VarInt::from_u32(0x10c));
    // What is dropped is stopped, and what was written to it ends.
    let (send, mut receive, both) = accepted.remove(0);
    drop(both);
    let stopped = timeout(PATIENCE, send.stopped()).await.unwrap().unwrap();
    assert_eq!(stopped, Some(VarInt::from_u32(0)));
    let rest = timeout(PATIENCE, receive.read_to_end(10)).await.unwrap();
    assert!(rest.unwrap().is_empty());
}

#[tokio::test]
async fn garbage_is_dropped() {
    let mut stage = Stage::new();
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut state = 1_u32;
    for length in [0, 1, 7, 20, 21, 40, 1199, 1200, 1400] {
        for first in [0x00, 0x40, 0x5f, 0x80, 0xc0, 0xc3, 0xd0, 0xe0, 0xf0, 0xff] {
            let mut packet: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            if let Some(byte) = packet.first_mut() {
                *byte = first;
            }
            // A version that is known, and one that is not.
            if packet.len() > 6 && state & 0x100 == 0 {
                packet[1..6].copy_from_slice(&[0, 0, 0, 1, 8]);
            }
            socket.send_to(&packet, stage.address).await.unwrap();
        }
    }
    let (theirs, ours) = stage.connect().await;
    ours.queue_datagram(Bytes::from_static(b"still here"))
        .unwrap();
    ours.flush();
    assert_eq!(comes(&theirs).await, "still here");
}
