//! Which candidate pair carries the call, and what kind of path that is.

use std::{collections::BTreeSet, net::SocketAddr};

use str0m::{Candidate, CandidateKind};

use super::event::{PathKind, SelectedPair};

/// STUN begins with 0 or 1, everything that goes over the nominated pair alone with 20 or more
/// (RFC 7983).
const FIRST_OTHER_THAN_STUN: u8 = 20;

/// The nominated pair, as the engine shows it.
///
/// The engine has no getter for it and tells it only once a second. But it sends DTLS and SRTP over
/// the nominated pair and no other, while checks and their answers go to every pair there is.
#[derive(Default)]
pub(super) struct Nomination {
    /// Candidates of relays: what goes from a base here, or to an address here, takes a relay.
    local_relays: BTreeSet<SocketAddr>,
    remote_relays: BTreeSet<SocketAddr>,
    pair: Option<SelectedPair>,
    /// What was told of it last.
    told: Option<(PathKind, SelectedPair)>,
}

impl Nomination {
    /// A relay sends for us from this address.
    pub(super) fn local_relay(&mut self, base: SocketAddr) {
        self.local_relays.insert(base);
    }

    /// The peer has named a candidate. Its latest word counts: a relay may give an address to
    /// somebody else.
    pub(super) fn remote_candidate(&mut self, candidate: &Candidate) {
        if candidate.kind() == CandidateKind::Relayed {
            self.remote_relays.insert(candidate.addr());
        } else {
            self.remote_relays.remove(&candidate.addr());
        }
    }

    /// The engine sends a datagram.
    pub(super) fn sends(&mut self, local: SocketAddr, remote: SocketAddr, contents: &[u8]) {
        if contents
            .first()
            .is_some_and(|byte| *byte >= FIRST_OTHER_THAN_STUN)
        {
            self.nominated(local, remote);
        }
    }

    /// The engine says which pair it is.
    pub(super) fn nominated(&mut self, local: SocketAddr, remote: SocketAddr) {
        self.pair = Some(SelectedPair { local, remote });
    }

    /// The pair, once there is one.
    pub(super) fn pair(&self) -> Option<SelectedPair> {
        self.pair
    }

    /// The pair and the kind of path, if either is another one than this told last. The first time nothing was told before.
    pub(super) fn news(&mut self) -> Option<(PathKind, SelectedPair)> {
        let now = (self.kind(), self.pair?);
        let before = self.told.replace(now);
        (before != Some(now)).then_some(now)
    }

    /// The kind of path: through a relay, if either end of the pair is one.
    pub(super) fn kind(&self) -> PathKind {
        let relayed = self.pair.is_some_and(|pair| {
            self.local_relays.contains(&pair.local) || self.remote_relays.contains(&pair.remote)
        });
        if relayed {
            PathKind::Relay
        } else {
            PathKind::Direct
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_the_peer_last_called_it() {
        let (local, remote) = ("10.0.0.1:5001", "192.0.2.9:5009");
        let mut nomination = Nomination::default();
        nomination.sends(local.parse().unwrap(), remote.parse().unwrap(), &[22]);
        for (kind, expected) in [
            ("host", PathKind::Direct),
            ("relay raddr 0.0.0.0 rport 9", PathKind::Relay),
            ("host", PathKind::Direct),
        ] {
            let line = format!("candidate:1 1 udp 1 192.0.2.9 5009 typ {kind}");
            nomination.remote_candidate(&Candidate::from_sdp_string(&line).unwrap());
            assert_eq!(nomination.kind(), expected, "{kind}");
        }
    }
}
