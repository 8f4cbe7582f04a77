//! Where connectivity checks may come from, besides the candidates that the peer has named.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::packet::BINDING_REQUEST;

/// The most sources that the peer did not name and whose checks are looked at (RFC 8445 calls them peer-reflexive). Each
/// becomes a candidate in the engine, for good, so there must be an end; a peer behind one translator after another needs few.
const MAX_LEARNED: usize = 64;

/// The sources of connectivity checks of one call.
#[derive(Default)]
pub(super) struct CheckSources {
    named: BTreeSet<SocketAddr>,
    learned: BTreeSet<SocketAddr>,
}

impl CheckSources {
    /// The peer has named a candidate.
    pub(super) fn name(&mut self, address: SocketAddr) {
        self.named.insert(address);
    }

    /// The peer begins an ICE generation, and the engine forgets where it was. So do we: a peer may begin one after the other, and
    /// whoever has filled the room for strangers from a network that we have left does not keep out those of the next.
    pub(super) fn begin_generation(&mut self) {
        self.named.clear();
        self.learned.clear();
    }

    /// An authenticated packet came from there. Returns whether that is a new address, and there is room for it.
    pub(super) fn learn(&mut self, source: SocketAddr) -> bool {
        let is_new = !self.named.contains(&source) && !self.learned.contains(&source);
        is_new && self.learned.len() < MAX_LEARNED && self.learned.insert(source)
    }

    /// Whether a datagram may go to the engine: all but the check of one source too many. A check begins its user name with our
    /// `fragment` and a colon (RFC 8445 section 7.2.2); the engine learns from no other, so no other counts.
    pub(super) fn admit(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        fragment: impl FnOnce() -> Option<String>,
    ) -> bool {
        let known = self.named.contains(&source) || self.learned.contains(&source);
        if known || !datagram.starts_with(&BINDING_REQUEST) {
            return true;
        }
        let is_for_us = fragment().is_some_and(|fragment| {
            let username = format!("{fragment}:").into_bytes();
            datagram
                .windows(username.len())
                .any(|window| window == username)
        });
        if !is_for_us {
            return true;
        }
        let room = self.learned.len() < MAX_LEARNED;
        if room {
            self.learned.insert(source);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], number))
    }

    fn admit(sources: &mut CheckSources, port: u16, datagram: &[u8]) -> bool {
        sources.admit(source(port), datagram, || Some("abcd".to_owned()))
    }

    #[test]
    fn checks_of_no_more_than_64_unnamed_sources_are_looked_at() {
        let mut sources = CheckSources::default();
        sources.name(source(5000));
        let check = b"\0\x01\0\x08abcd:efgh";
        let admitted = (1..=200).filter(|port| admit(&mut sources, *port, check));
        assert_eq!(admitted.count(), MAX_LEARNED);
        // Who was there first stays, and so does who was named.
        assert!(admit(&mut sources, 1, check) && admit(&mut sources, 5000, check));
    }

    #[test]
    fn a_peer_that_begins_one_generation_after_the_other_fills_nothing() {
        let mut sources = CheckSources::default();
        let check = b"\0\x01\0\x08abcd:efgh";
        for port in 1..=60_000 {
            sources.begin_generation();
            sources.name(source(port));
            assert!(admit(&mut sources, port + 1, check));
        }
        assert_eq!((sources.named.len(), sources.learned.len()), (1, 1));
    }

    #[test]
    fn what_is_no_check_for_us_fills_nothing() {
        let mut sources = CheckSources::default();
        for port in 1..=1000 {
            for datagram in [&b"\0\x01\0\x08wxyz:efgh"[..], b"\x16abcd:efgh", b""] {
                assert!(admit(&mut sources, port, datagram));
            }
        }
        assert!(admit(&mut sources, 2000, b"\0\x01\0\x08abcd:efgh"));
    }
}
