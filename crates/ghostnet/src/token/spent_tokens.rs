//! Which tokens were spent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::token_key::TokenKeyId;
use super::verifier::VerifiedToken;
use crate::time::UnixTime;

/// More keys than a relay accepts in years.
const MAX_KEYS: usize = 1024;
/// What a token is known by. Two tokens that share it cannot be made: whoever could would only lose the second.
const MARK_LENGTH: usize = 16;
/// The version of the serialized form.
const VERSION: u8 = 1;

/// Which tokens were spent, of each key until its end. Nothing is estimated: a token that is not in here was not spent, and
/// when there is no room the next is refused.
///
/// What is kept of a token is half of a SHA-256 of its nonce: it says nothing to whoever does not have the token. [`to_bytes`] has the
/// marks in their own order, which says nothing of when one was spent, or which after which.
///
/// [`to_bytes`]: Self::to_bytes
pub struct SpentTokens {
    /// How many tokens of one key are remembered: about 25 octets each.
    per_key: usize,
    keys: BTreeMap<TokenKeyId, SpentOfKey>,
    /// Keys whose end has come. Their nonces are forgotten, so that no token of them is taken any more, whatever a later directory or the
    /// clock says.
    retired: BTreeSet<TokenKeyId>,
}

struct SpentOfKey {
    not_after: UnixTime,
    /// A tree, not a hash table: who chooses nonces has no table to unbalance.
    marks: BTreeSet<Mark>,
}

type Mark = [u8; MARK_LENGTH];

/// What is remembered of a nonce. Those of different keys are kept apart.
fn mark(nonce: &[u8; 32]) -> Mark {
    let digest = Sha256::new()
        .chain_update(b"securecall spent token")
        .chain_update(nonce)
        .finalize();
    let mut mark = [0; MARK_LENGTH];
    mark.copy_from_slice(&digest[..MARK_LENGTH]);
    mark
}

impl SpentTokens {
    /// None is spent. Of each key, so many are remembered.
    pub const fn new(per_key: usize) -> Self {
        Self {
            per_key,
            keys: BTreeMap::new(),
            retired: BTreeSet::new(),
        }
    }

    /// Spends a token, if it was not spent.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the proof is good for one try"
    )]
    pub fn spend(&mut self, token: VerifiedToken, now: UnixTime) -> Result<(), SpendRefusal> {
        self.retire(now);
        if self.retired.contains(&token.key) || token.not_after <= now {
            return Err(SpendRefusal::KeyRetired);
        }
        if !self.keys.contains_key(&token.key) && self.keys.len() + self.retired.len() >= MAX_KEYS {
            return Err(SpendRefusal::Full);
        }
        let spent = self.keys.entry(token.key).or_insert_with(|| SpentOfKey {
            not_after: token.not_after,
            marks: BTreeSet::new(),
        });
        // A later directory may have given the key more time.
        spent.not_after = spent.not_after.max(token.not_after);
        let mark = mark(&token.nonce);
        if spent.marks.contains(&mark) {
            return Err(SpendRefusal::AlreadySpent);
        }
        if spent.marks.len() >= self.per_key {
            return Err(SpendRefusal::Full);
        }
        spent.marks.insert(mark);
        Ok(())
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.keys.values().map(|spent| spent.marks.len()).sum()
    }

    /// Whether there was never one, as far as is known.
    pub fn has_never_spent(&self) -> bool {
        self.keys.is_empty() && self.retired.is_empty()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For whoever starts the relay anew.
    pub fn to_bytes(&self) -> Vec<u8> {
        let size = 5 + 32 * self.retired.len() + 44 * self.keys.len() + MARK_LENGTH * self.len();
        let mut bytes = Vec::with_capacity(size);
        bytes.push(VERSION);
        push_count(&mut bytes, self.retired.len());
        for key in &self.retired {
            bytes.extend_from_slice(&key.0);
        }
        for (key, spent) in &self.keys {
            bytes.extend_from_slice(&key.0);
            bytes.extend_from_slice(&spent.not_after.as_secs().to_be_bytes());
            push_count(&mut bytes, spent.marks.len());
            spent
                .marks
                .iter()
                .for_each(|mark| bytes.extend_from_slice(mark));
        }
        bytes
    }

    /// As [`to_bytes`](Self::to_bytes) wrote it, with the room of now: what was spent stays spent, also where there is less.
    pub fn from_bytes(mut bytes: &[u8], per_key: usize) -> Result<Self, SpentTokensError> {
        let mut read = Self::new(per_key);
        let [version] = take(&mut bytes)?;
        if version != VERSION {
            return Err(SpentTokensError);
        }
        for _ in 0..take_count(&mut bytes)? {
            read.retired.insert(TokenKeyId(take(&mut bytes)?));
        }
        while !bytes.is_empty() {
            let key = TokenKeyId(take(&mut bytes)?);
            let not_after = UnixTime::from_secs(u64::from_be_bytes(take(&mut bytes)?));
            let mut marks = BTreeSet::new();
            for _ in 0..take_count(&mut bytes)? {
                marks.insert(take::<MARK_LENGTH>(&mut bytes)?);
            }
            read.keys.insert(key, SpentOfKey { not_after, marks });
        }
        let keys = read.keys.len() + read.retired.len();
        (keys <= MAX_KEYS).then_some(read).ok_or(SpentTokensError)
    }

    fn retire(&mut self, now: UnixTime) {
        let ended = self.keys.extract_if(.., |_, spent| spent.not_after <= now);
        self.retired.extend(ended.map(|(key, _)| key));
    }
}

impl fmt::Debug for SpentTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpentTokens({})", self.len())
    }
}

fn push_count(bytes: &mut Vec<u8>, count: usize) {
    // There is memory for far fewer.
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&count.to_be_bytes());
}

fn take_count(bytes: &mut &[u8]) -> Result<u32, SpentTokensError> {
    Ok(u32::from_be_bytes(take(bytes)?))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], SpentTokensError> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(SpentTokensError)?;
    *bytes = rest;
    Ok(*taken)
}

/// Bytes are not what remembers spent tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this does not say which tokens were spent")]
pub struct SpentTokensError;

/// Why a token that is good is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum SpendRefusal {
    /// It was taken before: status 401.
    #[error("the token was spent before")]
    AlreadySpent,
    /// Its key's end has come: status 401.
    #[error("the key of the token is retired")]
    KeyRetired,
    /// No more tokens can be remembered: status 503.
    #[error("no room to remember another token")]
    Full,
}
