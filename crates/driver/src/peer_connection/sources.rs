//! The sources of candidates that a call has.

use securecall_randomness::SystemRandomness;
use securecall_relay::{
    CandidateSource, GhostNetSource, HostSource, ReflexiveSource, TransactionIds, TurnSource,
};
use tokio::sync::watch;

use crate::config::{CandidateMap, Servers};
use crate::ghostnet::Carriers;

/// The sources there are, in the order in which they are asked whether a datagram is theirs. The host source is the last,
/// because it takes whatever comes to a socket. With them who will carry the call, should it go through GhostNet.
pub(super) fn all(
    map: Option<CandidateMap>,
    servers: &watch::Receiver<Servers>,
) -> (Vec<Box<dyn CandidateSource>>, Carriers) {
    let ids = || TransactionIds::new(SystemRandomness);
    let known = servers.borrow();
    let mut sources: Vec<Box<dyn CandidateSource>> = Vec::new();
    let mut carriers = Carriers::default();
    if let Some(ghostnet) = &known.ghostnet {
        let mut paths = ghostnet.paths();
        carriers = paths.carriers();
        sources.push(Box::new(GhostNetSource::new(move |after| {
            paths.next(after)
        })));
    }
    if !known.turn.is_empty() {
        let servers = servers.clone();
        let turn = move || servers.borrow().turn.clone();
        sources.push(Box::new(TurnSource::with_servers(turn, ids())));
    }
    if !known.stun.is_empty() {
        sources.push(Box::new(ReflexiveSource::new(known.stun.clone(), ids())));
    }
    sources.push(Box::new(HostSource::new(map)));
    (sources, carriers)
}
