//! RSABSSA-SHA384-PSS-Deterministic (RFC 9474), for keys of 2048 bits: the client's and the verifier's side.

use rand_core::CryptoRng;
use rsa::hazmat::rsa_encrypt;
use rsa::pss::{Signature, VerifyingKey};
use rsa::signature::Verifier as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, PublicKey};
use sha2::{Digest as _, Sha384};
use zeroize::Zeroizing;

/// The bits of a modulus.
pub(super) const MODULUS_BITS: u32 = 2048;
/// The octets of a modulus, of a blinded message, and of a signature (`Nk` in RFC 9578).
pub(super) const MODULUS_LENGTH: usize = 256;

/// The octets of SHA-384, and of the salt.
const HASH_LENGTH: usize = 48;
/// How often a blinding factor is drawn. Each is good with a probability of more than one half, if the key is.
const DRAWS: usize = 128;

/// A number below the modulus, in network byte order.
pub(super) type Octets = [u8; MODULUS_LENGTH];

/// A message that is blinded, and what takes the blinding away.
pub(super) struct Blinded {
    pub(super) message: Octets,
    pub(super) inverse: Zeroizing<Octets>,
}

/// Blinds a message (RFC 9474 section 4.2). `None` for a key that is none: with a modulus of small factors, a blinded message would
/// still tell something of the message.
pub(super) fn blind<R: CryptoRng + ?Sized>(
    key: &PublicKey,
    rng: &mut R,
    message: &[u8],
) -> Option<Blinded> {
    let mut salt = Zeroizing::new([0; HASH_LENGTH]);
    rng.fill_bytes(salt.as_mut());
    let encoded = Zeroizing::new(number(encode(message, &salt).as_ref())?);
    inverse(key, &encoded)?;
    let (factor, inverse) = blinding_factor(key, rng)?;
    let power = Zeroizing::new(rsa_encrypt(key, &factor).ok()?);
    Some(Blinded {
        message: octets(&encoded.mul_mod(&power, key.n()))?,
        inverse: Zeroizing::new(octets(&inverse)?),
    })
}

/// Takes the blinding away, and checks what is left (RFC 9474 section 4.4). `None` if it is no signature of the message.
pub(super) fn finalize(
    key: &PublicKey,
    message: &[u8],
    signature: &Octets,
    inverse: &Octets,
) -> Option<Octets> {
    let signature = number(signature)?;
    if signature >= *key.n().as_ref() {
        return None;
    }
    let inverse = Zeroizing::new(number(inverse)?);
    let signature = octets(&signature.mul_mod(&inverse, key.n()))?;
    verify(key, message, &signature).then_some(signature)
}

/// Whether this is a signature of the message (RFC 8017 section 8.1.2).
pub(super) fn verify(key: &PublicKey, message: &[u8], signature: &Octets) -> bool {
    let verifier = VerifyingKey::<Sha384>::new_with_salt_len(key.clone(), HASH_LENGTH);
    Signature::try_from(signature.as_slice())
        .is_ok_and(|signature| verifier.verify(message, &signature).is_ok())
}

/// A number as octets have it; numbers of one modulus all have its precision.
pub(super) fn number(octets: &[u8]) -> Option<BoxedUint> {
    BoxedUint::from_be_slice(octets, MODULUS_BITS).ok()
}

fn octets(number: &BoxedUint) -> Option<Octets> {
    let bytes = Zeroizing::new(number.to_be_bytes());
    bytes.as_ref().try_into().ok()
}

/// The inverse of a number modulo `n`, if it has one.
fn inverse(key: &PublicKey, number: &BoxedUint) -> Option<BoxedUint> {
    number
        .invert_odd_mod(key.n_params().modulus())
        .into_option()
}

/// A random number below `n` that has an inverse, and the inverse.
fn blinding_factor<R: CryptoRng + ?Sized>(
    key: &PublicKey,
    rng: &mut R,
) -> Option<(Zeroizing<BoxedUint>, Zeroizing<BoxedUint>)> {
    let mut bytes = Zeroizing::new([0; MODULUS_LENGTH]);
    for _ in 0..DRAWS {
        rng.fill_bytes(bytes.as_mut());
        let factor = Zeroizing::new(number(bytes.as_ref())?);
        // Reduced numbers would not be equally likely.
        if *factor >= *key.n().as_ref() {
            continue;
        }
        if let Some(inverse) = inverse(key, &factor) {
            return Some((factor, Zeroizing::new(inverse)));
        }
    }
    None
}

/// EMSA-PSS-ENCODE (RFC 8017 section 9.1.1) for a modulus of 2048 bits, with SHA-384 and MGF1 of it.
fn encode(message: &[u8], salt: &[u8; HASH_LENGTH]) -> Zeroizing<Octets> {
    const DB_LENGTH: usize = MODULUS_LENGTH - HASH_LENGTH - 1;
    let hash = Sha384::new()
        .chain_update([0; 8])
        .chain_update(Sha384::digest(message))
        .chain_update(salt)
        .finalize();
    let mut encoded = Zeroizing::new([0; MODULUS_LENGTH]);
    encoded[DB_LENGTH - HASH_LENGTH - 1] = 0x01;
    encoded[DB_LENGTH - HASH_LENGTH..DB_LENGTH].copy_from_slice(salt);
    for (counter, block) in (0_u32..).zip(encoded[..DB_LENGTH].chunks_mut(HASH_LENGTH)) {
        let mask = Sha384::new()
            .chain_update(hash)
            .chain_update(counter.to_be_bytes())
            .finalize();
        for (byte, mask) in block.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
    // The encoding has one bit less than the modulus, so that it is below it.
    encoded[0] &= 0x7f;
    encoded[DB_LENGTH..MODULUS_LENGTH - 1].copy_from_slice(&hash);
    encoded[MODULUS_LENGTH - 1] = 0xbc;
    encoded
}
