//! What an issuer says of itself (RFC 9578 section 4).

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::messages::TOKEN_TYPE;
use super::token_key::TokenKey;
use crate::time::UnixTime;

/// Where it is found at an issuer.
pub const ISSUER_DIRECTORY_PATH: &str = "/.well-known/private-token-issuer-directory";
/// Its media type.
pub const ISSUER_DIRECTORY_MEDIA_TYPE: &str = "application/private-token-issuer-directory";

const MAX_LENGTH: usize = 64 * 1024;
const MAX_KEYS: usize = 32;
const MAX_URI: usize = 2048;

/// Where an issuer takes requests, and its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerDirectory {
    /// Where to: an absolute URI, or one relative to the directory.
    pub request_uri: String,
    /// The keys of type 2, what is preferred first.
    pub keys: Vec<IssuerDirectoryKey>,
}

/// A key in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerDirectoryKey {
    /// The key.
    pub key: TokenKey,
    /// When its use begins.
    pub not_before: Option<UnixTime>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Wire {
    issuer_request_uri: String,
    token_keys: Vec<WireKey>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
struct WireKey {
    token_type: u16,
    token_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<u64>,
}

impl IssuerDirectory {
    /// Reads the JSON. Keys of other types and unknown members are skipped.
    pub fn from_json(bytes: &[u8]) -> Result<Self, IssuerDirectoryError> {
        if bytes.len() > MAX_LENGTH {
            return Err(IssuerDirectoryError::TooLarge);
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(|_| IssuerDirectoryError::Json)?;
        if wire.token_keys.len() > MAX_KEYS {
            return Err(IssuerDirectoryError::TooLarge);
        }
        let uri = wire.issuer_request_uri;
        if uri.is_empty() || uri.len() > MAX_URI || !uri.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(IssuerDirectoryError::RequestUri);
        }
        let mut keys: Vec<IssuerDirectoryKey> = Vec::new();
        for key in wire.token_keys {
            if key.token_type != TOKEN_TYPE {
                continue;
            }
            let read =
                TokenKey::from_base64url(&key.token_key).map_err(|_| IssuerDirectoryError::Key)?;
            if keys.iter().any(|other| other.key == read) {
                return Err(IssuerDirectoryError::Key);
            }
            keys.push(IssuerDirectoryKey {
                key: read,
                not_before: key.not_before.map(UnixTime::from_secs),
            });
        }
        Ok(Self {
            request_uri: uri,
            keys,
        })
    }

    /// Writes the JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let keys = self.keys.iter().map(|key| WireKey {
            token_type: TOKEN_TYPE,
            token_key: key.key.to_base64url(),
            not_before: key.not_before.map(UnixTime::as_secs),
        });
        let wire = Wire {
            issuer_request_uri: self.request_uri.clone(),
            token_keys: keys.collect(),
        };
        // Text and numbers can always be written.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// The key to buy tokens of: the first whose use has begun.
    pub fn key(&self, now: UnixTime) -> Option<&TokenKey> {
        self.keys
            .iter()
            .find(|key| key.not_before.is_none_or(|from| from <= now))
            .map(|key| &key.key)
    }
}

/// Why bytes are no directory of an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IssuerDirectoryError {
    /// It is too large, or has too many keys.
    #[error("the issuer's directory has more than 64 KiB or 32 keys")]
    TooLarge,
    /// It is no such JSON.
    #[error("the issuer's directory is not the JSON of RFC 9578 section 4")]
    Json,
    /// It does not say where to ask.
    #[error("the issuer's directory has no URI for requests")]
    RequestUri,
    /// A key of type 2 is none, or is there twice.
    #[error("a key in the issuer's directory is none of type 2, or is there twice")]
    Key,
}
