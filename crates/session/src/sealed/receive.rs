//! Messages of the peer's devices: opened, acknowledged, and their contents carried out.

use securecall_crypto::{Decrypted, MessageId, RatchetError};
use securecall_signaling::{Bundle, Content, PartyId};
use web_time::Instant;

use crate::EndReason;
use crate::call::{Call, Side};
use crate::io::Io;
use crate::output::RequestError;
use crate::requests::MessageName;
use crate::sealed::party::{ACKNOWLEDGE_DELAY, Link, MAX_EARLY, Party, digest};
use crate::sealed::sealed_box::{BoxKind, SealedBox};
use crate::signal_refused::SignalRefused;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Matrix,
    DataChannel,
}

/// What became of a ratchet message that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
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

impl Call {
    /// A sealed box that came over Matrix from the device with this Olm key.
    pub(crate) fn handle_box(
        &mut self,
        io: &mut Io<'_>,
        olm_key: &[u8; 32],
        message: &SealedBox,
    ) -> Result<(), SignalRefused> {
        let mut result = Err(SignalRefused::UnknownDevice);
        for id in self.devices_with(olm_key) {
            let taken = match message.kind {
                BoxKind::Message1 => self.handle_repeated_message_1(io, &id, &message.sealed),
                BoxKind::Message2 => self.handle_message_2(io, &id, &message.sealed),
                BoxKind::Ratchet => {
                    match self.handle_ratchet(io, &id, &message.sealed, Via::Matrix) {
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
        self.flush(io);
        result
    }

    /// The devices with an Olm key: one, unless the homeserver says that several have it. Those with an open ratchet session first.
    pub(crate) fn devices_with(&self, olm_key: &[u8; 32]) -> Vec<PartyId> {
        let is_open = |party: &Party| matches!(party.link, Link::Open(_));
        let devices = self.parties.iter();
        let mut devices: Vec<_> = devices
            .filter(|(_, party)| party.olm_key == *olm_key)
            .collect();
        devices.sort_by_key(|(_, party)| !is_open(party));
        devices.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// A message on the data channel.
    pub(crate) fn handle_control(
        &mut self,
        io: &mut Io<'_>,
        message: &[u8],
    ) -> Result<(), SignalRefused> {
        if !self.control_budget.take(io.now) {
            return Err(SignalRefused::TooManyControl);
        }
        let id = self
            .machine
            .selected()
            .map(str::to_owned)
            .ok_or(SignalRefused::OutOfPlace)?;
        let result = self.handle_ratchet(io, &id, message, Via::DataChannel);
        if let Err(SignalRefused::Ratchet(RatchetError::OpenFailed | RatchetError::LowOrder)) =
            result
        {
            self.control_budget.charge(FORGED_COST - 1);
        }
        // Anybody can repeat a message: only a new one says that the peer is there.
        if result == Ok(Taken::New) {
            self.packet_came(io);
        }
        self.flush(io);
        result.map(drop)
    }

    /// The homeserver's word on a message.
    pub(crate) fn handle_response(
        &mut self,
        io: &mut Io<'_>,
        party: &str,
        name: MessageName,
        result: Result<(), RequestError>,
    ) {
        if let Some(party) = self.parties.get_mut(party) {
            self.homeserver_took_some |= result.is_ok();
            party.delivery.handle_response(io.now, name, result);
        }
        self.flush(io);
    }

    /// The caller repeats message 1: it has no message 2 yet.
    pub(crate) fn handle_repeated_message_1(
        &mut self,
        io: &mut Io<'_>,
        id: &PartyId,
        sealed: &[u8],
    ) -> Result<(), SignalRefused> {
        let party = self
            .parties
            .get_mut(id)
            .ok_or(SignalRefused::UnknownDevice)?;
        if matches!(self.side, Side::Caller(_)) || party.taken != Some(digest(sealed)) {
            return Err(SignalRefused::OutOfPlace);
        }
        party.delivery.repeat(io.now, MessageName::Message2);
        Ok(())
    }

    pub(crate) fn handle_ratchet(
        &mut self,
        io: &mut Io<'_>,
        id: &PartyId,
        sealed: &[u8],
        via: Via,
    ) -> Result<Taken, SignalRefused> {
        let over = self.machine.is_over();
        let ways = self.ways(id);
        let at = if over || ways.data_channel {
            io.now
        } else {
            io.now + ACKNOWLEDGE_DELAY
        };
        let party = self
            .parties
            .get_mut(id)
            .ok_or(SignalRefused::UnknownDevice)?;
        if matches!(party.link, Link::AwaitingMessage2(_)) && !over {
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
        let epoch = media_seed
            .and_then(|(epoch, seed)| party.ratchet_session()?.epochs.peer_stepped(epoch, seed));
        self.order_epoch(io, epoch);
        let bundle = match self.read_bundle(id, &plaintext) {
            Ok(bundle) => bundle,
            Err(error) => {
                self.handle_unreadable(id, message, at, via);
                return Err(error);
            }
        };
        self.prove(io, id, message, &bundle, via);
        if bundle.wants_acknowledgement {
            self.owe_acknowledgement(id, message, at, via);
        }
        if self.check_first_message(id, message, &bundle) {
            self.handle_contents(io, id, &bundle);
        }
        Ok(Taken::New)
    }

    pub(crate) fn read_bundle(
        &self,
        id: &PartyId,
        plaintext: &[u8],
    ) -> Result<Bundle, SignalRefused> {
        let bundle = Bundle::parse(plaintext).map_err(SignalRefused::Bundle)?;
        if bundle.call_id != self.id.to_string() || bundle.party_id != *id {
            return Err(SignalRefused::OutOfPlace);
        }
        Ok(bundle)
    }

    /// Authentic, but not a bundle: repeating it would not help, so it counts as delivered, and says nothing. Without the caller's first message
    /// there would never be words.
    pub(crate) fn handle_unreadable(
        &mut self,
        id: &PartyId,
        message: MessageId,
        at: Instant,
        via: Via,
    ) {
        if matches!(self.side, Side::Callee(_)) && message == CALLERS_FIRST {
            self.end_because(EndReason::PeerMisbehaved);
        }
        self.owe_acknowledgement(id, message, at, via);
    }

    /// It goes the way the message came.
    pub(crate) fn owe_acknowledgement(
        &mut self,
        id: &PartyId,
        message: MessageId,
        at: Instant,
        via: Via,
    ) {
        if let Some(party) = self.parties.get_mut(id) {
            party.note_wanted(message);
            party.owe_acknowledgement(Some(message), at, via == Via::Matrix);
        }
    }

    /// What an opened message proves: which of our messages arrived, and which of our steps the peer knows (DESIGN 6).
    pub(crate) fn prove(
        &mut self,
        io: &mut Io<'_>,
        id: &PartyId,
        message: MessageId,
        bundle: &Bundle,
        via: Via,
    ) {
        let is_caller = matches!(self.side, Side::Caller(_));
        let Some(party) = self.parties.get_mut(id) else {
            return;
        };
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
        self.order_epoch(io, command);
        if news {
            self.step_finished(io.now);
        }
        if delivered && via == Via::DataChannel {
            self.data_channel_delivers();
        }
        self.close_if_drained(io);
    }

    /// The caller's first ratchet message must reveal the words nonce, and no other does.
    pub(crate) fn check_first_message(
        &mut self,
        from: &PartyId,
        message: MessageId,
        bundle: &Bundle,
    ) -> bool {
        if matches!(self.side, Side::Caller(_)) || message != CALLERS_FIRST {
            return true;
        }
        let nonce = bundle.contents.iter().find_map(|content| match content {
            Content::WordsNonce { nonce } => Some(nonce.0),
            _ => None,
        });
        match nonce {
            Some(nonce) => self.take_nonce(from, nonce),
            None => self.end_because(EndReason::WordsMismatch),
        }
        nonce.is_some()
    }

    pub(crate) fn handle_contents(&mut self, io: &mut Io<'_>, from: &PartyId, bundle: &Bundle) {
        for content in &bundle.contents {
            self.handle_content(io, from, content);
            self.drain_call(io);
        }
    }

    pub(crate) fn handle_content(&mut self, io: &mut Io<'_>, from: &PartyId, content: &Content) {
        let is_selected = self.machine.selected() == Some(from.as_str()) && !self.machine.is_over();
        match content {
            Content::Answer { answer } if !self.check_answer(from, &answer.sdp) => {}
            Content::Rekey if is_selected => self.answer_rekey(),
            Content::RestartPlease if is_selected => self.restart_was_asked_for(io),
            Content::Negotiate {
                description,
                negotiation,
            } if is_selected => self.take_negotiate(io, description, *negotiation),
            Content::WordsNonce { .. }
            | Content::Rekey
            | Content::RestartPlease
            | Content::Negotiate { .. } => {}
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
                    tracing::debug!(call = %self.id, kind = content.kind(), %error, "refused a content");
                }
            }
        }
    }
}
