//! The media engine of a call: how far it is, which candidates it and the peer have, who is muted.

use std::time::Duration;

use securecall_signaling::{Candidate, MAX_CANDIDATE, MAX_CANDIDATES};

use crate::call_handle::CallHandle;
use crate::config::Route;
use crate::output::MediaCommand;
use crate::tier::Tier;

/// The most candidates of ours in an ICE generation: with the mark that ends them, what one content holds.
const MAX_LOCAL_CANDIDATES: usize = MAX_CANDIDATES - 1;

/// How far the media engine is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// Before the user accepts there is none.
    Untouched,
    Open,
    /// The user hears nothing any more; the transport lives for the last control messages.
    Draining,
    Closed,
}

/// What a call knows of its media engine.
pub(super) struct Media {
    pub(super) transport: Transport,
    /// The caller's offer, until the user accepts it.
    remote_offer: String,
    /// Our answer was made, or the peer's taken.
    pub(super) answer_made: bool,
    /// Of this ICE generation, without those in its description.
    local_candidates: Vec<Candidate>,
    local_complete: bool,
    /// Candidates of the peer that wait until the user accepts.
    remote_candidates: Vec<String>,
    /// In this ICE generation.
    candidates_taken: usize,
    muted: bool,
    peer_muted: bool,
    /// The peer does not listen.
    /// By the peer.
    held: bool,
    /// By this side.
    held_here: bool,
    /// How long it took until the peer was heard, as long as that is not told.
    first_audio: Option<Duration>,
}

impl Media {
    /// Of a call of ours: it opens at once, to make an offer.
    pub(super) const fn of_caller() -> Self {
        Self::new(Transport::Open, String::new())
    }

    /// Of a call that rings.
    pub(super) const fn of_callee(remote_offer: String) -> Self {
        Self::new(Transport::Untouched, remote_offer)
    }

    const fn new(transport: Transport, remote_offer: String) -> Self {
        Self {
            transport,
            remote_offer,
            answer_made: false,
            local_candidates: Vec::new(),
            local_complete: false,
            remote_candidates: Vec::new(),
            candidates_taken: 0,
            muted: false,
            peer_muted: false,
            held: false,
            held_here: false,
            first_audio: None,
        }
    }

    /// The user accepts: opens the transport, and gives the first orders.
    pub(super) fn accept(
        &mut self,
        tier: Tier,
        route: Route,
        beside: Option<CallHandle>,
    ) -> Vec<MediaCommand> {
        self.transport = Transport::Open;
        let sdp = self.remote_offer.clone();
        let mut orders = vec![
            MediaCommand::AcceptOffer {
                tier,
                sdp,
                route,
                beside,
            },
            MediaCommand::Gather,
        ];
        if self.muted {
            orders.push(MediaCommand::SetMuted(true));
        }
        let lines = std::mem::take(&mut self.remote_candidates);
        if !lines.is_empty() {
            orders.push(MediaCommand::AddRemoteCandidates(lines));
        }
        orders
    }

    /// Candidates of ours; what no peer would take is left out.
    pub(super) fn take_local_candidates(&mut self, candidates: Vec<String>, complete: bool) {
        let usable = |line: &String| line.len() <= MAX_CANDIDATE && line.is_ascii();
        let room = MAX_LOCAL_CANDIDATES.saturating_sub(self.local_candidates.len());
        let candidates = candidates.into_iter().filter(usable).take(room);
        self.local_candidates
            .extend(candidates.map(|line| Candidate {
                candidate: line,
                sdp_mid: "0".to_owned(),
            }));
        self.local_complete |= complete;
    }

    /// Candidates of the peer: for the media engine, or kept until there is one.
    pub(super) fn take_remote_candidates(
        &mut self,
        mut lines: Vec<String>,
    ) -> Option<MediaCommand> {
        // However many contents they come in: the media engine takes no more in one ICE generation.
        lines.truncate(MAX_CANDIDATES.saturating_sub(self.candidates_taken));
        self.candidates_taken += lines.len();
        if lines.is_empty() {
            None
        } else if self.is_open() {
            Some(MediaCommand::AddRemoteCandidates(lines))
        } else {
            self.remote_candidates.extend(lines);
            None
        }
    }

    /// A description of ours holds all candidates so far: what comes from now on is told by itself.
    pub(super) fn begin_generation(&mut self) {
        self.local_candidates.clear();
    }

    /// A description of the peer begins an ICE generation: candidates of it are counted anew.
    pub(super) const fn peer_begins_generation(&mut self) {
        self.candidates_taken = 0;
    }

    /// Mutes or unmutes our microphone. Returns whether that is news.
    pub(super) fn set_muted(&mut self, muted: bool) -> bool {
        std::mem::replace(&mut self.muted, muted) != muted
    }

    /// The peer says whether it is muted. Returns whether that is news.
    pub(super) fn set_peer_muted(&mut self, muted: bool) -> bool {
        std::mem::replace(&mut self.peer_muted, muted) != muted
    }

    /// The peer holds the call, or resumes it. Returns whether that is news.
    pub(super) fn set_held(&mut self, held: bool) -> bool {
        std::mem::replace(&mut self.held, held) != held
    }

    /// This side holds the call, or resumes it. Returns whether that is news.
    pub(super) fn set_held_here(&mut self, held: bool) -> bool {
        std::mem::replace(&mut self.held_here, held) != held
    }

    /// The peer is heard for the first time; `setup`: how long that took.
    pub(super) const fn take_first_audio(&mut self, setup: Duration) {
        self.first_audio = Some(setup);
    }

    /// How long it took until the peer was heard, if that is to be told; then it counts as told.
    pub(super) const fn tells_first_audio(&mut self) -> Option<Duration> {
        self.first_audio.take()
    }

    /// The call is over: no candidate is told or tried any more.
    pub(super) fn finish(&mut self) {
        self.remote_candidates.clear();
        self.local_candidates.clear();
    }

    /// The transport is over, too.
    pub(super) fn forget_offer(&mut self) {
        self.remote_offer = String::new();
    }

    /// Our candidates so far, and whether they are all.
    pub(super) fn local_candidates(&self) -> (&[Candidate], bool) {
        (&self.local_candidates, self.local_complete)
    }

    pub(super) const fn is_muted(&self) -> bool {
        self.muted
    }

    pub(super) const fn is_peer_muted(&self) -> bool {
        self.peer_muted
    }

    /// The user can hear and be heard, as far as the media engine goes.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.transport, Transport::Open)
    }

    /// There is a transport that must be closed.
    pub(super) const fn has_transport(&self) -> bool {
        matches!(self.transport, Transport::Open | Transport::Draining)
    }
}
