//! The sources of candidates that a call has.

use securecall_relay::{CandidateSource, HostSource, ReflexiveSource, TransactionIds, TurnSource};

use crate::config::Network;
use crate::randomness::SystemRandomness;

/// The sources there are, in the order in which they are asked whether a datagram is theirs. The host source is the last,
/// because it takes whatever comes to a socket.
pub(super) fn all(network: &Network) -> Vec<Box<dyn CandidateSource>> {
    let ids = || TransactionIds::new(SystemRandomness);
    let mut sources: Vec<Box<dyn CandidateSource>> = Vec::new();
    let servers = &network.servers;
    if !servers.turn.is_empty() {
        sources.push(Box::new(TurnSource::new(servers.turn.clone(), ids())));
    }
    if !servers.stun.is_empty() {
        sources.push(Box::new(ReflexiveSource::new(servers.stun.clone(), ids())));
    }
    sources.push(Box::new(HostSource::new(network.candidate_map.clone())));
    sources
}

/// Whether calls can be had in which the peer does not learn where we are.
pub(crate) fn relay_available(network: &Network) -> bool {
    let mut sources = all(network).into_iter();
    sources.any(|source| source.hides_address())
}
