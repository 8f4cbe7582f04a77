//! Which tokens were spent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use thiserror::Error;

use super::token_key::TokenKeyId;
use super::verifier::VerifiedToken;
use crate::time::UnixTime;

/// More keys than a relay accepts in years.
const MAX_KEYS: usize = 1024;

/// The nonces of tokens that were spent, of each key until its end. Nothing is estimated: a token that is not in here was not spent, and
/// when there is no room the next is refused.
///
/// It is of one process. A relay that starts anew forgets, so that what was spent before could be spent once more.
pub struct SpentTokens {
    /// How many tokens of one key are remembered: about 50 octets each.
    per_key: usize,
    keys: BTreeMap<TokenKeyId, SpentOfKey>,
    /// Keys whose end has come. Their nonces are forgotten, so that no token of them is taken any more, whatever a later directory or the
    /// clock says.
    retired: BTreeSet<TokenKeyId>,
}

struct SpentOfKey {
    not_after: UnixTime,
    /// A tree, not a hash table: who chooses nonces has no table to unbalance.
    nonces: BTreeSet<[u8; 32]>,
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
            nonces: BTreeSet::new(),
        });
        // A later directory may have given the key more time.
        spent.not_after = spent.not_after.max(token.not_after);
        if spent.nonces.contains(&token.nonce) {
            return Err(SpendRefusal::AlreadySpent);
        }
        if spent.nonces.len() >= self.per_key {
            return Err(SpendRefusal::Full);
        }
        spent.nonces.insert(token.nonce);
        Ok(())
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.keys.values().map(|spent| spent.nonces.len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
