//! Tokens from issuer to relay, and what is refused on the way.

mod fields;
mod issuance;
mod spending;
mod stock;
mod vectors;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::{AcceptedKey, Challenge, IssuerKey, Purchase, Token, TokenKey, Verifier};
use crate::{IssuerName, UnixTime, Validity};

pub(crate) fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

pub(crate) fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

pub(crate) fn validity(from: u64, until: u64) -> Validity {
    Validity::new(at(from), at(until)).unwrap()
}

pub(crate) fn issuer_name() -> IssuerName {
    IssuerName::parse("issuer.example").unwrap()
}

/// The key of the RFC's vectors: to make one takes long.
pub(crate) fn issuer_key() -> IssuerKey {
    vectors::issuer_key()
}

/// Another key, public only, of which nobody knows the secret half.
pub(crate) fn other_key(number: u8) -> TokenKey {
    let mut der = *issuer_key().public().as_der();
    der[100] ^= number;
    TokenKey::from_der(&der).unwrap()
}

pub(crate) fn challenge() -> Challenge {
    Challenge::of_issuer(issuer_name())
}

fn bought(issuer: &IssuerKey, challenge: &Challenge, seed: u8) -> Token {
    let rng = &mut rng(seed);
    let (purchase, request) = Purchase::new(issuer.public(), challenge, rng).unwrap();
    purchase.finish(&issuer.issue(&request).unwrap()).unwrap()
}

fn verifier() -> Verifier {
    Verifier::new([AcceptedKey {
        issuer: issuer_name(),
        key: issuer_key().public().clone(),
        validity: validity(100, 200),
    }])
}
