//! `SymmetricState` of the [Noise specification](https://noiseprotocol.org/noise.html), section 5.2, with SHA-256.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::cipher_state::CipherState;
use super::error::HandshakeError;
use super::pattern::Pattern;
use crate::kdf::{hkdf, part};

/// Chaining key `ck`, handshake hash `h` and the cipher once there is a key. The chaining key lies on the heap, so that moving it
/// leaves no copy behind; the hash is no secret.
#[derive(Clone)]
pub(super) struct SymmetricState {
    chaining_key: Box<Zeroizing<[u8; 32]>>,
    hash: [u8; 32],
    cipher: Option<CipherState>,
}

impl SymmetricState {
    /// `Initialize(h, ck)` from the protocol name, then `MixHash(prologue)` and the responder's key as pre-message.
    pub(super) fn new(pattern: Pattern, prologue: &[u8], responder: &[u8; 32]) -> Self {
        let name = pattern.protocol_name().as_bytes();
        let hash = if name.len() <= 32 {
            let mut padded = [0; 32];
            padded[..name.len()].copy_from_slice(name);
            padded
        } else {
            Sha256::digest(name).into()
        };
        let mut state = Self {
            chaining_key: Box::new(Zeroizing::new(hash)),
            hash,
            cipher: None,
        };
        state.mix_hash(prologue);
        state.mix_hash(responder);
        state
    }

    pub(super) fn mix_hash(&mut self, data: &[u8]) {
        let mut hash = Sha256::new();
        hash.update(self.hash);
        hash.update(data);
        self.hash = hash.finalize().into();
    }

    pub(super) fn mix_key(&mut self, input: &[u8]) {
        // Noise's HKDF is RFC 5869 with the chaining key as salt and no info.
        let okm = hkdf::<64>(self.chaining_key.as_slice(), input, &[]);
        self.chaining_key.copy_from_slice(part(&okm, 0));
        self.cipher = Some(CipherState::new(part(&okm, 1)));
    }

    /// Appends `plaintext`, sealed once there is a key, to `message` and mixes what was appended into the hash.
    pub(super) fn encrypt_and_hash(&mut self, plaintext: &[u8], message: &mut Vec<u8>) {
        let start = message.len();
        match &mut self.cipher {
            Some(cipher) => cipher.seal(&self.hash, plaintext, message),
            None => message.extend_from_slice(plaintext),
        }
        self.mix_hash(&message[start..]);
    }

    pub(super) fn decrypt_and_hash(
        &mut self,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, HandshakeError> {
        let plaintext = match &mut self.cipher {
            Some(cipher) => cipher.open(&self.hash, sealed)?,
            None => Zeroizing::new(sealed.to_vec()),
        };
        self.mix_hash(sealed);
        Ok(plaintext)
    }

    pub(super) fn chaining_key(&self) -> &[u8; 32] {
        &self.chaining_key
    }

    pub(super) const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

impl fmt::Debug for SymmetricState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            chaining_key: _,
            hash: _,
            cipher,
        } = self;
        f.debug_struct("SymmetricState")
            .field("cipher", cipher)
            .finish_non_exhaustive()
    }
}
