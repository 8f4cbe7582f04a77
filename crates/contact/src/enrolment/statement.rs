//! What a proof is a proof of.

use sha2::{Digest as _, Sha256};

use super::{AccountPassword, ChallengeId};
use crate::MatrixId;

/// So that it is no statement of anything else.
const LABEL: &[u8] = b"SecureCall enrolment v1\0";

/// "For this challenge, at this host: I am this Matrix ID, and its account has this password."
#[derive(Clone, Copy, Debug)]
pub struct EnrolmentStatement<'a> {
    /// What is answered.
    pub challenge: &'a ChallengeId,
    /// The host that is talked to, which the password is derived for: a proof for one host is worth nothing at another.
    pub host: &'a str,
    /// Whose account it is to be; the name behind the colon is the server's.
    pub matrix_id: &'a MatrixId,
    /// The account's password.
    pub password: &'a AccountPassword,
}

impl EnrolmentStatement<'_> {
    /// Label, then each field with its length in 2 bytes: challenge, server name, host, Matrix ID, SHA-256 of the password.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self {
            challenge,
            host,
            matrix_id,
            password,
        } = self;
        let password = Sha256::digest(password.expose().as_bytes());
        let mut bytes = LABEL.to_vec();
        for field in [
            challenge.as_bytes(),
            matrix_id.server_name().as_str().as_bytes(),
            host.as_bytes(),
            matrix_id.as_str().as_bytes(),
            &password,
        ] {
            // A host has at most 253 characters, and nothing else here is longer. A longer one is cut, with a length that no
            // other statement has.
            let length = u16::try_from(field.len()).unwrap_or(u16::MAX);
            bytes.extend(length.to_be_bytes());
            bytes.extend(&field[..usize::from(length)]);
        }
        bytes
    }
}
