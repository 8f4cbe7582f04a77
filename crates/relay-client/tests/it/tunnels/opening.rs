//! Tunnels that open and carry packets.

use super::*;

#[tokio::test]
async fn a_tunnel_leads_through_two_relays_to_a_peer_and_back() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let mut tunnels = Tunnels::new(None).in_laboratory();
    open(&mut tunnels, ONE, entry.hop(), exit.hop());
    let public = opened(&mut tunnels, ONE).await;
    echoed(&mut tunnels, ONE).await;

    // Who saw what.
    let (peer, address) = peer().await;
    send(&mut tunnels, ONE, to_peer(address, b"?"));
    let (_, from) = peer.recv_from(&mut [0; 10]).await.unwrap();
    assert_eq!(from, public, "the peer sees what the exit has bound");
    let (entry_seen, exit_seen) = (entry.seen.lock().unwrap(), exit.seen.lock().unwrap());
    let to_exit = format!("/.well-known/masque/udp/127.0.0.1/{}/", exit.address.port());
    assert_eq!(entry_seen.paths, [to_exit]);
    assert_eq!(exit_seen.paths, ["/.well-known/masque/udp/%2A/%2A/"]);
    assert_eq!(entry_seen.authorizations, ["Bearer of-the-lab"]);
    assert_eq!(exit_seen.authorizations, ["Bearer of-the-lab"]);
    let at_entry = entry_seen.connections[0].remote_address();
    let at_exit = exit_seen.connections[0].remote_address();
    assert_ne!(at_entry, at_exit, "the exit sees the entry");
}

#[tokio::test]
async fn a_tunnel_lives_where_all_of_them_were_made_whoever_orders_it() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let mut tunnels = Tunnels::new(None).in_laboratory();
    // A thread without a runtime, and one whose runtime ends soon after.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| open(&mut tunnels, ONE, entry.hop(), exit.hop()));
    });
    opened(&mut tunnels, ONE).await;
    std::thread::scope(|scope| {
        let ordered = async { open(&mut tunnels, OTHER, exit.hop(), entry.hop()) };
        scope.spawn(move || runtime.block_on(ordered));
    });
    opened(&mut tunnels, OTHER).await;
}

#[tokio::test]
async fn capsules_go_through_the_stream_in_order_and_none_is_lost() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let mut tunnels = open_tunnel(entry.hop(), exit.hop()).await;
    let mut said = Vec::new();
    let mut heard = Vec::new();
    for number in 0..40_u8 {
        let bytes = vec![number; 700];
        said.extend_from_slice(&bytes);
        let tunnel = ONE;
        tunnels.handle_order(TunnelOrder::Capsules { tunnel, bytes });
    }
    while heard.len() < said.len() {
        let news = next(&mut tunnels).await;
        match news.event() {
            TunnelEvent::Capsules(bytes) => heard.extend_from_slice(bytes),
            other => panic!("{other:?}"),
        }
    }
    assert!(heard == said);
}

#[tokio::test]
async fn tunnels_through_one_entry_share_its_connection_and_keep_it_as_long_as_one_needs_it() {
    let (entry, exit, other) = (TestRelay::start(), TestRelay::start(), TestRelay::start());
    let mut tunnels = open_tunnel(entry.hop(), exit.hop()).await;
    open(&mut tunnels, OTHER, entry.hop(), other.hop());
    opened(&mut tunnels, OTHER).await;
    let outer = entry.seen.lock().unwrap().connections.clone();
    assert_eq!(outer.len(), 1);

    // The second flow has datagrams of its own, and outlives the first.
    echoed(&mut tunnels, OTHER).await;
    tunnels.handle_order(TunnelOrder::Close(ONE));
    let first = exit.seen.lock().unwrap().connections[0].clone();
    timeout(PATIENCE, first.closed()).await.unwrap();
    echoed(&mut tunnels, OTHER).await;
    assert_eq!(outer[0].close_reason(), None);

    tunnels.handle_order(TunnelOrder::Close(OTHER));
    timeout(PATIENCE, outer[0].closed()).await.unwrap();
}

#[tokio::test]
async fn two_that_open_at_once_share_a_connection_too() {
    let (entry, exit, other) = (TestRelay::start(), TestRelay::start(), TestRelay::start());
    let mut tunnels = Tunnels::new(None).in_laboratory();
    open(&mut tunnels, ONE, entry.hop(), exit.hop());
    open(&mut tunnels, OTHER, entry.hop(), other.hop());
    for _ in 0..2 {
        let news = next(&mut tunnels).await;
        assert!(matches!(news.event(), TunnelEvent::Opened { .. }));
    }
    assert_eq!(entry.seen.lock().unwrap().connections.len(), 1);
}

#[tokio::test]
async fn an_entry_that_must_prove_itself_otherwise_is_another_one() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let mut tunnels = open_tunnel(entry.hop(), exit.hop()).await;
    let mut wrong = entry.hop();
    wrong.proof = securecall_relay::HopProof::Spki([0; 32]);
    open(&mut tunnels, OTHER, wrong, exit.hop());
    assert_eq!(
        failure(&mut tunnels, OTHER).await,
        (HopRole::Entry, TunnelFailureKind::WrongCertificate)
    );
}

#[tokio::test]
async fn when_tunnels_are_dropped_both_relays_are_told() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let tunnels = open_tunnel(entry.hop(), exit.hop()).await;
    drop(tunnels);
    for relay in [&exit, &entry] {
        let told = async {
            while relay.seen.lock().unwrap().ends.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, told).await.unwrap();
        let ends = relay.seen.lock().unwrap().ends.clone();
        assert_eq!(ends, ["Remote error: ApplicationClose: H3_NO_ERROR"]);
    }
}

#[tokio::test]
async fn the_keys_of_both_connections_are_post_quantum() {
    let demanding = || {
        TestRelay::with_manner(Manner {
            groups: vec![rustls::NamedGroup::X25519MLKEM768],
            ..Manner::default()
        })
    };
    let (entry, exit) = (demanding(), demanding());
    let mut tunnels = open_tunnel(entry.hop(), exit.hop()).await;
    echoed(&mut tunnels, ONE).await;
}

#[tokio::test]
async fn packets_of_a_call_are_as_large_as_its_transport_makes_them() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let mut tunnels = open_tunnel(entry.hop(), exit.hop()).await;
    let (peer, address) = peer().await;
    // The largest packet of a call: an SCTP packet in DTLS.
    let payload = vec![7; 1250];
    let mut packet = [0; 2000];
    // Until the inner connection has found how much the path takes.
    let arrived = async {
        loop {
            send(&mut tunnels, ONE, to_peer(address, &payload));
            let received = timeout(Duration::from_millis(100), peer.recv(&mut packet));
            if let Ok(len) = received.await {
                return len.unwrap();
            }
        }
    };
    assert_eq!(timeout(PATIENCE, arrived).await.unwrap(), payload.len());
}
