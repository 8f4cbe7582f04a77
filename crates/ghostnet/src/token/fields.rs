//! The fields of HTTP that ask for a token and that carry one (RFC 9577 sections 2.1.2 and 2.2.2).

use data_encoding::BASE64URL;
use thiserror::Error;

use super::auth_field::{self, Credentials};
use super::challenge::{Challenge, ChallengeError};
use super::purchase::{Token, TokenError};
use super::shared_secret::SharedSecret;
use super::token_key::{TokenKey, TokenKeyError};

/// The longest field that is read.
const MAX_FIELD: usize = 16 * 1024;
const SCHEME: &str = "PrivateToken";
const BEARER: &str = "Bearer";

/// What a relay asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOffer {
    /// What the token must be bought for.
    pub challenge: Challenge,
    /// The key it must be signed with, if the relay says so.
    pub token_key: Option<TokenKey>,
}

/// Writes the value of a `www-authenticate` field.
pub fn write_www_authenticate(offers: &[TokenOffer]) -> String {
    let offers: Vec<_> = offers.iter().map(write_offer).collect();
    offers.join(", ")
}

fn write_offer(offer: &TokenOffer) -> String {
    let challenge = BASE64URL.encode(&offer.challenge.to_bytes());
    let mut text = format!("{SCHEME} challenge=\"{challenge}\"");
    if let Some(key) = &offer.token_key {
        text.push_str(", token-key=\"");
        text.push_str(&key.to_base64url());
        text.push('"');
    }
    text
}

/// Reads the value of a `www-authenticate` field: the challenges of type 2 in it, in the order of the relay's preference. Other schemes,
/// other types of tokens and other parameters are skipped (RFC 9577 section 2.1).
pub fn read_www_authenticate(text: &str) -> Result<Vec<TokenOffer>, FieldError> {
    let list = read_list(text)?;
    let offers = list
        .iter()
        .filter(|credentials| credentials.scheme.eq_ignore_ascii_case(SCHEME));
    offers.filter_map(|o| read_offer(o).transpose()).collect()
}

fn read_offer(credentials: &Credentials<'_>) -> Result<Option<TokenOffer>, FieldError> {
    let challenge = credentials
        .parameter("challenge")?
        .ok_or(FieldError::Missing)?;
    let challenge = match Challenge::from_bytes(&base64url(challenge)?) {
        Err(ChallengeError::Type) => return Ok(None),
        challenge => challenge?,
    };
    let token_key = credentials
        .parameter("token-key")?
        .map(TokenKey::from_base64url)
        .transpose()?;
    Ok(Some(TokenOffer {
        challenge,
        token_key,
    }))
}

/// What somebody brings to be let in.
#[derive(Debug)]
pub enum Authorization {
    /// A token.
    Token(Token),
    /// The secret of a lab or of a small circle.
    Secret(SharedSecret),
}

/// Reads the value of an `authorization` field.
pub fn read_authorization(text: &str) -> Result<Authorization, FieldError> {
    let list = read_list(text)?;
    let [credentials] = list.as_slice() else {
        return Err(FieldError::Syntax);
    };
    if credentials.scheme.eq_ignore_ascii_case(SCHEME) {
        let token = credentials.parameter("token")?.ok_or(FieldError::Missing)?;
        let token = zeroize::Zeroizing::new(base64url(token)?);
        Ok(Authorization::Token(Token::from_bytes(&token)?))
    } else if credentials.scheme.eq_ignore_ascii_case(BEARER) {
        let secret = credentials.token68.and_then(|s| SharedSecret::new(s).ok());
        secret.map(Authorization::Secret).ok_or(FieldError::Missing)
    } else {
        Err(FieldError::Scheme)
    }
}

fn read_list(text: &str) -> Result<Vec<Credentials<'_>>, FieldError> {
    if text.len() > MAX_FIELD {
        return Err(FieldError::TooLong);
    }
    auth_field::read_list(text)
}

/// Base64url with its padding, as RFC 9577 wants it.
fn base64url(text: &str) -> Result<Vec<u8>, FieldError> {
    BASE64URL
        .decode(text.as_bytes())
        .map_err(|_| FieldError::Base64)
}

/// Why a field is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FieldError {
    /// It is longer than any that makes sense.
    #[error("the field is longer than 16 KiB")]
    TooLong,
    /// It is not of the form that RFC 9110 gives it.
    #[error("the field is no list of schemes and parameters")]
    Syntax,
    /// It is of a scheme that is not known here.
    #[error("expected the scheme PrivateToken")]
    Scheme,
    /// It lacks a parameter, or what stands for it is none.
    #[error("the field has no challenge, token or secret in it")]
    Missing,
    /// It has a parameter twice.
    #[error("the field has a parameter twice")]
    Repeated,
    /// A value is not base64url with padding.
    #[error("a value in the field is not base64url with padding")]
    Base64,
    /// The challenge is none.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// The key is none.
    #[error(transparent)]
    TokenKey(#[from] TokenKeyError),
    /// The token is none.
    #[error(transparent)]
    Token(#[from] TokenError),
}
