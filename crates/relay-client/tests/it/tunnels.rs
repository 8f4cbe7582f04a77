//! Tunnels through two relays on the loopback interface.

mod failures;
mod hostile;
mod masque_go;
mod moving;
mod opening;
mod relay;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use securecall_relay::{
    Hop, HopRole, TunnelEvent, TunnelFailure, TunnelFailureKind, TunnelId, TunnelOrder, TunnelPath,
};
use securecall_relay_client::{TunnelNews, Tunnels};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use self::relay::{Manner, TestRelay};

const ONE: TunnelId = TunnelId(1);
const OTHER: TunnelId = TunnelId(2);
/// A busy machine takes its time. No test waits for it to be over.
const PATIENCE: Duration = Duration::from_secs(30);

fn open(tunnels: &mut Tunnels, tunnel: TunnelId, entry: Hop, exit: Hop) {
    let path = Box::new(TunnelPath { entry, exit });
    tunnels.handle_order(TunnelOrder::Open { tunnel, path });
}

async fn next(tunnels: &mut Tunnels) -> TunnelNews {
    timeout(PATIENCE, tunnels.next()).await.unwrap()
}

/// Waits until a tunnel is open; gives what the exit has bound.
async fn opened(tunnels: &mut Tunnels, tunnel: TunnelId) -> SocketAddr {
    let news = next(tunnels).await;
    assert_eq!(news.tunnel, tunnel);
    match news.event() {
        TunnelEvent::Opened { public } => public[0],
        other => panic!("{other:?}"),
    }
}

/// Waits until a tunnel fails, whatever else it brings.
async fn failure(tunnels: &mut Tunnels, tunnel: TunnelId) -> (HopRole, TunnelFailureKind) {
    loop {
        let news = next(tunnels).await;
        assert_eq!(news.tunnel, tunnel);
        if let TunnelEvent::Closed(TunnelFailure { hop, kind }) = news.event() {
            return (hop, kind);
        }
    }
}

/// How a tunnel through two relays fails.
async fn failure_through(entry: &TestRelay, exit: &TestRelay) -> (HopRole, TunnelFailureKind) {
    let mut tunnels = Tunnels::new(None).in_laboratory();
    open(&mut tunnels, ONE, entry.hop(), exit.hop());
    failure(&mut tunnels, ONE).await
}

/// A tunnel that is open.
async fn open_tunnel(entry: Hop, exit: Hop) -> Tunnels {
    let mut tunnels = Tunnels::new(None).in_laboratory();
    open(&mut tunnels, ONE, entry, exit);
    opened(&mut tunnels, ONE).await;
    tunnels
}

/// A datagram to a peer in the uncompressed context of [`relay`]: context ID, IP version, address, port, payload.
fn to_peer(peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let SocketAddr::V4(peer) = peer else {
        panic!("the tests have IPv4");
    };
    let (ip, port) = (peer.ip().octets(), peer.port().to_be_bytes());
    [&[2, 4][..], &ip, &port, payload].concat()
}

fn send(tunnels: &mut Tunnels, tunnel: TunnelId, contents: Vec<u8>) {
    tunnels.handle_order(TunnelOrder::Datagram { tunnel, contents });
}

/// A peer, and its address.
async fn peer() -> (UdpSocket, SocketAddr) {
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = peer.local_addr().unwrap();
    (peer, address)
}

/// Sends packets to a peer through a tunnel until one comes back from it.
async fn echoed(tunnels: &mut Tunnels, tunnel: TunnelId) {
    let (peer, address) = peer().await;
    let mut packet = [0; 100];
    let there_and_back = async {
        loop {
            send(tunnels, tunnel, to_peer(address, b"there"));
            tokio::select! {
                received = peer.recv_from(&mut packet) => {
                    let (len, exit) = received.unwrap();
                    assert_eq!(&packet[..len], b"there");
                    peer.send_to(b"back", exit).await.unwrap();
                }
                news = tunnels.next() => {
                    assert_eq!(news.tunnel, tunnel);
                    match news.event() {
                        TunnelEvent::Datagram(contents) if contents == to_peer(address, b"back") => return,
                        TunnelEvent::Datagram(_) => {}
                        other => panic!("{other:?}"),
                    }
                }
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        }
    };
    timeout(PATIENCE, there_and_back).await.unwrap();
}

/// For so long a tunnel is not closed.
async fn stays_open(tunnels: &mut Tunnels, period: Duration) {
    let closed = async {
        loop {
            let news = tunnels.next().await;
            if matches!(news.event(), TunnelEvent::Closed(_)) {
                return news;
            }
        }
    };
    let closed = timeout(period, closed).await;
    assert!(closed.is_err(), "{closed:?}");
}
