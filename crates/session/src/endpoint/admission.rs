//! Who may ring: every rule an invite must pass, in order, before anything is sent (DESIGN 3, 4, 7 and 8).

use std::time::Duration;

use rand_core::CryptoRng;
use securecall_contact::{MatrixId, SecureCallId};
use securecall_crypto::{IdentityKey, ReceivedMessage1, Responder};
use securecall_signaling::{Bundle, CallId, Content, Invite, PartyId, Survivor};
use web_time::Instant;

use super::reports::Why;
use super::route::choose_route;
use super::{Endpoint, MAX_ARRIVED, MAX_ARRIVED_OF_ONE};
use crate::EndReason;
use crate::call::Call;
use crate::config::{AnswerPolicy, MAX_LIFETIME, Route};
use crate::event::{Event, MissedReason, Peer, RefusedReason};
use crate::fingerprint::Fingerprint;
use crate::io::Io;
use crate::output::{InboundSignal, Output};
use crate::sealed::callee::{Admitted, Awaits};
use crate::sealed::offer::has_candidates;
use crate::sealed::party::digest;
use crate::sealed::prologue::Prologue;
use crate::sealed::replay_memory::{NotRemembered, is_fresh};
use crate::signal_refused::SignalRefused;

impl Endpoint {
    /// An invite to a call we do not know of. It rings once the sync response is processed and the disk has it.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        wallclock_ms: u64,
        rng: &mut dyn CryptoRng,
        signal: &InboundSignal<'_>,
        call: CallId,
        sealed: &[u8],
    ) -> Result<(), SignalRefused> {
        if let Some(arrived) = self.arrived.iter().find(|it| it.call == call) {
            return Err(if arrived.message_1_digest == digest(sealed) {
                SignalRefused::Replayed
            } else {
                SignalRefused::OutOfPlace
            });
        }
        let message_1 = self.open_message_1(signal, call, sealed)?;
        let (party, invite) = read_invite(call, message_1.payload())?;
        let fingerprint = Fingerprint::of(&invite.offer.sdp).ok_or(SignalRefused::Fingerprint)?;
        if has_candidates(&invite.offer.sdp) {
            return Err(SignalRefused::Candidates);
        }
        let identity = message_1.remote_identity();
        let peer = self.identify(now, call, &identity, signal.sender)?;
        let stranger = !self.contacts.contains(&identity);
        let lifetime = Duration::from_millis(u64::from(invite.lifetime));
        let fresh = is_fresh(wallclock_ms, invite.sent_at);
        if lifetime > MAX_LIFETIME || !fresh {
            let why = Why::Missed(MissedReason::ClocksDiffer);
            self.report(now, call, peer.clone(), why);
            if !fresh && !stranger && self.clock_replies.may_tell(now, &identity) {
                let admitted = Admitted {
                    awaits: Awaits::SyncEnd,
                    call,
                    peer,
                    party,
                    olm_key: signal.sender_olm_key,
                    message_1: Box::new(message_1),
                    message_1_digest: digest(sealed),
                    invite,
                    fingerprint,
                    route: Route::Relay,
                    rings_until: now,
                    accepted: false,
                    declined: false,
                };
                self.turn_away(now, rng, admitted, Call::clocks_differ);
            }
            return Err(SignalRefused::ClocksDiffer);
        }
        let displaced = self.place_for(&identity, stranger)?;
        let route = choose_route(
            self.config.inbound.route,
            !stranger,
            self.config.relay_available,
        )
        .map_err(|_| self.refuse(now, call, peer.clone(), RefusedReason::NoRelay))?;
        match self.replay_memory.remember(
            now,
            wallclock_ms,
            message_1.ephemeral(),
            invite.sent_at,
            identity.as_bytes(),
            stranger,
        ) {
            Ok(()) => self.unsaved = true,
            Err(NotRemembered::Replayed) => return Err(SignalRefused::Replayed),
            Err(NotRemembered::Full) => {
                return Err(self.refuse(now, call, peer, RefusedReason::ReplayMemoryFull));
            }
        }
        if let Some(displaced) = displaced {
            self.arrived.remove(displaced);
        }
        self.arrived.push_back(Admitted {
            awaits: Awaits::SyncEnd,
            call,
            peer,
            party,
            olm_key: signal.sender_olm_key,
            message_1: Box::new(message_1),
            message_1_digest: digest(sealed),
            invite,
            fingerprint,
            route,
            rings_until: now + lifetime,
            accepted: false,
            declined: false,
        });
        Ok(())
    }

    /// Room for one more invite: the place of a stranger that has to make room for a contact, or `None` if there is room anyhow.
    fn place_for(
        &self,
        identity: &IdentityKey,
        stranger: bool,
    ) -> Result<Option<usize>, SignalRefused> {
        let from_it = |it: &&Admitted| it.message_1.remote_identity() == *identity;
        if self.arrived.iter().filter(from_it).count() >= MAX_ARRIVED_OF_ONE {
            return Err(SignalRefused::TooManyInvites);
        }
        if self.arrived.len() < MAX_ARRIVED {
            return Ok(None);
        }
        let gives_way = |it: &Admitted| {
            !it.accepted && !self.contacts.contains(&it.message_1.remote_identity())
        };
        let displaced = self.arrived.iter().rposition(gives_way);
        match displaced {
            Some(_) if !stranger => Ok(displaced),
            _ => Err(SignalRefused::TooManyInvites),
        }
    }

    /// Glare, busy, or it rings. If the user has accepted it already and it does not become a call, they are told so.
    pub(super) fn ring(&mut self, now: Instant, rng: &mut dyn CryptoRng, mut admitted: Admitted) {
        let (call, identity) = (admitted.call, admitted.message_1.remote_identity());
        let (promised, declined) = (admitted.accepted, admitted.declined);
        if self.calls.contains_key(&call) {
            // It can only be a call of ours: then the peer chose its ID to fit.
            return;
        }
        if admitted.rings_until <= now {
            let why = Why::Missed(MissedReason::NotAnswered);
            self.report(now, call, admitted.peer, why);
            return self.break_promise(promised, call, EndReason::NoAnswer);
        }
        self.replace_ringing_call(now, rng, &admitted);
        let mut accept = admitted.accepted || self.policy_accepts(&identity);
        let current = self.current().map(|it| {
            (
                it.id,
                it.identity == identity && it.is_unanswered_call_of_ours(),
                it.route,
            )
        });
        let ours = match current {
            None => None,
            Some((ours, true, route)) => match Survivor::of(ours, admitted.call) {
                Survivor::Ours => return self.break_promise(promised, call, EndReason::Busy),
                Survivor::Theirs => {
                    admitted.route = route;
                    accept = true;
                    Some(ours)
                }
            },
            Some((_, false, _)) => {
                let why = Why::Missed(MissedReason::Busy);
                self.report(now, call, admitted.peer.clone(), why);
                self.turn_away(now, rng, admitted, Call::busy);
                return self.break_promise(promised, call, EndReason::Busy);
            }
        };
        if let Some(ours) = ours {
            let theirs = admitted.call;
            self.with_call(now, rng, ours, |it, io| it.give_way(io, theirs));
        }
        let mut io = Io {
            now,
            rng,
            own: &self.own,
            outputs: &mut self.outputs,
            requests: &mut self.requests,
        };
        let ringing = Call::ring(&mut io, admitted, accept && !declined);
        self.add_call(ringing);
        if declined {
            self.with_call(now, rng, call, Call::reject);
        }
    }

    /// Tells a caller, and nobody else, why its call does not ring.
    fn turn_away(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        admitted: Admitted,
        how: impl FnOnce(&mut Io<'_>, Admitted) -> Call,
    ) {
        let mut io = Io {
            now,
            rng,
            own: &self.own,
            outputs: &mut self.outputs,
            requests: &mut self.requests,
        };
        let call = how(&mut io, admitted);
        self.add_call(call);
    }

    /// A call that did not ring.
    pub(super) fn report(&mut self, now: Instant, call: CallId, peer: Peer, why: Why) {
        let event = self.reports.report(now, call, peer, why);
        self.outputs.extend(event.map(Output::Event));
    }

    /// `Endpoint::call` gave out the ID of a call that does not come about after all.
    fn break_promise(&mut self, promised: bool, call: CallId, reason: EndReason) {
        if promised {
            self.outputs.push_back(Output::Event(Event::Ended {
                call,
                reason,
                connected_for: None,
            }));
        }
    }

    /// A device that calls again while its call rings here has forgotten that call, perhaps in a crash: the new one takes its place.
    fn replace_ringing_call(&mut self, now: Instant, rng: &mut dyn CryptoRng, admitted: &Admitted) {
        let identity = admitted.message_1.remote_identity();
        let forgotten = self
            .current()
            .filter(|it| {
                it.identity == identity
                    && it.rings_here_from(&admitted.olm_key, admitted.invite.sent_at)
            })
            .map(|it| it.id);
        if let Some(forgotten) = forgotten {
            self.with_call(now, rng, forgotten, Call::caller_forgot_it);
        }
    }

    fn open_message_1(
        &self,
        signal: &InboundSignal<'_>,
        call: CallId,
        sealed: &[u8],
    ) -> Result<ReceivedMessage1, SignalRefused> {
        let own = &self.own.device;
        let prologue = Prologue {
            call,
            caller: signal.sender,
            callee: &own.matrix_id,
            callee_device_id: &own.device_id,
            caller_olm_key: &signal.sender_olm_key,
            callee_olm_key: &own.olm_key,
        };
        Responder::read_message_1(&self.own.identity, &prologue.to_bytes(), sealed)
            .map_err(SignalRefused::Handshake)
    }

    /// The identity proven must be the one the sender's Matrix ID stands for.
    fn identify(
        &mut self,
        now: Instant,
        call: CallId,
        identity: &IdentityKey,
        sender: &MatrixId,
    ) -> Result<Peer, SignalRefused> {
        let identified = self.contacts.identify(identity, sender).ok();
        // Nobody calls themselves: that is a stolen key, or our own message.
        let not_ours = identified.filter(|_| *identity != self.own.identity.public());
        not_ours.ok_or_else(|| {
            let peer = Peer {
                id: SecureCallId::new(identity),
                matrix_id: sender.clone(),
                name: None,
                new_address: false,
            };
            self.refuse(now, call, peer, RefusedReason::IdentityMismatch)
        })
    }

    fn refuse(
        &mut self,
        now: Instant,
        call: CallId,
        peer: Peer,
        why: RefusedReason,
    ) -> SignalRefused {
        self.report(now, call, peer, Why::Refused(why));
        SignalRefused::Rules(why)
    }

    fn policy_accepts(&self, identity: &IdentityKey) -> bool {
        match self.config.answer {
            AnswerPolicy::Ask => false,
            AnswerPolicy::Contacts => self.contacts.contains(identity),
            AnswerPolicy::Auto => true,
        }
    }
}

/// Message 1 holds one invite and nothing else.
fn read_invite(call: CallId, payload: &[u8]) -> Result<(PartyId, Invite), SignalRefused> {
    let Bundle {
        version: _,
        call_id,
        party_id,
        contents,
        acknowledges: _,
        wants_acknowledgement: _,
    } = Bundle::parse(payload).map_err(SignalRefused::Bundle)?;
    let mut contents = contents.into_iter();
    match (contents.next(), contents.next()) {
        (Some(Content::Invite(invite)), None) if call_id == call.to_string() => {
            Ok((party_id, invite))
        }
        _ => Err(SignalRefused::OutOfPlace),
    }
}
