//! Where connectivity checks may come from, besides the candidates that the peer has named.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use super::packet::{BINDING_REQUEST, Transaction, transaction};

/// The most sources that the peer did not name and whose checks are looked at (RFC 8445 calls them peer-reflexive). Each
/// becomes a candidate in the engine, for good, so there must be an end; a peer behind one translator after another needs few.
const MAX_LEARNED: usize = 64;
/// The most of them whose check had come from elsewhere before: on its way somebody may repeat a check of the peer's, from anywhere,
/// and be faster than the peer. So it is not the first to come that counts; but whoever repeats fills no more than a part of the room.
const MAX_REPEATED: usize = 16;
/// Room beyond that for sources of what was authenticated otherwise: nobody can repeat that, so the peer gets through to us from
/// a new address though its checks be crowded out.
const MAX_HEARD: usize = 16;
/// The checks that are remembered: those of seconds while a path is looked for, and of minutes later.
const MAX_SEEN: usize = 1024;

/// The sources of connectivity checks of one call.
#[derive(Default)]
pub(super) struct CheckSources {
    named: BTreeSet<SocketAddr>,
    learned: BTreeSet<SocketAddr>,
    /// How many were learned by a check that had come from elsewhere before.
    repeated: usize,
    /// Checks of the peer that have come, oldest first. It makes a new one each time, for one way.
    seen: VecDeque<Transaction>,
}

impl CheckSources {
    /// The peer has named a candidate.
    pub(super) fn name(&mut self, address: SocketAddr) {
        self.named.insert(address);
    }

    /// The peer begins an ICE generation, and the engine forgets where it was. So do we: a peer may begin one after the other, and
    /// whoever has filled the room for strangers from a network that we have left does not keep out those of the next.
    pub(super) fn begin_generation(&mut self) {
        *self = Self::default();
    }

    /// An authenticated packet came from there. Returns whether that is a new address, and there is room for it.
    pub(super) fn learn(&mut self, source: SocketAddr) -> bool {
        let has_room = self.learned.len() < MAX_LEARNED + MAX_HEARD;
        !self.knows(source) && has_room && self.learned.insert(source)
    }

    /// Whether a datagram may go to the engine: of checks those that are genuine, and of these all but that of one source too many.
    /// Nobody who cannot sign a check fills anything.
    pub(super) fn admit(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        is_genuine: impl FnOnce() -> bool,
    ) -> bool {
        let Some(check) = transaction(datagram, BINDING_REQUEST) else {
            return true;
        };
        if !is_genuine() {
            return false;
        }
        let is_repeated = self.has_seen(check);
        if self.knows(source) {
            return true;
        }
        let has_room = self.learned.len() < MAX_LEARNED;
        if !has_room || (is_repeated && self.repeated >= MAX_REPEATED) {
            return false;
        }
        self.repeated += usize::from(is_repeated);
        self.learned.insert(source)
    }

    /// Whether the peer has named this address, or a check of its has come from there.
    pub(super) fn knows(&self, source: SocketAddr) -> bool {
        self.named.contains(&source) || self.learned.contains(&source)
    }

    /// Whether this check has come before; from now on it has.
    fn has_seen(&mut self, check: Transaction) -> bool {
        if self.seen.contains(&check) {
            return true;
        }
        if self.seen.len() >= MAX_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(check);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], number))
    }

    fn check(number: u16) -> Vec<u8> {
        let mut check = BINDING_REQUEST.to_vec();
        check.resize(18, 0);
        check.extend_from_slice(&number.to_be_bytes());
        check
    }

    /// The check comes from the source.
    fn admit(sources: &mut CheckSources, from: u16, number: u16) -> bool {
        sources.admit(source(from), &check(number), || true)
    }

    #[test]
    fn checks_of_no_more_than_64_unnamed_sources_are_looked_at() {
        let mut sources = CheckSources::default();
        sources.name(source(5000));
        let admitted = (1..=200).filter(|number| admit(&mut sources, *number, *number));
        assert_eq!(admitted.count(), MAX_LEARNED);
        // Who was there first stays, and so does who was named.
        assert!(admit(&mut sources, 1, 300) && admit(&mut sources, 5000, 301));
        // Voice, which nobody can repeat, still comes from elsewhere, and its source is checked from then on.
        let heard = (1000..1200).filter(|port| sources.learn(source(*port)));
        assert_eq!(heard.count(), MAX_HEARD);
        assert!(admit(&mut sources, 1000, 302) && !sources.learn(source(1)));
    }

    #[test]
    fn who_cannot_sign_a_check_fills_nothing() {
        let mut sources = CheckSources::default();
        for number in 0..1000 {
            assert!(!sources.admit(source(number), &check(number), || false));
        }
        assert!(admit(&mut sources, 2000, 5));
        // Nor does what is no check; the engine knows what to do with it.
        for datagram in [&b"\x01\x01"[..], b"\x16abcd:efgh", b""] {
            assert!(sources.admit(source(2001), datagram, || unreachable!()));
        }
        assert_eq!(sources.learned.len(), 1);
    }

    #[test]
    fn who_repeats_a_check_of_the_peer_does_not_crowd_out_its_others() {
        let mut sources = CheckSources::default();
        sources.name(source(5000));
        assert!(admit(&mut sources, 5000, 1));
        let repeated = (1..=1000).filter(|port| admit(&mut sources, *port, 1));
        assert_eq!(repeated.count(), MAX_REPEATED);
        // Faster than the peer, too.
        assert!(admit(&mut sources, 2000, 2) && !admit(&mut sources, 2001, 2));
        for number in 3..40 {
            assert!(admit(&mut sources, 3000 + number, number));
        }
    }

    #[test]
    fn a_peer_that_begins_one_generation_after_the_other_fills_nothing() {
        let mut sources = CheckSources::default();
        for port in 1..=60_000 {
            sources.begin_generation();
            sources.name(source(port));
            assert!(admit(&mut sources, port + 1, port));
        }
        assert_eq!((sources.named.len(), sources.learned.len()), (1, 1));
        for number in 0..5000 {
            admit(&mut sources, 60_000, number);
        }
        assert_eq!(sources.seen.len(), MAX_SEEN);
    }
}
