//! Servers and NATs, tried for real before anybody calls.
//!
//! Nothing is sent to anybody but the servers that are named, the relays and issuers of the list of GhostNet, an address that
//! a TURN server grants, and our own address as they see it.

mod nat;
mod runner;
mod server;
mod sockets;

use std::net::SocketAddr;
use std::time::Duration;

pub use nat::discover_nat;
pub use securecall_relay::TurnFailure;
pub use securecall_relay::probe::{
    Evidence, FilteringBehavior, MappingBehavior, NatBehavior, Relaying,
};
use securecall_relay::turn::ServerUri;
pub use securecall_relay::turn::UriError;
pub use securecall_relay_client::ResolveError;
pub use server::probe_server;

pub use crate::ghostnet::{
    ListError, ListedIssuer, ListedRelay, RelayFault, Survey, survey as survey_ghostnet,
};
pub use crate::named_server::{NamedBy, NamedServer, UnusableUri, named_servers};

/// What came of one server, at one of its addresses. Over what it was spoken to says the scheme of its URI.
#[derive(Debug)]
pub struct ServerProbe {
    /// The server, as it was named.
    pub uri: ServerUri,
    /// Who has named it.
    pub named_by: NamedBy,
    /// The address that was tried; `None` if there is none.
    pub address: Option<SocketAddr>,
    /// What it gave, or why it gave nothing.
    pub outcome: Result<ProbeAnswer, ProbeFailure>,
}

/// What a server gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// A STUN server said how it sees us.
    Seen {
        /// Our address outside.
        mapped: SocketAddr,
        /// From the first request to the answer.
        took: Duration,
    },
    /// A TURN server granted addresses. They have been given back.
    Allocated {
        /// The addresses: an IPv4 one, an IPv6 one, or both.
        relayed: Vec<SocketAddr>,
        /// Our address outside, if the server said so.
        mapped: Option<SocketAddr>,
        /// From the first packet (of TCP and TLS, too) to the grant.
        took: Duration,
        /// For how long the server granted them, before they would have to be renewed.
        lifetime: Duration,
        /// Whether packets really go through them.
        relaying: Relaying,
    },
}

/// Why a server gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    /// Its name leads to no address that may be used.
    #[error(transparent)]
    Name(#[from] ResolveError),
    /// Whoever has named it gave no user name and password that a TURN server could take.
    #[error("there is no user name and password for it")]
    NoCredentials,
    /// This machine has no address of the server's version of IP, or no way there.
    #[error("this machine has no way to an address of this kind (IPv4 or IPv6)")]
    NoRoute,
    /// It does not answer, refuses, or answers nonsense. Of STUN servers: [`TurnFailure::NoAnswer`],
    /// [`TurnFailure::Refused`] and [`TurnFailure::Nonsense`].
    #[error(transparent)]
    Server(#[from] TurnFailure),
}

/// How NATs behave, for each version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatReport {
    /// IPv4.
    pub ipv4: NatFinding,
    /// IPv6, which seldom has a NAT but often a firewall.
    pub ipv6: NatFinding,
}

/// What is known of NATs for one version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatFinding {
    /// No server over UDP has an address of this version, so nobody could be asked.
    NoServer,
    /// This machine has no way to addresses of this version.
    NoRoute,
    /// No server answered over UDP. If they do answer over TCP, a firewall blocks UDP.
    NoAnswer,
    /// Somebody answered.
    Behavior(NatBehavior),
}
