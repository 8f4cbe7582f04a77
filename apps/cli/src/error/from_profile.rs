//! What the profile says, told to a person.

use securecall_profile::{
    ChangeError, KeyringError, NoAccount, NoIdentity, NoRandomness, OpenError, PrivacyError,
    SessionLockError, StorageError, StoreError,
};

use super::{ErrorKind, Failure, WITHOUT_RANDOMNESS};
use crate::passphrases::{PASSPHRASE, PASSPHRASE_FILE};

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::storage(&error.path, &error.source)
    }
}

impl From<NoRandomness> for Failure {
    fn from(error: NoRandomness) -> Self {
        Self::new(ErrorKind::StorageFailed, error.to_string()).help(WITHOUT_RANDOMNESS)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Damaged { .. } => Self::new(ErrorKind::DamagedStore, message)
                .help("restore the file from a backup; without one, `securecall id restore` in a new profile (--profile DIR) brings your identity back"),
            StoreError::Newer { .. } => {
                Self::new(ErrorKind::NewerStore, message).help("update securecall; nothing was changed")
            }
            StoreError::Storage(error) => error.into(),
            StoreError::NoRandomness(error) => error.into(),
            StoreError::Internal { .. } => Self::bug(message),
        }
    }
}

impl From<NoIdentity> for Failure {
    fn from(error: NoIdentity) -> Self {
        Self::new(ErrorKind::NoIdentity, error.to_string()).help(
            "make one with `securecall id new`, or bring yours back with `securecall id restore`",
        )
    }
}

impl From<NoAccount> for Failure {
    fn from(error: NoAccount) -> Self {
        Self::new(ErrorKind::NoAccount, error.to_string())
            .help("make one with `securecall register --homeserver URL`, or use one you have with `securecall login`")
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let message = error.to_string();
        match error {
            OpenError::NoIdentity(error) => error.into(),
            OpenError::NoKey => Self::new(ErrorKind::NoKey, message).help(format!(
                "set {PASSPHRASE_FILE} or {PASSPHRASE}, or run this in a terminal; nothing was written"
            )),
            OpenError::WrongPassphrase => Self::new(ErrorKind::WrongPassphrase, message).help(format!(
                "check {PASSPHRASE_FILE} and {PASSPHRASE}; without the passphrase, `securecall id restore` in a new profile brings your identity back"
            )),
            OpenError::Keyring(error) => error.into(),
            OpenError::Store(error) => error.into(),
        }
    }
}

impl From<KeyringError> for Failure {
    fn from(error: KeyringError) -> Self {
        Self::new(ErrorKind::KeyringFailed, error.to_string())
            .help("log in to your desktop session and unlock the keyring; or bring your identity back in a new profile with `securecall id restore`")
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        let message = error.to_string();
        match error {
            ChangeError::Busy => Self::new(ErrorKind::ProfileInUse, message).help(END_THE_OTHER),
            ChangeError::AnotherIdentity => Self::new(ErrorKind::IdentityExists, message).help(
                "see it with `securecall id show`, or use another profile with --profile DIR",
            ),
            ChangeError::AnotherKey => {
                Self::new(ErrorKind::ProfileInUse, message).help("try again")
            }
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<SessionLockError> for Failure {
    fn from(error: SessionLockError) -> Self {
        let message = error.to_string();
        match error {
            SessionLockError::InUse { .. } => {
                Self::new(ErrorKind::ProfileInUse, message).help(END_THE_OTHER)
            }
            SessionLockError::Storage(error) => error.into(),
        }
    }
}

const END_THE_OTHER: &str = "end that process first, or use another profile with --profile DIR";

impl From<PrivacyError> for Failure {
    fn from(error: PrivacyError) -> Self {
        let message = error.to_string();
        match error {
            PrivacyError::OfAnotherUser(_) => Self::new(ErrorKind::StorageFailed, message)
                .help("name a directory of your own with --profile DIR"),
            PrivacyError::HoldsMore(_) => Self::new(ErrorKind::StorageFailed, message)
                .help("close it with `chmod 700`, or name a directory for the profile alone with --profile DIR"),
            PrivacyError::Storage(error) => error.into(),
        }
    }
}
