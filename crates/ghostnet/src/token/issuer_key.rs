//! The secret key of an issuer.

use std::fmt;

use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use rand_core::CryptoRng;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, PrivateKey, PublicKey};
use thiserror::Error;
use zeroize::Zeroizing;

use super::blind_rsa::{MODULUS_BITS, MODULUS_LENGTH, Octets};
use super::messages::{TokenRequest, TokenResponse};
use super::token_key::{EXPONENT, TokenKey};

/// More than the text of any key of 2048 bits.
const MAX_PEM: usize = 8 * 1024;

/// What an issuer signs tokens with. It is wiped when it is dropped, and must serve for nothing else (RFC 9578 section 6.5).
pub struct IssuerKey {
    secret: PrivateKey,
    signer: Rsa<Private>,
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
        let public = public(secret.as_public_key()).ok_or(IssuerKeyError::Unsuitable)?;
        let signer = signer(&secret)?;
        Ok(Self {
            secret,
            signer,
            public,
        })
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

    /// Signs what it cannot read (RFC 9474 section 4.3).
    pub fn issue(&self, request: &TokenRequest) -> Result<TokenResponse, IssueError> {
        if !request.is_for(self.public.id()) {
            return Err(IssueError::OtherKey);
        }
        let blinded = request.blinded.as_slice();
        // OpenSSL blinds what it raises to the secret exponent: the time says nothing of the key.
        let mut signature = [0; MODULUS_LENGTH];
        self.signer
            .private_encrypt(blinded, &mut signature, Padding::NONE)
            .map_err(|_| IssueError::Message)?;
        // One wrong signature, by a fault of the machine, would give the key away.
        let mut signed = [0; MODULUS_LENGTH];
        self.signer
            .public_decrypt(&signature, &mut signed, Padding::NONE)
            .ok()
            .filter(|_| signed == blinded)
            .map(|_| TokenResponse::new(signature))
            .ok_or(IssueError::Fault)
    }
}

/// What can be published of a key, if it is of the one kind.
fn public(key: &PublicKey) -> Option<TokenKey> {
    let is_ours = key.n().bit_width() == MODULUS_BITS && *key.e() == BoxedUint::from(EXPONENT);
    let modulus = key.n_bytes();
    let modulus: &Octets = modulus.as_ref().try_into().ok().filter(|_| is_ours)?;
    Some(TokenKey::new(key.clone(), modulus))
}

/// The same key as OpenSSL has it, which wipes it when it is dropped.
fn signer(secret: &PrivateKey) -> Result<Rsa<Private>, IssuerKeyError> {
    let der = secret
        .to_pkcs8_der()
        .map_err(|_| IssuerKeyError::Encoding)?;
    PKey::private_key_from_pkcs8(der.as_bytes())
        .and_then(|key| key.rsa())
        .map_err(|_| IssuerKeyError::Unsuitable)
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

/// Why a token is not issued. What the request is at fault for is to be answered by status 422.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IssueError {
    /// The request names another key.
    #[error("the request is for another key")]
    OtherKey,
    /// The blinded message is not below the modulus.
    #[error("the blinded message is not below the modulus of the key")]
    Message,
    /// What came out is no signature: the processor or the memory is at fault, or the key is none.
    #[error("this machine computes wrong signatures")]
    Fault,
}

#[cfg(test)]
mod tests {
    use openssl::bn::{BigNum, BigNumRef};

    use super::super::Purchase;
    use super::super::tests::{challenge, issuer_key, rng};
    use super::*;

    #[test]
    fn a_wrong_signature_is_told_to_nobody() {
        let mut issuer = issuer_key();
        let (_, request) = Purchase::new(issuer.public(), &challenge(), &mut rng(1)).unwrap();
        assert!(issuer.issue(&request).is_ok());
        let good = issuer.signer;
        let copy = |number: &BigNumRef| number.to_owned().unwrap();
        let mut wrong = copy(good.d());
        wrong.add_word(2).unwrap();
        issuer.signer = Rsa::from_private_components(
            copy(good.n()),
            copy(good.e()),
            wrong,
            copy(good.p().unwrap()),
            copy(good.q().unwrap()),
            BigNum::from_u32(3).unwrap(),
            copy(good.dmq1().unwrap()),
            copy(good.iqmp().unwrap()),
        )
        .unwrap();
        assert_eq!(issuer.issue(&request), Err(IssueError::Fault));
    }
}
