//! How a STUN server sees the sockets of this machine (RFC 8489 section 13, RFC 8445 section 5.1.1.2).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use web_time::Instant;

use crate::binding_requests::{BindingRequests, ChangeRequest};
use crate::mapped_address::mapped_address;
use crate::reach::is_of_a_host;
use crate::stun::Message;
use crate::{Candidate, CandidateSource, Claim, Datagram, Inbound, SourceOutput, TransactionIds};

/// When a request is sent again, and after the last of these given up: a server on another continent has
/// answered the first one by then.
const RETRANSMISSIONS: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
    Duration::from_millis(1600),
];
/// The most servers asked. More would only say the same.
const MAX_SERVERS: usize = 4;
/// The most requests under way: sockets times servers.
const MAX_REQUESTS: usize = 32;

/// From which socket which server is asked.
#[derive(Clone, Copy, PartialEq)]
struct Asked {
    socket: SocketAddr,
    server: SocketAddr,
}

/// The sockets of this machine as STUN servers see them.
pub struct ReflexiveSource {
    servers: Vec<SocketAddr>,
    sockets: Vec<SocketAddr>,
    requests: BindingRequests<Asked>,
    found: BTreeSet<Candidate>,
    /// Which server was the first to say how it sees a socket.
    said_by: BTreeMap<SocketAddr, SocketAddr>,
    outputs: VecDeque<SourceOutput>,
    answered: bool,
}

impl ReflexiveSource {
    /// Nothing is asked yet.
    pub fn new(servers: impl IntoIterator<Item = SocketAddr>, ids: TransactionIds) -> Self {
        Self {
            servers: servers
                .into_iter()
                .filter(|server| is_of_a_host(*server))
                .take(MAX_SERVERS)
                .collect(),
            sockets: Vec::new(),
            requests: BindingRequests::new(ids, &RETRANSMISSIONS),
            found: BTreeSet::new(),
            said_by: BTreeMap::new(),
            outputs: VecDeque::new(),
            answered: true,
        }
    }

    fn ask(&mut self, now: Instant, socket: SocketAddr, server: SocketAddr) {
        if self.requests.len() >= MAX_REQUESTS {
            return;
        }
        let asked = Asked { socket, server };
        self.requests
            .ask(now, asked, socket, server, ChangeRequest::Nothing);
    }

    fn found(&mut self, socket: SocketAddr, address: SocketAddr) {
        // Another server would say the same; or, behind a NAT that maps by destination, something else
        // that is of no use to a peer either.
        self.requests.forget(|asked| asked.socket == socket);
        let candidate = Candidate::server_reflexive(socket, address);
        // Without a NAT between us and the server there is nothing new.
        if address == socket || self.found.contains(&candidate) {
            return;
        }
        // A NAT has one mapping of a socket at a time: what it was before leads nowhere now.
        let before = |other: &Candidate| other.base == socket;
        for outdated in self.found.extract_if(.., before) {
            self.outputs.push_back(SourceOutput::Lost(outdated));
        }
        self.found.insert(candidate);
        self.outputs.push_back(SourceOutput::Candidate(candidate));
    }

    /// Says once that nothing more is to be waited for.
    fn settle(&mut self) {
        if !self.answered && self.requests.len() == 0 {
            self.answered = true;
            self.outputs.push_back(SourceOutput::Answered);
        }
    }
}

impl CandidateSource for ReflexiveSource {
    fn hides_address(&self) -> bool {
        false
    }

    fn gather(&mut self, now: Instant, sockets: &[SocketAddr]) {
        self.answered = false;
        self.sockets.extend_from_slice(sockets);
        // Those that were there before, too: whoever gathers again has lost the path, perhaps because a NAT has forgotten us.
        for socket in self.sockets.clone() {
            let is_asking = self.requests.is_open(|asked| asked.socket == socket);
            // Until now there may have been no way to the server from there: from an interface that stands by, say.
            self.requests.hurry(|asked| asked.socket == socket);
            for server in self.servers.clone() {
                if server.is_ipv4() == socket.is_ipv4() && !is_asking {
                    self.ask(now, socket, server);
                }
            }
        }
        self.settle();
    }

    fn sockets_closed(&mut self, _now: Instant, sockets: &[SocketAddr]) {
        self.sockets.retain(|socket| !sockets.contains(socket));
        self.requests
            .forget(|asked| sockets.contains(&asked.socket));
        self.said_by.retain(|socket, _| !sockets.contains(socket));
        let closed = |candidate: &Candidate| sockets.contains(&candidate.base);
        for candidate in self.found.extract_if(.., closed) {
            self.outputs.push_back(SourceOutput::Lost(candidate));
        }
        self.settle();
    }

    fn handle_datagram<'a>(&mut self, _now: Instant, datagram: Inbound<'a>) -> Claim<'a> {
        let Ok(message) = Message::parse(datagram.contents) else {
            return Claim::NotOurs;
        };
        let socket = datagram.destination;
        let answered = self
            .requests
            .take_answered(socket, &message, |asked| asked.server == datagram.source);
        if answered.is_none() {
            return Claim::NotOurs;
        }
        if let Some(address) = mapped_address(&message, socket) {
            self.said_by.insert(socket, datagram.source);
            self.found(socket, address);
        }
        self.settle();
        Claim::Taken
    }

    fn check(&mut self, now: Instant) {
        // The server that was the first to answer, and no other: a NAT that maps by destination would have something new for each.
        for (socket, server) in self.said_by.clone() {
            if !self.requests.is_open(|asked| asked.socket == socket) {
                self.ask(now, socket, server);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        // Who does not answer is asked no more; the others may.
        self.requests.handle_timeout(now);
        self.settle();
    }

    fn send(&mut self, _now: Instant, datagram: Datagram) -> Result<(), Datagram> {
        // The base of a reflexive candidate is a socket: the host source sends for it.
        Err(datagram)
    }

    fn poll_output(&mut self) -> SourceOutput {
        if let Some(request) = self.requests.poll_transmit() {
            return SourceOutput::Transmit(request);
        }
        let deadline = || SourceOutput::Timeout(self.requests.poll_timeout());
        self.outputs.pop_front().unwrap_or_else(deadline)
    }
}
