//! Safety words: four words that both people see and may compare by voice.
//!
//! The caller commits to a nonce in message 1 and reveals it with its first ratchet message. A man in the middle fixes
//! his keys before he sees the nonce, so he has one guess a handshake, chance 2⁻⁴⁴.

use std::fmt;

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::IdentityKey;
use crate::identity::word_list::WORDS;
use crate::kdf::hkdf;
use crate::secret::secret;
use crate::transcript::Transcript;

const COMMITMENT_LABEL: &[u8] = b"securecall words";
const WORDS_INFO: &[u8] = b"securecall v1 words";
const GROUP_WORDS_INFO: &[u8] = b"securecall v1 group words";

secret! {
    /// The caller's 32 random bytes behind the safety words of one call; secret until revealed.
    pub struct WordsNonce;
}

impl WordsNonce {
    /// A fresh nonce.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut nonce = Self::copied(&[0; 32]);
        rng.fill_bytes(nonce.0.as_mut_slice());
        nonce
    }

    /// A nonce the peer revealed. It is worth nothing before [`WordsCommitment::verify`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Box::new(bytes))
    }

    /// The 32 bytes, to reveal them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What message 1 carries: SHA-256(`"securecall words"` ‖ nonce).
    #[must_use]
    pub fn commitment(&self) -> WordsCommitment {
        let mut hash = Sha256::new();
        hash.update(COMMITMENT_LABEL);
        hash.update(self.0.as_slice());
        WordsCommitment(hash.finalize().into())
    }
}

/// The caller's commitment to its [`WordsNonce`]. Public.
#[derive(Clone, Copy, Debug)]
pub struct WordsCommitment([u8; 32]);

impl WordsCommitment {
    /// A commitment out of message 1.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, to put them into message 1.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `nonce` is the one committed to; if not, the call must end. Takes the same time either way.
    #[must_use]
    pub fn verify(&self, nonce: &WordsNonce) -> bool {
        self.0.ct_eq(&nonce.commitment().0).into()
    }
}

/// Four words of the BIP-39 list, equal on both sides unless somebody sits between them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SafetyWords([&'static str; 4]);

impl SafetyWords {
    /// The words in the order in which they are read out.
    #[must_use]
    pub const fn words(&self) -> [&'static str; 4] {
        self.0
    }
}

impl fmt::Display for SafetyWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl fmt::Debug for SafetyWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("SafetyWords(..)")
    }
}

/// The words of a conference: of its ID, and of the identities of all who are in, in the order of their bytes. They are the same at
/// all members that see the same people.
///
/// They show that nobody is left out or put in by mistake, or by whoever carries the calls. Who is who is shown by the handshake of
/// each leg, and by the words of that leg: a member who chooses keys of people that do not exist can make two lists have the same words.
#[must_use]
pub fn group_words(
    conference: &[u8; 16],
    identities: impl IntoIterator<Item = IdentityKey>,
) -> SafetyWords {
    let mut all = Vec::new();
    for identity in identities {
        all.extend_from_slice(identity.as_bytes());
    }
    words_of(&hkdf::<6>(conference, &all, &[GROUP_WORDS_INFO]))
}

/// The words of a call: the first 44 bits of HKDF(salt = nonce, ikm = transcript, info = `"securecall v1 words"`).
///
/// The callee first checks the nonce with [`WordsCommitment::verify`].
#[must_use]
pub fn safety_words(nonce: &WordsNonce, transcript: &Transcript) -> SafetyWords {
    let okm = hkdf::<6>(nonce.as_bytes(), transcript.as_bytes(), &[WORDS_INFO]);
    words_of(&okm)
}

fn words_of(okm: &[u8; 6]) -> SafetyWords {
    let bits = okm
        .iter()
        .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    SafetyWords([37, 26, 15, 4].map(|shift| WORDS[(bits >> shift) as usize & 0x7ff]))
}
