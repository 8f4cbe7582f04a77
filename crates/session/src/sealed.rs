//! The sealed carrier: a handshake and a ratchet session with each device of the peer, and delivery of what is sealed to them.
//!
//! It decides nothing about the call. What it hears goes up as [`Heard`]; what it must know of the call comes in as [`Situation`].

pub(crate) mod admission;
mod callee;
mod caller;
mod delivery;
mod epochs;
mod half;
mod offer;
mod party;
mod prologue;
mod receive;
pub(crate) mod replay_memory;
pub(crate) mod sealed_box;
pub(crate) mod send;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use securecall_contact::{MatrixId, OlmKey};
use securecall_crypto::{IdentityKey, SafetyWords};
use securecall_signaling::{CallId, Candidate, Content, Deadlines, PartyId};
use web_time::Instant;

use self::admission::OpenedInvite;
use self::delivery::Ways;
pub(crate) use self::half::CallerHalf;
use self::half::{CalleeHalf, Half};
use self::party::{Link, Party};
use crate::EndReason;
use crate::budget::Budget;
use crate::call_handle::CallHandle;
use crate::contract::{Heard, Situation};
use crate::event::Peer;
use crate::output::{MediaCommand, RequestError};
use crate::requests::MessageName;

/// Messages of the peer on the data channel that are looked at in one go, and how long until one more is. All that may wait for its
/// acknowledgement fits in; in a call whose path is well there is one in several seconds.
const CONTROL_BURST: u32 = 64;
const CONTROL_INTERVAL: Duration = Duration::from_micros(31_250);
/// How often the caller makes a step of the DH ratchet.
const REKEY_INTERVAL: Duration = Duration::from_secs(10);
/// How old the last finished step may be before the data channel counts as dead.
const STEP_LATE: Duration = Duration::from_secs(30);
/// How old the last finished step may be before the call ends.
const REKEY_TIMEOUT: Duration = Duration::from_secs(120);

/// Why to wake up; besides, each message has a time to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// When to make the next step of the DH ratchet (caller).
    Rekey,
    /// When to believe that the data channel is dead although the path is not.
    StepLate,
    /// When the keys have not changed for too long.
    RekeyTimeout,
}

/// What carries a call between two SecureCall identities.
pub(crate) struct Sealed {
    /// Which call it carries.
    call: CallHandle,
    /// The call's ID on the wire.
    id: CallId,
    /// The account at which the peer is called, or which it calls from.
    matrix_id: MatrixId,
    /// The key that the peer has proven, or must prove.
    identity: IdentityKey,
    half: Half,
    /// The peer's devices.
    parties: BTreeMap<PartyId, Party>,
    /// Known once the call is answered and the nonce revealed: then the peer is proven.
    words: Option<SafetyWords>,
    /// Set while the call is connected.
    deadlines: Deadlines<Timer>,
    control_budget: Budget,
    /// No DH step was finished for 30 s, or the peer says it hears nothing: the data channel is not trusted until it delivers
    /// again.
    control_dead: bool,
    /// The homeserver has taken at least one message of this call.
    homeserver_took_some: bool,
    heard: VecDeque<Heard>,
    /// Messages that came before message 2, which has come now. They are opened one by one, for each may change the call.
    early: VecDeque<(PartyId, Vec<u8>)>,
}

impl Sealed {
    /// Of a call that this side places.
    pub(crate) fn of_caller(
        call: CallHandle,
        id: CallId,
        peer: &Peer,
        identity: IdentityKey,
        half: CallerHalf,
    ) -> Self {
        Self::new(call, id, peer, identity, Half::Caller(half))
    }

    /// Of a call that an invite asks for.
    pub(crate) fn of_callee(call: CallHandle, peer: &Peer, invite: OpenedInvite) -> Self {
        let mut party = Party::new(
            invite.device_id,
            invite.olm_key,
            Link::Received(invite.message_1),
        );
        party.taken = Some(invite.message_1_digest);
        let half = CalleeHalf::new(invite.sent_at, invite.words_commitment);
        let mut sealed = Self::new(call, invite.call, peer, invite.identity, Half::Callee(half));
        sealed.parties.insert(invite.party, party);
        sealed
    }

    fn new(call: CallHandle, id: CallId, peer: &Peer, identity: IdentityKey, half: Half) -> Self {
        Self {
            call,
            id,
            matrix_id: peer.matrix_id.clone(),
            identity,
            half,
            parties: BTreeMap::new(),
            words: None,
            deadlines: Deadlines::new(),
            control_budget: Budget::new(CONTROL_BURST, CONTROL_INTERVAL),
            control_dead: false,
            homeserver_took_some: false,
            heard: VecDeque::new(),
            early: VecDeque::new(),
        }
    }

    /// The homeserver's word on a message.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        party: &PartyId,
        name: MessageName,
        result: Result<(), RequestError>,
    ) {
        if let Some(party) = self.parties.get_mut(party) {
            self.homeserver_took_some |= result.is_ok();
            party.delivery.handle_response(now, name, result);
        }
    }

    /// Acts on one deadline that has passed.
    pub(crate) fn handle_deadline(&mut self, now: Instant, situation: &Situation) {
        let Some(timer) = self.deadlines.take_expired(now) else {
            return;
        };
        tracing::trace!(call = %self.id, ?timer, "woke up");
        match timer {
            Timer::Rekey => {
                self.deadlines.set(Timer::Rekey, now + REKEY_INTERVAL);
                if let Some(party) = self.selected(situation) {
                    party.rekey();
                }
            }
            Timer::StepLate => {
                self.control_dead = true;
                self.deadlines.set(Timer::StepLate, now + STEP_LATE);
                self.heard.push_back(Heard::ControlDead);
            }
            Timer::RekeyTimeout => self.fail(EndReason::RekeyTimeout),
        }
    }

    /// The next deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// When a message has to go out, or has to go out again.
    pub(crate) fn poll_timeout(&self, situation: &Situation) -> Option<Instant> {
        let batch = situation.candidates_until;
        let parties = self.parties.iter().flat_map(|(id, party)| {
            let delivery = party.delivery.poll_timeout(self.ways(situation, id));
            // An acknowledgement that travels with what waits for candidates waits as well.
            let waits_for = batch.filter(|_| party.waits_for_candidates());
            let acknowledge_at = party
                .acknowledge_at
                .map(|at| waits_for.map_or(at, |batch| at.max(batch)));
            delivery.into_iter().chain(acknowledge_at)
        });
        parties.min()
    }

    /// What was heard, in order.
    pub(crate) fn poll_heard(&mut self, now: Instant, situation: &Situation) -> Option<Heard> {
        while self.heard.is_empty() {
            let (from, message) = self.early.pop_front()?;
            self.handle_early(now, situation, &from, &message);
        }
        self.heard.pop_front()
    }

    /// Has a content said to a device, with the next message.
    pub(crate) fn say(&mut self, to: &PartyId, content: Content) {
        let Some(party) = self.parties.get_mut(to) else {
            return;
        };
        match &content {
            Content::Hangup { .. } | Content::Reject => party.candidates_wanted = false,
            Content::SelectAnswer { selected_party_id } => {
                party.candidates_wanted &= selected_party_id == to;
            }
            _ => {}
        }
        party.pending.push(content);
    }

    /// Has it said to every device.
    pub(crate) fn say_to_all(&mut self, content: &Content) {
        for party in self.parties.values_mut() {
            if matches!(content, Content::ClocksDiffer) {
                // Such an invite may be an old one: message 2 goes once, and again only to somebody who asks by repeating
                // message 1.
                party.delivery.repeat_only_when_asked();
            }
            party.pending.push(content.clone());
        }
    }

    /// Has it said, unless it is about to be said already.
    pub(crate) fn say_once(&mut self, to: &PartyId, content: Content) {
        if let Some(party) = self.parties.get_mut(to)
            && !party.pending.contains(&content)
        {
            party.pending.push(content);
        }
    }

    /// Has a description said in place of one that was not said yet: only the newest counts.
    pub(crate) fn say_negotiate(&mut self, to: &PartyId, content: Content) {
        if let Some(party) = self.parties.get_mut(to) {
            party
                .pending
                .retain(|content| !matches!(content, Content::Negotiate { .. }));
            party.pending.push(content);
        }
    }

    /// Has a roster said in place of one that was not said yet: only the newest counts.
    pub(crate) fn say_roster(&mut self, to: &PartyId, content: Content) {
        if let Some(party) = self.parties.get_mut(to) {
            party
                .pending
                .retain(|content| !matches!(content, Content::Roster(_)));
            party.pending.push(content);
        }
    }

    /// The callee answers the caller's step at once: its message makes its own.
    pub(crate) fn answer_rekey(&mut self, from: &PartyId) {
        if matches!(self.half, Half::Callee(_)) {
            self.say_once(from, Content::Rekey);
        }
    }

    /// Whether contents wait to be said.
    pub(crate) fn has_contents(&self) -> bool {
        self.parties.values().any(|party| !party.pending.is_empty())
    }

    /// Hands our candidates to every device that may have them.
    pub(crate) fn offer_candidates(&mut self, candidates: &[Candidate], complete: bool) {
        for party in self.parties.values_mut() {
            party.offer_candidates(candidates, complete);
        }
    }

    /// All candidates so far stand in a description: the next are counted anew.
    pub(crate) fn candidates_are_told(&mut self) {
        for party in self.parties.values_mut() {
            party.candidates_sent = 0;
        }
    }

    /// From now on every device may have our candidates.
    pub(crate) fn may_have_candidates(&mut self) {
        for party in self.parties.values_mut() {
            party.candidates_wanted = true;
        }
    }

    /// The call is connected: from now on its keys are renewed, and that is watched.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.watch_steps(now);
        if matches!(self.half, Half::Caller(_)) {
            self.deadlines.set(Timer::Rekey, now + REKEY_INTERVAL);
        }
    }

    /// The path to a device works again after a while: what waits goes out now.
    pub(crate) fn path_is_back(&mut self, now: Instant, with: &PartyId) {
        // It was distrusted for the path's sake.
        self.control_dead = false;
        if let Some(party) = self.parties.get_mut(with) {
            party.delivery.repeat_all(now);
        }
    }

    /// The peer does not hear what is said on the data channel.
    pub(crate) const fn distrust_data_channel(&mut self) {
        self.control_dead = true;
    }

    /// Gives away what protects the frames exchanged with a device, once.
    pub(crate) fn protection(&mut self, with: &PartyId) -> Option<MediaCommand> {
        self.parties
            .get_mut(with)?
            .ratchet_session()?
            .epochs
            .hand_out()
    }

    /// The call is over. What was still to be delivered means nothing any more, but for message 2 (without it the peer cannot read
    /// a reject) and the last words.
    pub(crate) fn finish(&mut self, now: Instant) {
        self.deadlines.clear_all();
        for party in self.parties.values_mut() {
            party.finish(now);
        }
    }

    /// There is nobody left to talk to.
    pub(crate) fn drop_all(&mut self) {
        for party in self.parties.values_mut() {
            party.let_go();
        }
    }

    /// Call and transport are over: lets go of the keys of every device that knows so.
    pub(crate) fn let_go(&mut self, situation: &Situation) {
        let is_done = |(id, party): &(&PartyId, &Party)| {
            !party.may_still_speak() && self.knows_the_end(situation, id, party)
        };
        let done = self.parties.iter().filter(is_done);
        let done: Vec<_> = done.map(|(id, _)| id.clone()).collect();
        for id in done {
            if let Some(party) = self.parties.get_mut(&id) {
                party.let_go();
            }
        }
        self.words = None;
        if let Half::Caller(caller) = &mut self.half {
            caller.forget_offer();
        }
    }

    /// The ID by which the peer's messages name the call.
    pub(crate) const fn id(&self) -> CallId {
        self.id
    }

    /// The words by which both ends compare their keys.
    pub(crate) const fn safety_words(&self) -> Option<SafetyWords> {
        self.words
    }

    /// Whether the call is with this identity.
    pub(crate) fn is_with(&self, identity: &IdentityKey) -> bool {
        self.identity == *identity
    }

    /// Whether the call was placed by the device with this Olm key, not after `sent_at` by its own clock.
    pub(crate) fn is_placed_by(&self, olm_key: &OlmKey, sent_at: u64) -> bool {
        let older = matches!(&self.half, Half::Callee(callee) if callee.sent_at() <= sent_at);
        older && self.parties.values().any(|it| it.olm_key == *olm_key)
    }

    /// Whether the homeserver took at least one message of the call.
    pub(crate) const fn homeserver_took_some(&self) -> bool {
        self.homeserver_took_some
    }

    /// Whether a device has everything that was said to it.
    pub(crate) fn is_told(&self, party: &PartyId) -> bool {
        let party = self.parties.get(party);
        party.is_none_or(|party| party.delivery.len() == 0 && party.pending.is_empty())
    }

    /// Whether nothing more will be said.
    pub(crate) fn is_quiet(&self, situation: &Situation) -> bool {
        let mut parties = self.parties.iter();
        parties.all(|(id, party)| self.knows_the_end(situation, id, party))
    }

    /// Whether a device that was invited has never said a word.
    pub(crate) fn awaits_first_word(&self) -> bool {
        let mut parties = self.parties.values();
        parties.any(|party| matches!(party.link, Link::AwaitingMessage2(_)))
    }

    /// Whether devices were invited and none has ever said a word.
    pub(crate) fn awaits_every_first_word(&self) -> bool {
        let mut parties = self.parties.values();
        let is_silent = |party: &Party| matches!(party.link, Link::AwaitingMessage2(_));
        !self.parties.is_empty() && parties.all(is_silent)
    }

    /// Whether a device may still say something that is answered when the call is over.
    pub(crate) fn may_hear_more(&self) -> bool {
        self.parties.values().any(Party::may_still_speak)
    }

    /// Whether there is nothing more to be said to a device of a call that is over.
    fn knows_the_end(&self, situation: &Situation, id: &PartyId, party: &Party) -> bool {
        !party.delivery.is_busy(self.ways(situation, id))
            && party.pending.is_empty()
            && party.acknowledge_at.is_none()
    }

    /// Which ways a message to a device may take now.
    fn ways(&self, situation: &Situation, party: &PartyId) -> Ways {
        let data_channel = situation.data_channel && situation.selected.as_ref() == Some(party);
        Ways {
            matrix: !data_channel || situation.path_dead || self.control_dead,
            data_channel,
        }
    }

    /// The device the call is with, once that is settled.
    fn selected(&mut self, situation: &Situation) -> Option<&mut Party> {
        self.parties.get_mut(situation.selected.as_ref()?)
    }

    /// A step of the DH ratchet is finished: the peer has our newest key.
    fn watch_steps(&mut self, now: Instant) {
        self.deadlines.set(Timer::StepLate, now + STEP_LATE);
        self.deadlines.set(Timer::RekeyTimeout, now + REKEY_TIMEOUT);
    }

    fn fail(&mut self, reason: EndReason) {
        self.heard.push_back(Heard::Failed(reason));
    }
}
