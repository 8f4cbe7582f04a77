//! Where the key of a profile comes from: a passphrase, or the operating system's keyring.

use std::env;
use std::fmt;
use std::fs::File;
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::keyring;
use super::sealed_file::SealedFile;
use crate::error::{ErrorKind, Failure};
use crate::prompt;
use crate::secret_input;

const PASSPHRASE: &str = "SECURECALL_PASSPHRASE";
const PASSPHRASE_FILE: &str = "SECURECALL_PASSPHRASE_FILE";

/// Argon2id's memory, in KiB. With [`PASSES`]: about 200 ms on a laptop of 2023. An identity cannot be revoked, so a profile that is
/// stolen is guessed at for as long as it takes; RFC 9106 recommends this much for machines with little memory.
const MEMORY_KIB: u32 = 64 * 1024;
/// Argon2id's passes.
const PASSES: u32 = 3;
/// The most memory a store may ask for: a changed file must not exhaust the machine.
const MAX_MEMORY_KIB: u32 = 512 * 1024;
/// The most passes a store may ask for.
const MAX_PASSES: u32 = 16;

/// The 32 bytes from which the keys of the profile are derived. On the heap, so that moving them leaves no copy behind.
pub(crate) struct MasterKey(Box<Zeroizing<[u8; 32]>>);

impl MasterKey {
    /// Filled in place.
    fn empty() -> Self {
        Self(Box::new(Zeroizing::new([0; 32])))
    }

    #[cfg(test)]
    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Box::new(Zeroizing::new(*bytes)))
    }

    /// A key of the profile for one purpose: HKDF-SHA256 with the purpose as info.
    pub(super) fn derive(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
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

/// The key of a profile that was opened.
pub(super) struct Unlocked {
    pub(super) key: MasterKey,
    /// What the profile is to be sealed with from now on: it was opened with less than what new ones get.
    pub(super) better: Option<(KeySource, MasterKey)>,
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
    pub(super) fn unlock(&self, file: &SealedFile) -> Result<Unlocked, Failure> {
        match self {
            Self::Keyring { entry } => {
                let key = MasterKey(Box::new(keyring::read(entry)?));
                if file.fits(&key) {
                    Ok(Unlocked { key, better: None })
                } else {
                    Err(keyring::wrong_key())
                }
            }
            Self::Passphrase { .. } => {
                let passphrase =
                    passphrase_from_environment()?.map_or_else(ask_for_passphrase, Ok)?;
                self.unlock_with(&passphrase, file)
            }
        }
    }

    fn unlock_with(
        &self,
        passphrase: &Zeroizing<String>,
        file: &SealedFile,
    ) -> Result<Unlocked, Failure> {
        let Self::Passphrase {
            salt,
            memory_kib,
            passes,
        } = self
        else {
            return Err(wrong_passphrase());
        };
        let normal = normalized(passphrase);
        let is_weak = *memory_kib < MEMORY_KIB || *passes < PASSES;
        // Earlier versions took the passphrase as it was typed.
        let as_typed = (**passphrase != *normal).then_some(passphrase);
        for (form, is_old) in [(&normal, is_weak)]
            .into_iter()
            .chain(as_typed.map(|it| (it, true)))
        {
            let key = argon2id(form, salt, *memory_kib, *passes)?;
            if file.fits(&key) {
                let better = is_old.then(|| Self::with_passphrase(&normal)).transpose()?;
                return Ok(Unlocked { key, better });
            }
        }
        Err(wrong_passphrase())
    }

    fn with_passphrase(passphrase: &str) -> Result<(Self, MasterKey), Failure> {
        let mut salt = [0; 16];
        fill_random(&mut salt)?;
        let salt = HEXLOWER.encode(&salt);
        let key = argon2id(&normalized(passphrase), &salt, MEMORY_KIB, PASSES)?;
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
        let mut key = MasterKey::empty();
        fill_random(key.0.as_mut_slice())?;
        keyring::write(&entry, &key.0)?;
        Ok((Self::Keyring { entry }, key))
    }
}

/// Random bytes of the operating system.
///
/// # Errors
///
/// It has none to give; what is in `bytes` must not be used then.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes).map_err(Failure::no_randomness)
}

fn passphrase_from_environment() -> Result<Option<Zeroizing<String>>, Failure> {
    if let Some(path) = env::var_os(PASSPHRASE_FILE).filter(|path| !path.is_empty()) {
        let text = passphrase_file(Path::new(&path))?;
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

fn passphrase_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |why: &dyn fmt::Display| {
        Failure::new(
            ErrorKind::InvalidFile,
            format!("{PASSPHRASE_FILE}: {}: {why}", path.display()),
        )
    };
    let text = File::open(path)
        .and_then(secret_input::read_text_to_end)
        .map_err(|error| failed(&error))?;
    text.ok_or_else(|| failed(&"too long for a passphrase"))
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

/// The passphrase in Unicode's composed form (NFC): one system's keyboard gives "é" as one character, another's as two.
fn normalized(passphrase: &str) -> Zeroizing<String> {
    // NFC takes at most three times the room (UAX #15), and a text that grows would leave parts of it behind in memory.
    let mut normal = Zeroizing::new(String::with_capacity(3 * passphrase.len()));
    normal.extend(passphrase.nfc());
    normal
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
    let mut key = MasterKey::empty();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), &salt, key.0.as_mut_slice())
        .map_err(|_| SealedFile::damaged("its Argon2 parameters"))?;
    Ok(key)
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

#[cfg(test)]
mod tests {
    use securecall_freed_memory::copies_left_by;

    use super::*;
    use crate::profile::content::Content;

    const LONG: &str = "caf\u{e9} au lait, caf\u{e9} cr\u{e8}me, caf\u{e9} noisette";

    fn part(text: &str) -> [u8; 32] {
        text.as_bytes()[..32].try_into().unwrap()
    }

    #[test]
    fn a_passphrase_is_composed_and_leaves_nothing_behind() {
        let decomposed: String = LONG.nfd().collect();
        assert_ne!(decomposed, LONG);
        assert_eq!(normalized(&decomposed).as_str(), LONG);
        assert_eq!(normalized(LONG).as_str(), LONG);
        let secrets = [part(LONG), part(&decomposed)];
        let left = copies_left_by(&secrets, || drop(normalized(&decomposed)));
        assert_eq!(left, 0);
    }

    #[test]
    fn whatever_is_less_than_new_profiles_get_is_bettered_and_nothing_else() {
        for (memory_kib, passes, is_weak) in [
            (MEMORY_KIB - 8, PASSES, true),
            (MEMORY_KIB, PASSES - 1, true),
            (MEMORY_KIB, PASSES, false),
            (MEMORY_KIB + 8, PASSES + 1, false),
        ] {
            let source = KeySource::Passphrase {
                salt: "050b34767036187d804d6a90adfdb4ad".to_owned(),
                memory_kib,
                passes,
            };
            let passphrase = Zeroizing::new("correct horse".to_owned());
            let KeySource::Passphrase { salt, .. } = &source else {
                unreachable!("it is made above")
            };
            let key = argon2id(&passphrase, salt, memory_kib, passes).unwrap();
            let file = SealedFile::seal(&source, &key, &Content::default()).unwrap();
            let unlocked = source.unlock_with(&passphrase, &file).unwrap();
            assert_eq!(
                unlocked.better.is_some(),
                is_weak,
                "{memory_kib} KiB, {passes} passes"
            );
            let wrong = Zeroizing::new("battery staple".to_owned());
            assert!(source.unlock_with(&wrong, &file).is_err());
        }
    }

    /// The character that grows most: three bytes become nine.
    #[test]
    fn the_room_for_the_composed_form_is_enough() {
        let growing = "\u{fb2c}\u{1d160}\u{0390}".repeat(100);
        let normal = normalized(&growing);
        assert!(normal.len() > growing.len());
        assert_eq!(normal.capacity(), 3 * growing.len());
    }

    #[test]
    fn a_passphrase_file_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        std::fs::write(&path, LONG.repeat(100)).unwrap();
        let secrets = [part(LONG)];
        let left = copies_left_by(&secrets, || {
            let text = passphrase_file(&path).unwrap();
            drop(non_empty("name", &text).unwrap());
        });
        assert_eq!(left, 0);
    }
}
