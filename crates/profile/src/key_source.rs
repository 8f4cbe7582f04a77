//! Where the key of a profile comes from: a passphrase, or the operating system's keyring.

use data_encoding::HEXLOWER;
use securecall_randomness::fill_random;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::keyring;
use crate::master_key::MasterKey;
use crate::open_error::OpenError;
use crate::store_error::StoreError;

/// Argon2id's memory, in KiB. With [`PASSES`]: about 200 ms on a laptop of 2023. An identity cannot be revoked, so a profile that is
/// stolen is guessed at for as long as it takes; RFC 9106 recommends this much for machines with little memory.
pub(crate) const MEMORY_KIB: u32 = 64 * 1024;
/// Argon2id's passes.
pub(crate) const PASSES: u32 = 3;

/// How the master key of a profile is found; part of the store, in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub(crate) enum KeySource {
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
    /// A new key out of a passphrase.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub(crate) fn with_passphrase(passphrase: &str) -> Result<(Self, MasterKey), StoreError> {
        let mut salt = [0; 16];
        fill_random(&mut salt)?;
        let salt = HEXLOWER.encode(&salt);
        let passphrase = normalized(passphrase);
        let key = MasterKey::of_passphrase(&passphrase, &salt, MEMORY_KIB, PASSES)?;
        Ok((
            Self::Passphrase {
                salt,
                memory_kib: MEMORY_KIB,
                passes: PASSES,
            },
            key,
        ))
    }

    /// A new key that the keyring keeps.
    ///
    /// # Errors
    ///
    /// The keyring refused, or the operating system gives no randomness.
    pub(crate) fn with_keyring() -> Result<(Self, MasterKey), OpenError> {
        let mut name = [0; 8];
        fill_random(&mut name)?;
        let entry = format!("profile-{}", HEXLOWER.encode(&name));
        let key = MasterKey::random()?;
        keyring::write(&entry, key.as_bytes())?;
        Ok((Self::Keyring { entry }, key))
    }
}

/// The passphrase in Unicode's composed form (NFC): one system's keyboard gives "é" as one character, another's as two.
pub(crate) fn normalized(passphrase: &str) -> Zeroizing<String> {
    // NFC takes at most three times the room (UAX #15), and a text that grows would leave parts of it behind in memory.
    let mut normal = Zeroizing::new(String::with_capacity(3 * passphrase.len()));
    normal.extend(passphrase.nfc());
    normal
}

#[cfg(test)]
mod tests {
    use securecall_freed_memory::copies_left_by;

    use super::*;

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

    /// The character that grows most: three bytes become nine.
    #[test]
    fn the_room_for_the_composed_form_is_enough() {
        let growing = "\u{fb2c}\u{1d160}\u{0390}".repeat(100);
        let normal = normalized(&growing);
        assert!(normal.len() > growing.len());
        assert_eq!(normal.capacity(), 3 * growing.len());
    }
}
