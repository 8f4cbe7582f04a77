//! Messages of the peer's devices: opened, acknowledged, and their contents carried out.

use securecall_contact::OlmKey;
use securecall_crypto::{Decrypted, MessageId, RatchetError};
use securecall_signaling::{Bundle, Content, PartyId};
use web_time::Instant;

use super::half::Half;
use super::party::{ACKNOWLEDGE_DELAY, Link, MAX_EARLY, Party, digest};
use super::sealed_box::{BoxKind, SealedBox};
use super::{Sealed, Timer};
use crate::EndReason;
use crate::contract::{Heard, Situation};
use crate::requests::MessageName;
use crate::signal_refused::SignalRefused;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Matrix,
    DataChannel,
}

/// What became of a ratchet message that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Opened for the first time.
    New,
    /// It looks like one that was opened before; nothing of it was checked.
    Again,
    /// Kept until message 2 comes.
    Early,
}

/// What a message on the data channel costs of the budget if it does not open: it had up to 512 keys derived for it. An honest peer
/// sends none, and nobody else can put anything on the data channel.
const FORGED_COST: u32 = 8;

/// The caller's first ratchet message.
const CALLERS_FIRST: MessageId = MessageId { step: 1, number: 0 };

impl Sealed {
    /// A sealed box that came over Matrix from the device with this Olm key.
    pub(crate) fn handle_box(
        &mut self,
        now: Instant,
        situation: &Situation,
        olm_key: &OlmKey,
        message: &SealedBox,
    ) -> Result<(), SignalRefused> {
        let mut result = Err(SignalRefused::UnknownDevice);
        for id in self.devices_with(olm_key) {
            let taken = match message.kind {
                BoxKind::Message1 => self.handle_repeated_message_1(now, &id, &message.sealed),
                BoxKind::Message2 => self.handle_message_2(now, situation, &id, &message.sealed),
                BoxKind::Ratchet => {
                    match self.handle_ratchet(now, situation, &id, &message.sealed, Via::Matrix) {
                        Ok(Taken::Early) => {
                            // It may as well be for the next device of this key.
                            result = Ok(());
                            continue;
                        }
                        taken => taken.map(drop),
                    }
                }
            };
            if taken.is_ok() {
                result = taken;
                break;
            }
            if result.is_err() {
                result = taken;
            }
        }
        result
    }

    /// The devices with an Olm key: one, unless the homeserver says that several have it. Those with an open ratchet session first.
    fn devices_with(&self, olm_key: &OlmKey) -> Vec<PartyId> {
        let is_open = |party: &Party| matches!(party.link, Link::Open(_));
        let devices = self.parties.iter();
        let mut devices: Vec<_> = devices
            .filter(|(_, party)| party.olm_key == *olm_key)
            .collect();
        devices.sort_by_key(|(_, party)| !is_open(party));
        devices.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// A message on the data channel. Returns whether it was opened for the first time.
    pub(crate) fn handle_control(
        &mut self,
        now: Instant,
        situation: &Situation,
        message: &[u8],
    ) -> Result<bool, SignalRefused> {
        if !self.control_budget.take(now) {
            return Err(SignalRefused::TooManyControl);
        }
        let id = situation.selected.as_ref();
        let id = id.ok_or(SignalRefused::OutOfPlace)?;
        let result = self.handle_ratchet(now, situation, id, message, Via::DataChannel);
        if let Err(SignalRefused::Ratchet(RatchetError::OpenFailed | RatchetError::LowOrder)) =
            result
        {
            self.control_budget.charge(FORGED_COST - 1);
        }
        Ok(result? == Taken::New)
    }

    /// A message that came before message 2. There is nobody to tell that it is refused.
    pub(super) fn handle_early(
        &mut self,
        now: Instant,
        situation: &Situation,
        from: &PartyId,
        message: &[u8],
    ) {
        if let Err(error) = self.handle_ratchet(now, situation, from, message, Via::Matrix) {
            tracing::debug!(call = %self.id, %error, "refused an early message");
        }
    }

    /// The caller repeats message 1: it has no message 2 yet.
    fn handle_repeated_message_1(
        &mut self,
        now: Instant,
        id: &PartyId,
        sealed: &[u8],
    ) -> Result<(), SignalRefused> {
        let party = self
            .parties
            .get_mut(id)
            .ok_or(SignalRefused::UnknownDevice)?;
        if matches!(self.half, Half::Caller(_)) || party.taken != Some(digest(sealed)) {
            return Err(SignalRefused::OutOfPlace);
        }
        party.delivery.repeat(now, MessageName::Message2);
        Ok(())
    }

    fn handle_ratchet(
        &mut self,
        now: Instant,
        situation: &Situation,
        id: &PartyId,
        sealed: &[u8],
        via: Via,
    ) -> Result<Taken, SignalRefused> {
        let ways = self.ways(situation, id);
        let at = if situation.over || ways.data_channel {
            now
        } else {
            now + ACKNOWLEDGE_DELAY
        };
        let party = self
            .parties
            .get_mut(id)
            .ok_or(SignalRefused::UnknownDevice)?;
        if matches!(party.link, Link::AwaitingMessage2(_)) && !situation.over {
            // A repetition takes no room of those that came once.
            if party.early.iter().all(|it| it != sealed) {
                if party.early.len() == MAX_EARLY {
                    return Err(SignalRefused::TooManyEarly);
                }
                party.early.push(sealed.to_vec());
            }
            return Ok(Taken::Early);
        }
        let Decrypted {
            id: message,
            plaintext,
            media_seed,
        } = match party.decrypt(sealed).ok_or(SignalRefused::OutOfPlace)? {
            Ok(decrypted) => decrypted,
            Err(RatchetError::Duplicate { id }) => {
                // Our acknowledgement was lost.
                if party.wants_acknowledgement_again(id, via == Via::Matrix) {
                    party.owe_acknowledgement(Some(id), at, via == Via::Matrix);
                }
                return Ok(Taken::Again);
            }
            Err(error) => return Err(SignalRefused::Ratchet(error)),
        };
        // Before the bundle is read: the ratchet has moved with the message, so frames may come
        // under this key even if what it says is of no use.
        let epoch = media_seed
            .and_then(|(epoch, seed)| party.ratchet_session()?.epochs.peer_stepped(epoch, seed));
        self.heard.extend(epoch.map(Heard::Epoch));
        let bundle = match self.read_bundle(id, &plaintext) {
            Ok(bundle) => bundle,
            Err(error) => {
                self.handle_unreadable(id, message, at, via);
                return Err(error);
            }
        };
        self.prove(now, id, message, &bundle, via);
        // Also for what is refused below: it would not be any other if it were sent again.
        if bundle.wants_acknowledgement {
            self.owe_acknowledgement(id, message, at, via);
        }
        if self.check_first_message(id, message, &bundle) {
            self.hear_contents(id, bundle);
        }
        Ok(Taken::New)
    }

    fn read_bundle(&self, id: &PartyId, plaintext: &[u8]) -> Result<Bundle, SignalRefused> {
        let bundle = Bundle::parse(plaintext).map_err(SignalRefused::Bundle)?;
        if bundle.call_id != self.id.to_string() || bundle.party_id != *id {
            return Err(SignalRefused::OutOfPlace);
        }
        Ok(bundle)
    }

    /// Authentic, but not a bundle: repeating it would not help, so it counts as delivered, and says nothing. Without the caller's first message
    /// there would never be words.
    fn handle_unreadable(&mut self, id: &PartyId, message: MessageId, at: Instant, via: Via) {
        if matches!(self.half, Half::Callee(_)) && message == CALLERS_FIRST {
            self.fail(EndReason::PeerMisbehaved);
        }
        self.owe_acknowledgement(id, message, at, via);
    }

    /// It goes the way the message came.
    fn owe_acknowledgement(&mut self, id: &PartyId, message: MessageId, at: Instant, via: Via) {
        if let Some(party) = self.parties.get_mut(id) {
            party.note_wanted(message);
            party.owe_acknowledgement(Some(message), at, via == Via::Matrix);
        }
    }

    /// What an opened message proves: which of our messages arrived, and which of our steps the peer knows (`docs/protocol/frame.md`).
    fn prove(&mut self, now: Instant, id: &PartyId, message: MessageId, bundle: &Bundle, via: Via) {
        let is_caller = matches!(self.half, Half::Caller(_));
        let Some(party) = self.parties.get_mut(id) else {
            return;
        };
        // A ratchet message can only be made by who has message 2.
        party.delivery.acknowledge(MessageName::Message2);
        // The callee makes step n only when it knows the caller's step n; the caller makes step n + 1 only when it knows the callee's n.
        let mut proved = if is_caller {
            Some(message.step)
        } else {
            message.step.checked_sub(1)
        };
        let mut delivered = false;
        for acknowledged in &bundle.acknowledges {
            let name = MessageId {
                step: acknowledged.0,
                number: acknowledged.1,
            };
            if party.delivery.acknowledge(MessageName::Ratchet(name)) {
                delivered = true;
                proved = proved.max(Some(name.step));
            }
        }
        let (news, command) = match (proved, party.ratchet_session()) {
            (Some(step), Some(session)) => session.epochs.proved(step),
            _ => (false, None),
        };
        self.heard.extend(command.map(Heard::Epoch));
        // Before the call is connected, and after it, nobody watches.
        if news && self.deadlines.is_set(Timer::StepLate) {
            self.watch_steps(now);
        }
        if delivered && via == Via::DataChannel {
            self.control_dead = false;
        }
        self.heard.push_back(Heard::Delivered);
    }

    /// The caller's first ratchet message must reveal the words nonce, and no other does.
    fn check_first_message(&mut self, from: &PartyId, message: MessageId, bundle: &Bundle) -> bool {
        if matches!(self.half, Half::Caller(_)) || message != CALLERS_FIRST {
            return true;
        }
        let nonce = bundle.contents.iter().find_map(|content| match content {
            Content::WordsNonce { nonce } => Some(nonce.0),
            _ => None,
        });
        match nonce {
            Some(nonce) => self.take_nonce(from, nonce),
            None => self.fail(EndReason::WordsMismatch),
        }
        nonce.is_some()
    }

    pub(super) fn hear_contents(&mut self, from: &PartyId, bundle: Bundle) {
        let heard = bundle.contents.into_iter().map(|content| Heard::Content {
            from: from.clone(),
            content,
        });
        self.heard.extend(heard);
    }
}
