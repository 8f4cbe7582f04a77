//! Flights of DTLS that leave before there is a nominated pair.
//!
//! Between two people on the Internet each flight takes as long as a check, and the handshake used to begin when all checks were
//! through. Now the first flight of the client goes with its first checks, and what follows goes wherever the peer is known to
//! be: when there is a pair, the handshake is done, or nearly so. (libwebrtc does the same inside of its checks.)
//!
//! What is sent to an address of which nobody knows whether the peer is there is bounded: one flight of one datagram, once, to a
//! pair that gets a check many times. Everything else goes only where a check has come from that the peer has signed.

use std::net::SocketAddr;

use super::event::Datagram;
use super::packet::{BINDING_REQUEST, BINDING_SUCCESS};

/// The most pairs that are used. There are rarely more that work.
const MAX_PAIRS: usize = 16;
/// The most datagrams of a flight: a certificate and its signature take two.
const MAX_FLIGHT: usize = 4;

/// Flights before there is a nominated pair.
#[derive(Debug, Default)]
pub(super) struct EarlyFlights {
    pairs: Vec<Pair>,
    /// What was sent last.
    flight: Vec<Vec<u8>>,
    /// The flight answers one of the peer.
    is_answer: bool,
}

/// Two addresses between which the engine checks.
#[derive(Debug)]
struct Pair {
    local: SocketAddr,
    remote: SocketAddr,
    /// A check that the peer has signed came this way.
    is_live: bool,
    /// The flight has gone this way.
    is_served: bool,
}

/// What the engine's sending shows of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The peer may be there: it gets a check.
    Tried,
    /// The peer is there: its check is answered.
    Live,
}

impl Shown {
    /// What a datagram of the engine shows.
    pub(super) fn by(contents: &[u8]) -> Option<Self> {
        match *contents.first_chunk()? {
            BINDING_REQUEST => Some(Self::Tried),
            BINDING_SUCCESS => Some(Self::Live),
            _ => None,
        }
    }
}

impl EarlyFlights {
    /// The engine sends between these two. Gives what is to follow.
    pub(super) fn shown(
        &mut self,
        shown: Shown,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Vec<Datagram> {
        let is_it = |pair: &Pair| (pair.local, pair.remote) == (local, remote);
        let known = self.pairs.iter().position(is_it);
        if known.is_none() && self.pairs.len() >= MAX_PAIRS {
            return Vec::new();
        }
        let index = known.unwrap_or(self.pairs.len());
        if known.is_none() {
            self.pairs.push(Pair {
                local,
                remote,
                is_live: false,
                is_served: false,
            });
        }
        let pair = &mut self.pairs[index];
        if shown == Shown::Live {
            // What went there before may have come to a door that was shut.
            pair.is_served &= pair.is_live;
            pair.is_live = true;
        }
        pair.serve(&self.flight, self.is_answer)
    }

    /// A datagram of DTLS came: what is sent from now on answers it.
    pub(super) fn heard(&mut self) {
        self.is_answer = true;
    }

    /// DTLS has a new flight, or repeats one. Gives what goes where.
    pub(super) fn send(&mut self, flight: Vec<Vec<u8>>) -> Vec<Datagram> {
        self.flight = flight;
        self.flight.truncate(MAX_FLIGHT);
        let mut datagrams = Vec::new();
        for pair in &mut self.pairs {
            // Where the peer has not shown itself nothing is repeated.
            pair.is_served &= !pair.is_live;
            datagrams.extend(pair.serve(&self.flight, self.is_answer));
        }
        datagrams
    }

    /// There is a nominated pair: gives the last flight, for it may have got lost.
    pub(super) fn end(&mut self) -> Vec<Vec<u8>> {
        self.pairs.clear();
        std::mem::take(&mut self.flight)
    }
}

impl Pair {
    fn serve(&mut self, flight: &[Vec<u8>], is_answer: bool) -> Vec<Datagram> {
        let may_go = self.is_live || (!is_answer && flight.len() == 1);
        if self.is_served || flight.is_empty() || !may_go {
            return Vec::new();
        }
        self.is_served = true;
        let datagram = |contents: &Vec<u8>| Datagram {
            source: self.local,
            destination: self.remote,
            contents: contents.clone(),
        };
        flight.iter().map(datagram).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "10.0.0.1:5001";
    const NAMED: &str = "192.0.2.9:5009";
    const OTHER: &str = "192.0.2.7:5007";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn flight(datagrams: usize) -> Vec<Vec<u8>> {
        vec![vec![22; 40]; datagrams]
    }

    impl EarlyFlights {
        /// How many datagrams follow what is shown of a way.
        fn follow(&mut self, way: Shown, remote: &str) -> usize {
            self.shown(way, address(OURS), address(remote)).len()
        }
    }

    #[test]
    fn the_first_flight_goes_once_where_the_peer_may_be_and_is_repeated_where_it_is() {
        let mut early = EarlyFlights::default();
        assert_eq!(early.follow(Shown::Tried, NAMED), 0);
        assert_eq!(early.send(flight(1)).len(), 1);
        assert_eq!(early.follow(Shown::Tried, NAMED), 0);
        assert_eq!(early.follow(Shown::Tried, OTHER), 1);
        assert_eq!(early.send(flight(1)).len(), 0);
        assert_eq!(early.follow(Shown::Live, NAMED), 1);
        assert_eq!(early.follow(Shown::Live, NAMED), 0);
        let repeated = early.send(flight(1));
        assert_eq!(repeated.len(), 1);
        assert_eq!(repeated[0].destination, address(NAMED));
    }

    #[test]
    fn an_answer_goes_to_nobody_who_has_not_shown_to_be_the_peer() {
        let mut early = EarlyFlights::default();
        early.follow(Shown::Tried, NAMED);
        early.heard();
        for datagrams in [1, 2] {
            assert_eq!(early.send(flight(datagrams)).len(), 0);
        }
        assert_eq!(early.follow(Shown::Tried, OTHER), 0);
        assert_eq!(early.follow(Shown::Live, OTHER), 2);
    }

    #[test]
    fn however_many_addresses_the_peer_names_few_get_a_flight() {
        let mut early = EarlyFlights::default();
        early.send(flight(1));
        let sent: usize = (1..1000)
            .map(|port| early.follow(Shown::Tried, &format!("192.0.2.9:{port}")))
            .sum();
        assert_eq!(sent, MAX_PAIRS);
        assert_eq!(early.end().len(), 1);
        assert_eq!(early.send(flight(1)).len(), 0);
    }

    #[test]
    fn only_checks_and_their_answers_show_anything() {
        assert_eq!(Shown::by(&[0, 1, 0, 0]), Some(Shown::Tried));
        assert_eq!(Shown::by(&[1, 1, 0, 0]), Some(Shown::Live));
        for other in [&[1, 0x11, 0][..], &[0], &[], &[22, 254, 253]] {
            assert_eq!(Shown::by(other), None);
        }
    }
}
