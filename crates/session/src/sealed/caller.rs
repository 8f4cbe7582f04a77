//! The caller's half: offer and devices become one handshake per device, message 2 opens the ratchet session with it.

use std::time::Duration;

use securecall_crypto::{IdentityKey, Initiator, WordsNonce, safety_words};
use securecall_signaling::{
    Bundle, CallId, CallMachine, Content, Description, Hex32, Invite, MAX_PARTIES, MAX_PARTY_ID,
    PartyId, Role,
};

use super::send::Contents;
use crate::call::{CANDIDATE_BATCH, Call, CallerSide, Media, Side, Timer};
use crate::event::{Event, Peer};
use crate::fingerprint::Fingerprint;
use crate::io::Io;
use crate::output::{MediaCommand, Output, PeerDevice, Request, RequestError};
use crate::requests::{MessageName, Waiting};
use crate::sealed::epochs::Epochs;
use crate::sealed::party::{ACKNOWLEDGE_DELAY, Link, Party, RatchetSession, digest};
use crate::sealed::prologue::Prologue;
use crate::sealed::sealed_box::{BoxKind, MATRIX_STEP, SealedBox};
use crate::signal_refused::SignalRefused;
use crate::{EndReason, Route};

impl Call {
    /// Places a call: asks for the peer's devices and for an offer.
    pub(crate) fn place(
        io: &mut Io<'_>,
        id: CallId,
        peer: Peer,
        identity: IdentityKey,
        route: Route,
        sent_at: u64,
        lifetime: Duration,
    ) -> Self {
        let machine = CallMachine::caller(io.now, io.own.device.device_id.clone(), lifetime);
        let side = Side::Caller(CallerSide {
            sent_at,
            lifetime,
            offer: None,
            devices: None,
            negotiation: 0,
        });
        let mut call = Self::new(id, peer, identity, machine, route, side, io.now);
        io.event(Event::Dialing {
            call: id,
            peer: call.peer.clone(),
        });
        let request = io.requests.add(Waiting::Devices(id));
        io.outputs.push_back(Output::Request(Request::QueryDevices {
            id: request,
            user: call.peer.matrix_id.clone(),
        }));
        call.media = Media::Open;
        call.order(io, MediaCommand::CreateOffer { route });
        call
    }

    /// The peer's devices. Device IDs that could not be a party ID, our own device and what goes beyond the bound are left out.
    pub(crate) fn handle_devices(
        &mut self,
        io: &mut Io<'_>,
        result: Result<Vec<PeerDevice>, RequestError>,
    ) {
        match result {
            Ok(mut devices) => {
                let own = &io.own.device;
                devices.retain(|it| {
                    let usable = !it.device_id.is_empty()
                        && it.device_id.len() <= MAX_PARTY_ID
                        && it.device_id.bytes().all(|b| b.is_ascii_graphic());
                    usable
                        && !(self.peer.matrix_id == own.matrix_id && it.device_id == own.device_id)
                });
                devices.truncate(MAX_PARTIES);
                if devices.is_empty() {
                    self.end_because(EndReason::Unknown);
                } else if let Side::Caller(caller) = &mut self.side {
                    caller.devices = Some(devices);
                }
            }
            Err(RequestError::NotFound) => self.end_because(EndReason::Unknown),
            Err(RequestError::Unreachable | RequestError::Failed) => {
                self.end_because(EndReason::HomeserverUnreachable);
            }
        }
        self.invite(io);
        self.flush(io);
    }

    pub(crate) fn take_local_offer(&mut self, io: &mut Io<'_>, sdp: String) {
        if let Side::Caller(caller) = &mut self.side
            && caller.offer.is_none()
        {
            caller.offer = Some(sdp);
        }
        self.invite(io);
    }

    /// Sends message 1 to every device, once offer and devices are both there.
    pub(crate) fn invite(&mut self, io: &mut Io<'_>) {
        let Side::Caller(caller) = &mut self.side else {
            return;
        };
        let (Some(offer), Some(devices)) = (&caller.offer, &mut caller.devices) else {
            return;
        };
        if self.machine.is_over() {
            return;
        }
        let (offer, sent_at) = (offer.clone(), caller.sent_at);
        let lifetime = u32::try_from(caller.lifetime.as_millis()).unwrap_or(u32::MAX);
        let invite = |words_commitment| Invite {
            offer: Description::offer(offer.clone()),
            lifetime,
            sent_at,
            words_commitment,
        };
        for device in std::mem::take(devices) {
            if self.parties.contains_key(&device.device_id) {
                continue;
            }
            let party = self.write_message_1(io, device, invite);
            self.machine.invite(party.device_id.clone());
            self.parties.insert(party.device_id.clone(), party);
        }
    }

    /// Every handshake has its own words nonce: what one device is told early must not help it with another's handshake.
    pub(crate) fn write_message_1(
        &self,
        io: &mut Io<'_>,
        device: PeerDevice,
        invite: impl FnOnce(Hex32) -> Invite,
    ) -> Party {
        let nonce = WordsNonce::generate(&mut io.rng);
        let invite = invite(Hex32(*nonce.commitment().as_bytes()));
        let prologue = Prologue {
            call: self.id,
            caller: &io.own.device.matrix_id,
            callee: &self.peer.matrix_id,
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
    pub(crate) fn handle_message_2(
        &mut self,
        io: &mut Io<'_>,
        id: &PartyId,
        sealed: &[u8],
    ) -> Result<(), SignalRefused> {
        if matches!(self.side, Side::Callee(_)) {
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
                party.owe_acknowledgement(None, io.now, true);
            }
            return Ok(());
        };
        let (established, payload) = awaiting
            .read_message_2(sealed)
            .map_err(SignalRefused::Handshake)?;
        let bundle = Bundle::parse(&payload).map_err(SignalRefused::Bundle)?;
        let fits = bundle.contents.iter().all(Content::fits_message_2);
        if bundle.call_id != call_id || bundle.party_id != *id || !fits {
            return Err(SignalRefused::OutOfPlace);
        }
        let epochs = Epochs::new(
            Role::Caller,
            established.outbound_media_seed,
            established.inbound_media_seed,
        );
        party.link = Link::Open(Box::new(RatchetSession {
            ratchet: established.ratchet,
            transcript: established.transcript,
            epochs,
        }));
        party.taken = Some(digest(sealed));
        party.delivery.acknowledge(MessageName::Message1);
        let does_not_ring = bundle
            .contents
            .iter()
            .any(|content| matches!(content, Content::Busy | Content::ClocksDiffer));
        party.owe_acknowledgement(
            None,
            if does_not_ring {
                io.now
            } else {
                io.now + ACKNOWLEDGE_DELAY
            },
            true,
        );
        party.candidates_wanted = !does_not_ring && !self.machine.is_over();
        let early = std::mem::take(&mut party.early);
        if !does_not_ring {
            self.gather(io);
        }
        self.handle_contents(io, id, &bundle);
        for message in early {
            if let Err(error) = self.handle_ratchet(io, id, &message, super::receive::Via::Matrix) {
                tracing::debug!(call = %self.id, %error, "refused an early message");
            }
        }
        Ok(())
    }

    /// The first device is there, so addresses may be told: gathers once for all devices.
    pub(crate) fn gather(&mut self, io: &mut Io<'_>) {
        if self.gathering || self.machine.is_over() {
            return;
        }
        self.gathering = true;
        self.deadlines
            .set(Timer::CandidateBatch, io.now + CANDIDATE_BATCH);
        self.order(io, MediaCommand::Gather);
    }

    /// Whether a device's answer can be taken; if not, the device is dropped.
    pub(crate) fn check_answer(&mut self, from: &str, sdp: &str) -> bool {
        let is_caller = matches!(self.side, Side::Caller(_));
        let waits = is_caller && !self.machine.is_answered() && !self.machine.is_over();
        if !waits || Fingerprint::of(sdp).is_some() {
            return true;
        }
        tracing::debug!(call = %self.id, "an answer without exactly one sha-256 fingerprint");
        self.cause = Some(EndReason::FingerprintMismatch);
        self.machine.drop_party(from);
        if !self.machine.is_over() {
            self.cause = None;
        }
        false
    }

    /// The answer that is taken: the call is with this device from now on.
    pub(crate) fn take_answer(&mut self, io: &mut Io<'_>, from: &str, sdp: String) {
        self.remote_fingerprint = Fingerprint::of(&sdp);
        if let Some(party) = self.parties.get(from)
            && let (Some(nonce), Link::Open(session)) = (&party.nonce, &party.link)
        {
            self.words = Some(safety_words(nonce, &session.transcript));
        }
        self.order(io, MediaCommand::SetAnswer { sdp });
        self.answer_made = true;
        self.start_audio(io);
    }
}
