//! What a token is good for (RFC 9577 section 2.1.1).

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::messages::TOKEN_TYPE;
use crate::host_name::IssuerName;

/// The longest list of origins that is read.
const MAX_ORIGIN_INFO: usize = 1024;

/// What a token must be bought for, so that it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    issuer_name: IssuerName,
    redemption_context: Option<[u8; 32]>,
    origin_info: String,
}

impl Challenge {
    /// The one of GhostNet: any relay takes the token that takes tokens of this issuer, and whenever. Tokens are bought in advance, so
    /// that nothing in them may say for which relay or call.
    pub const fn of_issuer(issuer_name: IssuerName) -> Self {
        Self {
            issuer_name,
            redemption_context: None,
            origin_info: String::new(),
        }
    }

    /// Reads a TokenChallenge of type 2.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ChallengeError> {
        let (token_type, rest) = bytes.split_first_chunk().ok_or(ChallengeError::Structure)?;
        if u16::from_be_bytes(*token_type) != TOKEN_TYPE {
            return Err(ChallengeError::Type);
        }
        let (issuer_name, rest) = long_field(rest)?;
        let issuer_name = std::str::from_utf8(issuer_name)
            .ok()
            .and_then(|name| IssuerName::parse(name).ok())
            .ok_or(ChallengeError::IssuerName)?;
        let (length, rest) = rest.split_first().ok_or(ChallengeError::Structure)?;
        let (redemption_context, rest) = match length {
            0 => (None, rest),
            32 => rest
                .split_first_chunk()
                .map(|(context, rest)| (Some(*context), rest))
                .ok_or(ChallengeError::Structure)?,
            _ => return Err(ChallengeError::RedemptionContext),
        };
        let (origin_info, rest) = long_field(rest)?;
        let is_list = |info: &&str| {
            info.len() <= MAX_ORIGIN_INFO
                && (info.is_empty() || info.split(',').all(|name| IssuerName::parse(name).is_ok()))
        };
        let origin_info = std::str::from_utf8(origin_info)
            .ok()
            .filter(is_list)
            .ok_or(ChallengeError::OriginInfo)?;
        if !rest.is_empty() {
            return Err(ChallengeError::Structure);
        }
        Ok(Self {
            issuer_name,
            redemption_context,
            origin_info: origin_info.to_owned(),
        })
    }

    /// Writes the TokenChallenge.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = TOKEN_TYPE.to_be_bytes().to_vec();
        push_long_field(&mut bytes, self.issuer_name.as_str());
        let context = self.redemption_context.as_ref().map_or(&[][..], |c| &c[..]);
        bytes.push(if context.is_empty() { 0 } else { 32 });
        bytes.extend_from_slice(context);
        push_long_field(&mut bytes, &self.origin_info);
        bytes
    }

    /// What is in tokens of it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }

    /// Who issues such tokens.
    pub const fn issuer_name(&self) -> &IssuerName {
        &self.issuer_name
    }

    /// Whether it is the one of GhostNet: another would say to the issuer where a token is used, or to a relay when it was bought.
    pub fn is_unbound(&self) -> bool {
        self.redemption_context.is_none() && self.origin_info.is_empty()
    }
}

fn long_field(bytes: &[u8]) -> Result<(&[u8], &[u8]), ChallengeError> {
    bytes
        .split_first_chunk()
        .and_then(|(length, rest)| rest.split_at_checked(u16::from_be_bytes(*length).into()))
        .ok_or(ChallengeError::Structure)
}

fn push_long_field(bytes: &mut Vec<u8>, text: &str) {
    // Names have 259 octets at most, and lists of origins 1,024.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// Why bytes are no challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChallengeError {
    /// It wants a token of another type.
    #[error("the challenge is not for tokens of type 2")]
    Type,
    /// It is cut off, or goes on after its end.
    #[error("the challenge is cut off or too long")]
    Structure,
    /// It names no issuer.
    #[error("the challenge names no issuer")]
    IssuerName,
    /// The redemption context has neither 0 nor 32 octets.
    #[error("the redemption context of the challenge has neither 0 nor 32 octets")]
    RedemptionContext,
    /// The list of origins is none.
    #[error("the origins in the challenge are no list of names")]
    OriginInfo,
}
