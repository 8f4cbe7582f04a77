//! The SecureCall ID: a public identity key that people can pass on.

use std::{fmt, str::FromStr};

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, Encoding};
use securecall_crypto::{IdentityKey, IdentityKeyError};
use sha2::{Digest as _, Sha256};

/// Domain separation of the checksum.
const CHECKSUM_LABEL: &[u8] = b"securecall id";

/// The version byte of the IDs this crate writes, and the only one it reads.
const VERSION: u8 = 1;

/// Bytes behind the base32 form: key, checksum, version.
const BINARY_LENGTH: usize = 35;

/// Characters of the older form: base64url of the bare key.
const OLDER_LENGTH: usize = 43;

/// A person's address: their X25519 identity key, with a checksum for typing it.
///
/// Written as the base32 form (RFC 4648, lower case, no padding) of `public key (32) ‖ checksum (2) ‖ version (1)`: 56
/// characters. The checksum is the first two bytes of SHA-256(`"securecall id"` ‖ public key ‖ version).
///
/// [`FromStr`] reads that form in either case and with white space around it, and the older form: 43 characters
/// base64url of the bare key, unless it could be the beginning of the newer one. [`Display`](fmt::Display) always writes the 56 characters; [`Debug`](fmt::Debug) shortens
/// them, because an ID names a person.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecureCallId(IdentityKey);

impl SecureCallId {
    /// Characters of an ID as it is written.
    pub const LENGTH: usize = 56;

    /// The ID of an identity key.
    #[must_use]
    pub const fn new(key: &IdentityKey) -> Self {
        Self(*key)
    }

    /// Reads an ID exactly as it is written: 56 characters, lower case, nothing around it. Matrix IDs hold it so.
    ///
    /// # Errors
    ///
    /// As [`FromStr`], and [`SecureCallIdError::Alphabet`] for upper case.
    pub fn from_canonical(text: &str) -> Result<Self, SecureCallIdError> {
        let found = text.chars().count();
        if found != Self::LENGTH {
            return Err(SecureCallIdError::Length { found });
        }
        if let Some((position, character)) = text
            .chars()
            .enumerate()
            .find(|(_, c)| c.is_ascii_uppercase())
        {
            return Err(SecureCallIdError::Alphabet {
                character,
                position,
            });
        }
        Self::from_base32(text)
    }

    /// The identity key that this ID is.
    #[must_use]
    pub const fn identity_key(&self) -> IdentityKey {
        self.0
    }

    /// The first eight characters: enough to tell contacts apart on a screen, never enough to call somebody.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }

    /// The ID in groups of four characters, for reading it aloud.
    #[must_use]
    pub fn grouped(&self) -> Grouped {
        Grouped(*self)
    }

    fn from_base32(text: &str) -> Result<Self, SecureCallIdError> {
        check_alphabet(text, |c| c.is_ascii_alphabetic() || matches!(c, '2'..='7'))?;
        let bytes: [u8; BINARY_LENGTH] = decode(&BASE32_NOPAD, &text.to_ascii_uppercase())?;
        let [key @ .., first, second, version] = bytes;
        if [first, second] != checksum(&key, version) {
            return Err(SecureCallIdError::Checksum);
        }
        if version != VERSION {
            return Err(SecureCallIdError::Version { found: version });
        }
        Self::from_key_bytes(key)
    }

    fn from_older_form(text: &str) -> Result<Self, SecureCallIdError> {
        // Nothing checks the older form: an ID that was cut to its length would be somebody else's.
        if could_be_cut(text) {
            return Err(SecureCallIdError::Length {
                found: OLDER_LENGTH,
            });
        }
        check_alphabet(text, |c| {
            c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
        })?;
        Self::from_key_bytes(decode(&BASE64URL_NOPAD, text)?)
    }

    fn from_key_bytes(bytes: [u8; 32]) -> Result<Self, SecureCallIdError> {
        IdentityKey::from_bytes(bytes)
            .map(Self)
            .map_err(|error| match error {
                IdentityKeyError::NonCanonical => SecureCallIdError::NonCanonicalKey,
                IdentityKeyError::LowOrder => SecureCallIdError::LowOrderKey,
            })
    }
}

impl From<&IdentityKey> for SecureCallId {
    fn from(key: &IdentityKey) -> Self {
        Self::new(key)
    }
}

impl FromStr for SecureCallId {
    type Err = SecureCallIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        match text.chars().count() {
            Self::LENGTH => Self::from_base32(text),
            OLDER_LENGTH => Self::from_older_form(text),
            found => Err(SecureCallIdError::Length { found }),
        }
    }
}

impl fmt::Display for SecureCallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.0.as_bytes();
        let mut bytes = [0; BINARY_LENGTH];
        bytes[..32].copy_from_slice(key);
        bytes[32..34].copy_from_slice(&checksum(key, VERSION));
        bytes[34] = VERSION;
        f.pad(&BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

impl fmt::Debug for SecureCallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecureCallId({}…)", self.short())
    }
}

/// A [`SecureCallId`] in groups of four characters; see [`SecureCallId::grouped`].
#[derive(Clone, Copy, Debug)]
pub struct Grouped(SecureCallId);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, character) in self.0.to_string().chars().enumerate() {
            if index > 0 && index % 4 == 0 {
                f.write_str(" ")?;
            }
            write!(f, "{character}")?;
        }
        Ok(())
    }
}

/// What is wrong with a text that should be a SecureCall ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecureCallIdError {
    /// Neither 56 characters nor the older form's 43.
    #[error("a SecureCall ID has 56 characters, this has {found}")]
    Length {
        /// Characters counted.
        found: usize,
    },
    /// A character that the form does not use.
    #[error("character {} ('{}') cannot be in a SecureCall ID", .position + 1, .character.escape_debug())]
    Alphabet {
        /// The first such character.
        character: char,
        /// Where it is, counted in characters from 0.
        position: usize,
    },
    /// The checksum does not fit: a character is wrong or two are swapped.
    #[error("the checksum is wrong: a character was mistyped or lost")]
    Checksum,
    /// The ID is of another version of SecureCall.
    #[error("the ID is of version {found}, this program knows version 1")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// The older form with bits set that belong to no byte of the key.
    #[error("the last character has bits set that must be zero")]
    SpareBits,
    /// The key is 2²⁵⁵ − 19 or above.
    #[error("the key is not written in its canonical form")]
    NonCanonicalKey,
    /// The key is of low order: every call with it would have the same, known secret.
    #[error("the key is of low order, no secret can be agreed with it")]
    LowOrderKey,
}

/// Whether a text is in one case and the newer form's alphabet, as one key of the older form in 2⁴² is.
fn could_be_cut(text: &str) -> bool {
    let all_of = |letters: fn(&u8) -> bool| {
        text.bytes()
            .all(|byte| letters(&byte) || matches!(byte, b'2'..=b'7'))
    };
    all_of(u8::is_ascii_lowercase) || all_of(u8::is_ascii_uppercase)
}

fn checksum(key: &[u8], version: u8) -> [u8; 2] {
    let digest = Sha256::new()
        .chain_update(CHECKSUM_LABEL)
        .chain_update(key)
        .chain_update([version])
        .finalize();
    [digest[0], digest[1]]
}

/// Refuses the first character that is not one of `is_symbol`. After it, `text` is ASCII.
fn check_alphabet(text: &str, is_symbol: impl Fn(char) -> bool) -> Result<(), SecureCallIdError> {
    match text.chars().enumerate().find(|(_, c)| !is_symbol(*c)) {
        Some((position, character)) => Err(SecureCallIdError::Alphabet {
            character,
            position,
        }),
        None => Ok(()),
    }
}

/// Decodes a text whose length and alphabet are right: only spare bits can still be wrong.
fn decode<const N: usize>(encoding: &Encoding, text: &str) -> Result<[u8; N], SecureCallIdError> {
    let bytes = encoding
        .decode(text.as_bytes())
        .map_err(|_| SecureCallIdError::SpareBits)?;
    bytes
        .try_into()
        .map_err(|_| SecureCallIdError::Length { found: text.len() })
}
