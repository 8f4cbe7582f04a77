//! `CipherState` of the [Noise specification](https://noiseprotocol.org/noise.html), section 5.1, with ChaChaPoly.

use std::fmt;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use zeroize::Zeroizing;

use super::error::HandshakeError;
use crate::aead::TAG_LEN;

/// Key `k` and nonce `n`. The key lies on the heap, so that moving it leaves no copy behind.
#[derive(Clone)]
pub(super) struct CipherState {
    key: Box<Zeroizing<[u8; 32]>>,
    nonce: u64,
}

impl CipherState {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self {
            key: Box::new(Zeroizing::new(*key)),
            nonce: 0,
        }
    }

    /// Appends the sealed `plaintext` and its tag to `message`.
    #[expect(clippy::expect_used, reason = "ChaCha20's limit is 256 GiB")]
    pub(super) fn seal(&mut self, aad: &[u8], plaintext: &[u8], message: &mut Vec<u8>) {
        let start = message.len();
        message.extend_from_slice(plaintext);
        let tag = ChaCha20Poly1305::new((&**self.key).into())
            .encrypt_inout_detached(
                &self.nonce_bytes().into(),
                aad,
                (&mut message[start..]).into(),
            )
            .expect("message is short enough");
        message.extend_from_slice(&tag);
        self.nonce += 1;
    }

    pub(super) fn open(
        &mut self,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, HandshakeError> {
        let (ciphertext, tag) = sealed
            .split_last_chunk::<TAG_LEN>()
            .ok_or(HandshakeError::Truncated)?;
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        ChaCha20Poly1305::new((&**self.key).into())
            .decrypt_inout_detached(
                &self.nonce_bytes().into(),
                aad,
                plaintext.as_mut_slice().into(),
                tag.into(),
            )
            .map_err(|_| HandshakeError::OpenFailed)?;
        self.nonce += 1;
        Ok(plaintext)
    }

    /// Four zero bytes, then `n` little-endian.
    fn nonce_bytes(&self) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.nonce.to_le_bytes());
        nonce
    }
}

impl fmt::Debug for CipherState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _, nonce } = self;
        f.debug_struct("CipherState")
            .field("nonce", nonce)
            .finish_non_exhaustive()
    }
}
