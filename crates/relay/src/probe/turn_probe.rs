//! An address at a TURN server: allocated, tried with packets of our own, and given back (RFC 8656).
//!
//! That an address is granted does not show that it is of use: a firewall in front of the server may let nothing
//! in to the ports at which it relays, and its operator may have forbidden it to send to most of the world. So
//! packets go through it: from another socket of this machine, and if none of these arrives, from a second
//! address at the same server.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use web_time::Instant;

use super::relay_check::RelayCheck;
use super::{Probe, ProbeOutput};
use crate::reach::is_public;
use crate::turn::Grant;
use crate::{
    CandidateSource as _, Claim, Datagram, Inbound, ServerLink, SourceOutput, StreamEvent,
    StreamId, TransactionIds, TurnFailure, TurnServer, TurnSource,
};

/// How long a server has for an address.
const ALLOCATION_PATIENCE: Duration = Duration::from_secs(5);
/// How long it has for one more, and for letting a host through: it has answered before.
const PATIENCE: Duration = Duration::from_millis(1500);

/// An address that was allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocated {
    /// What the server said.
    pub grant: Grant,
    /// From the first packet to the grant.
    pub took: Duration,
    /// Whether packets really go through.
    pub relaying: Relaying,
}

/// Whether packets go through an address that a TURN server granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relaying {
    /// A packet went from a socket of this machine to the relayed address, through it to us, and one went back.
    Shown {
        /// How long the two took together.
        round_trip: Duration,
    },
    /// Packets went between two addresses at the server only. Of those from this machine, which the server lets through,
    /// none came: this network lets no UDP out to it, or a firewall in front of the server lets none in to the ports at
    /// which it relays.
    WithinServer,
    /// Packets of ours cannot show it. The server does not let us through (`denied-peer-ip`), or has only addresses of
    /// a version of IP that this machine lacks, or this network lets no UDP out.
    NotShown,
    /// The server lets us through, but nothing came: it relays nothing, or a firewall in front of it lets nothing in.
    Nothing,
}

/// Sockets of this machine, at one address of the server's family.
#[derive(Clone, Copy, Debug)]
pub struct TurnProbeSockets {
    /// Two to ask the server from, if that is by datagrams: a server has one address for each.
    pub control: [SocketAddr; 2],
    /// One that sends to the address at the relay, as a peer does.
    pub peer: SocketAddr,
}

/// Tries one TURN server over one link, for 12 s at most.
pub struct TurnProbe {
    begun: Instant,
    server: TurnServer,
    sockets: TurnProbeSockets,
    ids: TransactionIds,
    /// What has the one address, and then a second one.
    legs: [Leg; 2],
    stage: Stage,
    allocated: Option<(Grant, Duration)>,
    /// The server let us through, and nothing of ours came.
    came_nothing: bool,
    outputs: VecDeque<ProbeOutput<Result<Allocated, TurnFailure>>>,
}

struct Leg {
    source: TurnSource,
    /// It has an address, or a reason why it has none.
    answered: bool,
    deadline: Option<Instant>,
}

enum Stage {
    /// The server is asked for an address.
    Allocating {
        until: Instant,
    },
    /// It is asked for a second one.
    AllocatingAnother {
        until: Instant,
    },
    /// It is asked to let packets through until then, and then they are sent.
    Checking {
        path: Path,
        until: Instant,
        check: RelayCheck,
    },
    Finished,
}

/// Which way packets go to the relayed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// From our own socket to the first address.
    FromHere,
    /// From the first address to the second.
    WithinServer,
}

impl TurnProbe {
    /// Asks the server. `ids` makes transaction IDs from a randomness of its own each time it is called.
    pub fn new(
        now: Instant,
        server: TurnServer,
        sockets: TurnProbeSockets,
        mut ids: impl FnMut() -> TransactionIds,
    ) -> Self {
        let mut leg = || Leg {
            source: TurnSource::new([server.clone()], ids()),
            answered: false,
            deadline: None,
        };
        let legs = [leg(), leg()];
        let mut probe = Self {
            begun: now,
            server,
            sockets,
            ids: ids(),
            legs,
            stage: Stage::Allocating {
                until: now + ALLOCATION_PATIENCE,
            },
            allocated: None,
            came_nothing: false,
            outputs: VecDeque::new(),
        };
        probe.legs[0].source.gather(now, &[sockets.control[0]]);
        probe.advance(now);
        probe
    }

    /// Takes what the sources have to say, and goes on as far as is possible now.
    fn advance(&mut self, now: Instant) {
        self.drain(now);
        while self.step(now) {
            self.drain(now);
        }
    }

    /// Does the next thing, if there is anything to do.
    fn step(&mut self, now: Instant) -> bool {
        match &self.stage {
            Stage::Allocating { until } => self.take_address(now, *until <= now),
            Stage::AllocatingAnother { until } => self.take_another(now, *until <= now),
            Stage::Checking { path, until, check } => {
                let (path, is_late, is_over) = (*path, *until <= now, check.is_over(now));
                match self.permitted() {
                    Some(true) if !is_over => self.send_packet(now, path),
                    None if !is_late => false,
                    permitted => self.nothing_came(now, path, permitted == Some(true)),
                }
            }
            Stage::Finished => false,
        }
    }

    fn take_address(&mut self, now: Instant, is_late: bool) -> bool {
        let [first, _] = &self.legs;
        if let Some(grant) = first.grant() {
            let took = now.duration_since(self.begun);
            let check = self.check_from_here(now, &grant);
            self.allocated = Some((grant, took));
            match check {
                Some((check, us)) => self.check_path(now, Path::FromHere, check, &[(0, us)]),
                None => self.ask_for_another(now),
            }
            return true;
        }
        if !first.answered && !is_late {
            return false;
        }
        // A server that sent us on comes first, the one it sent us to last.
        let failure = first.source.failures().last();
        let failure = failure.map_or(TurnFailure::NoAnswer, |(_, _, failure)| failure.clone());
        self.finish(now, Err(failure));
        true
    }

    /// Packets from our own socket to one of the addresses, and as whom the server knows us there.
    fn check_from_here(&self, now: Instant, grant: &Grant) -> Option<(RelayCheck, SocketAddr)> {
        let peer = self.sockets.peer;
        let is_ours = |address: &SocketAddr| address.is_ipv4() == peer.is_ipv4();
        let us = grant.mapped.filter(is_ours)?;
        let relayed = grant.relayed.iter().copied().find(is_ours)?;
        // The server names it: it must not point us at machines of our own network, unless it is there itself.
        let admitted = is_public(relayed) || !is_public(self.server.address);
        admitted.then(|| (RelayCheck::new(now, peer, relayed), us))
    }

    fn ask_for_another(&mut self, now: Instant) {
        self.stage = Stage::AllocatingAnother {
            until: now + PATIENCE,
        };
        let [_, second] = &mut self.legs;
        second.source.gather(now, &[self.sockets.control[1]]);
    }

    fn take_another(&mut self, now: Instant, is_late: bool) -> bool {
        let [first, second] = &self.legs;
        if let (Some(first), Some(second)) = (first.grant(), second.grant()) {
            match pair_of_one_family(&first.relayed, &second.relayed) {
                Some((from, to)) => {
                    let check = RelayCheck::new(now, from, to);
                    self.check_path(now, Path::WithinServer, check, &[(0, to), (1, from)]);
                }
                None => self.finish_unshown(now),
            }
            return true;
        }
        let is_refused = second.answered || is_late;
        if is_refused {
            self.finish_unshown(now);
        }
        is_refused
    }

    /// Begins with packets on this path: the server is asked to let these peers through.
    fn check_path(
        &mut self,
        now: Instant,
        path: Path,
        check: RelayCheck,
        peers: &[(usize, SocketAddr)],
    ) {
        for (leg, peer) in peers {
            self.legs[*leg].source.allow_peer(now, *peer);
        }
        self.stage = Stage::Checking {
            path,
            until: now + PATIENCE,
            check,
        };
    }

    /// Whether the server lets through the packets that are to be sent; `None` while it has not said.
    fn permitted(&self) -> Option<bool> {
        let Stage::Checking { path, check, .. } = &self.stage else {
            return None;
        };
        let [first, second] = &self.legs;
        match path {
            Path::FromHere => {
                let (grant, _) = self.allocated.as_ref()?;
                first.source.permits(check.to(), grant.mapped?.ip())
            }
            Path::WithinServer => {
                let out = first.source.permits(check.from(), check.to().ip());
                let into = second.source.permits(check.to(), check.from().ip());
                match (out, into) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    _ => out.and(into),
                }
            }
        }
    }

    fn send_packet(&mut self, now: Instant, path: Path) -> bool {
        let Stage::Checking { check, .. } = &mut self.stage else {
            return false;
        };
        let Some(packet) = check.next(now, &mut self.ids) else {
            return false;
        };
        match path {
            Path::FromHere => self.outputs.push_back(ProbeOutput::Transmit(packet)),
            Path::WithinServer => {
                // An address that was lost meanwhile shows itself by its permission.
                let _ = self.legs[0].source.send(now, packet);
            }
        }
        true
    }

    /// The packets of a path did not come, or could not be sent.
    fn nothing_came(&mut self, now: Instant, path: Path, permitted: bool) -> bool {
        match path {
            Path::FromHere => {
                self.came_nothing = permitted;
                self.ask_for_another(now);
            }
            Path::WithinServer if permitted => self.finish_allocated(now, Relaying::Nothing),
            Path::WithinServer => self.finish_unshown(now),
        }
        true
    }

    /// A packet of a peer came through a relayed address.
    fn handle_packet(&mut self, now: Instant, packet: &Datagram) {
        let Stage::Checking { path, check, .. } = &self.stage else {
            return;
        };
        let Some(answer) = check.answer(packet) else {
            return;
        };
        match path {
            Path::FromHere => {
                // Back to wherever the server saw it come from, through the server again.
                let _ = self.legs[0].source.send(now, answer);
            }
            Path::WithinServer => {
                let relaying = if self.came_nothing {
                    Relaying::WithinServer
                } else {
                    Relaying::NotShown
                };
                self.finish_allocated(now, relaying);
            }
        }
    }

    /// A datagram came to our own socket: the answer that went back through the relay.
    fn handle_answer(&mut self, now: Instant, datagram: Inbound<'_>) {
        if let Stage::Checking {
            path: Path::FromHere,
            check,
            ..
        } = &self.stage
            && datagram.source == check.to()
            && let Some(sent_at) = check.answered(datagram.contents)
        {
            let round_trip = now.duration_since(sent_at);
            self.finish_allocated(now, Relaying::Shown { round_trip });
        }
    }

    fn finish_unshown(&mut self, now: Instant) {
        // Where the server itself is reached by datagrams, this network lets them out.
        let shows_fault = self.came_nothing && self.server.link == ServerLink::Udp;
        let relaying = if shows_fault {
            Relaying::Nothing
        } else {
            Relaying::NotShown
        };
        self.finish_allocated(now, relaying);
    }

    fn finish_allocated(&mut self, now: Instant, relaying: Relaying) {
        if let Some((grant, took)) = self.allocated.take() {
            let allocated = Allocated {
                grant,
                took,
                relaying,
            };
            self.finish(now, Ok(allocated));
        }
    }

    /// Gives back what the server has granted, and tells.
    fn finish(&mut self, now: Instant, outcome: Result<Allocated, TurnFailure>) {
        self.stage = Stage::Finished;
        for leg in &mut self.legs {
            leg.source.close(now);
        }
        self.drain(now);
        self.outputs.push_back(ProbeOutput::Finished(outcome));
    }

    fn drain(&mut self, now: Instant) {
        loop {
            let mut packets = Vec::new();
            for (index, leg) in self.legs.iter_mut().enumerate() {
                leg.drain(index, &mut self.outputs, &mut packets);
            }
            if packets.is_empty() {
                return;
            }
            // What they are answered with is to be drained, too.
            for packet in &packets {
                self.handle_packet(now, packet);
            }
        }
    }

    fn deadline(&self) -> Instant {
        let own = match &self.stage {
            Stage::Allocating { until } | Stage::AllocatingAnother { until } => Some(*until),
            Stage::Checking { until, check, .. } => Some(match self.permitted() {
                Some(_) => check.poll_timeout(),
                None => *until,
            }),
            Stage::Finished => None,
        };
        let legs = self.legs.iter().filter_map(|leg| leg.deadline);
        legs.chain(own).min().unwrap_or(self.begun)
    }
}

impl Leg {
    fn grant(&self) -> Option<Grant> {
        self.source.grants().next().cloned()
    }

    /// Streams of several sources have names of their own.
    fn drain<T>(
        &mut self,
        index: usize,
        outputs: &mut VecDeque<ProbeOutput<T>>,
        packets: &mut Vec<Datagram>,
    ) {
        let joined = |StreamId(own)| StreamId(own << 1 | index as u32);
        loop {
            outputs.push_back(match self.source.poll_output() {
                SourceOutput::Transmit(datagram) => ProbeOutput::Transmit(datagram),
                SourceOutput::Open { stream, target } => ProbeOutput::Open(joined(stream), target),
                SourceOutput::Write {
                    stream,
                    bytes,
                    urgency,
                } => ProbeOutput::Write(joined(stream), bytes, urgency),
                SourceOutput::Close(stream) => ProbeOutput::Close(joined(stream)),
                SourceOutput::Packet(packet) => {
                    packets.push(packet);
                    continue;
                }
                SourceOutput::Answered => {
                    self.answered = true;
                    continue;
                }
                SourceOutput::Timeout(at) => {
                    self.deadline = at;
                    return;
                }
                // The grant has the address, too; one that is lost is permitted to nobody.
                // What it says of an address that is lost: the probe asks for no other.
                SourceOutput::Bind(_)
                | SourceOutput::Unbind(_)
                | SourceOutput::Tunnel(_)
                | SourceOutput::RelayFailed(_)
                | SourceOutput::CredentialsRefused
                | SourceOutput::Candidate(_)
                | SourceOutput::Lost(_) => continue,
            });
        }
    }
}

impl Probe for TurnProbe {
    type Outcome = Result<Allocated, TurnFailure>;

    fn handle_datagram(&mut self, now: Instant, datagram: Inbound<'_>) {
        if datagram.destination == self.sockets.peer {
            self.handle_answer(now, datagram);
        } else {
            for leg in &mut self.legs {
                if leg.source.handle_datagram(now, datagram) != Claim::NotOurs {
                    break;
                }
            }
        }
        self.advance(now);
    }

    fn handle_stream(&mut self, now: Instant, StreamId(joined): StreamId, event: StreamEvent<'_>) {
        let leg = &mut self.legs[(joined & 1) as usize];
        leg.source.handle_stream(now, StreamId(joined >> 1), event);
        self.advance(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        for leg in &mut self.legs {
            if leg.deadline.is_some_and(|at| at <= now) {
                leg.source.handle_timeout(now);
            }
        }
        self.advance(now);
    }

    fn poll_output(&mut self) -> ProbeOutput<Self::Outcome> {
        self.outputs
            .pop_front()
            .unwrap_or_else(|| ProbeOutput::Timeout(self.deadline()))
    }
}

/// An address of each, of one version of IP.
fn pair_of_one_family(
    first: &[SocketAddr],
    second: &[SocketAddr],
) -> Option<(SocketAddr, SocketAddr)> {
    first.iter().find_map(|from| {
        let mut second = second.iter();
        let to = second.find(|to| to.is_ipv4() == from.is_ipv4())?;
        Some((*from, *to))
    })
}
