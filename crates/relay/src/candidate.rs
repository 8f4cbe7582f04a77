//! Addresses at which this device can be reached.

use std::net::SocketAddr;

/// How an address of ours was found (RFC 8445 section 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CandidateKind {
    /// A socket of this machine.
    Host,
    /// A socket of this machine as a server sees it, through the NATs between them.
    ServerReflexive,
    /// An address at a relay, which sends and receives for us.
    Relayed,
}

/// An address at which this device can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Candidate {
    /// How it was found.
    pub kind: CandidateKind,
    /// Where what is sent from this candidate leaves: the address of a socket, or the one at the relay.
    pub base: SocketAddr,
    /// What the peer is told.
    pub address: SocketAddr,
}

impl Candidate {
    /// A socket of this machine.
    pub const fn host(base: SocketAddr) -> Self {
        Self {
            kind: CandidateKind::Host,
            base,
            address: base,
        }
    }

    /// A socket of this machine as a server sees it.
    pub const fn server_reflexive(base: SocketAddr, address: SocketAddr) -> Self {
        Self {
            kind: CandidateKind::ServerReflexive,
            base,
            address,
        }
    }

    /// An address at a relay.
    pub const fn relayed(address: SocketAddr) -> Self {
        Self {
            kind: CandidateKind::Relayed,
            base: address,
            address,
        }
    }
}
