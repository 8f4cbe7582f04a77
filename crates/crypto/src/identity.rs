//! Who a user is: a seed, its phrase, and the X25519 key pair that follows from it.

mod key;
mod phrase;
mod seed;
pub(crate) mod word_list;

pub use key::{IdentityKey, IdentityKeyError, IdentityKeyPair};
pub use phrase::{PHRASE_WORDS, PhraseError};
pub use seed::IdentitySeed;
