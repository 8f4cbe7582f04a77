//! MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 with long-term credentials (RFC 8489 sections 9.2 and 14.5).

use std::fmt;

use hmac::{Hmac, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::AttributeType;

/// Which hash a server wants the credentials and the messages to be hashed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrityAlgorithm {
    /// The key is the MD5 of the credentials, the code HMAC-SHA1: what all servers speak (RFC 5389).
    Md5,
    /// SHA-256 for both (RFC 8489).
    Sha256,
}

impl IntegrityAlgorithm {
    /// Length of the code in bytes.
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Md5 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The attribute that holds the code.
    pub(super) const fn attribute(self) -> AttributeType {
        match self {
            Self::Md5 => AttributeType::MESSAGE_INTEGRITY,
            Self::Sha256 => AttributeType::MESSAGE_INTEGRITY_SHA256,
        }
    }
}

/// What requests to one server are authenticated with, and its responses. Wiped when dropped.
#[derive(Clone)]
pub struct IntegrityKey {
    algorithm: IntegrityAlgorithm,
    key: Zeroizing<Vec<u8>>,
}

impl IntegrityKey {
    /// The key of long-term credentials (RFC 8489 section 9.2.2). SASLprep is left to whoever made the
    /// credentials: those of homeservers are ASCII.
    pub fn long_term(
        algorithm: IntegrityAlgorithm,
        username: &str,
        realm: &str,
        password: &str,
    ) -> Self {
        let parts: [&[u8]; 5] = [
            username.as_bytes(),
            b":",
            realm.as_bytes(),
            b":",
            password.as_bytes(),
        ];
        let key = match algorithm {
            IntegrityAlgorithm::Md5 => hash::<Md5>(parts),
            IntegrityAlgorithm::Sha256 => hash::<Sha256>(parts),
        };
        Self { algorithm, key }
    }

    /// Which hash the server wants.
    pub fn algorithm(&self) -> IntegrityAlgorithm {
        self.algorithm
    }

    /// The code over these parts of a message, one after the other.
    pub(super) fn code<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        match self.algorithm {
            IntegrityAlgorithm::Md5 => {
                let mut mac = keyed::<Hmac<Sha1>>(&self.key);
                parts.into_iter().for_each(|part| mac.update(part));
                mac.finalize().into_bytes().to_vec()
            }
            IntegrityAlgorithm::Sha256 => {
                let mut mac = keyed::<Hmac<Sha256>>(&self.key);
                parts.into_iter().for_each(|part| mac.update(part));
                mac.finalize().into_bytes().to_vec()
            }
        }
    }
}

/// HMAC-SHA1, as credentials of homeservers are made too.
pub(crate) fn hmac_sha1(key: &[u8], message: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut mac = keyed::<Hmac<Sha1>>(key);
    mac.update(message);
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

fn hash<H: sha2::Digest>(parts: [&[u8]; 5]) -> Zeroizing<Vec<u8>> {
    let mut hash = H::new();
    parts.into_iter().for_each(|part| hash.update(part));
    Zeroizing::new(hash.finalize().to_vec())
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn keyed<M: hmac::KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC takes keys of any length")
}

impl fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { algorithm, key: _ } = self;
        write!(f, "IntegrityKey({algorithm:?})")
    }
}
