//! What the profile says, told to a person.

use securecall_profile::{
    ChangeError, KeyringError, NoAccount, NoIdentity, NoRandomness, OpenError, OwnAddress,
    PrivacyError, SessionLockError, StorageError, StoreError,
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

impl From<OwnAddress> for Failure {
    fn from(error: OwnAddress) -> Self {
        Self::new(ErrorKind::Usage, error.to_string()).help("name somebody else")
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
                .help("name a directory for the profile alone with --profile DIR"),
            PrivacyError::Storage(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use securecall_profile::Profile;
    use zeroize::Zeroizing;

    use super::*;

    struct Known(&'static str);

    impl securecall_profile::Passphrases for Known {
        type Error = Failure;

        fn given(&self) -> Result<Option<Zeroizing<String>>, Failure> {
            Ok(Some(Zeroizing::new(self.0.to_owned())))
        }

        fn ask(&self) -> Result<Option<Zeroizing<String>>, Failure> {
            Ok(None)
        }

        fn ask_for_new(&self) -> Result<Option<Zeroizing<String>>, Failure> {
            Ok(None)
        }
    }

    #[test]
    fn a_profile_that_cannot_be_used_has_its_kind() {
        let directory = tempfile::tempdir().unwrap();
        let open = |passphrase| {
            let opened = Profile::open(directory.path(), &Known(passphrase));
            opened.map_err(|failure| failure.kind)
        };
        assert_eq!(open("right").unwrap_err(), ErrorKind::NoIdentity);
        let mut profile = Profile::open_or_new(directory.path(), &Known("right")).unwrap();
        profile.change(|_| Ok::<_, Failure>(())).unwrap();
        assert_eq!(open("wrong").unwrap_err(), ErrorKind::WrongPassphrase);
        let kind = Failure::from(profile.account().unwrap_err()).kind;
        assert_eq!(kind, ErrorKind::NoAccount);
        let _first = profile.lock_session("listen").unwrap();
        let second = Failure::from(profile.lock_session("call").unwrap_err());
        assert_eq!(second.kind, ErrorKind::ProfileInUse);
        std::fs::write(directory.path().join("profile.json"), "{}").unwrap();
        assert_eq!(open("right").unwrap_err(), ErrorKind::DamagedStore);
    }
}
