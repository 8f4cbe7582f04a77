//! The callee's half: a call that was admitted rings, is answered, or is told that we are busy.

use securecall_crypto::{ReceivedMessage1, WordsCommitment, WordsNonce, safety_words};
use securecall_signaling::{CallId, CallMachine, Content, Invite, PartyId};
use web_time::Instant;

use crate::call::{CANDIDATE_BATCH, Call, CalleeSide, Media, Side, Timer};
use crate::event::{Event, Peer};
use crate::fingerprint::Fingerprint;
use crate::io::Io;
use crate::output::MediaCommand;
use crate::sealed::party::{Link, Party};
use crate::{EndReason, Route};

/// What an invite that passed every check still waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// The end of the sync response it came with.
    SyncEnd,
    /// The end of a write to disk that was under way before.
    Turn,
    /// The write that holds it.
    Disk,
}

/// An invite that passed every check, and does not ring yet.
pub(crate) struct Admitted {
    pub(crate) awaits: Awaits,
    pub(crate) call: CallId,
    pub(crate) peer: Peer,
    pub(crate) party: PartyId,
    pub(crate) olm_key: [u8; 32],
    pub(crate) message_1: Box<ReceivedMessage1>,
    pub(crate) message_1_digest: [u8; 32],
    pub(crate) invite: Invite,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) route: Route,
    pub(crate) rings_until: Instant,
    /// The user called the caller while the invite was waiting.
    pub(crate) accepted: bool,
    /// The user accepted that way and then hung up.
    pub(crate) declined: bool,
}

impl Call {
    /// Lets a call ring; with `accept`, it is answered at once and message 2 brings the answer.
    pub(crate) fn ring(io: &mut Io<'_>, admitted: Admitted, accept: bool) -> Self {
        let machine = CallMachine::callee(
            io.own.device.device_id.clone(),
            admitted.party.clone(),
            admitted.rings_until,
        );
        let mut call = Self::of_invite(io, admitted, machine);
        io.event(Event::Incoming {
            call: call.id,
            peer: call.peer.clone(),
            accepted: accept,
        });
        if accept {
            call.accept(io);
        } else {
            call.say_to_all(&Content::Ringing);
        }
        call.flush(io);
        call
    }

    /// Tells a caller that this device is in another call.
    pub(crate) fn busy(io: &mut Io<'_>, admitted: Admitted) -> Self {
        Self::turn_away(io, admitted, &Content::Busy, |_| {})
    }

    /// Tells a caller that its clock and ours differ. Such an invite may be an old one: message 2 goes once, and again only to
    /// somebody who asks by repeating message 1.
    pub(crate) fn clocks_differ(io: &mut Io<'_>, admitted: Admitted) -> Self {
        Self::turn_away(io, admitted, &Content::ClocksDiffer, |party| {
            party.delivery.repeat_only_when_asked();
        })
    }

    /// A call that does not ring here: message 2 says why, and nothing else happens.
    pub(crate) fn turn_away(
        io: &mut Io<'_>,
        admitted: Admitted,
        why: &Content,
        prepare: impl Fn(&mut Party),
    ) -> Self {
        let machine = CallMachine::busy_callee(
            io.own.device.device_id.clone(),
            admitted.party.clone(),
            io.now,
        );
        let mut call = Self::of_invite(io, admitted, machine);
        call.parties.values_mut().for_each(prepare);
        call.was_turned_away = true;
        call.deadlines
            .set(Timer::Forget, io.now + crate::call::end::FORGET);
        call.say_to_all(why);
        call.flush(io);
        call
    }

    pub(crate) fn of_invite(io: &Io<'_>, admitted: Admitted, machine: CallMachine) -> Self {
        let identity = admitted.message_1.remote_identity();
        let side = Side::Callee(CalleeSide {
            sent_at: admitted.invite.sent_at,
            offer: admitted.invite.offer.sdp,
            commitment: WordsCommitment::from_bytes(admitted.invite.words_commitment.0),
            negotiation: 0,
            answering: None,
            next_restart_offer: None,
        });
        let mut call = Self::new(
            admitted.call,
            admitted.peer,
            identity,
            machine,
            admitted.route,
            side,
            io.now,
        );
        call.remote_fingerprint = Some(admitted.fingerprint);
        let mut party = Party::new(
            admitted.party.clone(),
            admitted.olm_key,
            Link::Received(admitted.message_1),
        );
        party.taken = Some(admitted.message_1_digest);
        call.parties.insert(admitted.party, party);
        call
    }

    /// The user, or the policy, accepts: only now is there a transport.
    ///
    /// Returns whether the call was waiting for that.
    pub(crate) fn accept(&mut self, io: &mut Io<'_>) -> bool {
        if self.machine.accept(io.now).is_err() {
            return false;
        }
        let Side::Callee(callee) = &self.side else {
            return false;
        };
        let sdp = callee.offer.clone();
        self.started = io.now;
        self.media = Media::Open;
        self.gathering = true;
        self.deadlines
            .set(Timer::CandidateBatch, io.now + CANDIDATE_BATCH);
        self.order(
            io,
            MediaCommand::AcceptOffer {
                sdp,
                route: self.route,
            },
        );
        self.order(io, MediaCommand::Gather);
        if self.muted {
            self.order(io, MediaCommand::SetMuted(true));
        }
        let lines = std::mem::take(&mut self.remote_candidates);
        if !lines.is_empty() {
            self.order(io, MediaCommand::AddRemoteCandidates(lines));
        }
        self.flush(io);
        true
    }

    /// The user declines. Returns whether the call was waiting for that.
    pub(crate) fn reject(&mut self, io: &mut Io<'_>) -> bool {
        let rejected = self.machine.reject().is_ok();
        self.flush(io);
        rejected
    }

    /// The caller's device calls anew, so it knows nothing of this call any more: over, and there is nobody to tell.
    pub(crate) fn caller_forgot_it(&mut self, io: &mut Io<'_>) {
        self.machine.caller_is_gone();
        for party in self.parties.values_mut() {
            party.let_go();
        }
        self.flush(io);
    }

    pub(crate) fn take_local_answer(&mut self, sdp: String) {
        if matches!(self.side, Side::Caller(_)) || self.answer_made || !self.machine.is_answered() {
            return;
        }
        self.answer_made = true;
        self.machine.answer(sdp);
        for party in self.parties.values_mut() {
            party.candidates_wanted = true;
        }
    }

    /// The caller reveals the nonce it committed to in message 1.
    pub(crate) fn take_nonce(&mut self, from: &str, nonce: [u8; 32]) {
        let Side::Callee(callee) = &self.side else {
            return;
        };
        let nonce = WordsNonce::from_bytes(nonce);
        if !callee.commitment.verify(&nonce) {
            self.end_because(EndReason::WordsMismatch);
            return;
        }
        if let Some(session) = self.parties.get_mut(from).and_then(Party::ratchet_session) {
            self.words = Some(safety_words(&nonce, &session.transcript));
        }
    }

    pub(crate) fn say_to_all(&mut self, content: &Content) {
        for party in self.parties.values_mut() {
            party.pending.push(content.clone());
        }
    }
}
