//! X25519 ([RFC 7748](https://www.rfc-editor.org/rfc/rfc7748)) that refuses an all-zero result.

use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

/// The result of a Diffie-Hellman was all zero: the peer's key is of low order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AllZero;

/// A fresh X25519 secret key.
pub(crate) fn generate(rng: &mut impl CryptoRng) -> StaticSecret {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(bytes.as_mut_slice());
    StaticSecret::from(*bytes)
}

/// The public key of `secret`.
pub(crate) fn public(secret: &StaticSecret) -> [u8; 32] {
    PublicKey::from(secret).to_bytes()
}

/// X25519 of our secret and the peer's public key.
pub(crate) fn agree(secret: &StaticSecret, public: &[u8; 32]) -> Result<SharedSecret, AllZero> {
    let shared = secret.diffie_hellman(&PublicKey::from(*public));
    if shared.was_contributory() {
        Ok(shared)
    } else {
        Err(AllZero)
    }
}
