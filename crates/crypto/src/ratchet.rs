//! The Double Ratchet of a call's control messages
//! ([Signal's specification](https://signal.org/docs/specifications/doubleratchet/)), its DH steps in strict alternation.
//!
//! ```text
//! caller                                  callee
//!   |  <------ step 0: first chain, from the handshake
//!   |  step 1 ------------------------------>  |     own key a1
//!   |  <------------------------------ step 1  |     own key b1, made with its first message after a1
//!   |  step 2 (only when told) ------------->  |     own key a2
//! ```
//!
//! The `n`-th step of a side also gives epoch `n` of the frames it sends.

mod chain_key;
mod error;
#[cfg(test)]
mod hand_made;
mod header;
mod message_id;
mod receiving_chain;
#[cfg(test)]
mod recovery;
mod root_key;
mod sending_chain;

use std::collections::VecDeque;
use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

pub(crate) use chain_key::ChainKey;
pub use error::RatchetError;
pub use message_id::MessageId;
pub use receiving_chain::MAX_SKIP;
pub(crate) use root_key::RootKey;

use crate::aead::TAG_LEN;
use crate::dh::{self, SecretKey};
use crate::direction::Direction;
use crate::frame::{Epoch, MediaSeed};
use crate::transcript::Transcript;
use header::{HEADER_LEN, Header};
use receiving_chain::ReceivingChain;
use sending_chain::SendingChain;

/// How many of the peer's chains are kept for messages that come late, the newest included: with a step every 10 s, half
/// a minute.
pub const KEPT_CHAINS: usize = 4;

/// The longest ratchet message, header and tag included: what an Olm message over Matrix can hold with room to spare.
pub const MAX_MESSAGE: usize = 65_535;

/// How much longer a ratchet message is than its plaintext.
pub const MESSAGE_OVERHEAD: usize = HEADER_LEN + TAG_LEN;

/// One side of a session's Double Ratchet.
pub struct Ratchet {
    outbound: Direction,
    transcript: Transcript,
    root: RootKey,
    /// Secret of our newest key, until the peer has answered it with a key of its own.
    own_secret: Option<SecretKey>,
    sending: Option<SendingChain>,
    /// Own DH steps made so far.
    own_step: u32,
    /// The caller's wish to make a step with its next message.
    step_requested: bool,
    /// The peer's newest key.
    remote_key: Option<[u8; 32]>,
    /// DH steps of the peer seen so far.
    remote_step: u32,
    /// Oldest first; the last one is the peer's newest.
    receiving: VecDeque<ReceivingChain>,
}

/// A sealed message.
#[derive(Debug)]
pub struct Encrypted {
    /// Names the message for acknowledgement and retry.
    pub id: MessageId,
    /// Header, ciphertext and tag.
    pub bytes: Vec<u8>,
    /// The new epoch of our own frames, if this message made a step. It may be used once the peer has shown that it knows the step.
    pub media_seed: Option<(Epoch, MediaSeed)>,
}

/// An opened message.
pub struct Decrypted {
    /// Names the message for acknowledgement and for dropping duplicates.
    pub id: MessageId,
    /// What the peer said.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// The new epoch of the peer's frames, if this was the first opened message of a step.
    pub media_seed: Option<(Epoch, MediaSeed)>,
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            plaintext: _,
            media_seed,
        } = self;
        f.debug_struct("Decrypted")
            .field("id", id)
            .field("media_seed", media_seed)
            .finish_non_exhaustive()
    }
}

impl Ratchet {
    /// The initiator's side: `remote_key` is the responder's handshake ephemeral, `chain` its first sending chain.
    pub(crate) fn caller(
        root: RootKey,
        chain: ChainKey,
        remote_key: [u8; 32],
        transcript: Transcript,
    ) -> Self {
        Self {
            outbound: Direction::CallerToCallee,
            transcript,
            root,
            own_secret: None,
            sending: None,
            own_step: 0,
            step_requested: true,
            remote_key: Some(remote_key),
            remote_step: 0,
            receiving: VecDeque::from([ReceivingChain::new(0, remote_key, chain)]),
        }
    }

    /// The responder's side: its handshake ephemeral is its first ratchet key.
    pub(crate) fn callee(
        root: RootKey,
        chain: ChainKey,
        ephemeral: SecretKey,
        transcript: Transcript,
    ) -> Self {
        Self {
            outbound: Direction::CalleeToCaller,
            transcript,
            root,
            sending: Some(SendingChain::new(dh::public(&ephemeral), chain, 0)),
            own_secret: Some(ephemeral),
            own_step: 0,
            step_requested: false,
            remote_key: None,
            remote_step: 0,
            receiving: VecDeque::new(),
        }
    }

    /// Seals `plaintext`; makes a DH step first where one is due.
    ///
    /// Takes 32 bytes from `rng` for a step, else none.
    ///
    /// # Panics
    ///
    /// If `plaintext` is longer than [`MAX_MESSAGE`] − [`MESSAGE_OVERHEAD`], or after 2³² − 1 messages in one step.
    pub fn encrypt(&mut self, rng: &mut impl CryptoRng, plaintext: &[u8]) -> Encrypted {
        assert!(
            plaintext.len() <= MAX_MESSAGE - MESSAGE_OVERHEAD,
            "plaintext of a ratchet message is too long"
        );
        let media_seed = self.advance_own_step(rng);
        let (header, key) = self.next_outbound();
        let bytes = key.seal(&self.transcript, &header.encode(), plaintext);
        Encrypted {
            id: header.id,
            bytes,
            media_seed,
        }
    }

    /// Opens a message of the peer. A refused message leaves everything as it was.
    ///
    /// # Errors
    ///
    /// [`RatchetError`]; only [`RatchetError::Duplicate`] and [`RatchetError::Expired`] are part of normal life.
    pub fn decrypt(&mut self, message: &[u8]) -> Result<Decrypted, RatchetError> {
        if message.len() > MAX_MESSAGE {
            return Err(RatchetError::TooLong);
        }
        let (header_bytes, sealed) = message
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(RatchetError::Truncated)?;
        let header = Header::decode(header_bytes)?;
        if header.direction != self.outbound.reverse() {
            return Err(RatchetError::WrongDirection);
        }
        if self.is_new_step(header.id.step) {
            self.open_new_step(&header, header_bytes, sealed)
        } else {
            self.open_known_step(&header, header_bytes, sealed)
        }
    }

    /// Asks for a DH step with the next message. The caller's first message makes one by itself, and so does the callee's
    /// first message after every new key of the caller.
    ///
    /// Gives whether the step will be made: `false` for the callee, and while the peer has not answered the last one.
    pub fn request_step(&mut self) -> bool {
        if self.outbound == Direction::CallerToCallee && self.can_step() {
            self.step_requested = true;
        }
        self.step_requested
    }

    /// Whether the next message may make a DH step: it is our turn and there are epochs left.
    #[must_use]
    pub fn can_step(&self) -> bool {
        let our_turn = match self.outbound {
            Direction::CallerToCallee => self.own_step == self.remote_step,
            Direction::CalleeToCaller => self.own_step < self.remote_step,
        };
        our_turn && Epoch::from_step(self.own_step + 1).is_some()
    }

    /// How many DH steps we have made.
    #[must_use]
    pub const fn own_step(&self) -> u32 {
        self.own_step
    }

    /// How many DH steps of the peer we have seen.
    #[must_use]
    pub const fn remote_step(&self) -> u32 {
        self.remote_step
    }

    /// The direction in which this side sends.
    #[must_use]
    pub const fn outbound(&self) -> Direction {
        self.outbound
    }

    /// How many keys are kept for messages that may still come late.
    #[must_use]
    pub fn skipped_message_keys(&self) -> usize {
        self.receiving.iter().map(ReceivingChain::skipped).sum()
    }

    /// Shows the root key, the chain keys, and the keys of the messages that are missing or come next.
    #[cfg(test)]
    pub(crate) fn secrets_for_test(&self, mut show: impl FnMut(&[u8; 32])) {
        show(self.root.as_bytes());
        if let Some(sending) = &self.sending {
            show(sending.chain_key_for_test().as_bytes());
        }
        if let Some(newest) = self.receiving.back() {
            newest.secrets_for_test(show);
        }
    }

    /// Makes our DH step if one is due.
    fn advance_own_step(&mut self, rng: &mut impl CryptoRng) -> Option<(Epoch, MediaSeed)> {
        let due = self.step_requested || self.outbound == Direction::CalleeToCaller;
        if !(due && self.can_step()) {
            return None;
        }
        let remote_key = self.remote_key?;
        let step = self.own_step + 1;
        let epoch = Epoch::from_step(step)?;
        let secret = dh::generate(rng);
        let (root, chain, seed) = self.root.advance(&secret, &remote_key).ok()?;
        let previous_chain_length = self.sending.as_ref().map_or(0, SendingChain::length);
        self.root = root;
        self.sending = Some(SendingChain::new(
            dh::public(&secret),
            chain,
            previous_chain_length,
        ));
        self.own_secret = Some(secret);
        self.own_step = step;
        self.step_requested = false;
        Some((epoch, seed))
    }

    #[expect(
        clippy::expect_used,
        reason = "the callee starts with a chain, the caller's first message makes one"
    )]
    fn next_outbound(&mut self) -> (Header, chain_key::MessageKey) {
        let sending = self
            .sending
            .as_mut()
            .expect("there is a sending chain after the first step");
        let (number, key) = sending.advance();
        let header = Header {
            direction: self.outbound,
            id: MessageId {
                step: self.own_step,
                number,
            },
            previous_chain_length: sending.previous_chain_length(),
            ratchet_key: *sending.ratchet_key(),
        };
        (header, key)
    }

    /// Whether messages of `step` belong to a chain we have not begun.
    fn is_new_step(&self, step: u32) -> bool {
        self.receiving
            .back()
            .is_none_or(|newest| step > newest.step())
    }

    fn open_known_step(
        &mut self,
        header: &Header,
        header_bytes: &[u8; HEADER_LEN],
        sealed: &[u8],
    ) -> Result<Decrypted, RatchetError> {
        let Header { id, .. } = *header;
        let chain = self
            .receiving
            .iter_mut()
            .find(|chain| chain.step() == id.step)
            .ok_or(RatchetError::Expired { id })?;
        if chain.remote_key() != &header.ratchet_key {
            return Err(RatchetError::OpenFailed);
        }
        let prepared = chain.prepare(id)?;
        let plaintext = prepared.open(&self.transcript, header_bytes, sealed)?;
        chain.commit(prepared);
        Ok(Decrypted {
            id,
            plaintext,
            media_seed: None,
        })
    }

    fn open_new_step(
        &mut self,
        header: &Header,
        header_bytes: &[u8; HEADER_LEN],
        sealed: &[u8],
    ) -> Result<Decrypted, RatchetError> {
        let Header { id, .. } = *header;
        if id.step != self.remote_step + 1 {
            return Err(RatchetError::UnexpectedStep { id });
        }
        let epoch = Epoch::from_step(id.step).ok_or(RatchetError::UnexpectedStep { id })?;
        // It is there only until the peer's next step: without it, it is our turn.
        let own_secret = self
            .own_secret
            .as_ref()
            .ok_or(RatchetError::UnexpectedStep { id })?;
        let finished = match self.receiving.back() {
            Some(newest) => Some(newest.prepare_finish(header.previous_chain_length)?),
            None if header.previous_chain_length == 0 => None,
            None => return Err(RatchetError::Malformed),
        };
        let (root, chain_key, seed) = self.root.advance(own_secret, &header.ratchet_key)?;
        let mut chain = ReceivingChain::new(id.step, header.ratchet_key, chain_key);
        let prepared = chain.prepare(id)?;
        let plaintext = prepared.open(&self.transcript, header_bytes, sealed)?;

        // Nothing has changed so far, and nothing fails any more: a refused message leaves the state as it was.
        chain.commit(prepared);
        if let (Some(newest), Some(finished)) = (self.receiving.back_mut(), finished) {
            newest.finish(finished);
        }
        self.receiving.push_back(chain);
        while self.receiving.len() > KEPT_CHAINS {
            self.receiving.pop_front();
        }
        self.root = root;
        self.own_secret = None;
        self.remote_key = Some(header.ratchet_key);
        self.remote_step = id.step;
        Ok(Decrypted {
            id,
            plaintext,
            media_seed: Some((epoch, seed)),
        })
    }
}

impl fmt::Debug for Ratchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            outbound,
            transcript: _,
            root: _,
            own_secret: _,
            sending: _,
            own_step,
            step_requested,
            remote_key: _,
            remote_step,
            receiving,
        } = self;
        f.debug_struct("Ratchet")
            .field("outbound", outbound)
            .field("own_step", own_step)
            .field("step_requested", step_requested)
            .field("remote_step", remote_step)
            .field("receiving", receiving)
            .finish_non_exhaustive()
    }
}
