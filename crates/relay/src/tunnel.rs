//! Tunnels through two relays, as a source orders them.

use std::fmt;
use std::net::SocketAddr;

use zeroize::Zeroizing;

/// The name of a tunnel, within one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelId(pub u32);

/// What a source wants of a tunnel.
#[derive(Debug, PartialEq, Eq)]
pub enum TunnelOrder {
    /// Make it, and tell what becomes of it.
    Open {
        /// Its name from now on.
        tunnel: TunnelId,
        /// Through which relays.
        path: Box<TunnelPath>,
    },
    /// Send an HTTP datagram of the bound flow, from its context ID on. What finds no room is lost.
    Datagram {
        /// Through which tunnel.
        tunnel: TunnelId,
        /// What.
        contents: Vec<u8>,
    },
    /// Write capsules to the request's stream.
    Capsules {
        /// Of which tunnel.
        tunnel: TunnelId,
        /// Whole capsules.
        bytes: Vec<u8>,
    },
    /// Close it.
    Close(TunnelId),
}

/// The two relays that a tunnel leads through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelPath {
    /// The relay that sees us, and the exit.
    pub entry: Hop,
    /// The relay that sees the entry, and the peer.
    pub exit: Hop,
}

/// One relay of a tunnel.
#[derive(Clone, PartialEq, Eq)]
pub struct Hop {
    /// Where it listens, by UDP.
    pub address: SocketAddr,
    /// The name in its certificate, and in requests to it.
    pub name: String,
    /// How it proves that it is the one.
    pub proof: HopProof,
    /// The value of the `authorization` field that it asks for. Never logged.
    pub authorization: Option<Zeroizing<String>>,
}

impl fmt::Debug for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hop")
            .field("address", &self.address)
            .field("name", &self.name)
            .field("proof", &self.proof)
            .finish_non_exhaustive()
    }
}

/// How a relay proves that it is the one that was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HopProof {
    /// SHA-256 of the SubjectPublicKeyInfo of its certificate (RFC 7469 section 2.4).
    Spki([u8; 32]),
    /// The authorities that vouch for its name.
    Authorities,
}

/// Which relay of a tunnel is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HopRole {
    /// The first.
    Entry,
    /// The second.
    Exit,
}

/// What happened to a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelEvent<'a> {
    /// The exit has bound addresses for us: what `Proxy-Public-Address` says.
    Opened {
        /// One or more, of different families.
        public: &'a [SocketAddr],
    },
    /// An HTTP datagram of the bound flow (RFC 9297 section 2.1), from its context ID on.
    Datagram(&'a [u8]),
    /// Bytes of the request's stream: capsules, cut anywhere (RFC 9297 section 3.2).
    Capsules(&'a [u8]),
    /// It could not be opened, or is closed.
    Closed(TunnelFailure),
}

/// Why there is no tunnel, or none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelFailure {
    /// At which relay.
    pub hop: HopRole,
    /// What happened there.
    pub kind: TunnelFailureKind,
}

/// What happened at a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TunnelFailureKind {
    /// It does not answer, or does so no longer.
    Silent,
    /// It is not the relay that was meant.
    WrongCertificate,
    /// It takes no packets of the size that is needed: the path is too narrow.
    PathTooNarrow,
    /// It does not take the token.
    Unauthorized,
    /// It has no room for another flow.
    Busy,
    /// It refuses, by this HTTP status.
    Refused(u16),
    /// It does not speak as a relay does.
    Protocol,
    /// It has ended the flow.
    Ended,
}
