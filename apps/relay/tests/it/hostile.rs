//! Clients that mean harm: each costs a bounded amount, and others do not notice.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use rustix::process::Signal;
use securecall_interop::ShownCertificate;
use securecall_relay::masque::{Target, varint};
use tokio::time::timeout;

use crate::client::{Client, PATIENCE, config, endpoint, receive};
use crate::daemon::{bearer, lab_with, tokio_udp, udp};

/// The bytes of a frame of HTTP/3 that says to be a gigabyte long, and a part of it.
fn giant_frame(kind: u64) -> Vec<u8> {
    let mut frame = varint::encode(kind).as_ref().to_vec();
    frame.extend(varint::encode(1 << 30).as_ref());
    frame.extend([0; 1024]);
    frame
}

#[tokio::test]
async fn giant_header_frames_are_not_collected() {
    let daemon = lab_with("").start();
    let client = Client::connect(daemon.address()).await;
    let (mut send, _receive) = client.quic.open_bi().await.unwrap();
    send.write_all(&giant_frame(1)).await.unwrap();
    let flood = async { while send.write_all(&[0; 4096]).await.is_ok() {} };
    timeout(PATIENCE, flood).await.expect("it is cut off");
    daemon
        .figure_becomes("greedy_connections_total", |count| count == 1)
        .await;
    let mut other = Client::connect(daemon.address()).await;
    assert_eq!(other.bind().await.status(), 200);
}

#[tokio::test]
async fn giant_frames_on_a_control_stream_are_not_collected() {
    let daemon = lab_with("").start();
    let endpoint = endpoint();
    let quic = endpoint
        .connect_with(
            config(&ShownCertificate::default(), |_| {}),
            daemon.address(),
            "relay.test",
        )
        .unwrap()
        .await
        .unwrap();
    let mut send = quic.open_uni().await.unwrap();
    // A control stream (RFC 9114 section 6.2.1) whose SETTINGS have no end.
    send.write_all(&[0]).await.unwrap();
    send.write_all(&giant_frame(4)).await.unwrap();
    let flood = async { while send.write_all(&[0; 4096]).await.is_ok() {} };
    timeout(PATIENCE, flood).await.expect("it is cut off");
    daemon
        .figure_becomes("greedy_connections_total", |count| count == 1)
        .await;
}

#[tokio::test]
async fn fields_beyond_the_bound_are_refused() {
    let daemon = lab_with("").start();
    let mut client = Client::connect(daemon.address()).await;
    // The server has said what it takes, and this client keeps to it: so it has to be told not to.
    let long = "x".repeat(8 * 1024);
    let request = Request::connect("https://relay.test/.well-known/masque/udp/%2A/%2A/")
        .extension(h3::ext::Protocol::CONNECT_UDP)
        .header("authorization", long)
        .body(())
        .unwrap();
    let refused = client.requests.send_request(request).await;
    match refused {
        Err(h3::error::StreamError::HeaderTooBig { max_size, .. }) => assert_eq!(max_size, 4096),
        Err(other) => panic!("{other}"),
        Ok(mut stream) => {
            let response = stream.recv_response().await.unwrap();
            assert_eq!(response.status(), 431);
        }
    }
}

#[tokio::test]
async fn giant_capsules_end_their_flow_and_no_other() {
    let daemon = lab_with("").start();
    let mut client = Client::connect(daemon.address()).await;
    let mut bound = client.bound().await;
    let mut capsule = varint::encode(0x2f).as_ref().to_vec();
    capsule.extend(varint::encode(1 << 30).as_ref());
    let stream = &mut bound.answer.stream;
    stream.send_data(capsule.into()).await.unwrap();
    let flood = async {
        while stream
            .send_data(Bytes::from_static(&[0; 4096]))
            .await
            .is_ok()
        {}
    };
    timeout(PATIENCE, flood).await.expect("it is cut off");
    daemon
        .figure_becomes("flows{role=\"exit\"}", |count| count == 0)
        .await;
    assert_eq!(daemon.figure("greedy_connections_total"), 0);
    let other = client.bound().await;
    let peer = tokio_udp().await;
    other.send(peer.local_addr().unwrap(), b"hello");
    assert_eq!(receive(&peer).await.0, b"hello");
}

#[tokio::test]
async fn capsules_that_must_not_be_end_the_flow() {
    let daemon = lab_with("").start();
    let mut client = Client::connect(daemon.address()).await;
    for capsule in [
        // An odd ID is the exit's to give, and so is an ACK.
        &[0x11, 2, 3, 0][..],
        &[0x12, 1, 2],
        // Longer than any of its kind.
        &[0x11, 63],
    ] {
        let mut answer = client.bind().await;
        answer.stream.send_data(capsule.into()).await.unwrap();
        assert!(!answer.ends().await, "{capsule:?}");
    }
}

#[tokio::test]
async fn datagrams_in_context_0_end_an_exits_flow() {
    let daemon = lab_with("").start();
    let mut client = Client::connect(daemon.address()).await;
    let mut answer = client.bind().await;
    client
        .quic
        .send_datagram(answer.datagram(b"\0hello"))
        .unwrap();
    assert!(!answer.ends().await);
    daemon
        .figure_becomes("dropped_total{reason=\"malformed\"}", |count| count == 1)
        .await;
}

#[tokio::test]
async fn a_connection_has_its_share_of_flows_and_the_relay_its_number() {
    let daemon = lab_with("flows = 5\nflows_per_connection = 3").start();
    let mut one = Client::connect(daemon.address()).await;
    let mut other = Client::connect(daemon.address()).await;
    let mut flows = Vec::new();
    for _ in 0..3 {
        flows.push(one.bind().await);
    }
    assert!(flows.iter().all(|flow| flow.status() == 200));
    assert_eq!(one.bind().await.status(), 429);
    for _ in 0..2 {
        flows.push(other.bind().await);
    }
    let full = other.bind().await;
    assert_eq!(full.status(), 503);
    assert_eq!(
        full.field("proxy-status"),
        "securecall-relay; error=connection_limit_reached"
    );
    assert_eq!(daemon.figure("flows{role=\"exit\"}"), 5);
    // A place is given back with its flow.
    flows.remove(0).stream.finish().await.unwrap();
    daemon
        .figure_becomes("flows{role=\"exit\"}", |count| count == 4)
        .await;
    assert_eq!(one.bind().await.status(), 200);
    assert_eq!(daemon.figure("refused_total{status=\"429\"}"), 1);
    assert_eq!(daemon.figure("refused_total{status=\"503\"}"), 1);
}

#[tokio::test]
async fn a_flow_has_its_rate_each_way() {
    let daemon = lab_with("packets_per_second = 1\npacket_burst = 5").start();
    let mut client = Client::connect(daemon.address()).await;
    let bound = client.bound().await;
    let peer = tokio_udp().await;
    for _ in 0..50 {
        bound.send(peer.local_addr().unwrap(), b"much");
    }
    daemon
        .figure_becomes("dropped_total{reason=\"rate\"}", |count| count >= 40)
        .await;
    let passed = daemon.figure("packets_total{from=\"client\"}");
    assert!((5..=10).contains(&passed), "{passed}");
    for _ in 0..50 {
        peer.send_to(b"much", bound.public).await.unwrap();
    }
    daemon
        .figure_becomes("dropped_total{reason=\"rate\"}", |count| count >= 80)
        .await;
    let passed = daemon.figure("packets_total{from=\"outside\"}");
    assert!((5..=10).contains(&passed), "{passed}");
}

#[tokio::test]
async fn who_is_refused_again_and_again_is_cut_off() {
    let daemon = lab_with("").start();
    let mut client = Client::connect(daemon.address()).await;
    for _ in 0..15 {
        assert_eq!(client.bind_by("Bearer guess").await.status(), 401);
    }
    // The last answer may get lost in the end of the connection.
    let last = Request::get("https://relay.test/").body(()).unwrap();
    let _last = client.requests.send_request(last).await;
    timeout(PATIENCE, client.quic.closed()).await.unwrap();
}

/// Takes fifteen seconds: so long a connection may be without a flow.
#[tokio::test]
async fn a_connection_without_a_flow_is_not_kept() {
    let daemon = lab_with("").start();
    let client = Client::connect(daemon.address()).await;
    timeout(Duration::from_secs(60), client.quic.closed())
        .await
        .expect("it is closed");
    daemon
        .figure_becomes("connections", |count| count == 0)
        .await;
}

/// Takes twenty seconds: five for the fields, fifteen without a flow.
#[tokio::test]
async fn a_request_whose_fields_never_come_holds_no_connection_open() {
    let daemon = lab_with("").start();
    let client = Client::connect(daemon.address()).await;
    let (mut send, _receive) = client.quic.open_bi().await.unwrap();
    // HEADERS of 100 bytes, of which one comes.
    send.write_all(&[1, 0x40, 100, 0]).await.unwrap();
    timeout(Duration::from_secs(60), client.quic.closed())
        .await
        .expect("it is closed");
}

/// First packets of handshakes, as a client of quinn writes them: they hold for any server.
async fn initials(count: usize) -> Vec<Vec<u8>> {
    let sink = tokio_udp().await;
    let endpoint = endpoint();
    let mut initials = Vec::new();
    for _ in 0..count {
        let connecting = endpoint
            .connect_with(
                config(&ShownCertificate::default(), |_| {}),
                sink.local_addr().unwrap(),
                "relay.test",
            )
            .unwrap();
        let mut flight = Vec::new();
        // The first flight takes two packets: the key of ML-KEM fills one.
        for _ in 0..2 {
            flight.push(receive(&sink).await.0);
        }
        drop(connecting);
        // What says that this handshake is given up.
        while let Ok(Ok(_)) =
            timeout(Duration::from_millis(20), sink.recv_from(&mut [0; 2048])).await
        {}
        initials.extend(flight);
    }
    initials
}

#[tokio::test]
async fn a_network_that_only_begins_handshakes_has_a_share_of_them_and_no_amplification() {
    let daemon = lab_with("half_open = 8\nretry_above = 1000").start();
    let attacker = udp();
    attacker.set_nonblocking(true).unwrap();
    let mut sent = 0;
    for initial in initials(5).await {
        sent += attacker.send_to(&initial, daemon.address()).unwrap();
    }
    daemon
        .figure_becomes("handshakes_held_back_total{how=\"ignored\"}", |count| {
            count >= 3
        })
        .await;
    assert_eq!(daemon.figure("half_open"), 2);
    // They end by themselves, and are counted as failed behind that.
    daemon
        .figure_becomes("handshakes_failed_total", |count| count == 2)
        .await;
    assert_eq!(daemon.figure("half_open"), 0);
    let mut received = 0;
    while let Ok(size) = attacker.recv(&mut [0; 2048]) {
        received += size;
    }
    assert!(received > 0 && received <= 3 * sent, "{received} {sent}");
    Client::connect(daemon.address()).await;
}

#[tokio::test]
async fn under_load_addresses_are_proven_before_anything_is_kept() {
    let daemon = lab_with("retry_above = 0").start();
    let attacker = tokio_udp().await;
    for initial in initials(3).await.into_iter().step_by(2) {
        attacker.send_to(&initial, daemon.address()).await.unwrap();
        let (retry, _) = receive(&attacker).await;
        // A long header of the type Retry (RFC 9000 section 17.2.5), and shorter than what was sent.
        assert_eq!(retry[0] & 0xf0, 0xf0);
        assert!(retry.len() < 200, "{}", retry.len());
    }
    assert_eq!(daemon.figure("half_open"), 0);
    assert_eq!(
        daemon.figure("handshakes_held_back_total{how=\"retry\"}"),
        3
    );
    let mut client = Client::connect(daemon.address()).await;
    assert_eq!(client.bind().await.status(), 200);
}

#[tokio::test]
async fn connections_have_a_number() {
    let daemon = lab_with("connections = 2").start();
    let mut one = Client::connect(daemon.address()).await;
    assert_eq!(one.bind().await.status(), 200);
    let _other = Client::connect(daemon.address()).await;
    let endpoint = endpoint();
    let refused = endpoint
        .connect_with(
            config(&ShownCertificate::default(), |_| {}),
            daemon.address(),
            "relay.test",
        )
        .unwrap()
        .await;
    assert!(refused.is_err());
    assert_eq!(
        daemon.figure("handshakes_held_back_total{how=\"refused\"}"),
        1
    );
}

#[tokio::test]
async fn who_only_connects_takes_a_quarter_of_the_connections() {
    const IGNORED: &str = "handshakes_held_back_total{how=\"ignored\"}";
    let daemon = lab_with("connections = 8").start();
    let mut rounds = 0;
    let (_idle, mut client) = loop {
        let two = (
            Client::connect(daemon.address()).await,
            Client::connect(daemon.address()).await,
        );
        let one_more = endpoint();
        let shown = config(&ShownCertificate::default(), |_| {});
        let connecting = one_more.connect_with(shown, daemon.address(), "relay.test");
        tokio::select! {
            // Where all takes long, one of the two had been idle for so long that it was shown out.
            _ = connecting.unwrap() => rounds += 1,
            () = daemon.figure_becomes(IGNORED, |count| count >= 1) => break two,
        }
        assert!(rounds < 4, "one more is let in, again and again");
    };
    // What has a flow counts no longer.
    assert_eq!(client.bind().await.status(), 200);
    Client::connect(daemon.address()).await;
}

#[tokio::test]
async fn requests_for_anything_else_are_refused() {
    let daemon = lab_with("").start();
    let mut client = Client::connect(daemon.address()).await;
    let bearer = bearer();
    let shown = ("authorization", bearer.as_str());
    for path in ["/", "/.well-known/masque/udp/%2A/9/", "/metrics"] {
        assert_eq!(client.ask(path, &[shown]).await.status(), 400, "{path}");
    }
    // A bound flow has to be asked for by its field.
    let any = Target::Any.path();
    assert_eq!(client.ask(&any, &[shown]).await.status(), 400);
    let get = Request::get("https://relay.test/metrics").body(()).unwrap();
    assert_eq!(client.send(get).await.status(), 400);
    assert_eq!(daemon.figure("refused_total{status=\"400\"}"), 5);
}

/// Counts what a server gives to be remembered by.
#[derive(Debug, Default)]
struct Tickets(std::sync::atomic::AtomicUsize);

impl rustls::client::ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: rustls::pki_types::ServerName<'static>, _: rustls::NamedGroup) {}
    fn kx_hint(&self, _: &rustls::pki_types::ServerName<'_>) -> Option<rustls::NamedGroup> {
        None
    }
    fn set_tls12_session(
        &self,
        _: rustls::pki_types::ServerName<'static>,
        _: rustls::client::Tls12ClientSessionValue,
    ) {
    }
    fn tls12_session(
        &self,
        _: &rustls::pki_types::ServerName<'_>,
    ) -> Option<rustls::client::Tls12ClientSessionValue> {
        None
    }
    fn remove_tls12_session(&self, _: &rustls::pki_types::ServerName<'static>) {}
    fn insert_tls13_ticket(
        &self,
        _: rustls::pki_types::ServerName<'static>,
        _: rustls::client::Tls13ClientSessionValue,
    ) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    fn take_tls13_ticket(
        &self,
        _: &rustls::pki_types::ServerName<'static>,
    ) -> Option<rustls::client::Tls13ClientSessionValue> {
        None
    }
}

#[tokio::test]
async fn tls_is_post_quantum_speaks_h3_only_and_gives_nothing_to_be_known_by() {
    let daemon = lab_with("").start();
    let endpoint = endpoint();
    let connect = |config| {
        endpoint
            .connect_with(config, daemon.address(), "relay.test")
            .unwrap()
    };
    let other_protocol = config(&ShownCertificate::default(), |tls| {
        tls.alpn_protocols = vec![b"hq-29".to_vec()];
    });
    assert!(connect(other_protocol).await.is_err());

    let tickets = Arc::new(Tickets::default());
    let store = tickets.clone();
    // Whoever has nothing but the hybrid group is understood.
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768];
    let hybrid = config(&ShownCertificate::default(), move |tls| {
        let mut changed = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(ShownCertificate::default().verifier())
            .with_no_client_auth();
        changed.alpn_protocols = vec![b"h3".to_vec()];
        changed.resumption = rustls::client::Resumption::store(store);
        *tls = changed;
    });
    let quic = connect(hybrid).await.unwrap();
    // Tickets would come right behind the handshake, before the settings of HTTP/3.
    let mut control = timeout(PATIENCE, quic.accept_uni()).await.unwrap().unwrap();
    control.read_exact(&mut [0]).await.unwrap();
    assert_eq!(tickets.0.load(std::sync::atomic::Ordering::Relaxed), 0);
    daemon.signal(Signal::TERM);
}
