//! The key that everything in a profile is sealed under.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use securecall_randomness::{NoRandomness, fill_random};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::store_error::StoreError;

/// The most memory a store may ask for: a changed file must not exhaust the machine.
const MAX_MEMORY_KIB: u32 = 512 * 1024;
/// The most passes a store may ask for.
const MAX_PASSES: u32 = 16;

/// The 32 bytes from which the keys of the profile are derived. On the heap, so that moving them leaves no copy behind.
pub(crate) struct MasterKey(Box<Zeroizing<[u8; 32]>>);

impl MasterKey {
    /// A fresh one.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub(crate) fn random() -> Result<Self, NoRandomness> {
        let mut key = Self::empty();
        fill_random(key.0.as_mut_slice())?;
        Ok(key)
    }

    /// The one that was kept.
    pub(crate) fn kept(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(Box::new(bytes))
    }

    /// Argon2id (RFC 9106) of a passphrase.
    ///
    /// # Errors
    ///
    /// The parameters, which come out of a file, are none, or too much.
    pub(crate) fn of_passphrase(
        passphrase: &str,
        salt: &str,
        memory_kib: u32,
        passes: u32,
    ) -> Result<Self, StoreError> {
        let salt = HEXLOWER
            .decode(salt.as_bytes())
            .map_err(|_| StoreError::damaged("its salt"))?;
        if memory_kib > MAX_MEMORY_KIB || passes > MAX_PASSES {
            return Err(StoreError::damaged("its Argon2 parameters"));
        }
        let params = Params::new(memory_kib, passes, 1, Some(32))
            .map_err(|_| StoreError::damaged("its Argon2 parameters"))?;
        let mut key = Self::empty();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), &salt, key.0.as_mut_slice())
            .map_err(|_| StoreError::damaged("its Argon2 parameters"))?;
        Ok(key)
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Box::new(Zeroizing::new(*bytes)))
    }

    /// Filled in place.
    fn empty() -> Self {
        Self(Box::new(Zeroizing::new([0; 32])))
    }

    /// The key itself, for a keyring.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key of the profile for one purpose: HKDF-SHA256 with the purpose as info.
    pub(crate) fn derive(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let filled = Hkdf::<Sha256>::new(None, self.0.as_slice()).expand(purpose, &mut *key);
        debug_assert!(filled.is_ok(), "32 bytes are within what HKDF gives");
        key
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("MasterKey(..)")
    }
}
