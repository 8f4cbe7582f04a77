//! Servers and NATs, tried for real before anybody calls.
//!
//! Each [`Probe`] is sans-IO: it is given sockets that were bound, and says what to send. It sends nothing to
//! anybody but the server, an address that the server grants or listens at, and our own address as it sees it;
//! and to an address that never answered no more than a handful of packets, so that a server which lies cannot
//! have a third party flooded.

mod nat_behavior;
mod nat_discovery;
mod nat_findings;
mod relay_check;
mod stun_probe;
mod turn_probe;

use std::time::Duration;

use web_time::Instant;

pub use nat_behavior::{Evidence, FilteringBehavior, MappingBehavior, NatBehavior};
pub use nat_discovery::NatDiscovery;
pub use stun_probe::{Reflexive, StunProbe};
pub use turn_probe::{Allocated, Relaying, TurnProbe, TurnProbeSockets};

use crate::{Datagram, Inbound, StreamEvent, StreamId, StreamTarget, Urgency};

/// When a request is sent again, and after the last of these given up. So an address that never answers gets
/// four packets, of less than 60 bytes each.
const RETRANSMISSIONS: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1000),
];

/// Something that is tried once.
///
/// Datagrams, events of streams and time go in. After every call, and at first, ask
/// [`poll_output`](Self::poll_output) until [`ProbeOutput::Timeout`] or [`ProbeOutput::Finished`].
pub trait Probe {
    /// What it finds out.
    type Outcome;

    /// A datagram that came in. What is not for this probe is dropped.
    fn handle_datagram(&mut self, now: Instant, datagram: Inbound<'_>);

    /// Something happened to a stream that it ordered.
    fn handle_stream(&mut self, now: Instant, stream: StreamId, event: StreamEvent<'_>) {
        let (_, _, _) = (now, stream, event);
    }

    /// To be called at the time that [`ProbeOutput::Timeout`] names.
    fn handle_timeout(&mut self, now: Instant);

    /// The next thing to do.
    fn poll_output(&mut self) -> ProbeOutput<Self::Outcome>;
}

/// What a probe has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum ProbeOutput<Outcome> {
    /// Send this datagram from the socket it names.
    Transmit(Datagram),
    /// Open a stream, and tell what becomes of it.
    Open(StreamId, StreamTarget),
    /// Write these bytes to a stream.
    Write(StreamId, Vec<u8>, Urgency),
    /// Close a stream, after what was written to it.
    Close(StreamId),
    /// Nothing more to do now: call `handle_timeout` at this time.
    Timeout(Instant),
    /// This is what it found. Nothing comes after it.
    Finished(Outcome),
}
