//! How the NATs between us and the Internet behave, in the words of RFC 4787.

use std::net::SocketAddr;

/// Whether a socket has the same address outside towards everybody (RFC 4787 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingBehavior {
    /// It has: whoever learns it from us can be talked to from it.
    EndpointIndependent,
    /// It has another one for each host that it sends to.
    AddressDependent,
    /// It has another one for each host and port that it sends to.
    AddressAndPortDependent,
    /// One of the last two: which one cannot be told from what servers there are.
    Dependent,
}

/// Who can send to a socket that has sent something (RFC 4787 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilteringBehavior {
    /// Everybody.
    EndpointIndependent,
    /// The hosts that it has sent to, from any port.
    AddressDependent,
    /// The hosts and ports that it has sent to.
    AddressAndPortDependent,
}

/// What the mapping is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A server that has two addresses, and answers from the other one when it is asked to (RFC 5780).
    Rfc5780,
    /// How servers at several hosts see one socket. Filtering cannot be known by that.
    SeveralHosts,
    /// How several ports of one host see one socket, which shows less.
    SeveralPorts,
    /// One server, which shows no more than whether there is a NAT.
    OneServer,
}

/// How the NATs between this machine and the Internet behave, for one version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatBehavior {
    /// The socket that was looked at.
    pub socket: SocketAddr,
    /// How the first server that answered saw it.
    pub mapped: SocketAddr,
    /// Whether somebody translates addresses on the way; otherwise `mapped` is `socket`.
    pub has_nat: bool,
    /// `None` where the servers there are cannot show it.
    pub mapping: Option<MappingBehavior>,
    /// Also of a firewall without a NAT. `None` where no server can show it.
    pub filtering: Option<FilteringBehavior>,
    /// Whether two sockets behind the NAT reach each other by their addresses outside (RFC 4787 section 6).
    /// `None` without a NAT, or with one that gives no socket an address by which it could be.
    pub hairpin: Option<bool>,
    /// What `mapping` is known by.
    pub evidence: Evidence,
}
