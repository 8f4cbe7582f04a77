//! Why a profile cannot be opened.

use securecall_randomness::NoRandomness;

use crate::keyring::KeyringError;
use crate::storage_error::StorageError;
use crate::store_error::StoreError;

/// A profile could not be opened, or a new one not begun.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no profile yet.
    #[error(transparent)]
    NoIdentity(#[from] NoIdentity),
    /// Nothing gives a key.
    #[error("there is no key for the profile: no passphrase, no keyring, and nobody to ask")]
    NoKey,
    /// Another passphrase was given than the profile's.
    #[error("the passphrase is not this profile's")]
    WrongPassphrase,
    /// The key is in a keyring, or should be.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The profile has no identity yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this profile has no identity yet")]
pub struct NoIdentity;

/// The profile has no account yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this profile has no account on a homeserver yet")]
pub struct NoAccount;

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> Self {
        Self::Store(error.into())
    }
}

impl From<NoRandomness> for OpenError {
    fn from(error: NoRandomness) -> Self {
        Self::Store(error.into())
    }
}
