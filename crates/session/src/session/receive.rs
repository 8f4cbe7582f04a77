//! Messages of the peer's devices: opened, acknowledged, and their contents carried out.

use securecall_crypto::{Decrypted, MessageId, RatchetError};
use securecall_signaling::{Bundle, Content, PartyId};

use super::{Io, Session, Side};
use crate::EndReason;
use crate::delivery::MessageName;
use crate::endpoint::SignalRefused;
use crate::event::Event;
use crate::output::RequestError;
use crate::party::{ACKNOWLEDGE_DELAY, Link, MAX_EARLY, digest};
use crate::sealed_box::{BoxKind, SealedBox};

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Matrix,
    Channel,
}

impl Session {
    /// A sealed box that came over Matrix from the device with this Olm key.
    pub(crate) fn handle_box(
        &mut self,
        io: &mut Io<'_>,
        olm_key: &[u8; 32],
        message: &SealedBox,
    ) -> Result<(), SignalRefused> {
        let party = self
            .parties
            .iter()
            .find(|(_, party)| party.olm_key == *olm_key);
        let id = party
            .map(|(id, _)| id.clone())
            .ok_or(SignalRefused::UnknownDevice)?;
        let result = match message.kind {
            BoxKind::Message1 => self.handle_repeated_message_1(io, &id, &message.sealed),
            BoxKind::Message2 => self.handle_message_2(io, &id, &message.sealed),
            BoxKind::Ratchet => self.handle_ratchet(io, &id, &message.sealed, Via::Matrix),
        };
        self.flush(io);
        result
    }

    /// A message on the data channel.
    pub(crate) fn handle_control(
        &mut self,
        io: &mut Io<'_>,
        message: &[u8],
    ) -> Result<(), SignalRefused> {
        let id = self
            .call
            .selected()
            .map(str::to_owned)
            .ok_or(SignalRefused::OutOfPlace)?;
        let result = self.handle_ratchet(io, &id, message, Via::Channel);
        if result.is_ok() {
            self.packet_came(io);
        }
        self.flush(io);
        result
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
            party.delivery.handle_response(io.now, name, result);
        }
        self.flush(io);
    }

    /// The caller repeats message 1: it has no message 2 yet.
    fn handle_repeated_message_1(
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

    pub(super) fn handle_ratchet(
        &mut self,
        io: &mut Io<'_>,
        id: &PartyId,
        sealed: &[u8],
        via: Via,
    ) -> Result<(), SignalRefused> {
        let over = self.call.is_over();
        let carriers = self.carriers(id);
        let at = if over || carriers.channel {
            io.now
        } else {
            io.now + ACKNOWLEDGE_DELAY
        };
        let party = self
            .parties
            .get_mut(id)
            .ok_or(SignalRefused::UnknownDevice)?;
        if matches!(party.link, Link::AwaitingMessage2(_)) && !over {
            if party.early.len() == MAX_EARLY {
                return Err(SignalRefused::TooManyEarly);
            }
            party.early.push(sealed.to_vec());
            return Ok(());
        }
        let Decrypted {
            id: message,
            plaintext,
            media_seed,
        } = match party.decrypt(sealed).ok_or(SignalRefused::OutOfPlace)? {
            Ok(decrypted) => decrypted,
            Err(RatchetError::Duplicate { id }) => {
                // Our acknowledgement was lost.
                if party.wanted_acknowledgement(id) {
                    party.owe_acknowledgement(Some(id), at, via == Via::Matrix);
                }
                return Ok(());
            }
            Err(error) => return Err(SignalRefused::Ratchet(error)),
        };
        let epoch =
            media_seed.and_then(|(epoch, seed)| party.channel()?.epochs.peer_stepped(epoch, seed));
        self.order_epoch(io, epoch);
        let bundle = Bundle::parse(&plaintext).map_err(SignalRefused::Bundle)?;
        if bundle.call_id != self.id.to_string() || bundle.party_id != *id {
            return Err(SignalRefused::OutOfPlace);
        }
        self.prove(io, id, message, &bundle, via);
        if bundle.wants_acknowledgement
            && let Some(party) = self.parties.get_mut(id)
        {
            party.note_wanted(message);
            party.owe_acknowledgement(Some(message), at, via == Via::Matrix);
        }
        if self.check_first_message(message, &bundle) {
            self.handle_contents(io, id, &bundle);
        }
        Ok(())
    }

    /// What an opened message proves: which of our messages arrived, and which of our steps the peer knows (DESIGN 6).
    fn prove(
        &mut self,
        io: &mut Io<'_>,
        id: &PartyId,
        message: MessageId,
        bundle: &Bundle,
        via: Via,
    ) {
        self.caller_is_proven();
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
        let (news, command) = match (proved, party.channel()) {
            (Some(step), Some(channel)) => channel.epochs.proved(step),
            _ => (false, None),
        };
        self.order_epoch(io, command);
        if news {
            self.step_finished(io.now);
        }
        if delivered && via == Via::Channel {
            self.channel_delivers();
        }
        self.close_if_drained(io);
    }

    /// The caller's first ratchet message must reveal the words nonce.
    fn check_first_message(&mut self, message: MessageId, bundle: &Bundle) -> bool {
        let is_first =
            matches!(self.side, Side::Callee(_)) && message == MessageId { step: 1, number: 0 };
        let reveals = bundle
            .contents
            .iter()
            .any(|content| matches!(content, Content::WordsNonce { .. }));
        if is_first && !reveals {
            self.end_because(EndReason::WordsMismatch);
        }
        !is_first || reveals
    }

    pub(super) fn handle_contents(&mut self, io: &mut Io<'_>, from: &PartyId, bundle: &Bundle) {
        for content in &bundle.contents {
            self.handle_content(io, from, content);
            self.drain_call(io);
        }
    }

    fn handle_content(&mut self, io: &mut Io<'_>, from: &PartyId, content: &Content) {
        let is_selected = self.call.selected() == Some(from.as_str()) && !self.call.is_over();
        match content {
            Content::WordsNonce { nonce } => self.take_nonce(from, nonce.0),
            Content::Answer { answer } if !self.check_answer(from, &answer.sdp) => {}
            Content::Rekey if is_selected => self.answer_rekey(),
            Content::Mute { muted } if is_selected => self.peer_muted(io, *muted),
            Content::RestartPlease if is_selected => self.restart_was_asked_for(io),
            Content::Negotiate {
                description,
                negotiation,
            } if is_selected => self.take_negotiate(io, description, *negotiation),
            Content::Rekey
            | Content::Mute { .. }
            | Content::RestartPlease
            | Content::Negotiate { .. } => {}
            Content::Ringing
            | Content::Busy
            | Content::Answer { .. }
            | Content::Candidates { .. }
            | Content::SelectAnswer { .. }
            | Content::Reject
            | Content::Hangup { .. }
            | Content::Invite(_) => {
                if let Err(error) = self.call.handle_content(io.now, from, content) {
                    tracing::debug!(call = %self.id, kind = content.kind(), %error, "refused a content");
                }
            }
        }
    }

    fn peer_muted(&mut self, io: &mut Io<'_>, muted: bool) {
        if self.peer_muted != muted {
            self.peer_muted = muted;
            io.event(Event::Muted {
                call: self.id,
                local: false,
                muted,
            });
        }
    }
}
