//! Offers, answers and candidates.

use std::net::SocketAddr;

use rand_core::Rng as _;
use securecall_media::{
    CandidateKind, LocalCandidate, Profile, StreamId, Transport, TransportError,
};
use securecall_randomness::SystemRandomness;
use securecall_relay::{self as relay, Candidate, HopRole, TunnelFailureKind};
use securecall_session::{MediaEvent, Route, Tier};
use web_time::Instant;

use super::PeerConnection;
use super::gathering::GatheringOutput;

/// The carriers of a call and its transport have the same limits: what one lets through the other
/// takes, and all candidates of a call have room.
const _: () = {
    assert!(securecall_session::MAX_CANDIDATE == securecall_media::MAX_CANDIDATE_LEN);
    assert!(securecall_session::MAX_CANDIDATES == securecall_media::MAX_REMOTE_CANDIDATES);
};

impl PeerConnection {
    pub(crate) fn create_offer(
        &mut self,
        now: Instant,
        tier: Tier,
        route: Route,
    ) -> Result<(), TransportError> {
        let transport = self.open(now, tier, route)?;
        let sdp = transport.create_offer(now)?;
        self.outputs.event(MediaEvent::LocalOffer { sdp });
        Ok(())
    }

    pub(crate) fn accept_offer(
        &mut self,
        now: Instant,
        tier: Tier,
        sdp: &str,
        route: Route,
    ) -> Result<(), TransportError> {
        let transport = self.open(now, tier, route)?;
        let sdp = transport.accept_offer(now, sdp)?;
        self.outputs.event(MediaEvent::LocalAnswer { sdp });
        Ok(())
    }

    fn open(
        &mut self,
        now: Instant,
        tier: Tier,
        route: Route,
    ) -> Result<&mut Transport, TransportError> {
        self.gathering.set_route(route);
        let profile = match tier {
            Tier::SecureCall => Profile::SecureCall,
            Tier::Matrix => Profile::Matrix {
                stream: stream_name(),
            },
        };
        let transport = Transport::with_profile(now, self.sockets.reach(), profile)?;
        Ok(self.transport.insert(transport))
    }

    pub(crate) fn set_answer(&mut self, now: Instant, sdp: &str) -> Result<(), TransportError> {
        self.transport()?.set_answer(now, sdp)?;
        self.allow_named(now)
    }

    /// Relays let packets through from wherever the peer may be by now.
    fn allow_named(&mut self, now: Instant) -> Result<(), TransportError> {
        for peer in self.transport()?.take_named_addresses() {
            self.gathering.allow_peer(now, peer);
        }
        self.take_candidates(now)
    }

    /// Looks for candidates. What is there at once is told at once, and be it nothing, for an answer waits for it; what servers
    /// find is told as it comes.
    pub(crate) fn gather(&mut self, now: Instant) -> Result<(), TransportError> {
        self.begin_to_gather(now);
        let (candidates, complete) = self.found(now)?;
        self.tell_candidates(candidates, complete);
        Ok(())
    }

    /// Binds sockets for addresses that are new since the last time, and asks all sources.
    fn begin_to_gather(&mut self, now: Instant) {
        self.has_gathered = true;
        let sockets = self.bind_for_sources();
        self.gathering.begin(now, &sockets);
    }

    /// Binds sockets for addresses that have none yet. Gives the addresses of the new ones.
    pub(super) fn bind_for_sources(&mut self) -> Vec<SocketAddr> {
        // On a route without a source there is nothing to bind for: an open socket is an open door.
        if self.gathering.needs_sockets() {
            self.sockets.bind_new()
        } else {
            Vec::new()
        }
    }

    /// Takes what the sources have found since the last time, and tells of it.
    pub(super) fn take_candidates(&mut self, now: Instant) -> Result<(), TransportError> {
        let (candidates, complete) = self.found(now)?;
        if complete || !candidates.is_empty() {
            self.tell_candidates(candidates, complete);
        }
        Ok(())
    }

    fn tell_candidates(&self, candidates: Vec<String>, complete: bool) {
        if complete
            && candidates.is_empty()
            && !self.has_candidate
            && let Some(why) = self.gathering.without_candidates()
        {
            self.outputs.notice(why.into());
        }
        self.outputs.event(MediaEvent::LocalCandidates {
            candidates,
            complete,
        });
    }

    /// Does what the sources want. Gives the candidates that are new, and whether gathering became
    /// complete.
    fn found(&mut self, now: Instant) -> Result<(Vec<String>, bool), TransportError> {
        let transport = self.transport.as_mut().ok_or(TransportError::Closed)?;
        let (mut candidates, mut complete) = (Vec::new(), false);
        loop {
            match self.gathering.poll_output() {
                GatheringOutput::Transmit(datagram) => self.sockets.send(&datagram),
                GatheringOutput::Open(stream, target) => self.streams.open(stream, target),
                GatheringOutput::Write(stream, bytes, urgency) => {
                    self.streams.write(stream, bytes, urgency);
                }
                GatheringOutput::Close(stream) => self.streams.close(stream),
                GatheringOutput::Tunnel(order) => {
                    if let Some((_, carriers)) = &self.ghostnet {
                        carriers.ordered(&order);
                    }
                    self.tunnels.handle_order(order);
                }
                GatheringOutput::Packet(packet) => transport.handle_datagram(
                    now,
                    packet.source,
                    packet.destination,
                    &packet.contents,
                )?,
                GatheringOutput::Lost(lost) => {
                    transport.remove_local_candidate(now, local(lost))?;
                }
                GatheringOutput::Candidate(found) => {
                    if self.gathering.route() == Route::GhostNet
                        && let Some((ghostnet, carriers)) = &self.ghostnet
                    {
                        ghostnet.worked(carriers);
                    }
                    match transport.add_local_candidate(now, local(found)) {
                        Ok(candidate) => {
                            self.has_candidate = true;
                            candidates.push(candidate);
                        }
                        // An address that cannot be a candidate (a scoped one, say) is no reason to fail.
                        Err(TransportError::Candidate) => {}
                        Err(error) => return Err(error),
                    }
                }
                GatheringOutput::Bind(wanted) => {
                    let bound = self.sockets.bind_beside(wanted.beside);
                    self.gathering.socket_bound(now, wanted, bound);
                }
                GatheringOutput::Unbind(socket) => self.sockets.close(socket),
                GatheringOutput::CredentialsRefused => self.outputs.credentials_refused(),
                GatheringOutput::RelayFailed(failure) => {
                    tracing::info!(?failure, "a relay failed");
                    if failure.hop == HopRole::Entry {
                        self.outputs.notice(entry_failed(failure.kind).to_owned());
                    }
                }
                GatheringOutput::Complete => complete = true,
                GatheringOutput::Timeout(_) => return Ok((candidates, complete)),
            }
        }
    }

    /// Tells relays that nothing more comes, also after a failure.
    pub(super) fn give_back_addresses(&mut self, now: Instant) {
        self.gathering.close(now);
        loop {
            match self.gathering.poll_output() {
                GatheringOutput::Transmit(datagram) => self.sockets.send(&datagram),
                GatheringOutput::Write(stream, bytes, urgency) => {
                    self.streams.write(stream, bytes, urgency);
                }
                GatheringOutput::Close(stream) => self.streams.close(stream),
                GatheringOutput::Tunnel(order) => self.tunnels.handle_order(order),
                GatheringOutput::Open(..)
                | GatheringOutput::Candidate(_)
                | GatheringOutput::Lost(_)
                | GatheringOutput::Packet(_)
                | GatheringOutput::Bind(_)
                | GatheringOutput::Unbind(_)
                | GatheringOutput::CredentialsRefused
                | GatheringOutput::RelayFailed(_)
                | GatheringOutput::Complete => {}
                GatheringOutput::Timeout(_) => return,
            }
        }
    }

    pub(crate) fn add_remote_candidates(
        &mut self,
        now: Instant,
        candidates: &[String],
    ) -> Result<(), TransportError> {
        for candidate in candidates {
            match self.transport()?.add_remote_candidate(now, candidate) {
                Err(TransportError::Candidate) => {
                    tracing::debug!("a candidate of the peer cannot be used");
                }
                added => added?,
            }
        }
        self.allow_named(now)
    }

    pub(crate) fn create_restart_offer(&mut self, now: Instant) -> Result<(), TransportError> {
        // What is found at once stands in the description; what comes later is told by itself.
        self.begin_to_gather(now);
        self.found(now)?;
        let sdp = self.transport()?.create_restart_offer(now)?;
        self.outputs.event(MediaEvent::RestartOffer { sdp });
        Ok(())
    }

    pub(crate) fn accept_restart_offer(
        &mut self,
        now: Instant,
        sdp: &str,
    ) -> Result<(), TransportError> {
        // What is found at once stands in the description; what comes later is told by itself.
        self.begin_to_gather(now);
        self.found(now)?;
        let sdp = self.transport()?.accept_restart_offer(now, sdp)?;
        self.allow_named(now)?;
        self.outputs.event(MediaEvent::RestartAnswer { sdp });
        Ok(())
    }

    /// Says that the peer is on hold, or is no more.
    pub(crate) fn create_hold_offer(
        &mut self,
        now: Instant,
        held: bool,
    ) -> Result<(), TransportError> {
        let sdp = self.transport()?.create_hold_offer(now, held)?;
        self.outputs.event(MediaEvent::RestartOffer { sdp });
        Ok(())
    }

    fn transport(&mut self) -> Result<&mut Transport, TransportError> {
        self.transport.as_mut().ok_or(TransportError::Closed)
    }
}

/// That the entry is another now, in words: it is kept for weeks otherwise.
const fn entry_failed(kind: TunnelFailureKind) -> &'static str {
    match kind {
        TunnelFailureKind::Silent | TunnelFailureKind::Ended => {
            "your entry relay does not answer; another is tried"
        }
        TunnelFailureKind::WrongCertificate => {
            "your entry relay does not prove that it is the one of the list; another is tried"
        }
        TunnelFailureKind::PathTooNarrow => {
            "packets as large as GhostNet needs do not reach your entry relay; another is tried"
        }
        TunnelFailureKind::Unauthorized => {
            "your entry relay does not take what it is paid with; another is tried"
        }
        TunnelFailureKind::Busy => {
            "your entry relay has no room for another call; another is tried"
        }
        TunnelFailureKind::Refused(_) | TunnelFailureKind::Protocol => {
            "your entry relay refuses the call; another is tried"
        }
    }
}

/// What our voice is called in one call: nothing that is said twice, so that calls cannot be told to be of one device by it.
fn stream_name() -> StreamId {
    let number = SystemRandomness.next_u64();
    StreamId::new(&format!("{number:016x}")).unwrap_or_else(|| unreachable!("hexadecimal digits"))
}

/// A candidate as the transport knows it.
fn local(candidate: Candidate) -> LocalCandidate {
    let Candidate {
        kind,
        base,
        address,
    } = candidate;
    LocalCandidate {
        kind: match kind {
            relay::CandidateKind::Host => CandidateKind::Host,
            relay::CandidateKind::ServerReflexive => CandidateKind::ServerReflexive,
            relay::CandidateKind::Relayed => CandidateKind::Relay,
        },
        base,
        address,
    }
}

/// A restart that cannot be used is one that did not happen; another follows. But nobody gets another certificate in.
pub(crate) fn overcome(error: TransportError) -> Result<(), TransportError> {
    match error {
        TransportError::DescriptionTooLong
        | TransportError::Description(_)
        | TransportError::MediaLines
        | TransportError::NoAudio
        | TransportError::NoCodec
        | TransportError::Candidate
        | TransportError::Misuse => {
            tracing::debug!(%error, "a restart came to nothing");
            Ok(())
        }
        error => Err(error),
    }
}
