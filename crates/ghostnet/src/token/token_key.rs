//! The public key of an issuer.

use std::fmt;

use data_encoding::{BASE64URL, HEXLOWER};
use rsa::PublicKey;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::blind_rsa::{self, MODULUS_LENGTH, Octets};

/// The octets of an encoded key.
pub const TOKEN_KEY_LENGTH: usize = PREFIX.len() + MODULUS_LENGTH + SUFFIX.len();

/// A SubjectPublicKeyInfo up to the modulus: id-RSASSA-PSS with SHA-384, MGF1 of SHA-384 and a salt of 48 octets (RFC 9578 section
/// 6.5). DER and a fixed size of keys leave one encoding only.
const PREFIX: [u8; 81] = [
    0x30, 0x82, 0x01, 0x52, 0x30, 0x3d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x0a, 0x30, 0x30, 0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
    0x02, 0x02, 0xa1, 0x1a, 0x30, 0x18, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x08, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0xa2, 0x03,
    0x02, 0x01, 0x30, 0x03, 0x82, 0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01,
    0x00,
];
/// The public exponent, 65537.
const SUFFIX: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];
pub(super) const EXPONENT: u64 = 65_537;

/// What names a key: the SHA-256 of its encoding (`token_key_id`, RFC 9578 section 6.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenKeyId(pub [u8; 32]);

impl TokenKeyId {
    /// The last octet, which a request names the key by: too little to know a client by it.
    pub const fn truncated(&self) -> u8 {
        self.0[31]
    }
}

impl fmt::Display for TokenKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for TokenKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKeyId({self})")
    }
}

/// An issuer's public key for tokens of type 2.
#[derive(Clone)]
pub struct TokenKey {
    key: PublicKey,
    encoded: Box<[u8; TOKEN_KEY_LENGTH]>,
    id: TokenKeyId,
}

impl TokenKey {
    /// Reads the DER of a SubjectPublicKeyInfo.
    pub fn from_der(der: &[u8]) -> Result<Self, TokenKeyError> {
        let modulus: &Octets = der
            .strip_prefix(&PREFIX)
            .and_then(|rest| rest.strip_suffix(&SUFFIX))
            .and_then(|modulus| modulus.try_into().ok())
            .ok_or(TokenKeyError::Encoding)?;
        let [first, .., last] = modulus;
        // As many bits as it has octets for; and no even number has a Montgomery form.
        if first & 0x80 == 0 || last & 1 == 0 {
            return Err(TokenKeyError::Modulus);
        }
        let number = blind_rsa::number(modulus).ok_or(TokenKeyError::Modulus)?;
        let key = PublicKey::new(number, EXPONENT.into()).map_err(|_| TokenKeyError::Modulus)?;
        Ok(Self::new(key, modulus))
    }

    /// Reads base64url with padding, as challenges and directories have it.
    pub fn from_base64url(text: &str) -> Result<Self, TokenKeyError> {
        if text.len() != BASE64URL.encode_len(TOKEN_KEY_LENGTH) {
            return Err(TokenKeyError::Encoding);
        }
        let der = BASE64URL
            .decode(text.as_bytes())
            .map_err(|_| TokenKeyError::Encoding)?;
        Self::from_der(&der)
    }

    /// The DER of its SubjectPublicKeyInfo.
    pub fn as_der(&self) -> &[u8; TOKEN_KEY_LENGTH] {
        &self.encoded
    }

    /// Base64url with padding.
    pub fn to_base64url(&self) -> String {
        BASE64URL.encode(self.encoded.as_ref())
    }

    /// What names it.
    pub const fn id(&self) -> TokenKeyId {
        self.id
    }

    pub(super) const fn public(&self) -> &PublicKey {
        &self.key
    }

    pub(super) fn new(key: PublicKey, modulus: &Octets) -> Self {
        let mut encoded = Box::new([0; TOKEN_KEY_LENGTH]);
        let (prefix, rest) = encoded.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(&PREFIX);
        let (middle, suffix) = rest.split_at_mut(MODULUS_LENGTH);
        middle.copy_from_slice(modulus);
        suffix.copy_from_slice(&SUFFIX);
        let id = TokenKeyId(Sha256::digest(encoded.as_ref()).into());
        Self { key, encoded, id }
    }
}

impl PartialEq for TokenKey {
    fn eq(&self, other: &Self) -> bool {
        self.encoded == other.encoded
    }
}

impl Eq for TokenKey {}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({})", self.id)
    }
}

/// Why something is no key for tokens of type 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenKeyError {
    /// It is no SubjectPublicKeyInfo of such a key.
    #[error(
        "not a key for tokens of type 2: expected id-RSASSA-PSS with SHA-384, 2048 bits and exponent 65537"
    )]
    Encoding,
    /// The modulus cannot be one.
    #[error("the modulus is not an odd number of 2048 bits, or the exponent is not 65537")]
    Modulus,
}
