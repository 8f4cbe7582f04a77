//! The keys of who publishes a directory: Ed25519 (RFC 8032).

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

/// Before what is signed, so that a signature is good for nothing else.
const CONTEXT: &[u8] = b"SecureCall relay directory v1\0";

/// Signs directories. It is wiped when it is dropped.
pub struct DirectorySigningKey(SigningKey);

impl DirectorySigningKey {
    /// Makes one.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self(SigningKey::from_bytes(&seed))
    }

    /// Reads the base64 of 32 octets.
    pub fn from_base64(text: &str) -> Result<Self, DirectoryKeyError> {
        let seed = Zeroizing::new(octets(text.trim())?);
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The base64 of its 32 octets. Secret.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(self.0.as_bytes()))
    }

    /// What is published of it.
    pub fn public(&self) -> DirectoryKey {
        DirectoryKey(self.0.verifying_key())
    }

    pub(super) fn sign(&self, payload: &[u8]) -> [u8; 64] {
        self.0.sign(&[CONTEXT, payload].concat()).to_bytes()
    }
}

impl fmt::Debug for DirectorySigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirectorySigningKey({}, ..)", self.public())
    }
}

/// Whose directories are trusted: the base64 of 32 octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DirectoryKey(VerifyingKey);

impl DirectoryKey {
    /// Whether it signed this. Signatures that could be changed into others for the same payload are none.
    pub(super) fn has_signed(&self, payload: &[u8], signature: &[u8; 64]) -> bool {
        let message = [CONTEXT, payload].concat();
        let signature = Signature::from_bytes(signature);
        self.0.verify_strict(&message, &signature).is_ok()
    }
}

impl FromStr for DirectoryKey {
    type Err = DirectoryKeyError;

    fn from_str(text: &str) -> Result<Self, DirectoryKeyError> {
        VerifyingKey::from_bytes(&octets(text)?)
            .ok()
            .filter(|key| !key.is_weak())
            .map(Self)
            .ok_or(DirectoryKeyError)
    }
}

impl fmt::Display for DirectoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for DirectoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirectoryKey({self})")
    }
}

fn octets(text: &str) -> Result<[u8; 32], DirectoryKeyError> {
    if text.len() != BASE64.encode_len(32) {
        return Err(DirectoryKeyError);
    }
    let bytes = BASE64.decode(text.as_bytes()).map(Zeroizing::new);
    bytes
        .ok()
        .and_then(|bytes| bytes.as_slice().try_into().ok())
        .ok_or(DirectoryKeyError)
}

/// A text is no key of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a key of a relay directory: expected 32 octets of Ed25519 as 44 characters of base64")]
pub struct DirectoryKeyError;
