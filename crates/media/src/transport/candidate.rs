//! Candidates: those of the peer, checked, and ours as the peer is told of them.

use std::{collections::BTreeMap, net::SocketAddr};

use str0m::{Candidate, net::Protocol};

use super::{Reach, TransportError};

/// Candidates of the peer in one ICE generation. Each makes pairs with all of ours, and each pair sends packets, so a peer
/// must not be able to name addresses without end.
pub const MAX_REMOTE_CANDIDATES: usize = 32;
/// The longest candidate line, in bytes. Those of browsers have about 150.
pub const MAX_CANDIDATE_LEN: usize = 256;
/// Where address and port stand in a candidate line (RFC 8839 section 5.1), counted from 0.
const ADDRESS_FIELD: usize = 4;

/// How a candidate of ours is reached (RFC 8445 section 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// A socket of this machine.
    Host,
    /// A socket of this machine as a server sees it, through the NATs in between.
    ServerReflexive,
    /// An address at a relay, which sends and receives for us.
    Relay,
}

/// An address at which the peer may try to reach us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalCandidate {
    /// Whether it is a socket of ours or an address at a relay.
    pub kind: CandidateKind,
    /// Where datagrams of this candidate leave from: [`Datagram::source`](super::Datagram::source)
    /// names it. The address of a socket, or the one at the relay.
    pub base: SocketAddr,
    /// What the peer is told: the base, unless something in front of it forwards.
    pub address: SocketAddr,
}

impl LocalCandidate {
    /// The candidate as the engine knows it.
    pub(super) fn to_engine(self) -> Result<Candidate, TransportError> {
        let Self {
            kind,
            base,
            address,
        } = self;
        let candidate = match kind {
            CandidateKind::Host => Candidate::host(base, Protocol::Udp),
            CandidateKind::ServerReflexive => {
                Candidate::server_reflexive(address, base, Protocol::Udp)
            }
            CandidateKind::Relay => Candidate::relayed(base, base, Protocol::Udp),
        };
        candidate.map_err(|_| TransportError::Candidate)
    }
}

impl LocalCandidate {
    /// A socket of this machine that is reached by its own address.
    pub const fn host(base: SocketAddr) -> Self {
        Self {
            kind: CandidateKind::Host,
            base,
            address: base,
        }
    }

    /// An address at a relay.
    pub const fn relay(address: SocketAddr) -> Self {
        Self {
            kind: CandidateKind::Relay,
            base: address,
            address,
        }
    }
}

/// Reads a candidate of the peer, wherever it stood. What is no address (a `.local` name, say) is refused too.
pub(super) fn parse_remote(line: &str, reach: Reach) -> Result<Candidate, TransportError> {
    if line.len() > MAX_CANDIDATE_LEN {
        return Err(TransportError::Candidate);
    }
    let candidate = Candidate::from_sdp_string(line).map_err(|_| TransportError::Candidate)?;
    if candidate.proto() != Protocol::Udp || !reach.admits_socket(candidate.addr()) {
        return Err(TransportError::Candidate);
    }
    Ok(candidate)
}

/// An address of the peer that nobody has named, but from which an authenticated packet came. Its priority is that of a
/// peer-reflexive candidate (RFC 8445 section 5.1.2.2), and its foundation the one by which the engine knows that the peer may
/// name it later.
pub(super) fn peer_reflexive(address: SocketAddr) -> Result<Candidate, TransportError> {
    const PRIORITY: u32 = (110 << 24) | (65_535 << 8) | 255;
    let (ip, port) = (address.ip(), address.port());
    let line = format!("candidate:tmp_prflx 1 udp {PRIORITY} {ip} {port} typ prflx");
    Candidate::from_sdp_string(&line).map_err(|_| TransportError::Candidate)
}

/// A candidate line without the user name fragment that says which ICE generation it is of: a socket of ours is one in all.
pub(super) fn without_fragment(line: &str) -> String {
    match line.split_once(" ufrag ") {
        Some((before, rest)) => match rest.split_once(' ') {
            Some((_, after)) => format!("{before} {after}"),
            None => before.to_owned(),
        },
        None => line.to_owned(),
    }
}

/// The addresses the peer is told in place of those our sockets are bound to.
#[derive(Default)]
pub(super) struct Advertised(BTreeMap<SocketAddr, SocketAddr>);

impl Advertised {
    pub(super) fn insert(&mut self, base: SocketAddr, advertised: SocketAddr) {
        if base != advertised {
            self.0.insert(base, advertised);
        }
    }

    /// A candidate line as the peer is told.
    pub(super) fn rewrite_candidate(&self, line: &str) -> String {
        let mut fields: Vec<&str> = line.split(' ').collect();
        let Some(advertised) = base_of(&fields).and_then(|base| self.0.get(&base)) else {
            return line.to_owned();
        };
        let (ip, port) = (advertised.ip().to_string(), advertised.port().to_string());
        fields[ADDRESS_FIELD] = &ip;
        fields[ADDRESS_FIELD + 1] = &port;
        fields.join(" ")
    }

    /// A description as the peer is told: its candidate lines rewritten, without those that only the engine knows of. What a peer
    /// has seen of us it need not be told (RFC 8445 section 7.2.5.3.1), and each mapping that a NAT ever made would stand there.
    pub(super) fn rewrite_description(&self, sdp: &str) -> String {
        let mut rewritten = String::with_capacity(sdp.len());
        for line in sdp.lines() {
            if line.starts_with("a=candidate:") {
                if line.contains(" typ prflx") {
                    continue;
                }
                rewritten.push_str(&self.rewrite_candidate(line));
            } else {
                rewritten.push_str(line);
            }
            rewritten.push_str("\r\n");
        }
        rewritten
    }
}

fn base_of(fields: &[&str]) -> Option<SocketAddr> {
    let ip = fields.get(ADDRESS_FIELD)?.parse().ok()?;
    let port = fields.get(ADDRESS_FIELD + 1)?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_of_a_host_is_refused() {
        for line in [
            "candidate:1 1 udp 2130706431 224.0.0.1 5000 typ host",
            "candidate:1 1 udp 2130706431 255.255.255.255 5000 typ host",
            "candidate:1 1 udp 2130706431 0.0.0.0 5000 typ host",
            "candidate:1 1 udp 2130706431 ff02::1 5000 typ host",
            "candidate:1 1 udp 2130706431 192.0.2.1 0 typ host",
            "candidate:1 1 tcp 2130706431 192.0.2.1 5000 typ host tcptype passive",
            "candidate:1 1 udp 2130706431 4a1f.local 5000 typ host",
            "garbage",
            "",
        ] {
            assert_eq!(
                parse_remote(line, Reach::ThisMachine).err(),
                Some(TransportError::Candidate),
                "{line}"
            );
        }
        let line = "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host";
        assert!(parse_remote(line, Reach::OtherMachines).is_ok());
    }

    #[test]
    fn a_line_of_256_bytes_is_read_and_a_longer_one_is_not() {
        let line = |len: usize| {
            let line = "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host ufrag ";
            format!("{line}{}", "a".repeat(len - line.len()))
        };
        assert!(parse_remote(&line(256), Reach::OtherMachines).is_ok());
        assert!(parse_remote(&line(257), Reach::OtherMachines).is_err());
    }

    #[test]
    fn a_loopback_address_is_a_candidate_within_this_machine_alone() {
        let line = "candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host";
        assert!(parse_remote(line, Reach::OtherMachines).is_err());
        assert!(parse_remote(line, Reach::ThisMachine).is_ok());
    }

    #[test]
    fn the_peer_is_told_the_advertised_address() {
        let mut advertised = Advertised::default();
        advertised.insert(
            "127.0.0.1:5000".parse().unwrap(),
            "127.0.0.1:6000".parse().unwrap(),
        );
        let line = "candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host ufrag abcd";
        let told = "candidate:1 1 udp 2130706431 127.0.0.1 6000 typ host ufrag abcd";
        assert_eq!(advertised.rewrite_candidate(line), told);
        assert_eq!(
            advertised.rewrite_description(&format!("v=0\r\na={line}\r\n")),
            format!("v=0\r\na={told}\r\n")
        );
    }
}
