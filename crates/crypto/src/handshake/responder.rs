//! The callee's side of the handshake.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::error::HandshakeError;
use super::established::Established;
use super::kem::{RemoteKemKey, SEALED_KEY_LEN};
use super::pattern::Pattern;
use super::symmetric_state::SymmetricState;
use super::{MAX_HANDSHAKE_MESSAGE, MESSAGE_2_OVERHEAD, take, take_key};
use crate::aead::TAG_LEN;
use crate::dh::{self, SecretKey};
use crate::identity::{IdentityKey, IdentityKeyPair};
use crate::ratchet::Ratchet;

/// The callee before message 1: it has no state yet.
#[derive(Debug)]
pub enum Responder {}

impl Responder {
    /// `-> e, es, e1, s, ss`: opens message 1.
    ///
    /// What comes out is authentic unless somebody has our identity key; only the caller's first ratchet message or
    /// frame proves the caller, and that the message is not an old one.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`], for whatever was not made for this identity and this prologue.
    pub fn read_message_1(
        identity: &IdentityKeyPair,
        prologue: &[u8],
        message: &[u8],
    ) -> Result<ReceivedMessage1, HandshakeError> {
        Self::read_with_pattern(Pattern::IkHfs, identity, prologue, message)
    }

    pub(super) fn read_with_pattern(
        pattern: Pattern,
        identity: &IdentityKeyPair,
        prologue: &[u8],
        message: &[u8],
    ) -> Result<ReceivedMessage1, HandshakeError> {
        if message.len() > MAX_HANDSHAKE_MESSAGE {
            return Err(HandshakeError::TooLong);
        }
        let mut rest = message;
        let mut symmetric = SymmetricState::new(pattern, prologue, identity.public().as_bytes());

        let remote_ephemeral = take_key(&mut rest)?;
        symmetric.mix_hash(&remote_ephemeral);
        symmetric.mix_key(dh::agree(identity.secret(), &remote_ephemeral)?.as_bytes());

        let kem = if pattern.has_kem() {
            let key = symmetric.decrypt_and_hash(take(&mut rest, SEALED_KEY_LEN)?)?;
            Some(RemoteKemKey::from_bytes(&key)?)
        } else {
            None
        };

        let remote = symmetric.decrypt_and_hash(take(&mut rest, 32 + TAG_LEN)?)?;
        let remote = remote
            .as_slice()
            .try_into()
            .map_err(|_| HandshakeError::Truncated)?;
        // Refuses a key of low order, as `dh::agree` did above: so nothing can fail while message 2 is written.
        let remote = IdentityKey::from_bytes(remote)?;
        symmetric.mix_key(dh::agree(identity.secret(), remote.as_bytes())?.as_bytes());
        let payload = symmetric.decrypt_and_hash(rest)?;
        Ok(ReceivedMessage1 {
            remote,
            remote_ephemeral,
            kem,
            symmetric,
            payload,
        })
    }
}

/// The callee between message 1 and message 2.
pub struct ReceivedMessage1 {
    remote: IdentityKey,
    remote_ephemeral: [u8; 32],
    kem: Option<RemoteKemKey>,
    symmetric: SymmetricState,
    payload: Zeroizing<Vec<u8>>,
}

impl ReceivedMessage1 {
    /// `<- e, ee, ekem1, se`: message 2 with its payload, and the session.
    ///
    /// Takes from `rng`: 32 bytes for e, then 32 for the encapsulation (m).
    ///
    /// # Panics
    ///
    /// If the payload is longer than [`MAX_HANDSHAKE_MESSAGE`] − [`MESSAGE_2_OVERHEAD`].
    pub fn write_message_2(
        self,
        rng: &mut impl CryptoRng,
        payload: &[u8],
    ) -> (Established, Vec<u8>) {
        let remote = self.remote;
        let (symmetric, ephemeral, message) = self.process(rng, payload);
        let ratchet = |root, chain, transcript| Ratchet::callee(root, chain, ephemeral, transcript);
        (Established::responder(&symmetric, remote, ratchet), message)
    }

    /// The caller's identity key.
    #[must_use]
    pub const fn remote_identity(&self) -> IdentityKey {
        self.remote
    }

    /// The caller's ephemeral key: unlike for every message 1, so a repeated one is a replay.
    #[must_use]
    pub const fn ephemeral(&self) -> [u8; 32] {
        self.remote_ephemeral
    }

    /// The payload of message 1.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub(super) fn process(
        self,
        rng: &mut impl CryptoRng,
        payload: &[u8],
    ) -> (SymmetricState, SecretKey, Vec<u8>) {
        assert!(
            payload.len() <= MAX_HANDSHAKE_MESSAGE - MESSAGE_2_OVERHEAD,
            "payload of message 2 is too long"
        );
        let Self {
            remote,
            remote_ephemeral,
            kem,
            mut symmetric,
            payload: _,
        } = self;
        let mut message = Vec::with_capacity(MESSAGE_2_OVERHEAD + payload.len());

        let ephemeral = dh::generate(rng);
        let ephemeral_public = dh::public(&ephemeral);
        message.extend_from_slice(&ephemeral_public);
        symmetric.mix_hash(&ephemeral_public);
        symmetric.mix_key(agree_with_checked(&ephemeral, &remote_ephemeral).as_bytes());

        if let Some(kem) = &kem {
            let (ciphertext, shared) = kem.encapsulate(rng);
            symmetric.encrypt_and_hash(&ciphertext, &mut message);
            symmetric.mix_key(shared.as_slice());
        }

        symmetric.mix_key(agree_with_checked(&ephemeral, remote.as_bytes()).as_bytes());
        symmetric.encrypt_and_hash(payload, &mut message);
        (symmetric, ephemeral, message)
    }
}

impl fmt::Debug for ReceivedMessage1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            remote,
            remote_ephemeral: _,
            kem: _,
            symmetric: _,
            payload: _,
        } = self;
        f.debug_struct("ReceivedMessage1")
            .field("remote", remote)
            .finish_non_exhaustive()
    }
}

/// X25519 with a key whose first result was not zero: X25519 secrets are multiples of 8, so no later one is.
#[expect(
    clippy::expect_used,
    reason = "reading message 1 has refused keys of low order"
)]
fn agree_with_checked(secret: &SecretKey, remote: &[u8; 32]) -> x25519_dalek::SharedSecret {
    dh::agree(secret, remote).expect("the key is not of low order")
}
