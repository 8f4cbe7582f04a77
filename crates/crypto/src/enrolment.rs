//! Proof of an identity key towards a server that has asked for it: `docs/protocol/enrolment.md`.
//!
//! An identity key agrees and does not sign. So the server shows a key of its own, fresh for each challenge, and whoever has the
//! identity key shows that they share a secret with it. Only that server can check the proof, and it convinces nobody else.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::dh::{self, SecretKey};
use crate::identity::{IdentityKey, IdentityKeyPair};
use crate::kdf::hkdf;

/// So that the secret is none that a handshake could give.
const PROOF_INFO: &[u8] = b"securecall v1 enrolment";

/// Length of a proof.
pub const ENROLMENT_PROOF_LEN: usize = 32;

/// The server's key is of low order: the secret would be known to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's key is of low order and proves nothing")]
pub struct EnrolmentKeyError;

/// The proof is not of this statement by this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof is wrong")]
pub struct WrongProof;

/// The public key that a server shows in a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteEnrolmentKey([u8; 32]);

impl RemoteEnrolmentKey {
    /// Any 32 bytes; one of low order is refused when it is used.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of a message.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The key pair of one challenge, at the server.
pub struct EnrolmentKeyPair {
    secret: SecretKey,
    public: [u8; 32],
}

impl EnrolmentKeyPair {
    /// The key pair of 32 bytes that nobody else can know, clamped as X25519 does.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let secret = Box::new(StaticSecret::from(*bytes));
        let public = dh::public(&secret);
        Self { secret, public }
    }

    /// The public key, as the challenge shows it.
    #[must_use]
    pub const fn public(&self) -> RemoteEnrolmentKey {
        RemoteEnrolmentKey(self.public)
    }

    /// Checks that whoever has `identity` has stated `statement`, in answer to this challenge.
    ///
    /// # Errors
    ///
    /// When the proof is of another statement, by another key, or for another challenge.
    pub fn check(
        &self,
        identity: &IdentityKey,
        statement: &[u8],
        proof: &EnrolmentProof,
    ) -> Result<(), WrongProof> {
        // An identity key is never of low order; were it, nothing would be proven.
        let right = prove(
            &self.secret,
            identity.as_bytes(),
            &self.public,
            identity,
            statement,
        )
        .map_err(|EnrolmentKeyError| WrongProof)?;
        if bool::from(right.0.ct_eq(&proof.0)) {
            Ok(())
        } else {
            Err(WrongProof)
        }
    }
}

impl fmt::Debug for EnrolmentKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret: _, public } = self;
        f.debug_struct("EnrolmentKeyPair")
            .field("public", public)
            .finish_non_exhaustive()
    }
}

impl IdentityKeyPair {
    /// Proves to the server with `key` that whoever has this identity states `statement`.
    ///
    /// # Errors
    ///
    /// When the server's key is of low order.
    pub fn prove_enrolment(
        &self,
        key: &RemoteEnrolmentKey,
        statement: &[u8],
    ) -> Result<EnrolmentProof, EnrolmentKeyError> {
        prove(self.secret(), &key.0, &key.0, &self.public(), statement)
    }
}

/// HMAC-SHA256 of the statement, under a key that takes X25519's secret and both public keys.
fn prove(
    secret: &StaticSecret,
    peer: &[u8; 32],
    server: &[u8; 32],
    identity: &IdentityKey,
    statement: &[u8],
) -> Result<EnrolmentProof, EnrolmentKeyError> {
    let shared = dh::agree(secret, peer).map_err(|dh::AllZero| EnrolmentKeyError)?;
    let mut salt = [0; 64];
    salt[..32].copy_from_slice(server);
    salt[32..].copy_from_slice(identity.as_bytes());
    let key: Zeroizing<[u8; 32]> = hkdf(&salt, shared.as_bytes(), &[PROOF_INFO]);
    Ok(EnrolmentProof(mac(&key, statement)))
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn mac(key: &[u8; 32], statement: &[u8]) -> [u8; ENROLMENT_PROOF_LEN] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    hmac.update(statement);
    hmac.finalize().into_bytes().into()
}

/// What only the holder of an identity key, and the server that asked, can make. It is good for one statement alone.
#[derive(Clone)]
pub struct EnrolmentProof([u8; ENROLMENT_PROOF_LEN]);

impl EnrolmentProof {
    /// Takes the bytes of a message.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; ENROLMENT_PROOF_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes of a message.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; ENROLMENT_PROOF_LEN] {
        &self.0
    }
}

/// Until its challenge is answered whoever has it could answer.
impl fmt::Debug for EnrolmentProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("EnrolmentProof(..)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::identity::IdentitySeed;
    use crate::vectors::{check, fixed, hex};

    fn identity(first: u8) -> IdentityKeyPair {
        IdentityKeyPair::from_seed(&IdentitySeed::from_bytes(fixed(first)))
    }

    fn server(first: u8) -> EnrolmentKeyPair {
        EnrolmentKeyPair::from_bytes(&fixed(first))
    }

    #[test]
    fn a_proof_is_good_for_its_challenge_its_key_and_its_statement() {
        let (me, somebody) = (identity(1), identity(2));
        let (asked, another) = (server(3), server(4));
        let proof = me.prove_enrolment(&asked.public(), b"statement").unwrap();
        assert_eq!(asked.check(&me.public(), b"statement", &proof), Ok(()));
        assert_eq!(
            asked.check(&me.public(), b"statement!", &proof),
            Err(WrongProof)
        );
        assert_eq!(
            asked.check(&somebody.public(), b"statement", &proof),
            Err(WrongProof)
        );
        assert_eq!(
            another.check(&me.public(), b"statement", &proof),
            Err(WrongProof)
        );
        for bit in 0..8 * ENROLMENT_PROOF_LEN {
            let mut bytes = *proof.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let forged = EnrolmentProof::from_bytes(bytes);
            assert_eq!(
                asked.check(&me.public(), b"statement", &forged),
                Err(WrongProof)
            );
        }
    }

    #[test]
    fn nothing_is_proven_to_a_key_of_low_order() {
        let mut one = [0; 32];
        one[0] = 1;
        // p and p + 1 are 0 and 1, written in another way.
        let mut p = [0xff; 32];
        p[0] = 0xed;
        p[31] = 0x7f;
        let mut p_and_1 = p;
        p_and_1[0] = 0xee;
        for key in [[0; 32], one, p, p_and_1] {
            let key = RemoteEnrolmentKey::from_bytes(key);
            let refused = identity(1).prove_enrolment(&key, b"statement");
            assert_eq!(refused.unwrap_err(), EnrolmentKeyError);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let proof = identity(1).prove_enrolment(&server(3).public(), b"");
        assert_eq!(format!("{:?}", proof.unwrap()), "EnrolmentProof(..)");
        let shown = format!("{:?}", server(3));
        assert!(shown.starts_with("EnrolmentKeyPair { public: ["), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn vectors() {
        let made: Vec<_> = [(0x10, 0x40, ""), (0x20, 0x50, "a statement")]
            .into_iter()
            .map(|(seed, server_secret, statement)| {
                let (me, server) = (identity(seed), server(server_secret));
                let proof = me.prove_enrolment(&server.public(), statement.as_bytes());
                json!({
                    "seed": hex(&fixed(seed)),
                    "identity_key": hex(me.public().as_bytes()),
                    "server_secret": hex(&fixed(server_secret)),
                    "server_key": hex(server.public().as_bytes()),
                    "statement": hex(statement.as_bytes()),
                    "proof": hex(proof.unwrap().as_bytes()),
                })
            })
            .collect();
        check("enrolment_proof.json", &json!(made));
    }
}
