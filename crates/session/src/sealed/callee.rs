//! The callee's half of the handshake: the caller reveals what it committed to.

use securecall_crypto::{WordsNonce, safety_words};
use securecall_signaling::PartyId;

use super::Sealed;
use super::half::Half;
use super::party::Party;
use crate::EndReason;

impl Sealed {
    /// The caller reveals the nonce it committed to in message 1.
    pub(super) fn take_nonce(&mut self, from: &PartyId, nonce: [u8; 32]) {
        let Half::Callee(callee) = &self.half else {
            return;
        };
        let nonce = WordsNonce::from_bytes(nonce);
        if !callee.commitment.verify(&nonce) {
            self.fail(EndReason::WordsMismatch);
            return;
        }
        let party = self.parties.get_mut(from);
        if let Some(session) = party.and_then(Party::ratchet_session) {
            self.words = Some(safety_words(&nonce, &session.transcript));
        }
    }
}
