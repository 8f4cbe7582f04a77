//! Who may ring: every rule an invite must pass, in order, before anything is sent (DESIGN 3, 4, 7 and 8).

use std::time::Duration;

use rand_core::CryptoRng;
use securecall_contact::{MatrixId, SecureCallId};
use securecall_crypto::{IdentityKey, ReceivedMessage1, Responder};
use securecall_signaling::{Bundle, CallId, Content, Invite, PartyId, Survivor};
use web_time::Instant;

use super::{Endpoint, MAX_ARRIVED, SignalRefused};
use crate::config::{AnswerPolicy, MAX_LIFETIME};
use crate::event::{Event, MissedReason, Peer, RefusedReason};
use crate::fingerprint::Fingerprint;
use crate::output::{InboundSignal, Output};
use crate::party::digest;
use crate::prologue::Prologue;
use crate::replay_memory::{NotRemembered, is_fresh};
use crate::session::callee::Admitted;
use crate::session::{Io, Session, choose_route};

impl Endpoint {
    /// An invite to a call we do not know of. It rings once the sync response is processed.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        wallclock_ms: u64,
        signal: &InboundSignal<'_>,
        call: CallId,
        sealed: &[u8],
    ) -> Result<(), SignalRefused> {
        if self.arrived.len() >= MAX_ARRIVED {
            return Err(SignalRefused::TooManyInvites);
        }
        let message_1 = self.open_message_1(signal, call, sealed)?;
        let (party, invite) = read_invite(call, message_1.payload())?;
        let fingerprint = Fingerprint::of(&invite.offer.sdp).ok_or(SignalRefused::Fingerprint)?;
        let identity = message_1.remote_identity();
        let peer = self.identify(call, &identity, signal.sender)?;
        let lifetime = Duration::from_millis(u64::from(invite.lifetime));
        if lifetime > MAX_LIFETIME || !is_fresh(wallclock_ms, invite.sent_at) {
            self.outputs.push_back(Output::Event(Event::Missed {
                call,
                peer,
                why: MissedReason::ClocksDiffer,
            }));
            return Err(SignalRefused::ClocksDiffer);
        }
        let stranger = !self.contacts.contains(&identity);
        let route = choose_route(
            self.config.inbound.route,
            !stranger,
            self.config.relay_available,
        )
        .map_err(|_| self.refuse(call, peer.clone(), RefusedReason::NoRelay))?;
        match self.replay_memory.remember(
            wallclock_ms,
            message_1.ephemeral(),
            invite.sent_at,
            stranger,
        ) {
            Ok(()) => self
                .outputs
                .push_back(Output::Persist(self.replay_memory.to_bytes())),
            Err(NotRemembered::Replayed) => return Err(SignalRefused::Replayed),
            Err(NotRemembered::Full) => {
                return Err(self.refuse(call, peer, RefusedReason::ReplayMemoryFull));
            }
        }
        self.arrived.push_back(Admitted {
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
        });
        Ok(())
    }

    /// Glare, busy, or it rings.
    pub(super) fn ring(&mut self, now: Instant, rng: &mut dyn CryptoRng, mut admitted: Admitted) {
        let identity = admitted.message_1.remote_identity();
        if admitted.rings_until <= now {
            let (call, peer) = (admitted.call, admitted.peer);
            self.outputs.push_back(Output::Event(Event::Missed {
                call,
                peer,
                why: MissedReason::NotAnswered,
            }));
            return;
        }
        let mut accept = admitted.accepted || self.policy_accepts(&identity);
        let current = self.current().map(|it| {
            (
                it.id,
                it.identity == identity && it.is_unanswered_call_of_ours(),
                it.route,
            )
        });
        let session = match current {
            None => None,
            Some((ours, true, route)) => match Survivor::of(ours, admitted.call) {
                Survivor::Ours => return,
                Survivor::Theirs => {
                    admitted.route = route;
                    accept = true;
                    Some(ours)
                }
            },
            Some((_, false, _)) => {
                let mut io = Io {
                    now,
                    rng,
                    own: &self.own,
                    outputs: &mut self.outputs,
                    requests: &mut self.requests,
                };
                let session = Session::busy(&mut io, admitted);
                return self.add_session(session);
            }
        };
        if let Some(ours) = session {
            let theirs = admitted.call;
            self.with_session(now, rng, ours, |session, io| session.give_way(io, theirs));
        }
        let mut io = Io {
            now,
            rng,
            own: &self.own,
            outputs: &mut self.outputs,
            requests: &mut self.requests,
        };
        let session = Session::ring(&mut io, admitted, accept);
        self.add_session(session);
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
        call: CallId,
        identity: &IdentityKey,
        sender: &MatrixId,
    ) -> Result<Peer, SignalRefused> {
        self.contacts.identify(identity, sender).map_err(|_| {
            let peer = Peer {
                id: SecureCallId::new(identity),
                matrix_id: sender.clone(),
                name: None,
                new_address: false,
            };
            self.refuse(call, peer, RefusedReason::IdentityMismatch)
        })
    }

    fn refuse(&mut self, call: CallId, peer: Peer, why: RefusedReason) -> SignalRefused {
        self.outputs
            .push_back(Output::Event(Event::Refused { call, peer, why }));
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
