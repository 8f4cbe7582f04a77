//! HKDF-SHA256 ([RFC 5869](https://www.rfc-editor.org/rfc/rfc5869)) and the HMAC steps of the chains.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// HMAC input of the key a chain gives out.
const KEY: [u8; 1] = [0x01];
/// HMAC input of the chain's next key.
const NEXT: [u8; 1] = [0x02];

/// `HKDF-SHA256(salt, ikm, info)`, `N` bytes (at most 8,160).
#[expect(
    clippy::expect_used,
    reason = "N is a constant of this crate, far below HKDF's limit"
)]
pub(crate) fn hkdf<const N: usize>(salt: &[u8], ikm: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32) };
    let mut okm = Zeroizing::new([0; N]);
    Hkdf::<Sha256>::new(Some(salt), ikm)
        .expand_multi_info(info, okm.as_mut_slice())
        .expect("output is short enough");
    okm
}

/// Both outputs of one chain step: the key to use now and the chain's next key.
pub(crate) fn chain_step(chain: &[u8; 32]) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
    let keyed = keyed(chain);
    (finish(keyed.clone(), KEY), finish(keyed, NEXT))
}

/// Only the chain's next key, for steps whose key nobody needs.
pub(crate) fn chain_skip(chain: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    finish(keyed(chain), NEXT)
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("any length will do")
}

fn finish(mut hmac: Hmac<Sha256>, input: [u8; 1]) -> Zeroizing<[u8; 32]> {
    hmac.update(&input);
    let mut output = hmac.finalize().into_bytes();
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&output);
    zeroize::Zeroize::zeroize(output.as_mut_slice());
    key
}

/// The `index`-th 32 bytes of `okm`.
pub(crate) fn part(okm: &[u8], index: usize) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(&okm[32 * index..32 * (index + 1)]);
    key
}
