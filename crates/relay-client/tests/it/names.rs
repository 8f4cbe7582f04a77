//! Addresses of servers.

use std::net::{IpAddr, SocketAddr};

use securecall_relay_client::{ResolveError, resolve};

fn anywhere(_: SocketAddr) -> bool {
    true
}

#[tokio::test]
async fn an_address_is_its_own_name() {
    for host in ["192.0.2.7", "2001:db8::7"] {
        let ip: IpAddr = host.parse().unwrap();
        let found = resolve(host, 3478, anywhere).await.unwrap();
        assert_eq!(found, [SocketAddr::new(ip, 3478)]);
    }
}

#[tokio::test]
async fn a_name_is_resolved_by_the_operating_system() {
    let found = resolve("localhost", 3478, anywhere).await.unwrap();
    assert!(found.iter().all(|address| address.ip().is_loopback()));
    assert!(found.iter().all(|address| address.port() == 3478));
}

#[tokio::test]
async fn a_name_that_leads_where_no_server_may_be_is_refused_for_that_reason() {
    let refused = resolve("localhost", 3478, |address| !address.ip().is_loopback()).await;
    assert!(matches!(refused, Err(ResolveError::NotPublic)));
    let unknown = resolve("no-such-host.invalid", 3478, anywhere).await;
    assert!(matches!(
        unknown,
        Err(ResolveError::Unknown(_) | ResolveError::TimedOut)
    ));
}
