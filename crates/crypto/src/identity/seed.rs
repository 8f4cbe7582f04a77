//! The identity seed.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::phrase::{self, PhraseError};
use crate::kdf::hkdf;
use crate::secret::secret;

const PASSWORD_INFO: &[u8] = b"securecall v1 account password";
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

secret! {
    /// The 32 random bytes a SecureCall identity is made of. Whoever has them is that user, for good.
    pub struct IdentitySeed;
}

impl IdentitySeed {
    /// A fresh identity.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Self::copied(&[0; 32]);
        rng.fill_bytes(seed.0.as_mut_slice());
        seed
    }

    /// The identity behind a phrase of 24 words.
    ///
    /// # Errors
    ///
    /// Says whether the number of words, one word or the checksum is wrong.
    pub fn from_phrase(phrase: &str) -> Result<Self, PhraseError> {
        phrase::decode(phrase).map(|seed| Self::copied(&seed))
    }

    /// A seed as it was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Box::new(bytes))
    }

    /// The 32 bytes, to store them encrypted.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 24 words that stand for this seed, with single spaces between them.
    #[must_use]
    pub fn phrase(&self) -> Zeroizing<String> {
        phrase::encode(&self.0)
    }

    /// The password of this identity's own account on the homeserver called `server_name`.
    ///
    /// HKDF-SHA256 with info `"securecall v1 account password"` ‖ 0x00 ‖ server name (as in the Matrix ID, byte for byte) gives 32 bytes; the
    /// password is `Sc1-` and their base64url form without padding. The prefix is there for servers that want a letter
    /// of either case, a digit and a symbol.
    #[must_use]
    pub fn account_password(&self, server_name: &str) -> Zeroizing<String> {
        let okm = hkdf::<32>(
            &[],
            self.0.as_slice(),
            &[PASSWORD_INFO, &[0], server_name.as_bytes()],
        );
        let mut password = Zeroizing::new(String::with_capacity(47));
        password.push_str("Sc1-");
        for place in 0..43 {
            let bits = (6 * place..6 * (place + 1))
                .map(|bit| okm.get(bit / 8).map_or(0, |byte| byte >> (7 - bit % 8) & 1));
            let index = bits.fold(0_usize, |index, bit| index << 1 | usize::from(bit));
            password.push(char::from(BASE64URL[index]));
        }
        password
    }
}
