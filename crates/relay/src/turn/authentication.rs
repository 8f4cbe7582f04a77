//! Long-term credentials (RFC 8489 section 9.2).

use super::Credentials;
use crate::stun::{AttributeType, IntegrityAlgorithm, IntegrityKey, Message, MessageBuilder};

/// The longest realm or nonce, in bytes: RFC 8489 allows fewer than 128 characters.
const MAX_CHALLENGE_LEN: usize = 763;
/// The longest list of password algorithms that is read, in bytes.
const MAX_ALGORITHMS_LEN: usize = 64;

/// Numbers of password algorithms (RFC 8489 section 18.5).
const MD5: u16 = 1;
const SHA256: u16 = 2;

/// What a server has asked us to prove ourselves with, and the proof.
#[derive(Debug)]
pub(super) struct Authentication {
    credentials: Credentials,
    challenge: Option<Challenge>,
}

#[derive(Debug)]
struct Challenge {
    realm: String,
    nonce: String,
    key: IntegrityKey,
    /// The server's list, which goes back as it came so that nobody on the way can shorten it.
    algorithms: Option<Vec<u8>>,
}

impl Authentication {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            challenge: None,
        }
    }

    /// The nonce that requests have with them, once they have our credentials.
    pub(super) fn nonce(&self) -> Option<&str> {
        Some(self.challenge.as_ref()?.nonce.as_str())
    }

    /// The server has taken this nonce: whatever others it has named since then, or somebody else has, this one is good.
    pub(super) fn nonce_is_taken(&mut self, nonce: String) {
        if let Some(challenge) = &mut self.challenge {
            challenge.nonce = nonce;
        }
    }

    /// Takes realm and nonce of a refusal with 401 or 438. `Err` says what is wrong with them.
    pub(super) fn take_challenge(&mut self, message: &Message<'_>) -> Result<(), &'static str> {
        let realm = message
            .text(AttributeType::REALM, MAX_CHALLENGE_LEN)
            .ok_or("it asks for a password without saying whose")?;
        let known = self.challenge.as_ref();
        // A nonce that is stale asks for no other realm (RFC 8489 section 9.2.5): only somebody who wants to see what our password
        // gives with realms of their choice would.
        if known.is_some_and(|known| known.realm != realm) {
            return Err("it asks for the password of another realm");
        }
        let nonce = message
            .text(AttributeType::NONCE, MAX_CHALLENGE_LEN)
            .ok_or("it asks for a password without a nonce")?;
        // Who has listed them once need not do so with each new nonce.
        let algorithms = message
            .attribute(AttributeType::PASSWORD_ALGORITHMS)
            .or_else(|| known?.algorithms.as_deref());
        let algorithm = choose(algorithms)?;
        // Nor another way to prove it: with a key made otherwise the server's own answers would not count any more.
        if known.is_some_and(|known| known.key.algorithm() != algorithm) {
            return Err("it asks for another proof of the password than before");
        }
        let key = IntegrityKey::long_term(
            algorithm,
            self.credentials.username(),
            realm,
            self.credentials.password(),
        );
        self.challenge = Some(Challenge {
            realm: realm.to_owned(),
            nonce: nonce.to_owned(),
            key,
            algorithms: algorithms.map(<[u8]>::to_vec),
        });
        Ok(())
    }

    /// Whether a message is about the realm that the server asked for first.
    pub(super) fn has_realm_of(&self, message: &Message<'_>) -> bool {
        let realm = message.text(AttributeType::REALM, MAX_CHALLENGE_LEN);
        let known = self.challenge.as_ref().map(|known| known.realm.as_str());
        realm.is_some() && realm == known
    }

    /// The request with our credentials, if the server has asked for them.
    pub(super) fn sign(&self, request: MessageBuilder) -> MessageBuilder {
        let Some(Challenge {
            realm,
            nonce,
            key,
            algorithms,
        }) = &self.challenge
        else {
            return request;
        };
        let mut request = request
            .attribute(
                AttributeType::USERNAME,
                self.credentials.username().as_bytes(),
            )
            .attribute(AttributeType::REALM, realm.as_bytes())
            .attribute(AttributeType::NONCE, nonce.as_bytes());
        if let Some(algorithms) = algorithms {
            let [high, low] = number_of(key.algorithm()).to_be_bytes();
            request = request
                .attribute(AttributeType::PASSWORD_ALGORITHMS, algorithms)
                .attribute(AttributeType::PASSWORD_ALGORITHM, &[high, low, 0, 0]);
        }
        request.integrity(key)
    }

    /// Whether a response is of a server that knows our password.
    pub(super) fn vouches_for(&self, message: &Message<'_>) -> bool {
        let challenge = self.challenge.as_ref();
        challenge.is_some_and(|challenge| message.is_authentic(&challenge.key))
    }
}

/// The best of the algorithms a server lists; the one of RFC 5389 where it lists none.
fn choose(algorithms: Option<&[u8]>) -> Result<IntegrityAlgorithm, &'static str> {
    let Some(list) = algorithms else {
        return Ok(IntegrityAlgorithm::Md5);
    };
    if list.len() > MAX_ALGORITHMS_LEN {
        return Err("its list of password algorithms is too long");
    }
    let mut listed = Vec::new();
    let mut rest = list;
    while let [high, low, length_high, length_low, more @ ..] = rest {
        listed.push(u16::from_be_bytes([*high, *low]));
        let parameters = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        rest = more
            .get(parameters.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    if listed.contains(&SHA256) {
        Ok(IntegrityAlgorithm::Sha256)
    } else if listed.contains(&MD5) {
        Ok(IntegrityAlgorithm::Md5)
    } else {
        Err("it lists no password algorithm that is known")
    }
}

const fn number_of(algorithm: IntegrityAlgorithm) -> u16 {
    match algorithm {
        IntegrityAlgorithm::Md5 => MD5,
        IntegrityAlgorithm::Sha256 => SHA256,
    }
}
