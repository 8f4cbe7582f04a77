//! Where candidates of ours come from: one shape for all there are.
//!
//! A source is sans-IO: sockets that were bound, datagrams and time go in;
//! [`CandidateSource::poll_output`] says what to send and what was found. It never opens anything
//! itself. What a transport sends from a candidate goes through the source of that candidate, and so
//! does what comes in, for a relay wraps both.

mod host;

use std::net::SocketAddr;

use securecall_media::{Datagram, LocalCandidate};
use securecall_session::Route;
use web_time::Instant;

use self::host::HostSource;
use crate::config::Network;

/// A source of candidates.
pub(super) trait CandidateSource: Send {
    /// Whether it may be asked on this route: on [`Route::Relay`] only a source whose candidates say
    /// nothing of where we are.
    fn serves(&self, route: Route) -> bool;

    /// Begins to look for candidates behind sockets that are new. Called once for each gathering, with
    /// none where there is no new one.
    fn gather(&mut self, now: Instant, sockets: &[SocketAddr]);

    /// A datagram that came in.
    fn handle_datagram<'a>(&mut self, now: Instant, datagram: Inbound<'a>) -> Claim<'a>;

    /// To be called at the time that [`SourceOutput::Timeout`] names.
    fn handle_timeout(&mut self, now: Instant);

    /// What a candidate of this source sends, as a socket sends it; given back where it is of none.
    fn wrap(&self, datagram: Datagram) -> Result<Datagram, Datagram>;

    /// The next thing to do, to be asked until [`SourceOutput::Timeout`] after every other call.
    fn poll_output(&mut self) -> SourceOutput;
}

/// What a source has to say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SourceOutput {
    /// Send this datagram.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "for sources that ask a server: the host source asks nobody, the tests have one"
        )
    )]
    Transmit(Datagram),
    /// A candidate was found.
    Candidate(LocalCandidate),
    /// Whatever is found from now on comes late.
    Answered,
    /// Nothing more to do now: call `handle_timeout` at this time, if there is one.
    Timeout(Option<Instant>),
}

/// A datagram, for the candidate whose base is its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inbound<'a> {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) contents: &'a [u8],
}

/// Whom a datagram is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim<'a> {
    /// For some other source.
    NotOurs,
    /// For the source itself.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "for sources that ask a server: the host source asks nobody, the tests have one"
        )
    )]
    Taken,
    /// For the transport, without what was around it.
    Peer(Inbound<'a>),
}

/// The sources there are, in the order in which they are asked whether a datagram is theirs. The host
/// source is the last, because it takes whatever comes to a socket.
pub(super) fn all(network: &Network) -> Vec<Box<dyn CandidateSource>> {
    vec![Box::new(HostSource::new(network.candidate_map.clone()))]
}

/// Whether calls can be had in which the peer does not learn where we are.
pub(crate) fn relay_available(network: &Network) -> bool {
    all(network)
        .iter()
        .any(|source| source.serves(Route::Relay))
}
