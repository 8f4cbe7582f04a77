//! An entry forwards to relays of its directory, and to nobody else.

use std::net::SocketAddr;

use crate::client::{Client, PATIENCE, receive};
use crate::daemon::{bearer, lab, tokio_udp};

#[tokio::test]
async fn packets_go_to_the_relay_that_was_named_and_come_back() {
    let exit = tokio_udp().await;
    let daemon = lab(exit.local_addr().unwrap()).start();
    let mut client = Client::connect(daemon.address()).await;
    let answer = client.forward(exit.local_addr().unwrap()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.field("capsule-protocol"), "?1");
    for payload in [&b"one"[..], &[7; 1200], b""] {
        let datagram = [&[0], payload].concat();
        client
            .quic
            .send_datagram(answer.datagram(&datagram))
            .unwrap();
        let (received, from) = receive(&exit).await;
        assert_eq!(received, payload);
        exit.send_to(payload, from).await.unwrap();
        let datagram = tokio::time::timeout(PATIENCE, client.quic.read_datagram())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(datagram, answer.datagram(&[&[0], payload].concat()));
    }
    assert_eq!(daemon.figure("flows{role=\"entry\"}"), 1);
    // A packet is counted behind its sending.
    for from in ["client", "outside"] {
        let carried = format!("packets_total{{from=\"{from}\"}}");
        daemon.figure_becomes(&carried, |count| count == 3).await;
    }
    drop(answer);
    client.quic.close(0_u8.into(), b"");
    // Either may end first.
    for figure in ["connections", "flows{role=\"entry\"}"] {
        daemon.figure_becomes(figure, |count| count == 0).await;
    }
}

#[tokio::test]
async fn only_addresses_and_ports_of_the_directory_are_targets() {
    let exit = tokio_udp().await;
    let exit = exit.local_addr().unwrap();
    let daemon = lab(exit).start();
    let mut client = Client::connect(daemon.address()).await;
    let other_port = SocketAddr::new(exit.ip(), exit.port() ^ 1);
    let other_host: SocketAddr = "198.51.100.7:443".parse().unwrap();
    let own = daemon.address();
    for target in [other_port, other_host, own, "[::1]:443".parse().unwrap()] {
        let answer = client.forward(target).await;
        assert_eq!(answer.status(), 403, "{target}");
        assert_eq!(
            answer.field("proxy-status"),
            "securecall-relay; error=destination_ip_prohibited"
        );
    }
    assert_eq!(daemon.figure("refused_total{status=\"403\"}"), 4);
}

#[tokio::test]
async fn names_are_not_resolved() {
    let daemon = lab("127.0.0.1:9".parse().unwrap()).start();
    let mut client = Client::connect(daemon.address()).await;
    let authorization = bearer();
    for host in ["localhost", "relay.example", "127.1", "0x7f000001"] {
        let path = format!("/.well-known/masque/udp/{host}/9/");
        let answer = client
            .ask(&path, &[("authorization", &authorization)])
            .await;
        assert_eq!(answer.status(), 403, "{host}");
    }
}

#[tokio::test]
async fn what_comes_from_elsewhere_than_the_relay_does_not_reach_the_client() {
    let exit = tokio_udp().await;
    let daemon = lab(exit.local_addr().unwrap()).start();
    let mut client = Client::connect(daemon.address()).await;
    let answer = client.forward(exit.local_addr().unwrap()).await;
    client
        .quic
        .send_datagram(answer.datagram(b"\0hello"))
        .unwrap();
    let (_, flow) = receive(&exit).await;
    tokio_udp().await.send_to(b"forged", flow).await.unwrap();
    exit.send_to(b"true", flow).await.unwrap();
    let datagram = client.quic.read_datagram().await.unwrap();
    assert_eq!(datagram, answer.datagram(b"\0true"));
}

#[tokio::test]
async fn datagrams_of_no_flow_or_context_are_dropped_and_counted() {
    let exit = tokio_udp().await;
    let daemon = lab(exit.local_addr().unwrap()).start();
    let mut client = Client::connect(daemon.address()).await;
    let answer = client.forward(exit.local_addr().unwrap()).await;
    for datagram in [&b"\x02hello"[..], b""] {
        client
            .quic
            .send_datagram(answer.datagram(datagram))
            .unwrap();
    }
    client
        .quic
        .send_datagram(b"\x3f\0hello"[..].into())
        .unwrap();
    client
        .quic
        .send_datagram(answer.datagram(b"\0last"))
        .unwrap();
    assert_eq!(receive(&exit).await.0, b"last");
    assert_eq!(daemon.figure("dropped_total{reason=\"malformed\"}"), 2);
    assert_eq!(daemon.figure("dropped_total{reason=\"no_flow\"}"), 1);
}
