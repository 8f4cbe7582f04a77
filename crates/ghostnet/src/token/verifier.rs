//! Which tokens a relay takes.

use std::collections::BTreeMap;

use thiserror::Error;

use super::challenge::Challenge;
use super::purchase::Token;
use super::token_key::{TokenKey, TokenKeyId};
use crate::host_name::IssuerName;
use crate::time::{UnixTime, Validity};

/// A key whose tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedKey {
    /// Whose it is.
    pub issuer: IssuerName,
    /// The key.
    pub key: TokenKey,
    /// When its tokens are taken.
    pub validity: Validity,
}

/// Knows a good token. Whether it was spent before, [`SpentTokens`](super::SpentTokens) knows.
#[derive(Debug)]
pub struct Verifier {
    keys: BTreeMap<TokenKeyId, (AcceptedKey, [u8; 32])>,
}

impl Verifier {
    /// One that takes tokens of these keys, bought for the challenge of their issuers ([`Challenge::of_issuer`]).
    pub fn new(keys: impl IntoIterator<Item = AcceptedKey>) -> Self {
        let keys = keys.into_iter().map(|accepted| {
            let digest = Challenge::of_issuer(accepted.issuer.clone()).digest();
            (accepted.key.id(), (accepted, digest))
        });
        Self {
            keys: keys.collect(),
        }
    }

    /// Checks a token, what is cheap first.
    pub fn verify(&self, token: &Token, now: UnixTime) -> Result<VerifiedToken, TokenRefusal> {
        let (accepted, digest) = self
            .keys
            .get(&token.key_id())
            .ok_or(TokenRefusal::UnknownKey)?;
        if !accepted.validity.contains(now) {
            return Err(TokenRefusal::KeyNotValid);
        }
        if token.challenge_digest() != *digest {
            return Err(TokenRefusal::OtherChallenge);
        }
        if !token.is_signed_by(&accepted.key) {
            return Err(TokenRefusal::Signature);
        }
        Ok(VerifiedToken {
            key: token.key_id(),
            nonce: token.nonce(),
            not_after: accepted.validity.not_after(),
        })
    }

    /// The keys whose tokens are taken now: what a `www-authenticate` field should name.
    pub fn keys(&self, now: UnixTime) -> impl Iterator<Item = &AcceptedKey> {
        self.keys
            .values()
            .map(|(accepted, _)| accepted)
            .filter(move |accepted| accepted.validity.contains(now))
    }
}

/// Proof that a [`Verifier`] took a token.
pub struct VerifiedToken {
    pub(super) key: TokenKeyId,
    pub(super) nonce: [u8; 32],
    pub(super) not_after: UnixTime,
}

impl std::fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VerifiedToken(..)")
    }
}

/// Why a token is not taken: status 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum TokenRefusal {
    /// It is signed by a key that is not known here.
    #[error("the token is of an issuer's key that is not accepted here")]
    UnknownKey,
    /// The key's time has not come, or is over.
    #[error("the key of the token is not valid now")]
    KeyNotValid,
    /// It was bought for something else.
    #[error("the token was bought for another challenge")]
    OtherChallenge,
    /// It is forged.
    #[error("the token is not signed by its key")]
    Signature,
}
