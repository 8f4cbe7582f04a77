//! What carries a call: how its contents reach the peer, and what protects its frames.
//!
//! An enum and not a trait object: a tier that comes is a variant, and no `match` can forget it.

use std::time::Duration;

use securecall_contact::{Device, OlmKey};
use securecall_crypto::{IdentityKey, SafetyWords};
use securecall_signaling::{CallEnd, CallId, Candidate, Content, PartyId, Role};
use web_time::Instant;

use crate::EndReason;
use crate::contract::{Heard, Situation};
use crate::fingerprint::Fingerprint;
use crate::io::Io;
use crate::output::{MediaCommand, RequestError};
use crate::requests::MessageName;
use crate::room::{self, Room};
use crate::sealed::Sealed;
use crate::sealed::sealed_box::SealedBox;
use crate::signal_refused::SignalRefused;
use crate::tier::Tier;

pub(crate) enum Carrier {
    /// Sealed boxes and the data channel, between two SecureCall identities.
    Sealed(Sealed),
    /// The timeline of a room, as every Matrix client has it.
    Room(Room),
}

impl Carrier {
    /// The tier of a call that is carried so.
    pub(super) const fn tier(&self) -> Tier {
        match self {
            Self::Sealed(_) => Tier::SecureCall,
            Self::Room(_) => Tier::Matrix,
        }
    }

    /// The ID by which the peer's sealed messages name the call.
    pub(super) const fn sealed_id(&self) -> Option<CallId> {
        match self {
            Self::Sealed(it) => Some(it.id()),
            Self::Room(_) => None,
        }
    }

    /// The room that carries the call, if one does.
    pub(super) const fn room(&self) -> Option<&Room> {
        match self {
            Self::Sealed(_) => None,
            Self::Room(it) => Some(it),
        }
    }

    /// The same, to hand it what came.
    pub(super) const fn room_mut(&mut self) -> Option<&mut Room> {
        match self {
            Self::Sealed(_) => None,
            Self::Room(it) => Some(it),
        }
    }

    /// Begins to look for the peer's devices (caller).
    pub(super) fn begin(&self, io: &mut Io<'_>) {
        match self {
            Self::Sealed(it) => it.query_devices(io),
            Self::Room(_) => {}
        }
    }

    /// What the homeserver answered to the query.
    pub(super) fn handle_devices(
        &mut self,
        io: &Io<'_>,
        result: Result<Vec<Device>, RequestError>,
    ) {
        match self {
            Self::Sealed(it) => it.take_devices(io.own, result),
            Self::Room(_) => {}
        }
    }

    /// Our offer (caller).
    pub(super) fn take_offer(&mut self, sdp: String) {
        match self {
            Self::Sealed(it) => it.take_offer(sdp),
            Self::Room(it) => it.take_offer(sdp),
        }
    }

    /// Invites the peer's devices once they and the offer are known.
    pub(super) fn invite(&mut self, io: &mut Io<'_>, situation: &Situation) {
        match self {
            Self::Sealed(it) => it.invite(io, situation),
            Self::Room(_) => {}
        }
    }

    /// A sealed box that came over Matrix from the device with this Olm key.
    pub(super) fn handle_box(
        &mut self,
        io: &Io<'_>,
        situation: &Situation,
        olm_key: &OlmKey,
        message: &SealedBox,
    ) -> Result<(), SignalRefused> {
        match self {
            Self::Sealed(it) => it.handle_box(io.now, situation, olm_key, message),
            Self::Room(_) => Err(SignalRefused::UnknownCall),
        }
    }

    /// A message on the data channel. Returns whether it was a new one, which says that the peer is there.
    pub(super) fn handle_control(
        &mut self,
        io: &Io<'_>,
        situation: &Situation,
        message: &[u8],
    ) -> Result<bool, SignalRefused> {
        match self {
            Self::Sealed(it) => it.handle_control(io.now, situation, message),
            Self::Room(_) => Err(SignalRefused::OutOfPlace),
        }
    }

    /// The homeserver's word on a message.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        party: &PartyId,
        name: MessageName,
        result: Result<(), RequestError>,
    ) {
        match self {
            Self::Sealed(it) => it.handle_response(now, party, name, result),
            Self::Room(_) => {}
        }
    }

    /// Acts on one deadline of its own.
    pub(super) fn handle_deadline(&mut self, now: Instant, situation: &Situation) {
        match self {
            Self::Sealed(it) => it.handle_deadline(now, situation),
            Self::Room(it) => it.handle_deadline(now),
        }
    }

    /// The next deadline of its own.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self {
            Self::Sealed(it) => it.next_deadline(),
            Self::Room(it) => it.next_deadline(),
        }
    }

    /// When a message has to go out, or has to go out again.
    pub(super) fn poll_timeout(&self, situation: &Situation) -> Option<Instant> {
        match self {
            Self::Sealed(it) => it.poll_timeout(situation),
            Self::Room(it) => it.poll_timeout(),
        }
    }

    /// What it heard; poll until `None` after everything that was handled.
    pub(super) fn poll_heard(&mut self, now: Instant, situation: &Situation) -> Option<Heard> {
        match self {
            Self::Sealed(it) => it.poll_heard(now, situation),
            Self::Room(it) => it.poll_heard(),
        }
    }

    /// Has a content said to a device.
    pub(super) fn say(&mut self, to: &PartyId, content: Content) {
        match self {
            Self::Sealed(it) => it.say(to, content),
            Self::Room(it) => it.say(to, content),
        }
    }

    /// Has it said to every device.
    pub(super) fn say_to_all(&mut self, content: &Content) {
        match self {
            Self::Sealed(it) => it.say_to_all(content),
            Self::Room(_) => {}
        }
    }

    /// Has it said, unless it is about to be said already.
    pub(super) fn say_once(&mut self, to: &PartyId, content: Content) {
        match self {
            Self::Sealed(it) => it.say_once(to, content),
            Self::Room(_) => {}
        }
    }

    /// Has a roster said in place of one that was not said yet.
    pub(super) fn say_roster(&mut self, to: &PartyId, content: Content) {
        match self {
            Self::Sealed(it) => it.say_roster(to, content),
            Self::Room(_) => {}
        }
    }

    /// Has a description said in place of one that was not said yet.
    pub(super) fn say_negotiate(&mut self, to: &PartyId, content: Content) {
        match self {
            Self::Sealed(it) => it.say_negotiate(to, content),
            Self::Room(it) => it.say_negotiate(content),
        }
    }

    /// The peer has a new key and wants ours (callee).
    pub(super) fn answer_rekey(&mut self, from: &PartyId) {
        match self {
            Self::Sealed(it) => it.answer_rekey(from),
            Self::Room(_) => {}
        }
    }

    /// Whether contents wait to be said.
    pub(super) fn has_contents(&self) -> bool {
        match self {
            Self::Sealed(it) => it.has_contents(),
            Self::Room(_) => false,
        }
    }

    /// Hands our candidates to every device that may have them and does not yet.
    pub(super) fn offer_candidates(&mut self, candidates: &[Candidate], complete: bool) {
        match self {
            Self::Sealed(it) => it.offer_candidates(candidates, complete),
            Self::Room(it) => it.offer_candidates(candidates, complete),
        }
    }

    /// Whoever may have our candidates has all so far, by a description: the next are counted anew.
    pub(super) fn candidates_are_told(&mut self) {
        match self {
            Self::Sealed(it) => it.candidates_are_told(),
            Self::Room(it) => it.candidates_are_told(),
        }
    }

    /// From now on every device may have our candidates.
    pub(super) fn may_have_candidates(&mut self) {
        match self {
            Self::Sealed(it) => it.may_have_candidates(),
            Self::Room(_) => {}
        }
    }

    /// Makes messages of what is to be said.
    pub(super) fn speak(&mut self, io: &mut Io<'_>, situation: &Situation) {
        match self {
            Self::Sealed(it) => it.speak(io, situation),
            Self::Room(it) => it.speak(io, situation),
        }
    }

    /// Sends the messages whose time has come.
    pub(super) fn transmit(&mut self, io: &mut Io<'_>, situation: &Situation) {
        match self {
            Self::Sealed(it) => it.transmit(io, situation),
            Self::Room(it) => it.transmit(io),
        }
    }

    /// The answer of this device is the one that is taken (caller).
    pub(super) fn answered(&mut self, from: &PartyId) {
        match self {
            Self::Sealed(it) => it.answered(from),
            Self::Room(_) => {}
        }
    }

    /// The call is connected: from now on keys are renewed.
    pub(super) fn connected(&mut self, now: Instant) {
        match self {
            Self::Sealed(it) => it.connected(now),
            Self::Room(_) => {}
        }
    }

    /// The path to a device works again after a while: what waits goes out now.
    pub(super) fn path_is_back(&mut self, now: Instant, with: &PartyId) {
        match self {
            Self::Sealed(it) => it.path_is_back(now, with),
            Self::Room(_) => {}
        }
    }

    /// The peer does not hear what is said on the data channel.
    pub(super) const fn distrust_data_channel(&mut self) {
        match self {
            Self::Sealed(it) => it.distrust_data_channel(),
            Self::Room(_) => {}
        }
    }

    /// The words by which both ends compare their keys, once the peer is proven.
    pub(super) const fn safety_words(&self) -> Option<SafetyWords> {
        match self {
            Self::Sealed(it) => it.safety_words(),
            Self::Room(_) => None,
        }
    }

    /// Whether nothing but a path and a frame of the peer is missing. In a room no key says who the peer is.
    pub(super) const fn is_peer_proven(&self) -> bool {
        match self {
            Self::Sealed(it) => it.safety_words().is_some(),
            Self::Room(_) => true,
        }
    }

    /// Whether the peer is heard as soon as the transport is up. Other clients send nothing at all while nobody speaks.
    pub(super) const fn path_is_enough(&self) -> bool {
        match self {
            Self::Sealed(_) => false,
            Self::Room(_) => true,
        }
    }

    /// The fingerprint of a description of the peer, if it has one that can be relied on.
    pub(super) fn fingerprint(&self, sdp: &str) -> Option<Fingerprint> {
        match self {
            Self::Sealed(_) => Fingerprint::of(sdp),
            Self::Room(_) => Fingerprint::agreed(sdp),
        }
    }

    /// Whether this side may make offers within the call.
    pub(super) fn makes_offers(&self, role: Role, with: Option<&PartyId>) -> bool {
        match self {
            Self::Sealed(_) => role == Role::Caller,
            Self::Room(it) => with.is_some_and(|party| it.may_negotiate_with(party)),
        }
    }

    /// Our microphone is muted, or is not. Sealed frames say so themselves.
    pub(super) const fn set_muted(&mut self, muted: bool) {
        match self {
            Self::Sealed(_) => {}
            Self::Room(it) => it.set_muted(muted),
        }
    }

    /// Whether the last words go over the call's own transport, which is kept open for them.
    pub(super) const fn ends_on_data_channel(&self) -> bool {
        match self {
            Self::Sealed(_) => true,
            Self::Room(_) => false,
        }
    }

    /// How long a call that is over is kept at least, for what is still to be sent.
    pub(super) const fn lingers(&self) -> Duration {
        match self {
            Self::Sealed(_) => super::ending::FORGET,
            Self::Room(_) => room::LINGER,
        }
    }

    /// What it means that no device ever said a word.
    pub(super) const fn silence_means(&self) -> EndReason {
        match self {
            Self::Sealed(_) => EndReason::Unreachable,
            // Devices of other clients do not say that they ring.
            Self::Room(_) => EndReason::NoAnswer,
        }
    }

    /// What protects the frames exchanged with a device: gives it away, once.
    pub(super) fn protection(&mut self, with: &PartyId) -> Option<MediaCommand> {
        match self {
            Self::Sealed(it) => it.protection(with),
            Self::Room(it) => it.protection(),
        }
    }

    /// Whether the call is with this identity.
    pub(super) fn is_with(&self, identity: &IdentityKey) -> bool {
        match self {
            Self::Sealed(it) => it.is_with(identity),
            Self::Room(_) => false,
        }
    }

    /// Whether the call was placed by the device with this Olm key, not after `sent_at` by its own clock.
    pub(super) fn is_placed_by(&self, olm_key: &OlmKey, sent_at: u64) -> bool {
        match self {
            Self::Sealed(it) => it.is_placed_by(olm_key, sent_at),
            Self::Room(_) => false,
        }
    }

    /// Whether the homeserver took at least one message of the call.
    pub(super) fn homeserver_took_some(&self) -> bool {
        match self {
            Self::Sealed(it) => it.homeserver_took_some(),
            Self::Room(it) => it.homeserver_took_some(),
        }
    }

    /// The call is over: forgets what means nothing any more, keeps the last words.
    pub(super) fn finish(&mut self, now: Instant, end: CallEnd) {
        match self {
            Self::Sealed(it) => it.finish(now),
            Self::Room(it) => it.finish(now, end),
        }
    }

    /// There is nobody left to talk to.
    pub(super) fn drop_all(&mut self) {
        match self {
            Self::Sealed(it) => it.drop_all(),
            Self::Room(_) => {}
        }
    }

    /// Lets go of all keys that no device needs any more, when call and transport are over.
    pub(super) fn let_go(&mut self, situation: &Situation) {
        match self {
            Self::Sealed(it) => it.let_go(situation),
            Self::Room(_) => {}
        }
    }

    /// Whether a device has everything that was said to it.
    pub(super) fn is_told(&self, party: &PartyId) -> bool {
        match self {
            Self::Sealed(it) => it.is_told(party),
            Self::Room(_) => true,
        }
    }

    /// Whether nothing more will be said, as far as it is known.
    pub(super) fn is_quiet(&self, situation: &Situation) -> bool {
        match self {
            Self::Sealed(it) => it.is_quiet(situation),
            Self::Room(it) => it.is_quiet(),
        }
    }

    /// Whether a device that was invited has never said a word.
    pub(super) fn awaits_first_word(&self) -> bool {
        match self {
            Self::Sealed(it) => it.awaits_first_word(),
            Self::Room(_) => false,
        }
    }

    /// Whether devices were invited and none has ever said a word.
    pub(super) fn awaits_every_first_word(&self) -> bool {
        match self {
            Self::Sealed(it) => it.awaits_every_first_word(),
            // Who is invited in a room sees the end there.
            Self::Room(_) => false,
        }
    }

    /// Whether a device may still say something that is answered when the call is over.
    pub(super) fn may_hear_more(&self) -> bool {
        match self {
            Self::Sealed(it) => it.may_hear_more(),
            Self::Room(_) => false,
        }
    }
}
