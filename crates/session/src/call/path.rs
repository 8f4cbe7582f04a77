//! The connected call: keys are renewed, a dead path is noticed, restarted or given up (DESIGN 6 and 7).

use std::time::Duration;

use securecall_signaling::{Content, Description, DescriptionKind};
use web_time::Instant;

use super::{Call, Side, Timer};
use crate::event::Event;
use crate::fingerprint::Fingerprint;
use crate::io::Io;
use crate::output::MediaCommand;

/// How often the caller makes a step of the DH ratchet.
const REKEY_INTERVAL: Duration = Duration::from_secs(10);
/// How old the last finished step may be before the data channel counts as dead.
const STEP_LATE: Duration = Duration::from_secs(30);
/// How old the last finished step may be before the call ends.
const REKEY_TIMEOUT: Duration = Duration::from_secs(120);
/// How long nothing may be heard from the peer before the path counts as dead.
const PATH_DEAD: Duration = Duration::from_secs(3);
/// How long nothing may be heard from the peer before the call ends.
const PATH_LOST: Duration = Duration::from_secs(15);
/// How long a restart may take before the next is tried.
const RESTART_AGAIN: Duration = Duration::from_secs(5);
/// How long the media engine may take to answer a restart offer; after that it found the offer unusable and will not.
const RESTART_ANSWER: Duration = Duration::from_secs(4);
/// How long a callee waits for the caller to restart by itself.
const RESTART_PLEASE: Duration = Duration::from_secs(1);

impl Call {
    /// The call is connected: from now on its path and keys are watched.
    pub(crate) fn watch_path(&mut self, now: Instant) {
        self.path.last_packet = Some(now);
        self.deadlines.set(Timer::PathDead, now + PATH_DEAD);
        self.step_finished(now);
        if matches!(self.side, Side::Caller(_)) {
            self.deadlines.set(Timer::Rekey, now + REKEY_INTERVAL);
        }
    }

    /// A packet of the peer was authenticated.
    pub(crate) fn packet_came(&mut self, io: &mut Io<'_>) {
        self.path.last_packet = Some(io.now);
        if self.connected_at.is_none() || self.machine.is_over() {
            return;
        }
        self.deadlines.set(Timer::PathDead, io.now + PATH_DEAD);
        if !self.path.dead {
            return;
        }
        self.path.dead = false;
        self.deadlines.clear(Timer::PathLost);
        self.deadlines.clear(Timer::RestartAgain);
        self.deadlines.clear(Timer::RestartPlease);
        io.event(Event::Reconnected { call: self.id });
        let now = io.now;
        if let Some(party) = self.selected_party() {
            party.delivery.repeat_all(now);
        }
    }

    pub(crate) fn path_is_dead(&mut self, io: &mut Io<'_>) {
        let last_packet = self.path.last_packet.unwrap_or(io.now);
        self.path.dead = true;
        self.deadlines.set(Timer::PathLost, last_packet + PATH_LOST);
        io.event(Event::Reconnecting { call: self.id });
        match self.side {
            Side::Caller(_) => self.restart(io),
            Side::Callee(_) => self
                .deadlines
                .set(Timer::RestartPlease, io.now + RESTART_PLEASE),
        }
    }

    /// A step of the DH ratchet is finished: the peer has our newest key.
    pub(crate) fn step_finished(&mut self, now: Instant) {
        if self.connected_at.is_some() && !self.machine.is_over() {
            self.deadlines.set(Timer::StepLate, now + STEP_LATE);
            self.deadlines.set(Timer::RekeyTimeout, now + REKEY_TIMEOUT);
        }
    }

    /// Frames come, but the control messages do not get through: they go over Matrix as well, and ICE is restarted.
    pub(crate) fn step_is_late(&mut self, io: &mut Io<'_>) {
        self.path.control_dead = true;
        self.deadlines.set(Timer::StepLate, io.now + STEP_LATE);
        match self.side {
            Side::Caller(_) => self.restart(io),
            Side::Callee(_) => self.ask_for_restart(),
        }
    }

    /// The data channel delivered a message of ours.
    pub(crate) fn data_channel_delivers(&mut self) {
        self.path.control_dead = false;
    }

    /// The caller's step, every 10 s, if the last one was answered.
    pub(crate) fn rekey(&mut self, now: Instant) {
        self.deadlines.set(Timer::Rekey, now + REKEY_INTERVAL);
        if let Some(party) = self.selected_party()
            && let Some(session) = party.ratchet_session()
            && session.ratchet.can_step()
        {
            session.ratchet.request_step();
            party.pending.push(Content::Rekey);
        }
    }

    /// The callee answers the caller's step at once: its message makes its own.
    pub(crate) fn answer_rekey(&mut self) {
        if matches!(self.side, Side::Callee(_))
            && let Some(party) = self.selected_party()
            && !party.pending.contains(&Content::Rekey)
        {
            party.pending.push(Content::Rekey);
        }
    }

    /// Makes a restart offer unless one is under way.
    pub(crate) fn restart(&mut self, io: &mut Io<'_>) {
        if self.connected_at.is_none() || self.deadlines.is_set(Timer::RestartAgain) {
            return;
        }
        self.deadlines
            .set(Timer::RestartAgain, io.now + RESTART_AGAIN);
        self.order(io, MediaCommand::CreateRestartOffer);
    }

    pub(crate) fn restart_again(&mut self, io: &mut Io<'_>) {
        if self.path.dead {
            self.restart(io);
        }
    }

    pub(crate) fn ask_for_restart(&mut self) {
        if let Some(party) = self.selected_party()
            && !party.pending.contains(&Content::RestartPlease)
        {
            party.pending.push(Content::RestartPlease);
        }
    }

    /// The callee wants a restart: only the caller makes offers. The callee hears nothing, so the offer goes over Matrix as well.
    pub(crate) fn restart_was_asked_for(&mut self, io: &mut Io<'_>) {
        if matches!(self.side, Side::Caller(_)) {
            self.path.control_dead = true;
            self.restart(io);
        }
    }

    pub(crate) fn say_restart_offer(&mut self, sdp: String) {
        if let Side::Caller(caller) = &mut self.side {
            caller.negotiation = caller.negotiation.saturating_add(1);
            let negotiation = caller.negotiation;
            self.negotiate(Description::offer(sdp), negotiation);
        }
    }

    pub(crate) fn say_restart_answer(&mut self, io: &mut Io<'_>, sdp: String) {
        let Side::Callee(callee) = &mut self.side else {
            return;
        };
        let Some((negotiation, _)) = callee.answering.take() else {
            return;
        };
        match callee.next_restart_offer.take() {
            // The caller waits for the answer to its newest offer only.
            Some(offer) => self.accept_restart_offer(io, offer),
            None => self.negotiate(Description::answer(sdp), negotiation),
        }
    }

    /// One restart offer at a time: nothing but the order says which one an answer belongs to.
    pub(crate) fn accept_restart_offer(&mut self, io: &mut Io<'_>, sdp: String) {
        let Side::Callee(callee) = &mut self.side else {
            return;
        };
        let busy = callee
            .answering
            .is_some_and(|(_, since)| io.now < since + RESTART_ANSWER);
        if busy {
            callee.next_restart_offer = Some(sdp);
            return;
        }
        callee.answering = Some((callee.negotiation, io.now));
        callee.next_restart_offer = None;
        self.order(io, MediaCommand::AcceptRestartOffer { sdp });
    }

    /// An offer or answer of the peer within the call. One with another fingerprint is refused.
    pub(crate) fn take_negotiate(
        &mut self,
        io: &mut Io<'_>,
        description: &Description,
        number: u32,
    ) {
        if self.connected_at.is_none() {
            return;
        }
        if Fingerprint::of(&description.sdp) != self.remote_fingerprint {
            tracing::debug!(call = %self.id, "refused a description with another fingerprint");
            return;
        }
        let sdp = description.sdp.clone();
        match (&mut self.side, description.kind) {
            (Side::Callee(callee), DescriptionKind::Offer) if number > callee.negotiation => {
                callee.negotiation = number;
                self.deadlines.clear(Timer::RestartPlease);
                self.accept_restart_offer(io, sdp);
            }
            (Side::Caller(caller), DescriptionKind::Answer) if number == caller.negotiation => {
                self.order(io, MediaCommand::SetRestartAnswer { sdp });
            }
            _ => tracing::debug!(call = %self.id, number, "refused a description out of turn"),
        }
    }
}
