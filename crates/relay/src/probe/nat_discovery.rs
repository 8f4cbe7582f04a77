//! NAT Behavior Discovery Using STUN (RFC 5780), and what can be known where no server speaks it.
//!
//! ```text
//!   mapping socket                            filtering socket
//!     │  I    → each server; the first that     (sends to one server alone, or the filter would be open)
//!     │         names another address of its
//!     │         own (OTHER-ADDRESS) is used
//!     │  II   → its other host, same port         I    → the server
//!     │  III  → its other host, other port        II   → the server: answer from your other host and port
//!     │                                           III  → the server: answer from your other port
//!     └──────────── hairpin: each to the address that the other one has outside ────────────┘
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use web_time::Instant;

use super::nat_behavior::NatBehavior;
use super::nat_findings::{Findings, Seen, SeenByOtherHost};
use super::{Probe, ProbeOutput, RETRANSMISSIONS};
use crate::binding_requests::{BindingRequests, ChangeRequest};
use crate::mapped_address::mapped_address;
use crate::reach::{is_of_a_host, is_public};
use crate::stun::{AttributeType, Message};
use crate::{Inbound, TransactionIds};

/// The most servers asked.
const MAX_SERVERS: usize = 4;

/// What is asked for (RFC 5780 sections 4.3 and 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    /// Mapping I, at this server.
    Mapping1(SocketAddr),
    Mapping2,
    Mapping3,
    Filtering1,
    Filtering2,
    Filtering3,
    /// From one of the two sockets to the other (RFC 5780 section 3.4).
    Hairpin,
}

/// Finds out how the NATs between a machine and the Internet behave; [`None`] where no server answers.
pub struct NatDiscovery {
    begun: Instant,
    mapping_socket: SocketAddr,
    filtering_socket: SocketAddr,
    requests: BindingRequests<Test>,
    findings: Findings,
    stage: Stage,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Servers are asked how they see the mapping socket.
    Asking,
    /// One server is used for everything else.
    Testing { server: Server, hairpin_begun: bool },
    /// There is nothing more to find out.
    Finished,
    /// And that was told.
    Told,
}

/// The server that is used.
#[derive(Clone, Copy, Debug)]
struct Server {
    seen: Seen,
    /// Its other host and port, if it speaks RFC 5780.
    other: Option<SocketAddr>,
}

impl NatDiscovery {
    /// Asks these servers, four at most, from two sockets at one address of this machine that have sent nothing so far.
    pub fn new(
        now: Instant,
        [mapping_socket, filtering_socket]: [SocketAddr; 2],
        servers: impl IntoIterator<Item = SocketAddr>,
        ids: TransactionIds,
    ) -> Self {
        let mut discovery = Self {
            begun: now,
            mapping_socket,
            filtering_socket,
            requests: BindingRequests::new(ids, &RETRANSMISSIONS),
            findings: Findings::of(mapping_socket),
            stage: Stage::Asking,
        };
        for server in choose(servers, mapping_socket) {
            discovery.ask(now, Test::Mapping1(server), mapping_socket, server);
        }
        discovery.advance(now);
        discovery
    }

    fn ask(&mut self, now: Instant, test: Test, socket: SocketAddr, destination: SocketAddr) {
        let change = match test {
            Test::Filtering2 => ChangeRequest::HostAndPort,
            Test::Filtering3 => ChangeRequest::Port,
            Test::Mapping1(_) | Test::Mapping2 | Test::Mapping3 => ChangeRequest::Nothing,
            Test::Filtering1 | Test::Hairpin => ChangeRequest::Nothing,
        };
        self.requests.ask(now, test, socket, destination, change);
    }

    fn answered(&mut self, now: Instant, test: Test, from: SocketAddr, message: &Message<'_>) {
        let mapped = mapped_address(message, self.mapping_socket);
        match test {
            Test::Mapping1(by) => {
                if let Some(mapped) = mapped {
                    self.seen(now, Seen { by, mapped }, message);
                }
            }
            Test::Mapping2 => {
                self.findings.seen_by_other_host = mapped.map(|mapped| SeenByOtherHost {
                    at_same_port: mapped,
                    at_other_port: None,
                });
                self.begin_mapping_3(now);
            }
            Test::Mapping3 => {
                if let Some(seen) = &mut self.findings.seen_by_other_host {
                    seen.at_other_port = mapped;
                }
            }
            Test::Filtering1 => {
                self.findings.filtering_mapped = mapped;
                self.begin_hairpin(now);
            }
            Test::Filtering2 | Test::Filtering3 => self.passed_filter(test, from),
            // Nobody answers these but whoever a server that lies has named in place of ourselves.
            Test::Hairpin => {}
        }
    }

    /// A server said how it sees the mapping socket.
    fn seen(&mut self, now: Instant, seen: Seen, message: &Message<'_>) {
        self.findings.seen.push(seen);
        let other = message.address(AttributeType::OTHER_ADDRESS);
        let other = other.filter(|other| is_admitted(*other, seen.by));
        if matches!(self.stage, Stage::Asking) && other.is_some() {
            self.begin_tests(now, Server { seen, other });
        }
    }

    fn begin_tests(&mut self, now: Instant, server: Server) {
        let (mapping, filtering) = (self.mapping_socket, self.filtering_socket);
        self.stage = Stage::Testing {
            server,
            hairpin_begun: false,
        };
        self.findings.used = Some(server.seen);
        self.findings.speaks_rfc_5780 = server.other.is_some();
        let address = server.seen.by;
        self.ask(now, Test::Filtering1, filtering, address);
        let Some(other) = server.other else {
            return;
        };
        // Both at once: what they ask for goes to the one server, so neither opens the filter for the other.
        self.ask(now, Test::Filtering2, filtering, address);
        self.ask(now, Test::Filtering3, filtering, address);
        if self.findings.has_nat(server.seen) {
            let same_port = SocketAddr::new(other.ip(), address.port());
            self.ask(now, Test::Mapping2, mapping, same_port);
        }
    }

    /// Only where II shows another address, III has something to show.
    fn begin_mapping_3(&mut self, now: Instant) {
        if let Stage::Testing { server, .. } = self.stage
            && let (Some(other), Some(seen)) = (server.other, self.findings.seen_by_other_host)
            && seen.at_same_port != server.seen.mapped
        {
            self.ask(now, Test::Mapping3, self.mapping_socket, other);
        }
    }

    /// The answer came through the filter; but did it come from where it was to come from?
    fn passed_filter(&mut self, test: Test, from: SocketAddr) {
        let Stage::Testing { server, .. } = self.stage else {
            return;
        };
        let asked = server.seen.by;
        let filtering = &mut self.findings.filtering;
        match test {
            Test::Filtering2 if from.ip() != asked.ip() => filtering.other_host_passed = true,
            Test::Filtering3 if from.port() != asked.port() => filtering.other_port_passed = true,
            _ => filtering.is_unknown = true,
        }
        if filtering.other_host_passed {
            // Then everybody passes.
            self.requests.forget(|test| test == Test::Filtering3);
        }
    }

    /// Both sockets send to each other, so that the filter of neither is in the way.
    fn begin_hairpin(&mut self, now: Instant) {
        let Stage::Testing {
            server,
            hairpin_begun,
        } = &mut self.stage
        else {
            return;
        };
        let (first, second) = (server.seen.mapped, self.findings.filtering_mapped);
        let Some(second) = second.filter(|_| self.findings.has_nat(server.seen)) else {
            return;
        };
        // The server names them: it must not point us at machines of our own network, unless it is there itself.
        let admitted = |mapped| is_public(mapped) || !is_public(server.seen.by);
        if admitted(first) && admitted(second) {
            *hairpin_begun = true;
            self.ask(now, Test::Hairpin, self.mapping_socket, second);
            self.ask(now, Test::Hairpin, self.filtering_socket, first);
        }
    }

    /// Goes on where nothing is waited for any more.
    fn advance(&mut self, now: Instant) {
        let is_first = |test| matches!(test, Test::Mapping1(_));
        if matches!(self.stage, Stage::Asking) && !self.requests.is_open(is_first) {
            match self.findings.seen.first().copied() {
                Some(seen) => self.begin_tests(now, Server { seen, other: None }),
                None => self.stage = Stage::Finished,
            }
        }
        // A server that does not answer is not waited for where another has shown everything.
        if let Stage::Testing { hairpin_begun, .. } = self.stage
            && !self.requests.is_open(|test| !is_first(test))
            && (self.findings.are_complete() || !self.requests.is_open(is_first))
        {
            if hairpin_begun && self.findings.hairpin.is_none() {
                self.findings.hairpin = Some(false);
            }
            self.stage = Stage::Finished;
        }
    }
}

impl Probe for NatDiscovery {
    type Outcome = Option<NatBehavior>;

    fn handle_datagram(&mut self, now: Instant, datagram: Inbound<'_>) {
        let Ok(message) = Message::parse(datagram.contents) else {
            return;
        };
        let socket = datagram.destination;
        if let Some(test) = self.requests.take_answered(socket, &message, |_| true) {
            self.answered(now, test, datagram.source, &message);
        } else if self.requests.came_back(datagram, &message) == Some(Test::Hairpin) {
            self.findings.hairpin = Some(true);
            self.requests.forget(|test| test == Test::Hairpin);
        }
        self.advance(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        // What is given up shows by what was not found.
        self.requests.handle_timeout(now);
        self.advance(now);
    }

    fn poll_output(&mut self) -> ProbeOutput<Self::Outcome> {
        if let Some(datagram) = self.requests.poll_transmit() {
            return ProbeOutput::Transmit(datagram);
        }
        if matches!(self.stage, Stage::Finished) {
            self.stage = Stage::Told;
            return ProbeOutput::Finished(self.findings.behavior());
        }
        ProbeOutput::Timeout(self.requests.poll_timeout().unwrap_or(self.begun))
    }
}

/// The servers that are asked: of the socket's family, and of several hosts rather than several ports of one, for that
/// shows more.
fn choose(servers: impl IntoIterator<Item = SocketAddr>, socket: SocketAddr) -> Vec<SocketAddr> {
    let mut of_host: BTreeMap<IpAddr, usize> = BTreeMap::new();
    let mut chosen: Vec<(usize, SocketAddr)> = Vec::new();
    for server in servers {
        let is_new = chosen.iter().all(|(_, other)| *other != server);
        if is_new && is_of_a_host(server) && server.is_ipv4() == socket.is_ipv4() {
            let before = of_host.entry(server.ip()).or_default();
            chosen.push((*before, server));
            *before += 1;
        }
    }
    chosen.sort_by_key(|(before, _)| *before);
    let chosen = chosen.into_iter().map(|(_, server)| server);
    chosen.take(MAX_SERVERS).collect()
}

/// Whether what a server names as its other address can be one, and may be sent to: a server must not point us at
/// machines of our own network, unless it is there itself.
fn is_admitted(other: SocketAddr, server: SocketAddr) -> bool {
    let is_another = other.ip() != server.ip() && other.port() != server.port();
    let same_family = other.is_ipv4() == server.is_ipv4();
    let admitted = is_public(other) || !is_public(server);
    is_of_a_host(other) && is_another && same_family && admitted
}
