//! What the media engine reports.

use securecall_signaling::{Content, Description, Role};

use super::Call;
use super::restarts::Answered;
use super::timer::Timer;
use crate::EndReason;
use crate::event::Event;
use crate::io::Io;
use crate::media_event::{MediaEvent, MediaFailure};
use crate::sealed::send::can_be_sent;

impl Call {
    pub(super) fn media_event(&mut self, io: &mut Io<'_>, event: MediaEvent) {
        match event {
            // Before all others: no peer would take such a one, and the call would wait for an
            // answer that cannot come.
            MediaEvent::LocalOffer { sdp }
            | MediaEvent::LocalAnswer { sdp }
            | MediaEvent::RestartOffer { sdp }
            | MediaEvent::RestartAnswer { sdp }
                if !can_be_sent(&sdp) =>
            {
                self.end_because(EndReason::MediaFailed);
            }
            MediaEvent::LocalOffer { sdp } => {
                self.carrier.take_offer(sdp);
                self.invite(io);
            }
            MediaEvent::LocalAnswer { sdp } => self.take_local_answer(sdp),
            MediaEvent::LocalCandidates {
                candidates,
                complete,
            } => {
                self.media.take_local_candidates(candidates, complete);
                // What waited for candidates goes with those that are there at once. Servers are not waited for: what they
                // find follows, and meanwhile the peer has the answer.
                self.deadlines.clear(Timer::CandidateBatch);
            }
            MediaEvent::PathUp { route } => {
                self.connection.comes_up(route);
                if self.carrier.path_is_enough() {
                    self.connection.frame_opened();
                }
                self.peer_was_heard(io);
            }
            MediaEvent::RouteChanged { route } => {
                // `Connected` names the route: before that, a change is no news.
                if self.connection.takes_route(route) && self.connection.is_connected() {
                    io.event(Event::RouteChanged {
                        call: self.name.clone(),
                        route,
                    });
                }
            }
            MediaEvent::PathLost => self.path_lost(io),
            MediaEvent::PathSilent => self.connection.falls_silent(),
            MediaEvent::FirstFrameOpened => {
                self.connection.frame_opened();
                self.peer_was_heard(io);
            }
            MediaEvent::AuthenticatedPacket => self.peer_was_heard(io),
            MediaEvent::FirstAudioPlayed => {
                self.media.take_first_audio(self.connection.setup(io.now));
                // A callee may hear the peer before the words have come, over Matrix.
                if self.connection.is_connected() {
                    self.tell_first_audio(io);
                }
            }
            MediaEvent::PeerMuted(muted) => {
                self.peer_muted(io, muted);
            }
            MediaEvent::DataChannelOpen => self.connection.set_data_channel_open(true),
            // Not the end: only `hangup` is. A transport that closes is a path that may come back.
            MediaEvent::DataChannelClosed => self.connection.set_data_channel_open(false),
            MediaEvent::RestartOffer { sdp } => {
                if let Some(number) = self.restarts.number_offer(io.now) {
                    self.tell_generation(Description::offer(sdp), number);
                }
            }
            MediaEvent::RestartAnswer { sdp } => match self.restarts.answer_made(io.now) {
                Some(Answered::Say(number)) => {
                    self.tell_generation(Description::answer(sdp), number);
                }
                Some(Answered::Order(command)) => self.order(io, command),
                None => {}
            },
            MediaEvent::Failed { reason } => self.media_failed(reason),
        }
    }

    fn media_failed(&mut self, failure: MediaFailure) {
        let reason = match failure {
            MediaFailure::FingerprintMismatch => EndReason::FingerprintMismatch,
            MediaFailure::UnusableSdp => EndReason::PeerMisbehaved,
            // Nobody's machine is at fault. It ends as a call does that waits for its path until it may wait no longer, so
            // that it is the same whichever comes first.
            MediaFailure::NoPath if self.connection.is_connected() => EndReason::IceTimeout,
            MediaFailure::NoPath => EndReason::IceFailed,
            MediaFailure::Local => EndReason::MediaFailed,
        };
        self.end_because(reason);
    }

    fn take_local_answer(&mut self, sdp: String) {
        let is_caller = self.machine.role() == Role::Caller;
        if is_caller || self.media.answer_made || !self.machine.is_answered() {
            return;
        }
        self.media.answer_made = true;
        self.machine.answer(sdp);
        self.carrier.may_have_candidates();
    }

    /// Says a description that begins an ICE generation. All candidates so far stand in it: only later ones are told by
    /// themselves, and have room.
    fn tell_generation(&mut self, description: Description, negotiation: u32) {
        self.media.begin_generation();
        self.carrier.candidates_are_told();
        if let Some(party) = self.machine.selected() {
            let content = Content::Negotiate {
                description,
                negotiation,
            };
            self.carrier.say_negotiate(party, content);
        }
    }
}
