//! Where the key of a profile comes from: a passphrase, or the operating system's keyring.

use std::env;
use std::fmt;
use std::fs;

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::keyring;
use super::sealed_file::SealedFile;
use crate::error::{ErrorKind, Failure};
use crate::prompt;

const PASSPHRASE: &str = "SECURECALL_PASSPHRASE";
const PASSPHRASE_FILE: &str = "SECURECALL_PASSPHRASE_FILE";

/// Argon2id's memory for new profiles, in KiB. With [`PASSES`]: about 60 ms on a laptop of 2023, more than OWASP's least.
const MEMORY_KIB: u32 = 32 * 1024;
/// Argon2id's passes for new profiles.
const PASSES: u32 = 2;
/// The most memory a store may ask for: a changed file must not exhaust the machine.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
/// The most passes a store may ask for.
const MAX_PASSES: u32 = 64;

/// The 32 bytes from which every key of the profile is derived.
pub(crate) struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A key of the profile for one purpose: HKDF-SHA256 with the purpose as info.
    pub(super) fn derive(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let filled = Hkdf::<Sha256>::new(None, &*self.0).expand(purpose, &mut *key);
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

/// How the master key of a profile is found; part of the store, in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub(super) enum KeySource {
    /// Argon2id of a passphrase.
    Passphrase {
        /// 16 random bytes, hexadecimal.
        salt: String,
        memory_kib: u32,
        passes: u32,
    },
    /// 32 random bytes in the operating system's keyring.
    Keyring {
        /// The entry's name.
        entry: String,
    },
}

impl KeySource {
    /// The key of a new profile: passphrase file, passphrase, keyring, prompt, in this order.
    ///
    /// # Errors
    ///
    /// None of them is there.
    pub(super) fn choose() -> Result<(Self, MasterKey), Failure> {
        if let Some(passphrase) = passphrase_from_environment()? {
            return Self::with_passphrase(&passphrase);
        }
        if keyring::is_available() {
            return Self::with_keyring();
        }
        if prompt::can_ask() {
            return Self::with_passphrase(&ask_for_new_passphrase()?);
        }
        Err(no_key())
    }

    /// The key of the profile that `file` is.
    ///
    /// # Errors
    ///
    /// The passphrase is wrong or missing, the keyring does not have the key.
    pub(super) fn unlock(&self, file: &SealedFile) -> Result<MasterKey, Failure> {
        match self {
            Self::Keyring { entry } => {
                let key = MasterKey(keyring::read(entry)?);
                if file.fits(&key) {
                    Ok(key)
                } else {
                    Err(keyring::wrong_key())
                }
            }
            Self::Passphrase {
                salt,
                memory_kib,
                passes,
            } => {
                let passphrase =
                    passphrase_from_environment()?.map_or_else(ask_for_passphrase, Ok)?;
                let key = argon2id(&passphrase, salt, *memory_kib, *passes)?;
                if file.fits(&key) {
                    Ok(key)
                } else {
                    Err(wrong_passphrase())
                }
            }
        }
    }

    fn with_passphrase(passphrase: &str) -> Result<(Self, MasterKey), Failure> {
        let mut salt = [0; 16];
        fill_random(&mut salt)?;
        let salt = HEXLOWER.encode(&salt);
        let key = argon2id(passphrase, &salt, MEMORY_KIB, PASSES)?;
        Ok((
            Self::Passphrase {
                salt,
                memory_kib: MEMORY_KIB,
                passes: PASSES,
            },
            key,
        ))
    }

    fn with_keyring() -> Result<(Self, MasterKey), Failure> {
        let mut name = [0; 8];
        fill_random(&mut name)?;
        let entry = format!("profile-{}", HEXLOWER.encode(&name));
        let mut key = Zeroizing::new([0; 32]);
        fill_random(&mut *key)?;
        keyring::write(&entry, &key)?;
        Ok((Self::Keyring { entry }, MasterKey(key)))
    }
}

/// Random bytes of the operating system.
pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes).map_err(|error| {
        Failure::new(
            ErrorKind::StorageFailed,
            format!("the operating system gives no random numbers: {error}"),
        )
    })
}

fn passphrase_from_environment() -> Result<Option<Zeroizing<String>>, Failure> {
    if let Some(path) = env::var_os(PASSPHRASE_FILE).filter(|path| !path.is_empty()) {
        let text = fs::read_to_string(&path)
            .map(Zeroizing::new)
            .map_err(|error| {
                let path = path.display();
                Failure::new(
                    ErrorKind::InvalidFile,
                    format!("{PASSPHRASE_FILE}: {path}: {error}"),
                )
            })?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        return non_empty(PASSPHRASE_FILE, line.strip_suffix('\r').unwrap_or(line)).map(Some);
    }
    match env::var(PASSPHRASE) {
        Ok(text) => non_empty(PASSPHRASE, &Zeroizing::new(text)).map(Some),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Failure::new(
            ErrorKind::InvalidConfig,
            format!("{PASSPHRASE} is not valid Unicode"),
        )),
    }
}

fn non_empty(name: &str, passphrase: &str) -> Result<Zeroizing<String>, Failure> {
    if passphrase.is_empty() {
        return Err(Failure::new(
            ErrorKind::InvalidConfig,
            format!("{name} gives an empty passphrase"),
        ));
    }
    Ok(Zeroizing::new(passphrase.to_owned()))
}

fn ask_for_passphrase() -> Result<Zeroizing<String>, Failure> {
    if prompt::can_ask() {
        prompt::hidden("Passphrase of the profile")
    } else {
        Err(no_key())
    }
}

fn ask_for_new_passphrase() -> Result<Zeroizing<String>, Failure> {
    let first = prompt::hidden("Passphrase for the new profile")?;
    if first.is_empty() {
        return Err(Failure::new(
            ErrorKind::NoKey,
            "an empty passphrase protects nothing: nothing was written",
        ));
    }
    if *prompt::hidden("The same again")? != *first {
        return Err(Failure::new(
            ErrorKind::NoKey,
            "the two passphrases differ: nothing was written",
        ));
    }
    Ok(first)
}

fn argon2id(
    passphrase: &str,
    salt: &str,
    memory_kib: u32,
    passes: u32,
) -> Result<MasterKey, Failure> {
    let salt = HEXLOWER
        .decode(salt.as_bytes())
        .map_err(|_| SealedFile::damaged("its salt"))?;
    if memory_kib > MAX_MEMORY_KIB || passes > MAX_PASSES {
        return Err(SealedFile::damaged("its Argon2 parameters"));
    }
    let params = Params::new(memory_kib, passes, 1, Some(32))
        .map_err(|_| SealedFile::damaged("its Argon2 parameters"))?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), &salt, &mut *key)
        .map_err(|_| SealedFile::damaged("its Argon2 parameters"))?;
    Ok(MasterKey(key))
}

fn no_key() -> Failure {
    Failure::new(
        ErrorKind::NoKey,
        "there is no key for the profile: no passphrase, no keyring, and nobody to ask",
    )
    .help(format!(
        "set {PASSPHRASE_FILE} or {PASSPHRASE}, or run this in a terminal; nothing was written"
    ))
}

fn wrong_passphrase() -> Failure {
    Failure::new(ErrorKind::WrongPassphrase, "the passphrase is not this profile's")
        .help(format!("check {PASSPHRASE_FILE} and {PASSPHRASE}; without the passphrase, `securecall id restore` in a new profile brings your identity back"))
}
