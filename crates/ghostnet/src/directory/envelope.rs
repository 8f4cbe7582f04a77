//! The signed file: a payload as base64, so that there is no doubt which octets are signed.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::DirectoryError;
use super::signing_key::{DirectoryKey, DirectorySigningKey};

/// The largest file that is read.
pub const MAX_DIRECTORY: usize = 256 * 1024;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    payload: String,
    signature: String,
}

pub(super) fn open(file: &[u8], keys: &[DirectoryKey]) -> Result<Vec<u8>, DirectoryError> {
    if file.len() > MAX_DIRECTORY {
        return Err(DirectoryError::TooLarge);
    }
    let envelope: Envelope = serde_json::from_slice(file).map_err(|_| DirectoryError::Envelope)?;
    let decode = |text: &str| BASE64.decode(text.as_bytes()).ok();
    let payload = decode(&envelope.payload).ok_or(DirectoryError::Envelope)?;
    let signature: [u8; 64] = decode(&envelope.signature)
        .and_then(|signature| signature.try_into().ok())
        .ok_or(DirectoryError::Envelope)?;
    keys.iter()
        .any(|key| key.has_signed(&payload, &signature))
        .then_some(payload)
        .ok_or(DirectoryError::Signature)
}

pub(super) fn seal(payload: &[u8], key: &DirectorySigningKey) -> Vec<u8> {
    let envelope = Envelope {
        payload: BASE64.encode(payload),
        signature: BASE64.encode(&key.sign(payload)),
    };
    // Texts can always be written.
    serde_json::to_vec(&envelope).unwrap_or_default()
}

/// Which directory was read last: to be kept, so that no older one comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryMark {
    /// Its number.
    pub serial: u64,
    /// The SHA-256 of its payload.
    pub digest: [u8; 32],
}

impl DirectoryMark {
    pub(super) fn new(serial: u64, payload: &[u8]) -> Self {
        let digest = Sha256::digest(payload).into();
        Self { serial, digest }
    }

    pub(super) fn may_follow(&self, last: &Self) -> Result<(), DirectoryError> {
        let (serial, last_serial) = (self.serial, last.serial);
        if serial < last_serial {
            return Err(DirectoryError::Older {
                serial,
                last: last_serial,
            });
        }
        if serial == last_serial && self.digest != last.digest {
            return Err(DirectoryError::Ambiguous(serial));
        }
        Ok(())
    }
}
