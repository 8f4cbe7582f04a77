//! What the peer says, as the carrier has heard it.

use securecall_signaling::{Content, Description, PartyId, Role};

use super::Call;
use super::restarts::Taken;
use super::timer::Timer;
use crate::EndReason;
use crate::contract::Heard;
use crate::io::Io;

impl Call {
    /// Carries out what the carrier has heard.
    pub(super) fn hear(&mut self, io: &mut Io<'_>) {
        loop {
            // Anew for each: what was heard before may have ended the call, or settled with which
            // device it is.
            let situation = self.situation();
            let Some(heard) = self.carrier.poll_heard(io.now, &situation) else {
                return;
            };
            match heard {
                Heard::Invited(party) => self.machine.invite(party),
                Heard::Content { from, content } => {
                    self.handle_content(io, &from, &content);
                    // The next content of the same message meets the machine as this one has left it.
                    self.drain_machine(io);
                }
                Heard::Party(party) => self.machine.party_has_invite(party),
                Heard::TurnedDown { from, reason } => self.turned_down(io, &from, reason),
                Heard::PeerMuted(muted) => self.peer_muted(io, muted),
                Heard::Delivered => self.close_if_drained(io),
                // Keys are of use only while audio runs.
                Heard::Epoch(command) if self.media.is_open() => self.order(io, command),
                Heard::Epoch(_) => {}
                Heard::ControlDead => match self.machine.role() {
                    Role::Caller => self.restart(io),
                    Role::Callee => self.ask_for_restart(io),
                },
                Heard::Failed(reason) => self.end_because(reason),
            }
        }
    }

    fn handle_content(&mut self, io: &mut Io<'_>, from: &PartyId, content: &Content) {
        let is_selected = self.machine.selected() == Some(from) && !self.machine.is_over();
        match content {
            // The machine takes the first answer there is, so one that is of no use must not get to
            // it.
            Content::Answer { answer } if !self.check_answer(from, &answer.sdp) => {}
            // Only from the device that the call is with: those that lost have sessions too, and
            // could otherwise restart a path that is not theirs.
            Content::Rekey if is_selected => self.carrier.answer_rekey(from),
            Content::RestartPlease if is_selected => self.restart_was_asked_for(io),
            Content::Negotiate {
                description,
                negotiation,
            } if is_selected => self.take_negotiate(io, description, *negotiation),
            // The nonce was taken when the caller's first message opened; anywhere else it says
            // nothing.
            Content::WordsNonce { .. }
            | Content::Rekey
            | Content::RestartPlease
            | Content::Negotiate { .. } => {}
            // From the device that the call is with, and no other of the same identity.
            Content::Roster(roster) if is_selected => self.take_roster(roster),
            Content::Roster(_) => {}
            Content::Ringing
            | Content::Busy
            | Content::ClocksDiffer
            | Content::Answer { .. }
            | Content::Candidates { .. }
            | Content::SelectAnswer { .. }
            | Content::Reject
            | Content::Hangup { .. }
            | Content::Invite(_) => {
                if let Err(error) = self.machine.handle_content(io.now, from, content) {
                    tracing::debug!(call = %self.name, kind = content.kind(), %error, "refused a content");
                }
            }
        }
    }

    /// Whether a device's answer can be taken; if not, the device is dropped.
    fn check_answer(&mut self, from: &PartyId, sdp: &str) -> bool {
        let is_caller = self.machine.role() == Role::Caller;
        let waits = is_caller && !self.machine.is_answered() && !self.machine.is_over();
        if !waits || self.carrier.fingerprint(sdp).is_some() {
            return true;
        }
        tracing::debug!(call = %self.name, "an answer without a sha-256 fingerprint to rely on");
        // Only the last device's answer ends the call, and then for this reason.
        self.end.cause = Some(EndReason::FingerprintMismatch);
        self.machine.drop_party(from);
        if !self.machine.is_over() {
            self.end.cause = None;
        }
        false
    }

    /// The callee wants a restart: only the caller makes offers. The callee hears nothing, so the offer goes over Matrix as well.
    fn restart_was_asked_for(&mut self, io: &mut Io<'_>) {
        if self.machine.role() == Role::Caller {
            self.carrier.distrust_data_channel();
            // The answer to an offer that is under way brings whatever addresses the callee has by then. One that was answered
            // does not: the callee has moved again.
            if !self.restarts.wait_for_answer() {
                self.connection
                    .restart_is_wanted(io.now, &mut self.deadlines);
            }
            self.restart(io);
        }
    }

    /// An offer or answer of the peer within the call.
    fn take_negotiate(&mut self, io: &mut Io<'_>, description: &Description, number: u32) {
        if !self.connection.is_connected() {
            return;
        }
        let fingerprint = self.carrier.fingerprint(&description.sdp);
        let taken = self
            .restarts
            .take_description(io.now, description, fingerprint, number);
        if !matches!(taken, Taken::Refused(_)) {
            self.peer_describes(io, &description.sdp);
        }
        match taken {
            Taken::Offer(command) => {
                self.media.peer_begins_generation();
                // The caller has lost the path, whatever we hear: the answer goes over Matrix as well.
                self.carrier.distrust_data_channel();
                self.deadlines.clear(Timer::RestartPlease);
                if let Some(command) = command {
                    self.order(io, command);
                }
            }
            Taken::Answer(command) => {
                self.media.peer_begins_generation();
                self.order(io, command);
            }
            Taken::Refused(why) => {
                tracing::debug!(call = %self.name, number, why, "refused a description");
            }
        }
    }
}
