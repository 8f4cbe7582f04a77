//! The X25519 identity key: our own pair, and the public key that is somebody's address.

use std::fmt;

use x25519_dalek::StaticSecret;

use super::seed::IdentitySeed;
use crate::dh::{self, SecretKey};
use crate::kdf::hkdf;

const IDENTITY_INFO: &[u8] = b"securecall v1 identity key";

/// 2²⁵⁵ − 19, little-endian.
const PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    prime
};

/// The canonical u-coordinates of low order: 0, 1, both of order 8, and p − 1.
const LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    {
        let mut minus_one = PRIME;
        minus_one[0] = 0xec;
        minus_one
    },
];

/// Why 32 bytes are not an identity key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityKeyError {
    /// Not below 2²⁵⁵ − 19: the same key could be written in two ways.
    #[error("the key is not in canonical form")]
    NonCanonical,
    /// A key of low order, with which every shared secret is known to everybody.
    #[error("the key is of low order and protects nothing")]
    LowOrder,
}

/// A user's public identity key: canonical and not of low order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityKey([u8; 32]);

impl IdentityKey {
    /// Checks 32 bytes, little-endian u-coordinate as in RFC 7748.
    ///
    /// # Errors
    ///
    /// Refuses what is not below 2²⁵⁵ − 19 and what is of low order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, IdentityKeyError> {
        if bytes.iter().rev().cmp(PRIME.iter().rev()).is_ge() {
            return Err(IdentityKeyError::NonCanonical);
        }
        if LOW_ORDER.contains(&bytes) {
            return Err(IdentityKeyError::LowOrder);
        }
        Ok(Self(bytes))
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The key is an address and goes to logs by another road: only its first two bytes are shown.
impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([first, second, ..]) = self;
        write!(f, "IdentityKey({first:02x}{second:02x}..)")
    }
}

/// Our own identity key pair.
pub struct IdentityKeyPair {
    secret: SecretKey,
    public: IdentityKey,
}

impl IdentityKeyPair {
    /// The key pair of a seed: HKDF-SHA256 with info `"securecall v1 identity key"`, clamped as X25519 does.
    #[must_use]
    pub fn from_seed(seed: &IdentitySeed) -> Self {
        let okm = hkdf::<32>(&[], seed.as_bytes(), &[IDENTITY_INFO]);
        let secret = Box::new(StaticSecret::from(*okm));
        let public = IdentityKey(dh::public(&secret));
        Self { secret, public }
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> IdentityKey {
        self.public
    }

    pub(crate) fn secret(&self) -> &StaticSecret {
        &self.secret
    }
}

impl fmt::Debug for IdentityKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret: _, public } = self;
        f.debug_struct("IdentityKeyPair")
            .field("public", public)
            .finish_non_exhaustive()
    }
}
