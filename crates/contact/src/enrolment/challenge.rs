//! What the server asks.

use data_encoding::BASE64URL_NOPAD;
use securecall_crypto::RemoteEnrolmentKey;
use serde::{Deserialize, Serialize};

use super::{EnrolmentMessageError, VERSION, check_version, read, read_32};
use crate::ServerName;

/// Bytes that name a challenge. What is in them is the server's business.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChallengeId(Vec<u8>);

impl ChallengeId {
    /// The fewest that nobody could guess.
    pub const MIN: usize = 16;
    /// More than a server needs.
    pub const MAX: usize = 128;

    /// Takes 16 to 128 bytes.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (Self::MIN..=Self::MAX)
            .contains(&bytes.len())
            .then_some(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn to_text(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    pub(super) fn from_text(text: &str) -> Result<Self, EnrolmentMessageError> {
        BASE64URL_NOPAD
            .decode(text.as_bytes())
            .ok()
            .and_then(Self::from_bytes)
            .ok_or(EnrolmentMessageError::Member("challenge"))
    }
}

/// A challenge: the server's fresh key, and the name behind the colon of its users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentChallenge {
    /// To be given back with the proof.
    pub id: ChallengeId,
    /// What the proof is made with.
    pub key: RemoteEnrolmentKey,
    /// Where the account will be.
    pub server_name: ServerName,
}

#[derive(Serialize, Deserialize)]
struct Json {
    version: u32,
    challenge: String,
    key: String,
    server_name: String,
}

impl EnrolmentChallenge {
    /// Reads the server's answer.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn from_json(bytes: &[u8]) -> Result<Self, EnrolmentMessageError> {
        let json: Json = read(bytes)?;
        check_version(json.version)?;
        Ok(Self {
            id: ChallengeId::from_text(&json.challenge)?,
            key: RemoteEnrolmentKey::from_bytes(read_32("key", &json.key)?),
            server_name: json
                .server_name
                .parse()
                .map_err(|_| EnrolmentMessageError::Member("server_name"))?,
        })
    }

    /// Writes it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let json = Json {
            version: VERSION,
            challenge: self.id.to_text(),
            key: BASE64URL_NOPAD.encode(self.key.as_bytes()),
            server_name: self.server_name.to_string(),
        };
        // Texts and a number can always be written.
        serde_json::to_vec(&json).unwrap_or_default()
    }
}
