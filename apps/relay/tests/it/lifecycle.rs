//! Starting, reading anew, and stopping without cutting calls.

use rustix::process::Signal;
use tokio::time::timeout;

use crate::client::{Client, PATIENCE, handshake, receive};
use crate::daemon::{lab, lab_with, tokio_udp};

#[tokio::test]
async fn on_sigterm_calls_go_on_for_a_while_and_no_new_ones_begin() {
    let mut daemon = lab_with("").start();
    let peer = tokio_udp().await;
    let mut client = Client::connect(daemon.address()).await;
    let mut bound = client.bound().await;
    daemon.signal(Signal::TERM);
    daemon.figure_becomes("draining", |value| value == 1).await;
    let refused = client.bind().await;
    assert_eq!(refused.status(), 503);
    assert_eq!(
        refused.field("proxy-status"),
        "securecall-relay; error=destination_unavailable"
    );
    // Another client is told the same, not nothing.
    let mut other = Client::connect(daemon.address()).await;
    assert_eq!(other.bind().await.status(), 503);
    bound.send(peer.local_addr().unwrap(), b"still here");
    assert_eq!(receive(&peer).await.0, b"still here");
    assert!(bound.answer.ends().await, "ended properly");
    assert!(daemon.ended().await.success());
}

#[tokio::test]
async fn a_relay_without_flows_stops_at_once_and_a_second_signal_waits_for_nobody() {
    let mut daemon = lab_with("").start();
    daemon.signal(Signal::TERM);
    assert!(daemon.ended().await.success());

    let lab = lab_with("");
    let settings = std::fs::read_to_string(lab.settings()).unwrap();
    let patient = settings.replace("drain_seconds = 3", "drain_seconds = 600");
    std::fs::write(lab.settings(), patient).unwrap();
    let mut daemon = lab.start();
    let mut client = Client::connect(daemon.address()).await;
    let _bound = client.bound().await;
    daemon.signal(Signal::TERM);
    daemon.figure_becomes("draining", |value| value == 1).await;
    daemon.signal(Signal::TERM);
    assert!(daemon.ended().await.success());
}

#[tokio::test]
async fn a_flow_has_its_lifetime() {
    let daemon = lab_with("flow_lifetime_seconds = 1").start();
    let mut client = Client::connect(daemon.address()).await;
    let mut bound = client.bound().await;
    assert!(bound.answer.ends().await, "ended properly");
    daemon
        .figure_becomes("flows{role=\"exit\"}", |count| count == 0)
        .await;
}

#[tokio::test]
async fn on_sighup_certificate_and_relays_are_read_anew_and_flows_go_on() {
    let first = tokio_udp().await;
    let second = tokio_udp().await.local_addr().unwrap();
    let daemon = lab(first.local_addr().unwrap()).start();
    let mut client = Client::connect(daemon.address()).await;
    let answer = client.forward(first.local_addr().unwrap()).await;
    assert_eq!(answer.status(), 200);

    // What is wrong changes nothing.
    let lab = &daemon.lab;
    let key = std::fs::read(lab.path("key.pem")).unwrap();
    std::fs::write(lab.path("key.pem"), "no key").unwrap();
    assert!(!daemon.reload().await);
    let same = Client::connect(daemon.address()).await;
    let shown = client.shown.der().unwrap();
    assert_eq!(same.shown.der().unwrap(), shown);
    std::fs::write(lab.path("key.pem"), key).unwrap();

    let other = lab_with("");
    for file in ["cert.pem", "key.pem"] {
        std::fs::copy(other.path(file), lab.path(file)).unwrap();
    }
    lab.write(
        "both",
        &format!("relays = [\"{second}\"]"),
        "addresses = [\"127.0.0.1\"]",
        "",
    );
    assert!(daemon.reload().await);
    let mut renewed = Client::connect(daemon.address()).await;
    assert_ne!(renewed.shown.der().unwrap(), shown);
    assert_eq!(renewed.forward(second).await.status(), 200);
    assert_eq!(
        renewed.forward(first.local_addr().unwrap()).await.status(),
        403
    );
    client
        .quic
        .send_datagram(answer.datagram(b"\0still here"))
        .unwrap();
    assert_eq!(receive(&first).await.0, b"still here");
}

/// Between a client and a relay, until it stops to let the client be heard. What the relay says goes on.
struct OneWay {
    address: std::net::SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl OneWay {
    /// The client is heard until the relay has said something.
    async fn to(relay: std::net::SocketAddr) -> Self {
        let near = tokio_udp().await;
        let far = tokio_udp().await;
        let address = near.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (mut out, mut back) = (vec![0; 2048], vec![0; 2048]);
            let mut client = None;
            let mut is_answered = false;
            loop {
                tokio::select! {
                    received = near.recv_from(&mut out) => {
                        let (length, from) = received.unwrap();
                        client = Some(from);
                        if !is_answered {
                            far.send_to(&out[..length], relay).await.unwrap();
                        }
                    }
                    received = far.recv(&mut back) => {
                        let (length, client) = (received.unwrap(), client.unwrap());
                        // Less is but an acknowledgement of the first half of the hello.
                        is_answered |= length >= 1200;
                        near.send_to(&back[..length], client).await.unwrap();
                    }
                }
            }
        });
        Self { address, task }
    }
}

impl Drop for OneWay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits for the first stream that a relay opens, and looks at how it begins.
async fn settings_come(quic: &quinn::Connection) -> quinn::RecvStream {
    let mut control = timeout(PATIENCE, quic.accept_uni()).await.unwrap().unwrap();
    let mut begin = [0; 2];
    timeout(PATIENCE, control.read_exact(&mut begin))
        .await
        .unwrap()
        .unwrap();
    // A control stream, and the frame of the settings (RFC 9114 sections 6.2.1 and 7.2.4).
    assert_eq!(begin, [0, 4]);
    control
}

#[tokio::test]
async fn the_settings_come_with_the_handshake_and_wait_for_nothing_of_the_client() {
    let relay = tokio_udp().await;
    let daemon = lab(relay.local_addr().unwrap()).start();
    let way = OneWay::to(daemon.address()).await;
    let quic = handshake(way.address).await;
    let _control = settings_come(&quic).await;
    // The handshake is not done for the relay, which has heard nothing since.
    assert_eq!(daemon.figure("connections"), 0);
    assert_eq!(daemon.figure("half_open"), 1);
}

/// What comes at once, or `None`.
async fn at_once<T>(what: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        value = what => Some(value),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test]
async fn a_relay_opens_a_control_stream_and_none_for_a_table_that_it_does_not_have() {
    let daemon = lab_with("").start();
    let quic = handshake(daemon.address()).await;
    let _control = settings_come(&quic).await;
    // All that it opens would have come along.
    assert!(at_once(quic.accept_uni()).await.is_none());
}

#[tokio::test]
async fn a_connection_may_have_few_more_requests_open_than_flows() {
    for (limits, most) in [("", 10), ("flows_per_connection = 4000000000", 64)] {
        let daemon = lab_with(limits).start();
        let quic = handshake(daemon.address()).await;
        let mut open = Vec::new();
        for _ in 0..most {
            open.push(at_once(quic.open_bi()).await.expect("one more").unwrap());
        }
        assert!(at_once(quic.open_bi()).await.is_none(), "{limits}");
    }
}
