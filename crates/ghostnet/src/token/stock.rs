//! Tokens that were bought in advance.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use super::purchase::{TOKEN_LENGTH, Token};
use super::token_key::TokenKeyId;
use crate::time::UnixTime;

/// How many tokens of a key there are after buying.
pub const STOCK: usize = 20;
/// With fewer, others are bought as soon as there is no call.
pub const LOW_STOCK: usize = 10;

/// A token that a relay may find out of date, by a clock a little ahead of ours, is not used.
const MARGIN_SECS: u64 = 10 * 60;
/// The most tokens that are kept: those of some issuers, and of the key before.
const MAX_TOKENS: usize = 10 * STOCK;
/// The version of the serialized form.
const VERSION: u8 = 1;
const ENTRY_LENGTH: usize = 8 + TOKEN_LENGTH;

/// Tokens in stock. Each is taken out once, in the order in which they came.
#[derive(Default)]
pub struct TokenStock {
    entries: Vec<Entry>,
}

struct Entry {
    token: Token,
    /// The end of its key.
    not_after: UnixTime,
}

impl TokenStock {
    /// An empty one.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Puts in a token whose key is good until then. What finds no room is lost.
    pub fn put(&mut self, token: Token, not_after: UnixTime) {
        if self.entries.len() < MAX_TOKENS {
            self.entries.push(Entry { token, not_after });
        }
    }

    /// Takes out a token of one of these keys; those that end first are used first. Whoever takes it must store the stock before it is
    /// sent: a token that is sent twice is refused, and ties two calls together.
    pub fn take(&mut self, keys: &[TokenKeyId], now: UnixTime) -> Option<Token> {
        self.remove_expired(now);
        let fits = |entry: &Entry| keys.contains(&entry.token.key_id());
        let (at, _) = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| fits(entry))
            .min_by_key(|(_, entry)| entry.not_after)?;
        Some(self.entries.remove(at).token)
    }

    /// How many tokens of a key to buy now, while idle: none unless fewer than [`LOW_STOCK`] are left, and none of a key that ends soon.
    pub fn wanted(&self, key: TokenKeyId, not_after: UnixTime, now: UnixTime) -> usize {
        if not_after <= now.plus(MARGIN_SECS) {
            return 0;
        }
        match self.count(key, now) {
            have if have < LOW_STOCK => (STOCK - have).min(MAX_TOKENS - self.entries.len()),
            _ => 0,
        }
    }

    /// How many tokens of a key can be used.
    pub fn count(&self, key: TokenKeyId, now: UnixTime) -> usize {
        let usable = |entry: &&Entry| entry.token.key_id() == key && entry.is_usable(now);
        self.entries.iter().filter(usable).count()
    }

    /// Forgets the tokens whose keys end.
    pub fn remove_expired(&mut self, now: UnixTime) {
        self.entries.retain(|entry| entry.is_usable(now));
    }

    /// For the sealed profile. Secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let length = 1 + self.entries.len() * ENTRY_LENGTH;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.push(VERSION);
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.not_after.as_secs().to_be_bytes());
            bytes.extend_from_slice(entry.token.as_bytes());
        }
        bytes
    }

    /// As [`to_bytes`](Self::to_bytes) wrote it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StockError> {
        let Some((&VERSION, entries)) = bytes.split_first() else {
            return Err(StockError);
        };
        let (entries, rest) = entries.as_chunks::<ENTRY_LENGTH>();
        if !rest.is_empty() || entries.len() > MAX_TOKENS {
            return Err(StockError);
        }
        let entries = entries.iter().map(|entry| {
            let (not_after, token) = entry.split_first_chunk().ok_or(StockError)?;
            Ok(Entry {
                token: Token::from_bytes(token).map_err(|_| StockError)?,
                not_after: UnixTime::from_secs(u64::from_be_bytes(*not_after)),
            })
        });
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }
}

impl Entry {
    fn is_usable(&self, now: UnixTime) -> bool {
        now.plus(MARGIN_SECS) < self.not_after
    }
}

impl fmt::Debug for TokenStock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenStock({})", self.entries.len())
    }
}

/// Bytes are no stock of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a stock of tokens")]
pub struct StockError;
