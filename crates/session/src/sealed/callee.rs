//! The callee's half of the handshake: the caller reveals what it committed to.

use securecall_crypto::{WordsCommitment, WordsNonce, safety_words};
use securecall_signaling::PartyId;

use super::party::Party;
use super::{Half, Sealed};
use crate::EndReason;

/// What only the callee has: what it must remember of the invite.
pub(super) struct CalleeHalf {
    /// When the invite was sent by the caller's clock, in milliseconds since the Unix epoch.
    sent_at: u64,
    commitment: WordsCommitment,
}

impl CalleeHalf {
    pub(super) const fn new(sent_at: u64, commitment: WordsCommitment) -> Self {
        Self {
            sent_at,
            commitment,
        }
    }

    pub(super) const fn sent_at(&self) -> u64 {
        self.sent_at
    }
}

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
