//! One server, tried at each of its addresses.

use std::net::SocketAddr;

use securecall_randomness::SystemRandomness;
use securecall_relay::probe::{Allocated, Reflexive, StunProbe, TurnProbe, TurnProbeSockets};
use securecall_relay::{Credentials, ServerLink, TransactionIds, TurnServer};
use securecall_relay_client::TlsTrust;
use tokio::task::JoinSet;

use super::runner::run;
use super::sockets::ProbeSockets;
use super::{NamedServer, ProbeAnswer, ProbeFailure, ServerProbe};
use crate::clock;
use crate::config::Network;

/// Tries a server at each of its addresses, at most four, all at once. A STUN server is asked how it sees us; at a TURN
/// server an address is allocated, tried with packets, and given back. Takes as long as the slowest answer, and 12 s with
/// a server, or a name service, that does not answer at all.
pub async fn probe_server(
    server: &NamedServer,
    network: &Network,
    trust: Option<&TlsTrust>,
) -> Vec<ServerProbe> {
    let told = |address, outcome| ServerProbe {
        uri: server.uri.clone(),
        named_by: server.named_by,
        address,
        outcome,
    };
    let login = match asked_for(server) {
        Ok(login) => login,
        Err(failure) => return vec![told(None, Err(failure))],
    };
    let addresses = match server.addresses(network.reach).await {
        Ok(addresses) => addresses,
        Err(error) => return vec![told(None, Err(error.into()))],
    };
    let mut probes = JoinSet::new();
    for (index, address) in addresses.iter().copied().enumerate() {
        let (network, trust, login) = (network.clone(), trust.cloned(), login.clone());
        probes.spawn(async move {
            let outcome = match login {
                None => stun(&network, address).await,
                Some((link, credentials)) => {
                    let server = TurnServer {
                        address,
                        link,
                        credentials,
                    };
                    turn(&network, trust, server).await
                }
            };
            (index, address, outcome)
        });
    }
    let mut outcomes = Vec::new();
    while let Some(probed) = probes.join_next().await {
        // A probe that panicked has told nothing.
        outcomes.extend(probed);
    }
    // In the order of the addresses, whoever answered first.
    outcomes.sort_by_key(|(index, ..)| *index);
    let outcomes = outcomes.into_iter();
    outcomes
        .map(|(_, address, outcome)| told(Some(address), outcome))
        .collect()
}

/// Over what a TURN server is asked, and as whom; `None` for a STUN server.
fn asked_for(server: &NamedServer) -> Result<Option<(ServerLink, Credentials)>, ProbeFailure> {
    let Some(link) = server.link() else {
        return Ok(None);
    };
    let credentials = server.credentials().ok_or(ProbeFailure::NoCredentials)?;
    Ok(Some((link, credentials)))
}

async fn stun(network: &Network, server: SocketAddr) -> Result<ProbeAnswer, ProbeFailure> {
    let (sockets, [socket]) =
        ProbeSockets::bind(network, server).map_err(|error| no_route(&error))?;
    let ids = TransactionIds::new(SystemRandomness);
    let probe = StunProbe::new(clock::now(), socket, server, ids);
    let Reflexive { mapped, took } = run(probe, &sockets, None).await?;
    Ok(ProbeAnswer::Seen { mapped, took })
}

async fn turn(
    network: &Network,
    trust: Option<TlsTrust>,
    server: TurnServer,
) -> Result<ProbeAnswer, ProbeFailure> {
    let (sockets, [first, second, peer]) =
        ProbeSockets::bind(network, server.address).map_err(|error| no_route(&error))?;
    let at = TurnProbeSockets {
        control: [first, second],
        peer,
    };
    let ids = || TransactionIds::new(SystemRandomness);
    let probe = TurnProbe::new(clock::now(), server, at, ids);
    let Allocated {
        grant,
        took,
        relaying,
    } = run(probe, &sockets, trust).await?;
    Ok(ProbeAnswer::Allocated {
        relayed: grant.relayed,
        mapped: grant.mapped,
        took,
        lifetime: grant.lifetime,
        relaying,
    })
}

fn no_route(error: &std::io::Error) -> ProbeFailure {
    tracing::debug!(%error, "no way to a server");
    ProbeFailure::NoRoute
}
