//! What the client answers.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use securecall_crypto::EnrolmentProof;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    AccountPassword, ChallengeId, EnrolmentMessageError, VERSION, check_version, read, read_32,
};
use crate::MatrixId;

/// A client asks for its account.
#[derive(Clone, Debug)]
pub struct EnrolmentRequest {
    /// Which challenge is answered.
    pub challenge: ChallengeId,
    /// `@sc_…`, whose key is proven.
    pub matrix_id: MatrixId,
    /// The password of the account.
    pub password: AccountPassword,
    /// Made of an [`EnrolmentStatement`](super::EnrolmentStatement).
    pub proof: EnrolmentProof,
    /// What the server's owner hands out.
    pub invitation: Option<InvitationCode>,
}

#[derive(Serialize, Deserialize)]
struct Json {
    version: u32,
    challenge: String,
    matrix_id: String,
    password: String,
    proof: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invitation: Option<String>,
}

impl Drop for Json {
    fn drop(&mut self) {
        self.password.zeroize();
        self.invitation.zeroize();
    }
}

impl EnrolmentRequest {
    /// Reads the client's bytes.
    ///
    /// # Errors
    ///
    /// When they are none of ours, or name an account that is not of an identity.
    pub fn from_json(bytes: &[u8]) -> Result<Self, EnrolmentMessageError> {
        use EnrolmentMessageError::Member;

        let json: Json = read(bytes)?;
        check_version(json.version)?;
        let matrix_id: MatrixId = json.matrix_id.parse().map_err(|_| Member("matrix_id"))?;
        if matrix_id.securecall_id().is_none() {
            return Err(Member("matrix_id"));
        }
        let invitation = json.invitation.as_deref().map(str::parse).transpose();
        Ok(Self {
            challenge: ChallengeId::from_text(&json.challenge)?,
            matrix_id,
            password: json.password.parse().map_err(|_| Member("password"))?,
            proof: EnrolmentProof::from_bytes(read_32("proof", &json.proof)?),
            invitation: invitation.map_err(|_| Member("invitation"))?,
        })
    }

    /// Writes it.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let json = Json {
            version: VERSION,
            challenge: self.challenge.to_text(),
            matrix_id: self.matrix_id.to_string(),
            password: self.password.expose().to_owned(),
            proof: BASE64URL_NOPAD.encode(self.proof.as_bytes()),
            invitation: self
                .invitation
                .as_ref()
                .map(|code| code.as_str().to_owned()),
        };
        // Room for all of it from the start: a vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(super::MAX_ENROLMENT_MESSAGE));
        // Texts and a number can always be written.
        let _ = serde_json::to_writer(&mut *bytes, &json);
        bytes
    }
}

/// What lets somebody in: letters and digits, read aloud and typed by people. Case, hyphens and spaces do not matter.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationCode(Zeroizing<String>);

/// Not letters and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an invitation is made of at most 64 letters and digits")]
pub struct InvitationCodeError;

impl InvitationCode {
    /// The longest.
    pub const MAX: usize = 64;

    /// As it is compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InvitationCode {
    type Err = InvitationCodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 4 * Self::MAX {
            return Err(InvitationCodeError);
        }
        let mut code = Zeroizing::new(String::with_capacity(Self::MAX + 1));
        for character in text.chars() {
            match character {
                '-' | ' ' => {}
                'a'..='z' | 'A'..='Z' | '0'..='9' if code.len() < Self::MAX => {
                    code.push(character.to_ascii_lowercase());
                }
                _ => return Err(InvitationCodeError),
            }
        }
        if code.is_empty() {
            return Err(InvitationCodeError);
        }
        Ok(Self(code))
    }
}

impl fmt::Debug for InvitationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("InvitationCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let code: InvitationCode = " ABCD-efgh 2345".parse().unwrap();
        assert_eq!(code.as_str(), "abcdefgh2345");
        for wrong in ["", "- -", "ä", "a_b", &"a".repeat(65)] {
            assert!(wrong.parse::<InvitationCode>().is_err(), "{wrong}");
        }
    }
}
