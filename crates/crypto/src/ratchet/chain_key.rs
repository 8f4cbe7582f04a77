//! Chain keys and the message keys they give.

use zeroize::Zeroizing;

use super::error::RatchetError;
use super::header::HEADER_LEN;
use crate::aead::{self, TAG_LEN};
use crate::kdf::{chain_step, hkdf};
use crate::secret::secret;
use crate::transcript::Transcript;

const MESSAGE_INFO: &[u8] = b"securecall v1 message";

secret! {
    /// The key of one place in a chain.
    pub(crate) struct ChainKey;
}

impl ChainKey {
    pub(crate) fn new(bytes: &[u8; 32]) -> Self {
        Self::copied(bytes)
    }

    #[cfg(test)]
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A second copy, to work on until a message is authenticated.
    pub(super) fn duplicate(&self) -> Self {
        Self::copied(&self.0)
    }

    /// Message key = HMAC(ck, 0x01), next chain key = HMAC(ck, 0x02).
    pub(super) fn advance(&self) -> (MessageKey, Self) {
        let (key, next) = chain_step(&self.0);
        (MessageKey::copied(&key), Self::copied(&next))
    }
}

secret! {
    /// The key of one message.
    pub(super) struct MessageKey;
}

impl MessageKey {
    /// A second copy, to try a message with.
    pub(super) fn duplicate(&self) -> Self {
        Self::copied(&self.0)
    }

    #[cfg(test)]
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Header, ciphertext and tag; associated data is h ‖ header.
    pub(super) fn seal(
        &self,
        transcript: &Transcript,
        header: &[u8; HEADER_LEN],
        plaintext: &[u8],
    ) -> Vec<u8> {
        let (key, nonce) = self.key_and_nonce();
        let mut message = Vec::with_capacity(HEADER_LEN + plaintext.len() + TAG_LEN);
        message.extend_from_slice(header);
        message.extend_from_slice(plaintext);
        let tag = aead::seal(
            &key,
            &nonce,
            &aad(transcript, header),
            &mut message[HEADER_LEN..],
        );
        message.extend_from_slice(&tag);
        message
    }

    pub(super) fn open(
        &self,
        transcript: &Transcript,
        header: &[u8; HEADER_LEN],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, RatchetError> {
        let (ciphertext, tag) = sealed
            .split_last_chunk::<TAG_LEN>()
            .ok_or(RatchetError::Truncated)?;
        let (key, nonce) = self.key_and_nonce();
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        aead::open(&key, &nonce, &aad(transcript, header), &mut plaintext, tag)
            .map_err(|_| RatchetError::OpenFailed)?;
        Ok(plaintext)
    }

    /// `HKDF(salt = "", ikm = message key, info = "securecall v1 message")` → key (32) ‖ nonce (24).
    fn key_and_nonce(&self) -> (Zeroizing<[u8; 32]>, [u8; 24]) {
        let okm = hkdf::<56>(&[], self.0.as_slice(), &[MESSAGE_INFO]);
        let mut key = Zeroizing::new([0; 32]);
        let mut nonce = [0; 24];
        key.copy_from_slice(&okm[..32]);
        nonce.copy_from_slice(&okm[32..]);
        (key, nonce)
    }
}

fn aad(transcript: &Transcript, header: &[u8; HEADER_LEN]) -> [u8; 32 + HEADER_LEN] {
    let mut aad = [0; 32 + HEADER_LEN];
    aad[..32].copy_from_slice(transcript.as_bytes());
    aad[32..].copy_from_slice(header);
    aad
}
