//! The password of an account that was made for an identity.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

const PREFIX: &str = "Sc1-";

/// 32 bytes in base64url.
const RANDOM: usize = 43;

/// A password as identities derive them: `Sc1-` and 43 characters of base64url. What people make up is none.
#[derive(Clone)]
pub struct AccountPassword(Zeroizing<String>);

/// Not a password that an identity derives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no password that an identity derives")]
pub struct AccountPasswordError;

impl AccountPassword {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountPassword {
    type Err = AccountPasswordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let random = text.strip_prefix(PREFIX).ok_or(AccountPasswordError)?;
        if random.len() == RANDOM && random.bytes().all(is_base64url) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(AccountPasswordError)
        }
    }
}

impl fmt::Debug for AccountPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("AccountPassword(..)")
    }
}
