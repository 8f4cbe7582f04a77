//! What only calls in rooms have: events of the timeline, the peer that leaves the room, hold.

use std::time::Duration;

use securecall_contact::EventId;
use securecall_signaling::wire::room::RoomSignal;
use securecall_signaling::{Candidate, Content, HangupReason, PartyId, Role};

use super::Call;
use crate::EndReason;
use crate::event::Event;
use crate::io::Io;
use crate::output::RoomRequestError;
use crate::room::description::puts_on_hold;
use crate::room::outbox::LetterNumber;
use crate::room::{Room, Speaker};
use crate::signal_refused::SignalRefused;

impl Call {
    /// An event of this call, from the peer's account or from another device of ours.
    pub(crate) fn handle_room_signal(
        &mut self,
        io: &mut Io<'_>,
        speaker: Speaker,
        signal: RoomSignal,
        age: Duration,
    ) -> Result<(), SignalRefused> {
        let situation = self.situation();
        let room = self.carrier.room_mut().ok_or(SignalRefused::UnknownCall)?;
        let result = room.handle_signal(&situation, speaker, signal, age);
        self.hear(io);
        self.flush(io);
        result
    }

    /// Candidates that came behind the invite, before it rang.
    pub(crate) fn hear_early_candidates(&mut self, io: &mut Io<'_>, candidates: Vec<Candidate>) {
        if let Some(party) = self.machine.caller_party()
            && !candidates.is_empty()
        {
            let content = Content::Candidates { candidates };
            if let Err(error) = self.machine.handle_content(io.now, &party, &content) {
                tracing::debug!(call = %self.name, %error, "refused early candidates");
            }
            self.flush(io);
        }
    }

    /// The homeserver's word on an event of ours, or a redaction.
    pub(crate) fn handle_room_response(
        &mut self,
        io: &mut Io<'_>,
        letter: LetterNumber,
        result: Result<Option<EventId>, RoomRequestError>,
    ) {
        if let Some(room) = self.carrier.room_mut() {
            room.handle_response(io.now, letter, result);
        }
        self.hear(io);
        self.flush(io);
    }

    /// The peer has left the room of the call, which is as good as a hangup.
    pub(crate) fn peer_left(&mut self, io: &mut Io<'_>) {
        if let Some(party) = self.machine.selected().cloned() {
            let content = Content::Hangup {
                reason: HangupReason::UserHangup,
            };
            if let Err(error) = self.machine.handle_content(io.now, &party, &content) {
                tracing::debug!(call = %self.name, %error, "the peer left the room");
            }
        } else if self.machine.role() == Role::Caller {
            self.end_because(EndReason::Declined);
        } else {
            self.machine.caller_is_gone();
        }
        self.flush(io);
    }

    /// We are not in the room of the call any more: nothing of it can be said or heard.
    pub(crate) fn room_is_closed(&mut self, io: &mut Io<'_>) {
        self.end_because(EndReason::HomeserverRefused);
        self.flush(io);
    }

    /// The room in whose timeline the call is, if it is in one.
    pub(crate) fn room(&self) -> Option<&Room> {
        self.carrier.room().filter(|it| !it.is_leg())
    }

    /// A device declines for all of the peer's, and says why.
    pub(super) fn turned_down(&mut self, io: &mut Io<'_>, from: &PartyId, reason: EndReason) {
        if self.machine.is_over() || self.machine.is_answered() {
            return;
        }
        self.end.cause = Some(reason);
        if let Err(error) = self.machine.handle_content(io.now, from, &Content::Reject) {
            tracing::debug!(call = %self.name, %error, "refused a reject");
        }
        self.drain_machine(io);
        if !self.machine.is_over() {
            self.end.cause = None;
        }
    }

    /// The peer says whether it is muted. Frames and events say so before the call counts as connected.
    pub(super) fn peer_muted(&mut self, io: &mut Io<'_>, muted: bool) {
        if self.media.set_peer_muted(muted) && self.connection.is_connected() {
            self.tell_peer_muted(io);
        }
    }

    /// A description of the peer within the call is taken: it may be one that holds or resumes.
    pub(super) fn peer_describes(&mut self, io: &mut Io<'_>, sdp: &str) {
        if self.carrier.room().is_none() {
            return;
        }
        let held = puts_on_hold(sdp);
        if self.media.set_held(held) {
            io.event(Event::Held {
                call: self.name.clone(),
                local: false,
                held,
            });
        }
    }
}
