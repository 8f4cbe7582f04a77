//! The caller's side of the handshake.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::error::HandshakeError;
use super::established::Established;
use super::kem::{KemSecret, SEALED_CIPHERTEXT_LEN};
use super::pattern::Pattern;
use super::symmetric_state::SymmetricState;
use super::{MAX_HANDSHAKE_MESSAGE, MESSAGE_1_OVERHEAD, take, take_key};
use crate::dh::{self, SecretKey};
use crate::identity::{IdentityKey, IdentityKeyPair};
use crate::ratchet::Ratchet;

/// The caller before message 1.
pub struct Initiator {
    pattern: Pattern,
    identity: SecretKey,
    identity_public: IdentityKey,
    remote: IdentityKey,
    symmetric: SymmetricState,
}

impl Initiator {
    /// A handshake with one device of the user `remote`. `prologue` is what both sides must agree on besides the keys.
    #[must_use]
    pub fn new(identity: &IdentityKeyPair, remote: IdentityKey, prologue: &[u8]) -> Self {
        Self::with_pattern(Pattern::IkHfs, identity, remote, prologue)
    }

    pub(super) fn with_pattern(
        pattern: Pattern,
        identity: &IdentityKeyPair,
        remote: IdentityKey,
        prologue: &[u8],
    ) -> Self {
        Self {
            pattern,
            identity: Box::new(identity.secret().clone()),
            identity_public: identity.public(),
            remote,
            symmetric: SymmetricState::new(pattern, prologue, remote.as_bytes()),
        }
    }

    /// `-> e, es, e1, s, ss`: message 1 with its payload, and the state that waits for message 2.
    ///
    /// Takes from `rng`: 32 bytes for e, then 64 for e1 (d ‖ z).
    ///
    /// # Panics
    ///
    /// If the payload is longer than [`MAX_HANDSHAKE_MESSAGE`] − [`MESSAGE_1_OVERHEAD`].
    pub fn write_message_1(
        self,
        rng: &mut impl CryptoRng,
        payload: &[u8],
    ) -> (InitiatorAwaiting, Vec<u8>) {
        assert!(
            payload.len() <= MAX_HANDSHAKE_MESSAGE - MESSAGE_1_OVERHEAD,
            "payload of message 1 is too long"
        );
        let Self {
            pattern,
            identity,
            identity_public,
            remote,
            mut symmetric,
        } = self;
        let mut message = Vec::with_capacity(MESSAGE_1_OVERHEAD + payload.len());

        // The tokens in the order of the pattern: both sides mix the same only if they take the same steps.
        let ephemeral = dh::generate(rng);
        let ephemeral_public = dh::public(&ephemeral);
        message.extend_from_slice(&ephemeral_public);
        symmetric.mix_hash(&ephemeral_public);

        symmetric.mix_key(agree_with_identity(&ephemeral, remote).as_bytes());

        let kem = pattern.has_kem().then(|| KemSecret::generate(rng));
        if let Some(kem) = &kem {
            symmetric.encrypt_and_hash(&kem.public(), &mut message);
        }

        symmetric.encrypt_and_hash(identity_public.as_bytes(), &mut message);
        symmetric.mix_key(agree_with_identity(&identity, remote).as_bytes());
        symmetric.encrypt_and_hash(payload, &mut message);
        (
            InitiatorAwaiting {
                identity,
                remote,
                ephemeral,
                kem,
                symmetric,
            },
            message,
        )
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pattern,
            identity: _,
            identity_public: _,
            remote,
            symmetric: _,
        } = self;
        f.debug_struct("Initiator")
            .field("pattern", pattern)
            .field("remote", remote)
            .finish_non_exhaustive()
    }
}

/// The finished symmetric state, the responder's ephemeral key, and the payload.
type OpenedMessage2 = (SymmetricState, [u8; 32], Zeroizing<Vec<u8>>);

/// The caller between message 1 and message 2.
pub struct InitiatorAwaiting {
    identity: SecretKey,
    remote: IdentityKey,
    ephemeral: SecretKey,
    kem: Option<KemSecret>,
    symmetric: SymmetricState,
}

impl InitiatorAwaiting {
    /// `<- e, ee, ekem1, se`: opens message 2 and gives the session and the payload.
    ///
    /// A refused message changes nothing, so a forged one cannot stop the handshake; drop this once a message was accepted.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`], for whatever is not the responder's answer to this very message 1.
    pub fn read_message_2(
        &self,
        message: &[u8],
    ) -> Result<(Established, Zeroizing<Vec<u8>>), HandshakeError> {
        let (symmetric, remote_ephemeral, payload) = self.process(message)?;
        let ratchet =
            |root, chain, transcript| Ratchet::caller(root, chain, remote_ephemeral, transcript);
        Ok((
            Established::initiator(&symmetric, self.remote, ratchet),
            payload,
        ))
    }

    pub(super) fn process(&self, message: &[u8]) -> Result<OpenedMessage2, HandshakeError> {
        if message.len() > MAX_HANDSHAKE_MESSAGE {
            return Err(HandshakeError::TooLong);
        }
        let mut rest = message;
        // On a copy: a forged message 2 must not spoil the state for the true one.
        let mut symmetric = self.symmetric.clone();

        let remote_ephemeral = take_key(&mut rest)?;
        symmetric.mix_hash(&remote_ephemeral);
        symmetric.mix_key(dh::agree(&self.ephemeral, &remote_ephemeral)?.as_bytes());

        if let Some(kem) = &self.kem {
            let ciphertext = symmetric.decrypt_and_hash(take(&mut rest, SEALED_CIPHERTEXT_LEN)?)?;
            symmetric.mix_key(kem.decapsulate(&ciphertext)?.as_slice());
        }

        symmetric.mix_key(dh::agree(&self.identity, &remote_ephemeral)?.as_bytes());
        let payload = symmetric.decrypt_and_hash(rest)?;
        Ok((symmetric, remote_ephemeral, payload))
    }
}

impl fmt::Debug for InitiatorAwaiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            identity: _,
            remote,
            ephemeral: _,
            kem: _,
            symmetric: _,
        } = self;
        f.debug_struct("InitiatorAwaiting")
            .field("remote", remote)
            .finish_non_exhaustive()
    }
}

#[expect(clippy::expect_used, reason = "an IdentityKey is never of low order")]
fn agree_with_identity(secret: &SecretKey, remote: IdentityKey) -> x25519_dalek::SharedSecret {
    dh::agree(secret, remote.as_bytes()).expect("an identity key is not of low order")
}
