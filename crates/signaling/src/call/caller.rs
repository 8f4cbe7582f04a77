//! The caller's half: many devices may ring, one answer is taken.

use web_time::Instant;

use super::{
    BUSY_GRACE, CONNECT_TIMEOUT, CallEnd, CallMachine, CallOutput, CallTimer, ContentRefused,
    Standing, State, lines_of,
};
use crate::{Content, HangupReason, PartyId};

impl CallMachine {
    pub(super) fn handle_callee_content(
        &mut self,
        now: Instant,
        from: &PartyId,
        content: &Content,
    ) -> Result<(), ContentRefused> {
        match content {
            Content::Ringing => self.party_rings(from),
            Content::Busy => self.party_does_not_ring(now, from, Standing::Busy),
            Content::ClocksDiffer => self.party_does_not_ring(now, from, Standing::ClocksDiffer),
            Content::Answer { answer } => self.party_answers(now, from, &answer.sdp),
            Content::Candidates { candidates } => self.take_candidates(from, lines_of(candidates)),
            Content::Reject => self.party_rejects(from),
            Content::Hangup { reason } => self.party_hangs_up(from, *reason),
            _ => return Err(ContentRefused::OutOfPlace),
        }
        Ok(())
    }

    /// A device whose answer or session cannot be used: tells it, and goes on without it.
    pub fn drop_party(&mut self, party: &PartyId) {
        if self.selected() == Some(party) {
            return;
        }
        self.send(
            party.clone(),
            Content::Hangup {
                reason: HangupReason::UnknownError,
            },
        );
        self.party_is_gone(party);
    }

    pub(super) fn invite_expired(&mut self) {
        let rang = self.any(Standing::Ringing) || self.any(Standing::Gone);
        let end = if rang {
            CallEnd::NoAnswer
        } else {
            self.why_nobody_rings().unwrap_or(CallEnd::Unreachable)
        };
        self.end(end);
    }

    pub(super) fn busy_grace_is_over(&mut self) {
        if self.state == State::Inviting
            && !self.any(Standing::Ringing)
            && let Some(end) = self.why_nobody_rings()
        {
            self.end(end);
        }
    }

    fn party_rings(&mut self, from: &PartyId) {
        match &self.state {
            State::Inviting => {
                if self.standing(from) == Standing::Invited {
                    let first = !self.any(Standing::Ringing);
                    self.set_standing(from, Standing::Ringing);
                    self.deadlines.clear(CallTimer::BusyGrace);
                    if first {
                        self.outputs.push_back(CallOutput::Ringing);
                    }
                }
            }
            State::Connecting { .. } | State::Connected { .. } | State::Over { .. } => {
                self.tell_latecomer(from);
            }
            State::Ringing => {}
        }
    }

    /// A device that was reached and does not ring. It ends nothing while another rings, or may.
    fn party_does_not_ring(&mut self, now: Instant, from: &PartyId, standing: Standing) {
        if self.state != State::Inviting || self.standing(from) != Standing::Invited {
            return;
        }
        self.set_standing(from, standing);
        if self.any(Standing::Ringing) {
            return;
        }
        match self.why_nobody_rings() {
            Some(_) if self.any(Standing::Invited) => self
                .deadlines
                .set_if_unset(CallTimer::BusyGrace, now + BUSY_GRACE),
            Some(end) => self.end(end),
            None => {}
        }
    }

    /// What the devices that were reached say, if they say why they do not ring. A clock tells nothing of a person, a call does.
    fn why_nobody_rings(&self) -> Option<CallEnd> {
        if self.any(Standing::Busy) {
            Some(CallEnd::Busy)
        } else if self.any(Standing::ClocksDiffer) {
            Some(CallEnd::ClocksDiffer)
        } else {
            None
        }
    }

    fn party_answers(&mut self, now: Instant, from: &PartyId, sdp: &str) {
        match &self.state {
            State::Inviting
                if matches!(self.standing(from), Standing::Invited | Standing::Ringing) =>
            {
                self.select(now, from, sdp);
            }
            State::Connecting { party } | State::Connected { party } if party == from => {}
            State::Inviting | State::Ringing => {}
            State::Connecting { .. } | State::Connected { .. } | State::Over { .. } => {
                self.tell_latecomer(from);
            }
        }
    }

    /// Takes the first answer and tells every device that rings whose it was.
    fn select(&mut self, now: Instant, from: &PartyId, sdp: &str) {
        self.set_standing(from, Standing::Selected);
        self.state = State::Connecting {
            party: from.clone(),
        };
        self.deadlines.clear_all();
        self.deadlines
            .set(CallTimer::Connect, now + CONNECT_TIMEOUT);
        self.outputs.push_back(CallOutput::Answered {
            party: from.clone(),
            sdp: sdp.to_owned(),
        });
        let early = self
            .parties
            .get_mut(from)
            .map(|party| std::mem::take(&mut party.candidates))
            .unwrap_or_default();
        if !early.is_empty() {
            self.outputs.push_back(CallOutput::Candidates(early));
        }
        self.send(
            from.clone(),
            Content::SelectAnswer {
                selected_party_id: from.clone(),
            },
        );
        self.tell_ringing_parties_of(from);
    }

    fn tell_ringing_parties_of(&mut self, selected: &PartyId) {
        for party in self.parties_to_tell(None) {
            self.send(
                party,
                Content::SelectAnswer {
                    selected_party_id: selected.clone(),
                },
            );
        }
    }

    /// `reject` ends the call for all devices, unless an answer was taken before.
    fn party_rejects(&mut self, from: &PartyId) {
        if self.state != State::Inviting || self.standing(from) != Standing::Ringing {
            return;
        }
        self.set_standing(from, Standing::Gone);
        self.tell_ringing_parties_of(from);
        self.end(CallEnd::Declined);
    }

    fn party_hangs_up(&mut self, from: &PartyId, reason: HangupReason) {
        if self.is_answered() && self.selected() == Some(from) {
            self.end(CallEnd::PeerHungUp(reason));
        } else if self.state == State::Inviting {
            self.party_is_gone(from);
        }
    }

    /// Without this device, is there still one that may answer?
    fn party_is_gone(&mut self, party: &PartyId) {
        self.set_standing(party, Standing::Gone);
        if self.state == State::Inviting
            && !self.any(Standing::Ringing)
            && !self.any(Standing::Invited)
        {
            self.end(self.why_nobody_rings().unwrap_or(CallEnd::NoAnswer));
        }
    }

    /// A device rings or answers when the call is taken or over: it is told once.
    fn tell_latecomer(&mut self, from: &PartyId) {
        if self.standing(from) == Standing::Gone {
            return;
        }
        let content = match &self.state {
            State::Connecting { party } | State::Connected { party } => Content::SelectAnswer {
                selected_party_id: party.clone(),
            },
            State::Over {
                selected: Some(selected),
                ..
            } if selected != from => Content::SelectAnswer {
                selected_party_id: selected.clone(),
            },
            State::Over { reason, .. } => Content::Hangup { reason: *reason },
            State::Inviting | State::Ringing => return,
        };
        self.set_standing(from, Standing::Gone);
        self.send(from.clone(), content);
    }
}
