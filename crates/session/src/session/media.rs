//! What the media engine reports, and when the call counts as connected.

use securecall_signaling::{Content, Description, MAX_CANDIDATE};

use super::send::{can_be_sent, candidate};
use super::{Io, Media, Session, Timer};
use crate::EndReason;
use crate::event::{Event, Tier};
use crate::media_event::{MediaEvent, MediaFailure};
use crate::output::MediaCommand;

/// The most candidates of ours: a bundle holds no more.
const MAX_LOCAL_CANDIDATES: usize = 31;

impl Session {
    /// Something happened in the media engine.
    pub(crate) fn handle_media(&mut self, io: &mut Io<'_>, event: MediaEvent) {
        match self.media {
            Media::Open => self.media_event(io, event),
            Media::Draining if event == MediaEvent::ChannelClosed => self.close_media(io),
            Media::Draining | Media::Untouched | Media::Closed => {}
        }
        self.flush(io);
    }

    fn media_event(&mut self, io: &mut Io<'_>, event: MediaEvent) {
        match event {
            MediaEvent::LocalOffer { sdp }
            | MediaEvent::LocalAnswer { sdp }
            | MediaEvent::RestartOffer { sdp }
            | MediaEvent::RestartAnswer { sdp }
                if !can_be_sent(&sdp) =>
            {
                self.end_because(EndReason::MediaFailed);
            }
            MediaEvent::LocalOffer { sdp } => self.take_local_offer(io, sdp),
            MediaEvent::LocalAnswer { sdp } => self.take_local_answer(sdp),
            MediaEvent::LocalCandidates {
                candidates,
                complete,
            } => self.take_local_candidates(candidates, complete),
            MediaEvent::PathUp { route } => {
                self.path.route.get_or_insert(route);
                self.packet_came(io);
            }
            MediaEvent::FirstFrameOpened => {
                // Only who took part in the handshake can seal a frame.
                self.path.frame_opened = true;
                self.packet_came(io);
            }
            MediaEvent::AuthenticatedPacket => self.packet_came(io),
            MediaEvent::FirstAudioPlayed => {
                let setup = io.now.saturating_duration_since(self.started);
                io.event(Event::FirstAudio {
                    call: self.id,
                    setup,
                });
            }
            MediaEvent::PeerMuted(muted) => self.peer_muted(io, muted),
            MediaEvent::ChannelOpen => self.path.channel_open = true,
            MediaEvent::ChannelClosed => self.path.channel_open = false,
            MediaEvent::RestartOffer { sdp } => self.say_restart_offer(sdp),
            MediaEvent::RestartAnswer { sdp } => self.say_restart_answer(io, sdp),
            MediaEvent::Failed { reason } => self.media_failed(reason),
        }
    }

    fn take_local_candidates(&mut self, candidates: Vec<String>, complete: bool) {
        let usable = |line: &String| line.len() <= MAX_CANDIDATE && line.is_ascii();
        let candidates = candidates.into_iter();
        let room = MAX_LOCAL_CANDIDATES.saturating_sub(self.local_candidates.len());
        self.local_candidates
            .extend(candidates.filter(usable).take(room).map(candidate));
        if complete {
            self.local_complete = true;
            self.deadlines.clear(Timer::CandidateBatch);
        }
    }

    fn media_failed(&mut self, failure: MediaFailure) {
        let reason = match failure {
            MediaFailure::FingerprintMismatch => EndReason::FingerprintMismatch,
            MediaFailure::UnusableSdp => EndReason::PeerMisbehaved,
            MediaFailure::Local => EndReason::MediaFailed,
            MediaFailure::IceFailed if self.connected_at.is_none() => EndReason::IceFailed,
            // A path that worked once may come back; the 15 s are counted elsewhere.
            MediaFailure::IceFailed => return,
        };
        self.end_because(reason);
    }

    /// Gives the media engine the frame keys once there is an answer: frames flow as soon as there is a path.
    pub(super) fn start_audio(&mut self, io: &mut Io<'_>) {
        if !self.answer_made || self.media != Media::Open || !self.call.is_answered() {
            return;
        }
        let command = self
            .selected_party()
            .and_then(|party| party.channel())
            .and_then(|channel| channel.epochs.hand_out());
        if let Some(command) = command {
            self.order(io, command);
            let lines = std::mem::take(&mut self.remote_candidates);
            if !lines.is_empty() {
                self.order(io, MediaCommand::AddRemoteCandidates(lines));
            }
        }
    }

    /// Keys are of use only while audio runs.
    pub(super) fn order_epoch(&self, io: &mut Io<'_>, command: Option<MediaCommand>) {
        if let Some(command) = command.filter(|_| self.media == Media::Open) {
            self.order(io, command);
        }
    }

    /// Connected: the path is up, a frame of the peer opened, and the words are known.
    ///
    /// A forged message 1 gets as far as an answer, and no further: a frame opens only if its sender took part in the handshake, and a callee
    /// knows the words only from a ratchet message that opened.
    pub(super) fn check_connected(&mut self, io: &mut Io<'_>) {
        let (Some(route), Some(safety_words)) = (self.path.route, self.words) else {
            return;
        };
        if self.connected_at.is_some() || !self.path.frame_opened || !self.call.is_answered() {
            return;
        }
        self.call.connected();
        self.connected_at = Some(io.now);
        let setup = io.now.saturating_duration_since(self.started);
        let (call, peer) = (self.id, self.peer.clone());
        io.event(Event::Connected {
            call,
            peer,
            tier: Tier::SecureCall,
            route,
            safety_words,
            setup,
        });
        self.order(io, MediaCommand::OpenMicrophone);
        if self.muted {
            self.order(io, MediaCommand::SetMuted(true));
        }
        if self.peer_muted {
            self.tell_peer_muted(io);
        }
        self.watch_path(io.now);
    }

    /// Frames say whether the peer is muted, and they come before the call counts as connected.
    fn peer_muted(&mut self, io: &mut Io<'_>, muted: bool) {
        if std::mem::replace(&mut self.peer_muted, muted) != muted && self.connected_at.is_some() {
            self.tell_peer_muted(io);
        }
    }

    fn tell_peer_muted(&self, io: &mut Io<'_>) {
        io.event(Event::Muted {
            call: self.id,
            local: false,
            muted: self.peer_muted,
        });
    }

    pub(super) fn negotiate(&mut self, description: Description, negotiation: u32) {
        if let Some(party) = self.selected_party() {
            party
                .pending
                .retain(|content| !matches!(content, Content::Negotiate { .. }));
            party.pending.push(Content::Negotiate {
                description,
                negotiation,
            });
        }
    }
}
