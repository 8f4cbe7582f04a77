//! The key of a profile that is there, and of one that is to be made.

use zeroize::Zeroizing;

use crate::key_source::{KeySource, MEMORY_KIB, PASSES, normalized};
use crate::keyring::{self, KeyringError};
use crate::master_key::MasterKey;
use crate::open_error::OpenError;
use crate::passphrases::Passphrases;
use crate::sealed_file::SealedFile;

/// The key of a profile that was opened.
pub(crate) struct Unlocked {
    pub(crate) key: MasterKey,
    /// What the profile is to be sealed with from now on: it was opened with less than what new ones get.
    pub(crate) better: Option<(KeySource, MasterKey)>,
}

/// The key of a new profile: a passphrase that is given, the keyring, a passphrase that is asked for, in this order.
///
/// # Errors
///
/// None of them is there.
pub(crate) fn choose<P: Passphrases>(passphrases: &P) -> Result<(KeySource, MasterKey), P::Error> {
    if let Some(passphrase) = passphrases.given()? {
        return with_passphrase(&passphrase);
    }
    if keyring::is_available() {
        return Ok(KeySource::with_keyring()?);
    }
    match passphrases.ask_for_new()? {
        Some(passphrase) => with_passphrase(&passphrase),
        None => Err(OpenError::NoKey.into()),
    }
}

fn with_passphrase<E: From<OpenError>>(passphrase: &str) -> Result<(KeySource, MasterKey), E> {
    Ok(KeySource::with_passphrase(passphrase).map_err(OpenError::from)?)
}

/// The key of the profile that `file` is.
///
/// # Errors
///
/// The passphrase is wrong or missing, the keyring does not have the key.
pub(crate) fn unlock<P: Passphrases>(
    file: &SealedFile,
    passphrases: &P,
) -> Result<Unlocked, P::Error> {
    match &file.source {
        KeySource::Keyring { entry } => Ok(with_keyring(entry, file)?),
        KeySource::Passphrase {
            salt,
            memory_kib,
            passes,
        } => {
            let given = match passphrases.given()? {
                None => passphrases.ask()?,
                given => given,
            };
            let passphrase = given.ok_or(OpenError::NoKey)?;
            let unlocked = with_known_passphrase(&passphrase, salt, *memory_kib, *passes, file)?;
            Ok(unlocked)
        }
    }
}

fn with_keyring(entry: &str, file: &SealedFile) -> Result<Unlocked, OpenError> {
    let key = MasterKey::kept(keyring::read(entry)?);
    if file.fits(&key) {
        Ok(Unlocked { key, better: None })
    } else {
        Err(KeyringError::WrongKey.into())
    }
}

fn with_known_passphrase(
    passphrase: &Zeroizing<String>,
    salt: &str,
    memory_kib: u32,
    passes: u32,
    file: &SealedFile,
) -> Result<Unlocked, OpenError> {
    let normal = normalized(passphrase);
    let is_weak = memory_kib < MEMORY_KIB || passes < PASSES;
    // Earlier versions took the passphrase as it was typed.
    let as_typed = (**passphrase != *normal).then_some(passphrase);
    for (form, is_old) in [(&normal, is_weak)]
        .into_iter()
        .chain(as_typed.map(|it| (it, true)))
    {
        let key = MasterKey::of_passphrase(form, salt, memory_kib, passes)?;
        if file.fits(&key) {
            let better = is_old
                .then(|| KeySource::with_passphrase(&normal))
                .transpose()?;
            return Ok(Unlocked { key, better });
        }
    }
    Err(OpenError::WrongPassphrase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;

    #[test]
    fn whatever_is_less_than_new_profiles_get_is_bettered_and_nothing_else() {
        let salt = "050b34767036187d804d6a90adfdb4ad";
        for (memory_kib, passes, is_weak) in [
            (MEMORY_KIB - 8, PASSES, true),
            (MEMORY_KIB, PASSES - 1, true),
            (MEMORY_KIB, PASSES, false),
            (MEMORY_KIB + 8, PASSES + 1, false),
        ] {
            let source = KeySource::Passphrase {
                salt: salt.to_owned(),
                memory_kib,
                passes,
            };
            let passphrase = Zeroizing::new("correct horse".to_owned());
            let key = MasterKey::of_passphrase(&passphrase, salt, memory_kib, passes).unwrap();
            let file = SealedFile::seal(&source, &key, &Content::default()).unwrap();
            let unlock = |passphrase: &Zeroizing<String>| {
                with_known_passphrase(passphrase, salt, memory_kib, passes, &file)
            };
            let unlocked = unlock(&passphrase).unwrap();
            assert_eq!(
                unlocked.better.is_some(),
                is_weak,
                "{memory_kib} KiB, {passes} passes"
            );
            let wrong = Zeroizing::new("battery staple".to_owned());
            assert!(unlock(&wrong).is_err());
        }
    }
}
