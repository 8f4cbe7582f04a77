//! Who may ring: every rule an invite must pass, in order, before anything is sent (`docs/protocol/signaling.md`, Who may ring).

use rand_core::CryptoRng;
use securecall_contact::{MatrixId, SecureCallId};
use securecall_crypto::IdentityKey;
use securecall_signaling::{CallId, Content, Survivor};
use web_time::Instant;

use super::arrived::{Arrived, Awaits, Intent};
use super::reports::Why;
use super::route::choose_route;
use super::{Endpoint, MAX_ARRIVED, MAX_ARRIVED_OF_ONE};
use crate::EndReason;
use crate::call::{Call, Reception};
use crate::call_handle::NamedCall;
use crate::config::{AnswerPolicy, MAX_LIFETIME, RingPolicy};
use crate::event::{Event, MissedReason, Peer, RefusedReason};
use crate::output::{InboundSignal, Output};
use crate::sealed::admission::OpenedInvite;
use crate::sealed::replay_memory::{NotRemembered, is_fresh};
use crate::signal_refused::SignalRefused;
use crate::tier::Tier;

impl Endpoint {
    /// An invite to a call we do not know of. It rings once the sync response is processed and the disk has it.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        wallclock_ms: u64,
        rng: &mut dyn CryptoRng,
        signal: &InboundSignal<'_>,
        id: CallId,
        sealed: &[u8],
    ) -> Result<(), SignalRefused> {
        // Before it is opened: that costs a handshake, and would cost one for each repetition in a
        // sync response.
        if let Some(arrived) = self.arrived.iter().find(|it| it.invite.call == id) {
            return Err(if arrived.invite.is_of(sealed) {
                SignalRefused::Replayed
            } else {
                SignalRefused::OutOfPlace
            });
        }
        let invite = OpenedInvite::open(&self.own, signal, id, sealed)?;
        let call = NamedCall {
            handle: self.handles.issue(),
            id: id.into(),
        };
        let identity = invite.identity;
        let asked = invite.conference.as_ref();
        let is_of_ours = self.is_of_ours(asked);
        // Nobody else learns whether we are in it, or in any.
        if asked.is_some_and(|it| !it.rings) && !is_of_ours {
            return Err(SignalRefused::UnknownConference);
        }
        let asked_route = self.route_asked_for(asked);
        let peer = self.identify(now, &call, &identity, signal.sender)?;
        // Before all that could make us answer, be it only that the clocks differ.
        let unwanted = self.unwanted(&identity, signal.sender);
        // A leg of the conference that we are in does not ring: whoever it is, a member has to name them.
        let unwanted = unwanted.filter(|why| !(is_of_ours && *why == RefusedReason::RingPolicy));
        if let Some(why) = unwanted {
            return Err(self.refuse(now, &call, peer, why));
        }
        self.check_tier(now, &call, &peer, Tier::with(Some(&identity)))?;
        let stranger = !self.contacts.contains(&identity);
        let fresh = is_fresh(wallclock_ms, invite.sent_at);
        // Before the replay memory, which forgets what is no longer fresh: it protects only
        // together with this.
        if invite.lifetime > MAX_LIFETIME || !fresh {
            let why = Why::Missed(MissedReason::ClocksDiffer);
            self.report(now, call.clone(), peer.clone(), why);
            if !fresh && !stranger && self.clock_replies.may_tell(now, &identity) {
                self.turn_away(now, rng, call, invite, peer, &Content::ClocksDiffer);
            }
            return Err(SignalRefused::ClocksDiffer);
        }
        // All that can refuse stands before the replay memory: what is refused here may be sent
        // again, and must not take up room in it.
        let displaced = self.place_for(&identity, stranger)?;
        let route = choose_route(asked_route, !stranger, self.config.relays)
            .map_err(|_| self.refuse(now, &call, peer.clone(), RefusedReason::NoRelay))?;
        match self.replay_memory.remember(
            now,
            wallclock_ms,
            invite.message_1.ephemeral(),
            invite.sent_at,
            identity.as_bytes(),
            stranger,
        ) {
            Ok(()) => self.unsaved = true,
            Err(NotRemembered::Replayed) => return Err(SignalRefused::Replayed),
            Err(NotRemembered::Full) => {
                return Err(self.refuse(now, &call, peer, RefusedReason::ReplayMemoryFull));
            }
        }
        // Only now: who is refused after all pushes nobody out.
        if let Some(displaced) = displaced {
            self.arrived.remove(displaced);
        }
        self.arrived.push_back(Arrived {
            call,
            awaits: Awaits::SyncEnd,
            peer,
            route,
            rings_until: now + invite.lifetime,
            intent: Intent::None,
            invite,
        });
        Ok(())
    }

    /// Room for one more invite: the place of a stranger that has to make room for a contact, or `None` if there is room anyhow.
    fn place_for(
        &self,
        identity: &IdentityKey,
        stranger: bool,
    ) -> Result<Option<usize>, SignalRefused> {
        let from_it = |it: &&Arrived| it.invite.identity == *identity;
        if self.arrived.iter().filter(from_it).count() >= MAX_ARRIVED_OF_ONE {
            return Err(SignalRefused::TooManyInvites);
        }
        if self.arrived.len() < MAX_ARRIVED {
            return Ok(None);
        }
        let gives_way =
            |it: &Arrived| !it.is_promised() && !self.contacts.contains(&it.invite.identity);
        let displaced = self.arrived.iter().rposition(gives_way);
        match displaced {
            Some(_) if !stranger => Ok(displaced),
            _ => Err(SignalRefused::TooManyInvites),
        }
    }

    /// Glare, busy, or it rings. If the user has accepted it already and it does not become a call, they are told so.
    pub(super) fn ring(&mut self, now: Instant, rng: &mut dyn CryptoRng, mut arrived: Arrived) {
        let (call, identity) = (arrived.call.clone(), arrived.invite.identity);
        let promised = arrived.is_promised();
        if self.sealed_calls.contains(arrived.invite.call) {
            // It can only be a call of ours: then the peer chose its ID to fit.
            return;
        }
        if let Some(asked) = arrived.invite.conference.clone() {
            return self.receive_in_conference(now, rng, arrived, asked);
        }
        // Again, for the contacts may have changed since it came, and a call of ours to the same person may be over. Whoever has
        // called them meanwhile has answered.
        let unwanted = self.unwanted(&identity, &arrived.peer.matrix_id);
        if let Some(why) = unwanted.filter(|_| !promised) {
            return self.report(now, call, arrived.peer, Why::Refused(why));
        }
        if arrived.rings_until <= now {
            let why = Why::Missed(MissedReason::NotAnswered);
            self.report(now, call.clone(), arrived.peer, why);
            return self.break_promise(promised, call, EndReason::NoAnswer);
        }
        // Before it is asked whether we are in a call: the one that is replaced is over then, and
        // makes nobody busy.
        self.replace_ringing_call(now, rng, &arrived.invite);
        let mut accept = promised || self.policy_accepts(&identity);
        let current = self.current().map(|it| {
            let glare = it.is_with(&identity) && it.is_unanswered_call_of_ours();
            let id = it.sealed_id().filter(|_| glare);
            id.map(|id| (it.handle(), id, it.route))
        });
        // A call that has no room yet is one of this device, too, and with somebody else.
        let glare = match self.legs() {
            None => current,
            Some(_) => Some(None),
        };
        match glare.or_else(|| self.search.is_some().then_some(None)) {
            None => {}
            Some(Some((ours, id, route))) => match Survivor::of(id, arrived.invite.call) {
                Survivor::Ours => return self.break_promise(promised, call, EndReason::Busy),
                Survivor::Theirs => {
                    // The user chose a route for this person when they dialed. That the peer's call
                    // survives must not make it one that tells more.
                    arrived.route = route;
                    accept = true;
                    // Ours ends first, for a device is in one call at a time.
                    let by = call.clone();
                    self.with_call(now, rng, ours, |it, io| it.give_way(io, by));
                }
            },
            Some(None) => {
                let why = Why::Missed(MissedReason::Busy);
                self.report(now, call.clone(), arrived.peer.clone(), why);
                self.turn_away(
                    now,
                    rng,
                    call.clone(),
                    arrived.invite,
                    arrived.peer,
                    &Content::Busy,
                );
                return self.break_promise(promised, call, EndReason::Busy);
            }
        }
        let declined = arrived.intent == Intent::Decline;
        let reception = Reception::Rings {
            accept: accept && !declined,
            conference: None,
        };
        let invited = arrived.into_invited();
        self.begin_call(now, rng, |io| Call::receive(io, invited, reception));
        // Declined only after it has become a call: without message 2 the caller could not read the
        // reject.
        if declined {
            self.with_call(now, rng, call.handle, Call::reject);
        }
    }

    /// Tells a caller, and nobody else, why its call does not ring.
    pub(super) fn turn_away(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        call: NamedCall,
        invite: OpenedInvite,
        peer: Peer,
        why: &Content,
    ) {
        self.begin_call(now, rng, |io| Call::turn_away(io, call, invite, peer, why));
    }

    /// A call that did not ring.
    pub(super) fn report(&mut self, now: Instant, call: NamedCall, peer: Peer, why: Why) {
        let event = self.reports.report(now, call, peer, why);
        self.outputs.extend(event.map(Output::Event));
    }

    /// `Endpoint::call` gave out the handle of a call that does not come about after all.
    pub(super) fn break_promise(&mut self, promised: bool, call: NamedCall, reason: EndReason) {
        if promised {
            self.outputs.push_back(Output::Event(Event::Ended {
                call,
                reason,
                connected_for: None,
            }));
        }
    }

    /// A device that calls again while its call rings here has forgotten that call, perhaps in a crash: the new one takes its place.
    pub(super) fn replace_ringing_call(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        invite: &OpenedInvite,
    ) {
        let is_forgotten = |it: &&Call| {
            it.is_with(&invite.identity) && it.rings_here_from(&invite.olm_key, invite.sent_at)
        };
        let forgotten = self.current().filter(is_forgotten).map(Call::handle);
        if let Some(forgotten) = forgotten {
            self.with_call(now, rng, forgotten, Call::caller_forgot_it);
        }
    }

    /// The identity proven must be the one the sender's Matrix ID stands for.
    fn identify(
        &mut self,
        now: Instant,
        call: &NamedCall,
        identity: &IdentityKey,
        sender: &MatrixId,
    ) -> Result<Peer, SignalRefused> {
        let identified = self.contacts.identify(identity, sender).ok();
        // Nobody calls themselves: that is a stolen key, or our own message.
        let not_ours = identified.filter(|_| *identity != self.own.identity.public());
        not_ours.ok_or_else(|| {
            let peer = Peer {
                id: Some(SecureCallId::new(identity)),
                matrix_id: sender.clone(),
                name: None,
                new_address: false,
                device_id: None,
            };
            self.refuse(now, call, peer, RefusedReason::IdentityMismatch)
        })
    }

    /// Why the user does not want to be rung by somebody; `None` if they do not mind.
    pub(super) fn unwanted(
        &self,
        identity: &IdentityKey,
        sender: &MatrixId,
    ) -> Option<RefusedReason> {
        let is_contact = self.contacts.contains(identity);
        self.unwanted_of(Some(identity), sender, is_contact, |ours| {
            ours.is_with(identity)
        })
    }

    /// The same, whatever is known of them, and however a call of ours is seen to be with them.
    pub(super) fn unwanted_of(
        &self,
        identity: Option<&IdentityKey>,
        sender: &MatrixId,
        is_contact: bool,
        is_with_them: impl Fn(&Call) -> bool,
    ) -> Option<RefusedReason> {
        if self.contacts.decision(identity, sender).blocked {
            return Some(RefusedReason::Blocked);
        }
        let may_ring = match self.config.ring {
            RingPolicy::Anyone => true,
            RingPolicy::Contacts => is_contact,
            RingPolicy::Nobody => false,
        };
        // Whom we are calling just now does not ring: with glare, their call becomes ours.
        let mut live = self.calls.values().filter(|it| !it.is_over());
        let is_glare = live.any(|it| it.is_unanswered_call_of_ours() && is_with_them(it));
        (!may_ring && !is_glare).then_some(RefusedReason::RingPolicy)
    }

    /// Whatever brings a call here: it must have the tier that the user requires of every call, and of this caller's.
    pub(super) fn check_tier(
        &mut self,
        now: Instant,
        call: &NamedCall,
        peer: &Peer,
        tier: Tier,
    ) -> Result<(), SignalRefused> {
        let identity = peer.id.as_ref().map(SecureCallId::identity_key);
        let of_caller = self.contacts.decision(identity.as_ref(), &peer.matrix_id);
        let require = self.config.inbound.require.max(of_caller.require);
        if require.is_met_by(tier) {
            Ok(())
        } else {
            Err(self.refuse(now, call, peer.clone(), RefusedReason::TierTooLow))
        }
    }

    pub(super) fn refuse(
        &mut self,
        now: Instant,
        call: &NamedCall,
        peer: Peer,
        why: RefusedReason,
    ) -> SignalRefused {
        self.report(now, call.clone(), peer, Why::Refused(why));
        SignalRefused::Rules(why)
    }

    pub(super) fn policy_accepts(&self, identity: &IdentityKey) -> bool {
        match self.config.answer {
            AnswerPolicy::Ask => false,
            AnswerPolicy::Contacts => self.contacts.contains(identity),
            AnswerPolicy::Auto => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use securecall_contact::{Device, OlmKey};
    use securecall_crypto::{IdentityKeyPair, IdentitySeed};

    use super::*;
    use crate::config::{CallOptions, Config, RelaysAvailable};
    use crate::contacts::{Contacts, Rule};
    use crate::tier::Require;

    fn endpoint(require: Require, contacts: Contacts) -> Endpoint {
        let identity = IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([1; 32]));
        let config = Config {
            matrix_id: "@ada:example.org".parse().unwrap(),
            device: Device {
                device_id: "DEVICE".parse().unwrap(),
                olm_key: OlmKey::from_bytes([1; 32]),
            },
            ring: RingPolicy::Anyone,
            answer: AnswerPolicy::Ask,
            inbound: CallOptions {
                require,
                ..CallOptions::default()
            },
            relays: RelaysAvailable::default(),
        };
        Endpoint::new(config, identity, contacts, None).unwrap()
    }

    /// A call of this tier, where this is required of every call, and that of the caller's.
    fn check(
        require: Require,
        of_caller: Require,
        tier: Tier,
    ) -> (Result<(), SignalRefused>, Output) {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let now = Instant::now();
        let identity = IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([2; 32]));
        let peer = Peer {
            id: Some(SecureCallId::new(&identity.public())),
            matrix_id: "@bob:example.org".parse().unwrap(),
            name: None,
            new_address: false,
            device_id: None,
        };
        let rule = Rule {
            identity: None,
            matrix_id: peer.matrix_id.clone(),
            blocked: false,
            require: of_caller,
        };
        let mut endpoint = endpoint(require, Contacts::default().with_rules([rule]));
        let call = NamedCall {
            handle: endpoint.handles.issue(),
            id: CallId::from_random([3; 16]).into(),
        };
        let result = endpoint.check_tier(now, &call, &peer, tier);
        (result, endpoint.poll_output())
    }

    #[test]
    fn a_call_of_too_low_a_tier_is_refused_and_the_user_told() {
        // The strictest wins, whoever says it.
        for (require, of_caller) in [
            (Require::SecureCall, Require::Any),
            (Require::Any, Require::SecureCall),
        ] {
            let (result, output) = check(require, of_caller, Tier::Matrix);
            let too_low = RefusedReason::TierTooLow;
            assert_eq!(result, Err(SignalRefused::Rules(too_low)));
            assert!(
                matches!(output, Output::Event(Event::Refused { why, .. }) if why == too_low),
                "{output:?}"
            );
        }
    }

    #[test]
    fn a_call_of_the_tier_required_or_where_none_is_passes() {
        for (require, tier) in [
            (Require::SecureCall, Tier::SecureCall),
            (Require::Any, Tier::SecureCall),
            (Require::Any, Tier::Matrix),
        ] {
            let (result, output) = check(require, require, tier);
            assert_eq!(result, Ok(()), "{require:?} {tier:?}");
            assert!(matches!(output, Output::Timeout(_)), "{output:?}");
        }
    }
}
