//! What a client and a server of enrolment say to each other: `docs/protocol/enrolment.md`.
//!
//! ```text
//!   client                                   server
//!     GET /.well-known/securecall/server.json   ──►  ServerDocument
//!     POST <enrolment>/challenge                ──►  EnrolmentChallenge: its fresh key
//!     POST <enrolment>   EnrolmentRequest       ──►  EnrolmentOutcome, or a Refusal
//! ```
//!
//! Each message has one reader and one writer, here, for both ends.

mod account_password;
mod answer;
mod challenge;
mod request;
mod server_document;
mod statement;

use serde::de::DeserializeOwned;

pub use account_password::{AccountPassword, AccountPasswordError};
pub use answer::{EnrolmentAnswer, EnrolmentOutcome, Refusal};
pub use challenge::{ChallengeId, EnrolmentChallenge};
pub use request::{EnrolmentRequest, InvitationCode, InvitationCodeError};
pub use server_document::{SERVER_DOCUMENT_PATH, ServerDocument};
pub use statement::EnrolmentStatement;

/// The longest message of enrolment, either way.
pub const MAX_ENROLMENT_MESSAGE: usize = 4 * 1024;

/// Where the challenge is had, behind the path of enrolment.
pub const CHALLENGE_PATH: &str = "/challenge";

/// The one version there is.
const VERSION: u32 = 1;

/// Why bytes are no message of enrolment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentMessageError {
    /// More than [`MAX_ENROLMENT_MESSAGE`].
    #[error("it is longer than {MAX_ENROLMENT_MESSAGE} bytes")]
    TooLong,
    /// Not a JSON object with the members that there must be.
    #[error("it is no JSON object with all that it must have")]
    NotJson,
    /// Of a version that is not known here.
    #[error("it is of version {0}, and only version {VERSION} is known here")]
    Version(u32),
    /// A member holds what it cannot.
    #[error("`{0}` is not as it must be")]
    Member(&'static str),
}

/// Reads an object; what is unknown in it is skipped.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, EnrolmentMessageError> {
    if bytes.len() > MAX_ENROLMENT_MESSAGE {
        return Err(EnrolmentMessageError::TooLong);
    }
    // An array would be taken for a struct.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(EnrolmentMessageError::NotJson);
    }
    serde_json::from_slice(bytes).map_err(|_| EnrolmentMessageError::NotJson)
}

fn check_version(version: u32) -> Result<(), EnrolmentMessageError> {
    if version == VERSION {
        Ok(())
    } else {
        Err(EnrolmentMessageError::Version(version))
    }
}

/// 32 bytes in base64url.
fn read_32(member: &'static str, text: &str) -> Result<[u8; 32], EnrolmentMessageError> {
    data_encoding::BASE64URL_NOPAD
        .decode(text.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(EnrolmentMessageError::Member(member))
}

#[cfg(test)]
mod tests {
    use securecall_crypto::{EnrolmentKeyPair, IdentityKeyPair, IdentitySeed, WrongProof};

    use super::*;
    use crate::{MatrixId, SecureCallId, ServerName};

    fn identity() -> IdentityKeyPair {
        IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([7; 32]))
    }

    fn matrix_id(server_name: &str) -> MatrixId {
        let server_name: ServerName = server_name.parse().unwrap();
        MatrixId::of_securecall_id(&SecureCallId::new(&identity().public()), &server_name)
    }

    fn password() -> AccountPassword {
        let seed = IdentitySeed::from_bytes([7; 32]);
        seed.account_password("matrix.example.org").parse().unwrap()
    }

    fn challenge() -> (EnrolmentKeyPair, EnrolmentChallenge) {
        let pair = EnrolmentKeyPair::from_bytes(&[9; 32]);
        let challenge = EnrolmentChallenge {
            id: ChallengeId::from_bytes(vec![5; 40]).unwrap(),
            key: pair.public(),
            server_name: "example.org".parse().unwrap(),
        };
        (pair, challenge)
    }

    #[test]
    fn each_message_is_read_as_it_was_written() {
        let (pair, challenge) = challenge();
        let read = EnrolmentChallenge::from_json(&challenge.to_json()).unwrap();
        assert_eq!(read, challenge);

        let (matrix_id, password) = (matrix_id("example.org"), password());
        let statement = EnrolmentStatement {
            challenge: &challenge.id,
            host: "matrix.example.org",
            matrix_id: &matrix_id,
            password: &password,
        };
        let proof = identity()
            .prove_enrolment(&challenge.key, &statement.to_bytes())
            .unwrap();
        let request = EnrolmentRequest {
            challenge: challenge.id.clone(),
            matrix_id: matrix_id.clone(),
            password,
            proof,
            invitation: Some("abcd-efgh".parse().unwrap()),
        };
        let read = EnrolmentRequest::from_json(&request.to_json()).unwrap();
        assert_eq!(read.matrix_id, matrix_id);
        assert_eq!(read.invitation.unwrap().as_str(), "abcdefgh");
        let statement = EnrolmentStatement {
            challenge: &read.challenge,
            host: "matrix.example.org",
            matrix_id: &read.matrix_id,
            password: &read.password,
        };
        let key = identity().public();
        assert_eq!(pair.check(&key, &statement.to_bytes(), &read.proof), Ok(()));
        // Whoever leads a client to another host gets a proof that is worth nothing at the first.
        let elsewhere = EnrolmentStatement {
            host: "matrix.example.net",
            ..statement
        };
        assert_eq!(
            pair.check(&key, &elsewhere.to_bytes(), &read.proof),
            Err(WrongProof)
        );
    }

    #[test]
    fn a_statement_has_one_reading() {
        let (_, challenge) = challenge();
        let (matrix_id, password) = (matrix_id("example.org"), password());
        let bytes = EnrolmentStatement {
            challenge: &challenge.id,
            host: "h",
            matrix_id: &matrix_id,
            password: &password,
        }
        .to_bytes();
        let label = b"SecureCall enrolment v1\0";
        assert_eq!(&bytes[..label.len()], label);
        // Five fields with their lengths: challenge, server name, host, Matrix ID, hash of the password.
        let mut rest = &bytes[label.len()..];
        let mut lengths = Vec::new();
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            lengths.push(length);
            rest = &rest[2 + length..];
        }
        assert_eq!(lengths, [40, 11, 1, 72, 32]);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [
            &b""[..],
            b"[]",
            b"null",
            b"{}",
            b"{\"version\":1}",
            &[b' '; MAX_ENROLMENT_MESSAGE + 1],
        ] {
            assert!(EnrolmentChallenge::from_json(bytes).is_err());
            assert!(EnrolmentRequest::from_json(bytes).is_err());
        }
        let (_, challenge) = challenge();
        let good = String::from_utf8(challenge.to_json()).unwrap();
        let other = good.replace("\"version\":1", "\"version\":2");
        assert_eq!(
            EnrolmentChallenge::from_json(other.as_bytes()),
            Err(EnrolmentMessageError::Version(2))
        );
        let wrong = good.replace("\"challenge\":\"", "\"challenge\":\"!");
        assert_eq!(
            EnrolmentChallenge::from_json(wrong.as_bytes()),
            Err(EnrolmentMessageError::Member("challenge"))
        );
    }

    #[test]
    fn answers_have_words() {
        for outcome in [EnrolmentOutcome::Enrolled, EnrolmentOutcome::Waiting] {
            let answer = EnrolmentAnswer::Outcome(outcome);
            assert_eq!(EnrolmentAnswer::from_json(&answer.to_json()), Ok(answer));
        }
        for refusal in Refusal::ALL {
            let answer = EnrolmentAnswer::Refused(refusal);
            assert_eq!(EnrolmentAnswer::from_json(&answer.to_json()), Ok(answer));
        }
        for unknown in [
            &b"{\"outcome\":\"later\"}"[..],
            b"{\"error\":\"new\"}",
            b"{}",
        ] {
            assert!(EnrolmentAnswer::from_json(unknown).is_err());
        }
    }

    #[test]
    fn only_a_derived_password_is_one() {
        let good = password();
        assert_eq!(format!("{good:?}"), "AccountPassword(..)");
        let text = good.expose();
        for wrong in [
            "",
            "hunter2",
            &text[1..],
            &format!("{text}A"),
            &text.replace("Sc1-", "Sc2-"),
            &format!("{}!", &text[..46]),
        ] {
            assert!(wrong.parse::<AccountPassword>().is_err(), "{wrong}");
        }
    }
}
