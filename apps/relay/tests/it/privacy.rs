//! What a relay leaves behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::client::{Client, receive};
use crate::daemon::{SECRET, lab, tokio_udp};

fn files(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn no_address_and_no_secret_is_in_log_figures_or_on_disk_after_a_flow() {
    let relay = tokio_udp().await;
    let peer = tokio_udp().await;
    let relay_address = relay.local_addr().unwrap();
    let peer_address = peer.local_addr().unwrap();
    let daemon = lab(relay_address).start();
    let before = files(daemon.lab.folder.path());
    let mut client = Client::connect(daemon.address()).await;
    let forwarding = client.forward(relay_address).await;
    client
        .quic
        .send_datagram(forwarding.datagram(b"\0hello"))
        .unwrap();
    receive(&relay).await;
    let bound = client.bound().await;
    bound.send(peer_address, b"hello");
    let (_, public) = receive(&peer).await;
    // What goes wrong is not told either.
    client.forward(peer_address).await;
    client.bind_by("Bearer a-wrong-secret").await;
    bound.send("10.0.0.1:9".parse().unwrap(), b"lost");
    peer.send_to(b"answer", public).await.unwrap();
    bound.receive().await;
    let figures = daemon.figures();
    client.quic.close(0_u8.into(), b"");
    daemon
        .figure_becomes("connections", |count| count == 0)
        .await;
    let (log, lab) = daemon.stopped();
    assert!(log.contains("ready"), "{log}");
    assert!(log.contains("a request is refused"), "{log}");
    for (what, text) in [("log", &log), ("figures", &figures)] {
        for secret in ["127.0.0.1", "10.0.0.1", SECRET, "a-wrong-secret"] {
            assert!(!text.contains(secret), "{secret} is in the {what}: {text}");
        }
        for address in [relay_address, peer_address, public] {
            let port = format!(":{}", address.port());
            assert!(!text.contains(&port), "{port} is in the {what}: {text}");
        }
    }
    assert_eq!(files(lab.folder.path()), before);
}
