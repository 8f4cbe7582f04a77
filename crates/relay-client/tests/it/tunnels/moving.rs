//! The network of this machine changes under a tunnel.

use std::net::IpAddr;

use super::*;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// From where the entry sees the tunnel come.
fn from(entry: &TestRelay) -> SocketAddr {
    let seen = entry.seen.lock().unwrap();
    assert_eq!(seen.connections.len(), 1);
    seen.connections[0].remote_address()
}

#[tokio::test]
async fn a_tunnel_whose_address_is_gone_leaves_from_another_one_and_lives_on() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let mut tunnels = open_tunnel(entry.hop(), exit.hop()).await;
    echoed(&mut tunnels, ONE).await;
    let before = from(&entry);
    tunnels.addresses_gone(&["192.0.2.1".parse().unwrap()]);
    echoed(&mut tunnels, ONE).await;
    assert_eq!(from(&entry), before, "another address is nothing to it");

    tunnels.addresses_gone(&[LOCALHOST]);
    echoed(&mut tunnels, ONE).await;
    assert_ne!(from(&entry), before);
    assert_eq!(exit.seen.lock().unwrap().connections.len(), 1);
}

#[tokio::test]
async fn a_tunnel_follows_the_route() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let mut tunnels = open_tunnel(entry.hop(), exit.hop()).await;
    let before = from(&entry);
    tunnels.routes_changed(|_| Some(LOCALHOST));
    echoed(&mut tunnels, ONE).await;
    assert_eq!(from(&entry), before, "it leaves as it did");

    tunnels.routes_changed(|to| {
        assert_eq!(to, entry.address);
        Some(Ipv4Addr::new(127, 0, 0, 2).into())
    });
    echoed(&mut tunnels, ONE).await;
    assert_ne!(from(&entry), before);
}

#[tokio::test]
async fn while_there_is_no_way_nobody_is_silent() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let forwarder = securecall_interop::UdpForwarder::in_front_of(entry.address).unwrap();
    let hop = Hop {
        address: forwarder.address(),
        ..entry.hop()
    };
    let mut tunnels = open_tunnel(hop, exit.hop()).await;
    echoed(&mut tunnels, ONE).await;
    tunnels.routes_changed(|_| None);
    forwarder.cut();
    stays_open(&mut tunnels, Duration::from_secs(4)).await;

    forwarder.heal();
    tunnels.routes_changed(|_| Some(LOCALHOST));
    echoed(&mut tunnels, ONE).await;
    assert_eq!(entry.seen.lock().unwrap().connections.len(), 1);
}
