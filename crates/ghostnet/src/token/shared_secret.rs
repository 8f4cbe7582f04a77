//! What lets a lab or a small circle in, instead of tokens.

use std::fmt;

use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

/// A secret that everybody shares who may use a relay. A relay that asks for it knows them from others, and nothing else of them; but not
/// as tokens do it: whoever has it can give it away.
pub struct SharedSecret(Zeroizing<String>);

impl SharedSecret {
    /// The shortest and the longest.
    const LENGTHS: std::ops::RangeInclusive<usize> = 16..=128;

    /// One of 16 to 128 letters, digits and `-._~+/`, with `=` at the end (`token68`, RFC 9110 section 11.2).
    pub fn new(text: &str) -> Result<Self, SharedSecretError> {
        let belongs = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
        let body = text.trim_end_matches('=');
        if !Self::LENGTHS.contains(&text.len()) || body.is_empty() || !body.chars().all(belongs) {
            return Err(SharedSecretError);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Whether it is this one. The time that it takes says nothing but the length.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    /// The value of the `authorization` field that shows it.
    pub fn authorization(&self) -> Zeroizing<String> {
        Zeroizing::new(["Bearer ", self.0.as_str()].concat())
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// A text is no shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a shared secret has 16 to 128 letters, digits and any of -._~+/, with = at its end only")]
pub struct SharedSecretError;
