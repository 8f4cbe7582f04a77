//! Offers, answers and candidates.

use securecall_media::{LocalCandidate, Transport, TransportError};
use securecall_session::{MediaEvent, Route};
use web_time::Instant;

use super::PeerConnection;

impl PeerConnection {
    pub(crate) fn create_offer(
        &mut self,
        now: Instant,
        route: Route,
    ) -> Result<(), TransportError> {
        self.sockets.set_route(route);
        let reach = self.sockets.reach();
        let transport = self.transport.insert(Transport::new(now, reach)?);
        let sdp = transport.create_offer(now)?;
        self.outputs.event(MediaEvent::LocalOffer { sdp });
        Ok(())
    }

    pub(crate) fn accept_offer(
        &mut self,
        now: Instant,
        sdp: &str,
        route: Route,
    ) -> Result<(), TransportError> {
        self.sockets.set_route(route);
        let reach = self.sockets.reach();
        let transport = self.transport.insert(Transport::new(now, reach)?);
        let sdp = transport.accept_offer(now, sdp)?;
        self.outputs.event(MediaEvent::LocalAnswer { sdp });
        Ok(())
    }

    pub(crate) fn set_answer(&mut self, now: Instant, sdp: &str) -> Result<(), TransportError> {
        self.transport()?.set_answer(now, sdp)
    }

    /// Host candidates need no waiting: gathering is over at once.
    pub(crate) fn gather(&mut self, now: Instant) -> Result<(), TransportError> {
        let candidates = self.add_host_candidates(now)?;
        if candidates.is_empty() {
            self.outputs.notice(
                "this machine has no network address that could be told to the other side".into(),
            );
        }
        self.outputs.event(MediaEvent::LocalCandidates {
            candidates,
            complete: true,
        });
        Ok(())
    }

    /// Binds sockets for addresses that are new since the last time, and gives their candidates.
    fn add_host_candidates(&mut self, now: Instant) -> Result<Vec<String>, TransportError> {
        let transport = self.transport.as_mut().ok_or(TransportError::Closed)?;
        let mut candidates = Vec::new();
        for bound in self.sockets.bind_new() {
            let local = LocalCandidate {
                address: bound.advertised,
                ..LocalCandidate::host(bound.base)
            };
            match transport.add_local_candidate(now, local) {
                Ok(candidate) => candidates.push(candidate),
                // An address that cannot be a candidate (a scoped one, say) is no reason to fail.
                Err(TransportError::Candidate) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(candidates)
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
        Ok(())
    }

    pub(crate) fn create_restart_offer(&mut self, now: Instant) -> Result<(), TransportError> {
        self.add_host_candidates(now)?;
        let sdp = self.transport()?.create_restart_offer(now)?;
        self.outputs.event(MediaEvent::RestartOffer { sdp });
        Ok(())
    }

    pub(crate) fn accept_restart_offer(
        &mut self,
        now: Instant,
        sdp: &str,
    ) -> Result<(), TransportError> {
        self.add_host_candidates(now)?;
        let sdp = self.transport()?.accept_restart_offer(now, sdp)?;
        self.outputs.event(MediaEvent::RestartAnswer { sdp });
        Ok(())
    }

    fn transport(&mut self) -> Result<&mut Transport, TransportError> {
        self.transport.as_mut().ok_or(TransportError::Closed)
    }
}

/// A restart that cannot be used is one that did not happen; another follows. But nobody gets another certificate in.
pub(crate) fn overcome(error: TransportError) -> Result<(), TransportError> {
    match error {
        TransportError::DescriptionTooLong
        | TransportError::Description(_)
        | TransportError::MediaLines
        | TransportError::Candidate
        | TransportError::Misuse => {
            tracing::debug!(%error, "a restart came to nothing");
            Ok(())
        }
        error => Err(error),
    }
}
