//! What was seen, and what follows from it.

use std::net::SocketAddr;

use super::nat_behavior::{Evidence, FilteringBehavior, MappingBehavior, NatBehavior};

/// How a server sees the mapping socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) by: SocketAddr,
    pub(super) mapped: SocketAddr,
}

/// How the other host of the server that is used sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeenByOtherHost {
    pub(super) at_same_port: SocketAddr,
    pub(super) at_other_port: Option<SocketAddr>,
}

/// Which answers came through the filter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filtering {
    pub(super) other_host_passed: bool,
    pub(super) other_port_passed: bool,
    /// The server refused, or answered from where it was asked: it shows nothing.
    pub(super) is_unknown: bool,
}

/// What was seen so far.
#[derive(Debug)]
pub(super) struct Findings {
    socket: SocketAddr,
    /// In the order in which the servers answered.
    pub(super) seen: Vec<Seen>,
    /// By the server that is used.
    pub(super) used: Option<Seen>,
    pub(super) speaks_rfc_5780: bool,
    pub(super) seen_by_other_host: Option<SeenByOtherHost>,
    /// How the filtering socket is seen.
    pub(super) filtering_mapped: Option<SocketAddr>,
    pub(super) filtering: Filtering,
    /// Whether a packet came back.
    pub(super) hairpin: Option<bool>,
}

impl Findings {
    /// Nothing was seen of this socket.
    pub(super) fn of(socket: SocketAddr) -> Self {
        Self {
            socket,
            seen: Vec::new(),
            used: None,
            speaks_rfc_5780: false,
            seen_by_other_host: None,
            filtering_mapped: None,
            filtering: Filtering::default(),
            hairpin: None,
        }
    }

    pub(super) fn has_nat(&self, seen: Seen) -> bool {
        seen.mapped != self.socket
    }

    /// Whether other servers would not show more.
    pub(super) fn are_complete(&self) -> bool {
        self.mapping_by_rfc_5780().is_some()
    }

    /// What follows; `None` where no server has answered.
    pub(super) fn behavior(&self) -> Option<NatBehavior> {
        let used = self.used?;
        let has_nat = self.has_nat(used);
        let (mapping, evidence) = match self.mapping_by_rfc_5780() {
            Some(mapping) => (Some(mapping), Evidence::Rfc5780),
            None => self.mapping_by_servers(),
        };
        let no_nat = Some(MappingBehavior::EndpointIndependent);
        let mapping = if has_nat { mapping } else { no_nat };
        // Where others than that server see another address, a packet to it may not come back for that alone.
        let has_one_address = mapping == Some(MappingBehavior::EndpointIndependent);
        Some(NatBehavior {
            socket: self.socket,
            mapped: used.mapped,
            has_nat,
            mapping,
            filtering: self.filtering(),
            hairpin: self
                .hairpin
                .filter(|came_back| *came_back || has_one_address),
            evidence,
        })
    }

    /// RFC 5780 section 4.3.
    fn mapping_by_rfc_5780(&self) -> Option<MappingBehavior> {
        let used = self.used.filter(|_| self.speaks_rfc_5780)?;
        if !self.has_nat(used) {
            return Some(MappingBehavior::EndpointIndependent);
        }
        let SeenByOtherHost {
            at_same_port,
            at_other_port,
        } = self.seen_by_other_host?;
        Some(if at_same_port == used.mapped {
            MappingBehavior::EndpointIndependent
        } else {
            match at_other_port {
                Some(at_other_port) if at_other_port == at_same_port => {
                    MappingBehavior::AddressDependent
                }
                Some(_) => MappingBehavior::AddressAndPortDependent,
                None => MappingBehavior::Dependent,
            }
        })
    }

    /// The same idea with whatever servers there are.
    fn mapping_by_servers(&self) -> (Option<MappingBehavior>, Evidence) {
        let (mut by_host, mut by_port) = (None, None);
        for (index, first) in self.seen.iter().enumerate() {
            for second in self.seen.iter().skip(index + 1) {
                let differs = first.mapped != second.mapped;
                let depends = if first.by.ip() == second.by.ip() {
                    &mut by_port
                } else {
                    &mut by_host
                };
                *depends = Some(differs || *depends == Some(true));
            }
        }
        let mapping = match (by_host, by_port) {
            // Two ports of one host see two addresses.
            (_, Some(true)) => Some(MappingBehavior::AddressAndPortDependent),
            (Some(true), Some(false)) => Some(MappingBehavior::AddressDependent),
            (Some(true), None) => Some(MappingBehavior::Dependent),
            (Some(false), _) => Some(MappingBehavior::EndpointIndependent),
            (None, Some(false) | None) => None,
        };
        let evidence = match (by_host, by_port) {
            (Some(_), _) => Evidence::SeveralHosts,
            (None, Some(_)) => Evidence::SeveralPorts,
            (None, None) => Evidence::OneServer,
        };
        (mapping, evidence)
    }

    /// RFC 5780 section 4.4.
    fn filtering(&self) -> Option<FilteringBehavior> {
        let Filtering {
            other_host_passed,
            other_port_passed,
            is_unknown,
        } = self.filtering;
        if !self.speaks_rfc_5780 || is_unknown {
            None
        } else if other_host_passed {
            Some(FilteringBehavior::EndpointIndependent)
        } else if other_port_passed {
            Some(FilteringBehavior::AddressDependent)
        } else {
            // That nothing came shows something only of a socket that the server has answered.
            let strictest = FilteringBehavior::AddressAndPortDependent;
            self.filtering_mapped.map(|_| strictest)
        }
    }
}
