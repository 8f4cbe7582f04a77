//! A token, and how it is bought.

use std::fmt;

use data_encoding::BASE64URL;
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use super::blind_rsa::{self, MODULUS_LENGTH, Octets};
use super::challenge::Challenge;
use super::messages::{TOKEN_TYPE, TokenRequest, TokenResponse};
use super::token_key::{TokenKey, TokenKeyId};

/// The octets of a token.
pub const TOKEN_LENGTH: usize = INPUT_LENGTH + MODULUS_LENGTH;

/// What is signed: type, nonce, digest of the challenge, ID of the key.
const INPUT_LENGTH: usize = 2 + 32 + 32 + 32;

/// A token of type 2 (RFC 9577 section 2.2). Whoever has it can spend it, once.
#[derive(PartialEq, Eq)]
pub struct Token(Box<Zeroizing<[u8; TOKEN_LENGTH]>>);

impl Token {
    /// Reads a token. Whether it is good for anything, only a [`Verifier`](super::Verifier) knows.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let bytes: &[u8; TOKEN_LENGTH] = bytes.try_into().map_err(|_| TokenError::Length)?;
        if bytes[..2] != TOKEN_TYPE.to_be_bytes() {
            return Err(TokenError::Type);
        }
        Ok(Self(Box::new(Zeroizing::new(*bytes))))
    }

    /// Its octets. Secret.
    pub fn as_bytes(&self) -> &[u8; TOKEN_LENGTH] {
        &self.0
    }

    /// Which key it is signed with, as it says.
    pub fn key_id(&self) -> TokenKeyId {
        TokenKeyId(self.part(66))
    }

    pub(super) fn nonce(&self) -> [u8; 32] {
        self.part(2)
    }

    pub(super) fn challenge_digest(&self) -> [u8; 32] {
        self.part(34)
    }

    pub(super) fn is_signed_by(&self, key: &TokenKey) -> bool {
        let (input, signature) = self.0.split_at(INPUT_LENGTH);
        signature
            .try_into()
            .is_ok_and(|signature: &Octets| blind_rsa::verify(key.public(), input, signature))
    }

    /// The value of the `authorization` field that spends it (RFC 9577 section 2.2.2).
    pub fn authorization(&self) -> Zeroizing<String> {
        let mut value = Zeroizing::new(String::with_capacity(
            32 + BASE64URL.encode_len(TOKEN_LENGTH),
        ));
        value.push_str("PrivateToken token=\"");
        BASE64URL.encode_append(self.as_bytes(), &mut value);
        value.push('"');
        value
    }

    fn part(&self, at: usize) -> [u8; 32] {
        let mut part = [0; 32];
        part.copy_from_slice(&self.0[at..at + 32]);
        part
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why bytes are no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is longer or shorter than any.
    #[error("the token has not the length that tokens of type 2 have")]
    Length,
    /// It is of another type.
    #[error("the token is not of type 2")]
    Type,
}

/// A token that is being bought. It lives until the issuer has answered; nothing of it is kept if that fails.
pub struct Purchase {
    key: TokenKey,
    input: Zeroizing<[u8; INPUT_LENGTH]>,
    inverse: Box<Zeroizing<Octets>>,
}

impl Purchase {
    /// Draws a nonce, and blinds what is to be signed (RFC 9578 section 6.1).
    pub fn new<R: CryptoRng + ?Sized>(
        key: &TokenKey,
        challenge: &Challenge,
        rng: &mut R,
    ) -> Result<(Self, TokenRequest), PurchaseError> {
        let mut input = Zeroizing::new([0; INPUT_LENGTH]);
        input[..2].copy_from_slice(&TOKEN_TYPE.to_be_bytes());
        rng.fill_bytes(&mut input[2..34]);
        input[34..66].copy_from_slice(&challenge.digest());
        input[66..].copy_from_slice(&key.id().0);
        let blinded = blind_rsa::blind(key.public(), rng, input.as_ref())
            .ok_or(PurchaseError::UnsuitableKey)?;
        let request = TokenRequest::new(key.id(), blinded.message);
        let purchase = Self {
            key: key.clone(),
            input,
            inverse: Box::new(blinded.inverse),
        };
        Ok((purchase, request))
    }

    /// Makes the token of what the issuer has answered (RFC 9578 section 6.3).
    pub fn finish(self, response: &TokenResponse) -> Result<Token, PurchaseError> {
        let signature = blind_rsa::finalize(
            self.key.public(),
            self.input.as_ref(),
            &response.signature,
            &self.inverse,
        )
        .map(Zeroizing::new)
        .ok_or(PurchaseError::Signature)?;
        let mut token = Box::new(Zeroizing::new([0; TOKEN_LENGTH]));
        let (input, rest) = token.split_at_mut(INPUT_LENGTH);
        input.copy_from_slice(self.input.as_ref());
        rest.copy_from_slice(signature.as_ref());
        Ok(Token(token))
    }

    /// Which key it is to be signed with.
    pub const fn key_id(&self) -> TokenKeyId {
        self.key.id()
    }
}

impl fmt::Debug for Purchase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Purchase({}, ..)", self.key.id())
    }
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PurchaseError {
    /// Its modulus has small factors, so that a blinded message would not hide what it is.
    #[error("the issuer's key has small factors, and would not hide what is signed")]
    UnsuitableKey,
    /// What the issuer sent is no signature.
    #[error("the issuer's answer is no signature by its key")]
    Signature,
}
