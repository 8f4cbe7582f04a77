//! How the NATs between this machine and the Internet behave, by the servers there are.

use std::net::SocketAddr;

use securecall_randomness::SystemRandomness;
use securecall_relay::TransactionIds;
use securecall_relay::probe::NatDiscovery;
use securecall_relay::turn::Scheme;
use tokio::task::JoinSet;

use super::runner::run;
use super::sockets::ProbeSockets;
use super::{NamedServer, NatFinding, NatReport};
use crate::clock;
use crate::config::Network;

/// The most servers whose names are asked for.
const MAX_SERVERS: usize = 16;

/// Finds out by these servers, as far as they are spoken to over UDP, how the NATs between this machine and the
/// Internet behave. Takes 3 s where a NAT filters, and 13 s with servers, or a name service, that do not answer at all.
pub async fn discover_nat(servers: &[NamedServer], network: &Network) -> NatReport {
    let addresses = addresses_over_udp(servers, network).await;
    let (v4, v6): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.into_iter().partition(SocketAddr::is_ipv4);
    let (ipv4, ipv6) = tokio::join!(discover(v4, network), discover(v6, network));
    NatReport { ipv4, ipv6 }
}

/// In the order in which the servers are named.
async fn addresses_over_udp(servers: &[NamedServer], network: &Network) -> Vec<SocketAddr> {
    let over_udp = servers
        .iter()
        .filter(|server| matches!(server.uri.scheme, Scheme::Stun | Scheme::TurnUdp));
    let mut names = JoinSet::new();
    for (index, server) in over_udp.take(MAX_SERVERS).cloned().enumerate() {
        let reach = network.reach;
        names.spawn(async move { (index, server.addresses(reach).await) });
    }
    let mut found = Vec::new();
    while let Some(resolved) = names.join_next().await {
        if let Ok((index, Ok(addresses))) = resolved {
            found.push((index, addresses));
        }
    }
    found.sort_by_key(|(index, _)| *index);
    found
        .into_iter()
        .flat_map(|(_, addresses)| addresses)
        .collect()
}

async fn discover(servers: Vec<SocketAddr>, network: &Network) -> NatFinding {
    let Some(first) = servers.first().copied() else {
        return NatFinding::NoServer;
    };
    let Ok((sockets, at)) = ProbeSockets::bind(network, first) else {
        return NatFinding::NoRoute;
    };
    let ids = TransactionIds::new(SystemRandomness);
    let probe = NatDiscovery::new(clock::now(), at, servers, ids);
    match run(probe, &sockets, None).await {
        Some(behavior) => NatFinding::Behavior(behavior),
        None => NatFinding::NoAnswer,
    }
}
