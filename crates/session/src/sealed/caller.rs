//! The caller's half: offer and devices become one handshake per device, message 2 opens the ratchet session with it.

use securecall_contact::Device;
use securecall_crypto::{Initiator, WordsNonce, safety_words};
use securecall_signaling::{
    Bundle, Content, Description, Hex32, Invite, MAX_PARTIES, PartyId, Role,
};
use web_time::Instant;

use super::Sealed;
use super::half::Half;
use super::party::{ACKNOWLEDGE_DELAY, Link, Party, RatchetSession, digest};
use super::prologue::Prologue;
use super::sealed_box::{BoxKind, MATRIX_STEP, SealedBox};
use super::send::Contents;
use crate::EndReason;
use crate::contract::{Heard, Situation};
use crate::io::{Io, Own};
use crate::output::{Output, Request, RequestError};
use crate::requests::{MessageName, Waiting};
use crate::signal_refused::SignalRefused;

impl Sealed {
    /// Asks the homeserver for the peer's devices.
    pub(crate) fn query_devices(&self, io: &mut Io<'_>) {
        let request = io.requests.add(Waiting::Devices(self.call));
        io.outputs.push_back(Output::Request(Request::QueryDevices {
            id: request,
            user: self.matrix_id.clone(),
        }));
    }

    /// The peer's devices. Our own device and what goes beyond the bound are left out.
    pub(crate) fn take_devices(&mut self, own: &Own, result: Result<Vec<Device>, RequestError>) {
        match result {
            Ok(mut devices) => {
                devices.retain(|it| {
                    self.matrix_id != own.matrix_id || it.device_id != own.device.device_id
                });
                devices.truncate(MAX_PARTIES);
                if devices.is_empty() {
                    self.fail(EndReason::Unknown);
                } else if let Half::Caller(caller) = &mut self.half {
                    caller.devices = Some(devices);
                }
            }
            Err(RequestError::NotFound) => self.fail(EndReason::Unknown),
            Err(RequestError::Unreachable | RequestError::Failed) => {
                self.fail(EndReason::HomeserverUnreachable);
            }
        }
    }

    /// Our offer; the first one counts.
    pub(crate) fn take_offer(&mut self, sdp: String) {
        if let Half::Caller(caller) = &mut self.half {
            caller.offer.get_or_insert(sdp);
        }
    }

    /// Sends message 1 to every device, once offer and devices are both there.
    pub(crate) fn invite(&mut self, io: &mut Io<'_>, situation: &Situation) {
        let Half::Caller(caller) = &mut self.half else {
            return;
        };
        let (Some(offer), Some(devices)) = (&caller.offer, &mut caller.devices) else {
            return;
        };
        if situation.over {
            return;
        }
        let (offer, sent_at) = (offer.clone(), caller.sent_at);
        let conference = caller.conference.clone();
        let lifetime = u32::try_from(caller.lifetime.as_millis()).unwrap_or(u32::MAX);
        let invite = |words_commitment| Invite {
            offer: Description::offer(offer.clone()),
            lifetime,
            sent_at,
            words_commitment,
            conference: conference.clone(),
        };
        for device in std::mem::take(devices) {
            let id = PartyId::from(&device.device_id);
            // A homeserver may name a device twice.
            if self.parties.contains_key(&id) {
                continue;
            }
            let party = self.write_message_1(io, device, invite);
            self.heard.push_back(Heard::Invited(id.clone()));
            self.parties.insert(id, party);
        }
    }

    /// Every handshake has its own words nonce: what one device is told early must not help it with another's handshake.
    fn write_message_1(
        &self,
        io: &mut Io<'_>,
        device: Device,
        invite: impl FnOnce(Hex32) -> Invite,
    ) -> Party {
        let nonce = WordsNonce::generate(&mut io.rng);
        let invite = invite(Hex32(*nonce.commitment().as_bytes()));
        let prologue = Prologue {
            call: self.id,
            caller: &io.own.matrix_id,
            callee: &self.matrix_id,
            callee_device_id: &device.device_id,
            caller_olm_key: &io.own.device.olm_key,
            callee_olm_key: &device.olm_key,
        };
        let contents = Contents {
            contents: vec![Content::Invite(invite)],
            acknowledges: Vec::new(),
            wants_acknowledgement: true,
        };
        let payload = self.bundle(io, BoxKind::Message1, MATRIX_STEP, contents);
        let initiator = Initiator::new(&io.own.identity, self.identity, &prologue.to_bytes());
        let (awaiting, sealed) = initiator.write_message_1(&mut io.rng, &payload);
        let mut party = Party::new(
            device.device_id,
            device.olm_key,
            Link::AwaitingMessage2(Box::new(awaiting)),
        );
        // Kept until message 2 has opened: the callee must have chosen its keys before it knows
        // this.
        party.nonce = Some(nonce);
        party.delivery.push(
            io.now,
            MessageName::Message1,
            SealedBox {
                kind: BoxKind::Message1,
                sealed,
            },
        );
        party
    }

    /// Message 2 of a device: opens the session with it.
    pub(super) fn handle_message_2(
        &mut self,
        now: Instant,
        situation: &Situation,
        id: &PartyId,
        sealed: &[u8],
    ) -> Result<(), SignalRefused> {
        if matches!(self.half, Half::Callee(_)) {
            return Err(SignalRefused::OutOfPlace);
        }
        let call_id = self.id.to_string();
        let party = self
            .parties
            .get_mut(id)
            .ok_or(SignalRefused::UnknownDevice)?;
        let Link::AwaitingMessage2(awaiting) = &party.link else {
            if party.taken != Some(digest(sealed)) {
                return Err(SignalRefused::OutOfPlace);
            }
            // It does not know that we have it.
            if party.acknowledges_message_2_again() {
                party.owe_acknowledgement(None, now, true);
            }
            return Ok(());
        };
        // The link changes only when all is checked: what is refused leaves the handshake open for
        // the true message 2.
        let (established, payload) = awaiting
            .read_message_2(sealed)
            .map_err(SignalRefused::Handshake)?;
        let bundle = Bundle::parse(&payload).map_err(SignalRefused::Bundle)?;
        let fits = bundle.contents.iter().all(Content::fits_message_2);
        if bundle.call_id != call_id || bundle.party_id != *id || !fits {
            return Err(SignalRefused::OutOfPlace);
        }
        party.link = Link::Open(RatchetSession::new(Role::Caller, established));
        party.taken = Some(digest(sealed));
        party.delivery.acknowledge(MessageName::Message1);
        let does_not_ring = bundle
            .contents
            .iter()
            .any(|content| matches!(content, Content::Busy | Content::ClocksDiffer));
        // A device that rings gets candidates soon, and the acknowledgement with them. One that
        // does not gets nothing else, and keeps its keys until it has this.
        party.owe_acknowledgement(
            None,
            if does_not_ring {
                now
            } else {
                now + ACKNOWLEDGE_DELAY
            },
            true,
        );
        party.candidates_wanted = !does_not_ring && !situation.over;
        let early = std::mem::take(&mut party.early);
        self.hear_contents(id, bundle);
        // After the contents of message 2, which were said before them.
        let early = early.into_iter().map(|message| (id.clone(), message));
        self.early.extend(early);
        Ok(())
    }

    /// The answer of this device is the one that is taken: both ends can know the words now.
    pub(crate) fn answered(&mut self, from: &PartyId) {
        if let Some(party) = self.parties.get(from)
            && let (Some(nonce), Link::Open(session)) = (&party.nonce, &party.link)
        {
            self.words = Some(safety_words(nonce, &session.transcript));
        }
    }
}
