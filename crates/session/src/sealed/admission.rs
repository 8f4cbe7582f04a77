//! Message 1 of somebody who calls: opened and checked, before any rule asks who may ring.

use std::time::Duration;

use securecall_contact::{DeviceId, OlmKey};
use securecall_crypto::{IdentityKey, ReceivedMessage1, Responder, WordsCommitment};
use securecall_signaling::{
    Bundle, BundleError, CallId, ConferenceInvite, Content, Invite, PartyId,
};

use super::offer::has_candidates;
use super::party::digest;
use super::prologue::Prologue;
use crate::fingerprint::Fingerprint;
use crate::io::Own;
use crate::output::InboundSignal;
use crate::signal_refused::SignalRefused;

/// An invite whose message 1 opened, so its sender has the key it names, or stole ours.
pub(crate) struct OpenedInvite {
    pub(crate) call: CallId,
    /// The key proven.
    pub(crate) identity: IdentityKey,
    /// The device that calls, as it names itself.
    pub(crate) party: PartyId,
    /// The same, as what is said to it is addressed.
    pub(crate) device_id: DeviceId,
    pub(crate) olm_key: OlmKey,
    pub(crate) message_1: Box<ReceivedMessage1>,
    pub(crate) message_1_digest: [u8; 32],
    /// By the caller's clock, in milliseconds since the Unix epoch.
    pub(crate) sent_at: u64,
    pub(crate) lifetime: Duration,
    pub(crate) words_commitment: WordsCommitment,
    pub(crate) offer: String,
    pub(crate) fingerprint: Fingerprint,
    /// The conference that it is to be a leg of.
    pub(crate) conference: Option<ConferenceInvite>,
}

impl OpenedInvite {
    /// Opens message 1 and checks what is in it.
    ///
    /// # Errors
    /// [`SignalRefused`] if it was not made for us by this sender, or holds anything but one invite with one fingerprint and no
    /// candidate.
    pub(crate) fn open(
        own: &Own,
        signal: &InboundSignal<'_>,
        call: CallId,
        sealed: &[u8],
    ) -> Result<Self, SignalRefused> {
        let prologue = Prologue {
            call,
            caller: signal.sender,
            callee: &own.matrix_id,
            callee_device_id: &own.device.device_id,
            caller_olm_key: &signal.sender_olm_key,
            callee_olm_key: &own.device.olm_key,
        };
        // First of all: until it has opened, its bytes are anybody's.
        let message_1 = Responder::read_message_1(&own.identity, &prologue.to_bytes(), sealed)
            .map_err(SignalRefused::Handshake)?;
        let (party, invite) = read_invite(call, message_1.payload())?;
        // A device goes by its device ID in a call.
        let device_id = party.as_str().parse();
        let device_id = device_id.map_err(|_| SignalRefused::Bundle(BundleError::PartyId))?;
        let offer = invite.offer.sdp;
        let fingerprint = Fingerprint::of(&offer).ok_or(SignalRefused::Fingerprint)?;
        // Whoever gets our identity key later can read message 1, so no address may be in it.
        if has_candidates(&offer) {
            return Err(SignalRefused::Candidates);
        }
        Ok(Self {
            call,
            identity: message_1.remote_identity(),
            party,
            device_id,
            olm_key: signal.sender_olm_key,
            message_1: Box::new(message_1),
            message_1_digest: digest(sealed),
            sent_at: invite.sent_at,
            lifetime: Duration::from_millis(u64::from(invite.lifetime)),
            words_commitment: WordsCommitment::from_bytes(invite.words_commitment.0),
            offer,
            fingerprint,
            conference: invite.conference,
        })
    }

    /// Whether this is the message 1 that was opened.
    pub(crate) fn is_of(&self, sealed: &[u8]) -> bool {
        self.message_1_digest == digest(sealed)
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
