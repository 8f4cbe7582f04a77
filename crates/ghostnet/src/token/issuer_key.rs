//! The secret key of an issuer.

use std::fmt;

use rand_core::CryptoRng;
use rsa::PrivateKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use thiserror::Error;
use zeroize::Zeroizing;

use super::blind_rsa::{self, MODULUS_BITS};
use super::messages::{TokenRequest, TokenResponse};
use super::token_key::TokenKey;

/// More than the text of any key of 2048 bits.
const MAX_PEM: usize = 8 * 1024;

/// What an issuer signs tokens with. It is wiped when it is dropped, and must serve for nothing else (RFC 9578 section 6.5).
pub struct IssuerKey {
    secret: PrivateKey,
    public: TokenKey,
}

impl IssuerKey {
    /// Makes one. It takes tens to hundreds of milliseconds.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Result<Self, IssuerKeyError> {
        PrivateKey::new(rng, MODULUS_BITS as usize)
            .map_err(|_| IssuerKeyError::Generation)
            .and_then(Self::new)
    }

    /// Reads PKCS #8 in PEM (RFC 7468 section 10).
    pub fn from_pem(pem: &str) -> Result<Self, IssuerKeyError> {
        if pem.len() > MAX_PEM {
            return Err(IssuerKeyError::Encoding);
        }
        PrivateKey::from_pkcs8_pem(pem.trim())
            .map_err(|_| IssuerKeyError::Encoding)
            .and_then(Self::new)
    }

    /// Reads PKCS #8 in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, IssuerKeyError> {
        if der.len() > MAX_PEM {
            return Err(IssuerKeyError::Encoding);
        }
        PrivateKey::from_pkcs8_der(der)
            .map_err(|_| IssuerKeyError::Encoding)
            .and_then(Self::new)
    }

    fn new(secret: PrivateKey) -> Result<Self, IssuerKeyError> {
        let public =
            TokenKey::of_public(secret.as_public_key()).map_err(|_| IssuerKeyError::Unsuitable)?;
        Ok(Self { secret, public })
    }

    /// PKCS #8 in PEM.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, IssuerKeyError> {
        self.secret
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| IssuerKeyError::Encoding)
    }

    /// PKCS #8 in DER.
    pub fn to_der(&self) -> Result<Zeroizing<Vec<u8>>, IssuerKeyError> {
        let der = self
            .secret
            .to_pkcs8_der()
            .map_err(|_| IssuerKeyError::Encoding)?;
        Ok(Zeroizing::new(der.as_bytes().to_vec()))
    }

    /// What is published of it.
    pub const fn public(&self) -> &TokenKey {
        &self.public
    }

    /// Signs what it cannot read. The randomness hides the key from whoever measures the time.
    pub fn issue<R: CryptoRng + ?Sized>(
        &self,
        request: &TokenRequest,
        rng: &mut R,
    ) -> Result<TokenResponse, IssueError> {
        if !request.is_for(self.public.id()) {
            return Err(IssueError::OtherKey);
        }
        blind_rsa::blind_sign(&self.secret, rng, &request.blinded)
            .map(TokenResponse::new)
            .ok_or(IssueError::Message)
    }
}

impl fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuerKey({}, ..)", self.public.id())
    }
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IssuerKeyError {
    /// It is no PKCS #8.
    #[error("not an RSA key in PKCS #8")]
    Encoding,
    /// It is an RSA key of another kind.
    #[error("tokens are issued with RSA keys of 2048 bits and exponent 65537 only")]
    Unsuitable,
    /// None could be made.
    #[error("no RSA key could be made")]
    Generation,
}

/// Why a token is not issued. Both are to be answered by status 422.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IssueError {
    /// The request names another key.
    #[error("the request is for another key")]
    OtherKey,
    /// The blinded message is not below the modulus.
    #[error("the blinded message is not below the modulus of the key")]
    Message,
}
