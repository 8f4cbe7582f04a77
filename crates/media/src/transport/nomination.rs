//! Which candidate pair carries the call, and what kind of path that is.

use std::{collections::BTreeSet, net::SocketAddr};

use str0m::{Candidate, CandidateKind};

use super::event::{PathKind, SelectedPair};

/// The pair that DTLS and SRTP take, and what was told of it.
///
/// The engine has no getter for what it has nominated. But it sends DTLS and SRTP over the nominated
/// pair and no other, while checks and their answers go to every pair there is.
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

    /// The peer begins an ICE generation: which of its addresses were relays is forgotten, but for those that are still `in_use`.
    pub(super) fn begin_generation(&mut self, in_use: impl Fn(SocketAddr) -> bool) {
        self.remote_relays.retain(|relay| in_use(*relay));
    }

    /// DTLS or SRTP goes over this pair.
    pub(super) fn selected(&mut self, pair: SelectedPair) {
        self.pair = Some(pair);
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
        if self.pair.is_some_and(|pair| self.is_relayed(pair)) {
            PathKind::Relay
        } else {
            PathKind::Direct
        }
    }

    /// Whether either end of a pair is a relay.
    pub(super) fn is_relayed(&self, pair: SelectedPair) -> bool {
        self.local_relays.contains(&pair.local) || self.remote_relays.contains(&pair.remote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_of_generations_that_are_over_are_forgotten_and_the_one_in_use_is_not() {
        let relay = |port| SocketAddr::from(([192, 0, 2, 9], port));
        let mut nomination = Nomination::default();
        for port in 1..=1000 {
            nomination.begin_generation(|address| address == relay(1));
            let line =
                format!("candidate:1 1 udp 1 192.0.2.9 {port} typ relay raddr 0.0.0.0 rport 9");
            nomination.remote_candidate(&Candidate::from_sdp_string(&line).unwrap());
        }
        assert_eq!(
            nomination.remote_relays,
            BTreeSet::from([relay(1), relay(1000)])
        );
    }

    #[test]
    fn an_address_is_what_the_peer_last_called_it() {
        let (local, remote) = ("10.0.0.1:5001", "192.0.2.9:5009");
        let mut nomination = Nomination::default();
        nomination.selected(SelectedPair {
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
        });
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
