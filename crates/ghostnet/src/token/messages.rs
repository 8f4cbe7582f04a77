//! What client and issuer say to each other (RFC 9578 sections 6.1 and 6.2).

use std::fmt;

use thiserror::Error;

use super::blind_rsa::{MODULUS_LENGTH, Octets};
use super::token_key::TokenKeyId;

/// The token type of blind RSA signatures of 2048 bits.
pub const TOKEN_TYPE: u16 = 2;
/// The media type of a request.
pub const TOKEN_REQUEST_MEDIA_TYPE: &str = "application/private-token-request";
/// The media type of a response.
pub const TOKEN_RESPONSE_MEDIA_TYPE: &str = "application/private-token-response";
/// The octets of a request.
pub const TOKEN_REQUEST_LENGTH: usize = 3 + MODULUS_LENGTH;
/// The octets of a response.
pub const TOKEN_RESPONSE_LENGTH: usize = MODULUS_LENGTH;

/// Asks an issuer for a token without showing it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRequest {
    truncated_key_id: u8,
    pub(super) blinded: Box<Octets>,
}

impl TokenRequest {
    pub(super) fn new(key: TokenKeyId, blinded: Octets) -> Self {
        Self {
            truncated_key_id: key.truncated(),
            blinded: Box::new(blinded),
        }
    }

    /// Reads the body of a request. What is refused here is to be answered by status 422.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenMessageError> {
        let Some(([high, low, truncated_key_id], blinded)) = bytes.split_first_chunk() else {
            return Err(TokenMessageError::Length);
        };
        if u16::from_be_bytes([*high, *low]) != TOKEN_TYPE {
            return Err(TokenMessageError::Type);
        }
        let blinded: &Octets = blinded.try_into().map_err(|_| TokenMessageError::Length)?;
        Ok(Self {
            truncated_key_id: *truncated_key_id,
            blinded: Box::new(*blinded),
        })
    }

    /// The body of the request.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TOKEN_REQUEST_LENGTH);
        bytes.extend_from_slice(&TOKEN_TYPE.to_be_bytes());
        bytes.push(self.truncated_key_id);
        bytes.extend_from_slice(self.blinded.as_ref());
        bytes
    }

    /// Whether it may be meant for this key.
    pub const fn is_for(&self, key: TokenKeyId) -> bool {
        self.truncated_key_id == key.truncated()
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest")
            .field("truncated_key_id", &self.truncated_key_id)
            .finish_non_exhaustive()
    }
}

/// What an issuer answers: a blind signature.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenResponse {
    pub(super) signature: Box<Octets>,
}

impl TokenResponse {
    pub(super) fn new(signature: Octets) -> Self {
        Self {
            signature: Box::new(signature),
        }
    }

    /// Reads the body of an answer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenMessageError> {
        let signature: &Octets = bytes.try_into().map_err(|_| TokenMessageError::Length)?;
        Ok(Self::new(*signature))
    }

    /// The body of the answer.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.signature.to_vec()
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenResponse(..)")
    }
}

/// Why bytes are no message of issuance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenMessageError {
    /// It is longer or shorter than any of type 2.
    #[error("the message has not the length that it has for tokens of type 2")]
    Length,
    /// It asks for tokens of another type.
    #[error("only tokens of type 2 are issued")]
    Type,
}
