//! One shape for all places that candidates come from.

use std::net::SocketAddr;

use web_time::Instant;

use crate::{Candidate, TunnelEvent, TunnelFailure, TunnelId, TunnelOrder};

/// A source of candidates.
///
/// Sockets that were bound, datagrams, events of streams and time go in. After every other call ask
/// [`poll_output`](Self::poll_output) until [`SourceOutput::Timeout`]. What a transport sends from a
/// candidate goes through the source of that candidate, and so does what comes in, for a relay wraps both.
pub trait CandidateSource: Send {
    /// Whether its candidates say nothing of where we are, so that they may be told to anybody.
    fn hides_address(&self) -> bool;

    /// Whether no relay knows both where we are and whom its candidates talk to.
    fn is_anonymous(&self) -> bool {
        false
    }

    /// The other side is to learn nothing of us. Nor should whoever listens on the way to a server, where that can be had.
    /// Called before it is asked for candidates.
    fn be_discreet(&mut self) {}

    /// Begins to look for candidates behind sockets that are new. Called once for each gathering, with
    /// none where there is no new one.
    fn gather(&mut self, now: Instant, sockets: &[SocketAddr]);

    /// These sockets are closed, for their addresses are gone: candidates behind them are no more, and what was asked from them
    /// gets no answer. What is still wanted is asked for elsewhere at once.
    fn sockets_closed(&mut self, now: Instant, sockets: &[SocketAddr]);

    /// What became of a [`SourceOutput::Bind`]: the new socket, which is this source's alone; `None` where none can be had.
    fn socket_bound(&mut self, now: Instant, beside: SocketAddr, bound: Option<SocketAddr>) {
        let (_, _, _) = (now, beside, bound);
    }

    /// A datagram that came in.
    fn handle_datagram<'a>(&mut self, now: Instant, datagram: Inbound<'a>) -> Claim<'a>;

    /// Something happened to a stream that this source ordered. `false` if it is of another source.
    fn handle_stream(&mut self, now: Instant, stream: StreamId, event: StreamEvent<'_>) -> bool {
        let (_, _, _) = (now, stream, event);
        false
    }

    /// Something happened to a tunnel that this source ordered. `false` if it is of another source.
    fn handle_tunnel(&mut self, now: Instant, tunnel: TunnelId, event: TunnelEvent<'_>) -> bool {
        let (_, _, _) = (now, tunnel, event);
        false
    }

    /// The peer may be there: packets from it are let through.
    fn allow_peer(&mut self, now: Instant, peer: SocketAddr) {
        let (_, _) = (now, peer);
    }

    /// The call goes this way from now on, so it is made as cheap as can be.
    fn prefer_peer(&mut self, now: Instant, base: SocketAddr, peer: SocketAddr) {
        let (_, _, _) = (now, base, peer);
    }

    /// From which socket, and where to, packets leave that are sent from a base which is no socket. `None` if it is of no candidate
    /// of this source, or they leave in a stream.
    fn way_of(&self, base: SocketAddr) -> Option<(SocketAddr, SocketAddr)> {
        let _ = base;
        None
    }

    /// Nothing comes any more: time to find out whether what was found is still there.
    fn check(&mut self, now: Instant) {
        let _ = now;
    }

    /// Other servers are known than before, or the same ones elsewhere.
    fn servers_changed(&mut self, now: Instant) {
        let _ = now;
    }

    /// To be called at the time that [`SourceOutput::Timeout`] names.
    fn handle_timeout(&mut self, now: Instant);

    /// What a candidate of this source sends, as it leaves; given back where it is of none.
    ///
    /// # Errors
    /// The datagram, if no candidate of this source has its source for a base.
    fn send(&mut self, now: Instant, datagram: Datagram) -> Result<(), Datagram>;

    /// The call is over: what was borrowed elsewhere is given back.
    fn close(&mut self, now: Instant) {
        let _ = now;
    }

    /// The next thing to do.
    fn poll_output(&mut self) -> SourceOutput;
}

/// What a source has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum SourceOutput {
    /// Send this datagram from the socket it names.
    Transmit(Datagram),
    /// Open a stream, and tell what becomes of it.
    Open {
        /// Its name from now on.
        stream: StreamId,
        /// Where to.
        target: StreamTarget,
    },
    /// Write these bytes to a stream, all or none of them.
    Write {
        /// Which.
        stream: StreamId,
        /// The bytes.
        bytes: Vec<u8>,
        /// What they are worth when they cannot be written at once.
        urgency: Urgency,
    },
    /// Close a stream.
    Close(StreamId),
    /// Something to do with a tunnel.
    Tunnel(TunnelOrder),
    /// A candidate was found.
    Candidate(Candidate),
    /// A candidate is no more.
    Lost(Candidate),
    /// A packet of a peer, for the transport.
    Packet(Datagram),
    /// Bind another socket at the IP address of this one, for this source alone, and answer with
    /// [`socket_bound`](CandidateSource::socket_bound). Comes once before it is answered.
    Bind(SocketAddr),
    /// Close a socket that was bound so.
    Unbind(SocketAddr),
    /// A server takes the user name no more that the homeserver has made for us: time to ask for another.
    CredentialsRefused,
    /// A relay of a tunnel does not do what it should. Another one is tried, if there is one. Where it was the entry, which is kept
    /// for long otherwise, people are told.
    RelayFailed(TunnelFailure),
    /// Whatever is found from now on comes late.
    Answered,
    /// Nothing more to do now: call `handle_timeout` at this time, if there is one.
    Timeout(Option<Instant>),
}

/// A packet with its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// From where: the base of a candidate.
    pub source: SocketAddr,
    /// Where to.
    pub destination: SocketAddr,
    /// What.
    pub contents: Vec<u8>,
}

/// A datagram that came in, for the candidate whose base is its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inbound<'a> {
    /// From where.
    pub source: SocketAddr,
    /// To which socket or address at a relay.
    pub destination: SocketAddr,
    /// What.
    pub contents: &'a [u8],
}

/// Whom a datagram is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// For some other source.
    NotOurs,
    /// For the source itself. If a packet of a peer was in it, that comes as [`SourceOutput::Packet`].
    Taken,
    /// For the transport, as it is.
    Peer(Inbound<'a>),
}

/// What bytes are worth when a stream is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// They wait for their turn: a request to the server.
    Waits,
    /// A packet of a call. Late it is of no use, and it would hold up those behind it.
    SoonOrNever,
}

/// The name of a stream, within one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// Where a stream leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamTarget {
    /// The address of the server.
    pub address: SocketAddr,
    /// The name that the server must prove by TLS; without one the stream is plain TCP.
    pub tls_name: Option<String>,
}

/// What happened to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// It is open, and with TLS the server is who it should be.
    Opened,
    /// These bytes came.
    Bytes(&'a [u8]),
    /// It could not be opened, or is closed.
    Closed,
    /// The server is not who it should be, or does not speak TLS.
    TlsFailed,
}
