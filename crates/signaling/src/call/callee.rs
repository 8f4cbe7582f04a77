//! The callee's half: one device calls, the user answers or not.

use web_time::Instant;

use super::{
    CONNECT_TIMEOUT, CallEnd, CallMachine, CallTimer, ContentRefused, State, answer_content,
    lines_of,
};
use crate::{Content, HangupReason, PartyId};

impl CallMachine {
    /// The user, or the answer policy, accepts. The answer follows with [`CallMachine::answer`] once it is made.
    ///
    /// # Errors
    /// [`ContentRefused::OutOfPlace`] if the call does not ring here.
    pub fn accept(&mut self, now: Instant) -> Result<(), ContentRefused> {
        let (State::Ringing, Some(party)) = (&self.state, self.caller_party()) else {
            return Err(ContentRefused::OutOfPlace);
        };
        self.state = State::Connecting { party };
        self.deadlines.clear_all();
        self.deadlines
            .set(CallTimer::Connect, now + CONNECT_TIMEOUT);
        Ok(())
    }

    /// The answer is made: sends it.
    pub fn answer(&mut self, sdp: String) {
        if let State::Connecting { party } = &self.state {
            let party = party.clone();
            self.send(party, answer_content(sdp));
        }
    }

    /// The user declines, for all devices.
    ///
    /// # Errors
    /// [`ContentRefused::OutOfPlace`] if the call does not ring here.
    pub fn reject(&mut self) -> Result<(), ContentRefused> {
        if !self.is_ringing_here() {
            return Err(ContentRefused::OutOfPlace);
        }
        self.end(CallEnd::Rejected);
        Ok(())
    }

    pub(super) fn handle_caller_content(
        &mut self,
        from: &PartyId,
        content: &Content,
    ) -> Result<(), ContentRefused> {
        match content {
            Content::Candidates { candidates } => self.take_candidates(from, lines_of(candidates)),
            Content::SelectAnswer { selected_party_id } => self.caller_selects(selected_party_id),
            Content::Hangup { reason } => self.caller_hangs_up(*reason),
            _ => return Err(ContentRefused::OutOfPlace),
        }
        Ok(())
    }

    /// The caller no longer knows of a call that still rings here.
    pub fn caller_is_gone(&mut self) {
        if self.is_ringing_here() {
            self.end(CallEnd::CallerCancelled);
        }
    }

    fn caller_selects(&mut self, selected: &PartyId) {
        if *selected != self.own_party
            && matches!(self.state, State::Ringing | State::Connecting { .. })
        {
            self.end(CallEnd::AnsweredElsewhere);
        }
    }

    fn caller_hangs_up(&mut self, reason: HangupReason) {
        match self.state {
            State::Ringing => self.end(CallEnd::CallerCancelled),
            State::Connecting { .. } | State::Connected { .. } => {
                self.end(CallEnd::PeerHungUp(reason));
            }
            State::Inviting | State::Over { .. } => {}
        }
    }

    /// The device that calls.
    pub fn caller_party(&self) -> Option<PartyId> {
        self.parties.keys().next().cloned()
    }
}
