//! At a relay.

use super::super::{SpendRefusal, SpentTokens, TokenKeyId, TokenRefusal, VerifiedToken};
use super::*;

#[test]
fn a_relay_takes_tokens_of_its_issuers_in_their_time() {
    let issuer = issuer_key();
    let token = bought(&issuer, &challenge(), 1);
    let verifier = verifier();
    assert!(verifier.verify(&token, at(100)).is_ok());
    for now in [99, 200] {
        let refused = verifier.verify(&token, at(now)).unwrap_err();
        assert_eq!(refused, TokenRefusal::KeyNotValid);
        assert_eq!(verifier.keys(at(now)).count(), 0);
    }
    assert_eq!(verifier.keys(at(199)).count(), 1);

    let elsewhere = Challenge::of_issuer(IssuerName::parse("other.example").unwrap());
    let bound = Challenge::from_bytes(b"\x00\x02\x00\x0eissuer.example\x00\x00\x01a").unwrap();
    for challenge in [elsewhere, bound] {
        let refused = verifier
            .verify(&bought(&issuer, &challenge, 2), at(150))
            .unwrap_err();
        assert_eq!(refused, TokenRefusal::OtherChallenge);
    }
    for (changed, refusal) in [
        (2, TokenRefusal::Signature),
        (34, TokenRefusal::OtherChallenge),
        (66, TokenRefusal::UnknownKey),
        (98, TokenRefusal::Signature),
        (353, TokenRefusal::Signature),
    ] {
        let mut bytes = *token.as_bytes();
        bytes[changed] ^= 1;
        let forged = Token::from_bytes(&bytes).unwrap();
        assert_eq!(
            verifier.verify(&forged, at(150)).unwrap_err(),
            refusal,
            "{changed}"
        );
    }
}

fn verified(key: u8, nonce: u8, until: u64) -> VerifiedToken {
    VerifiedToken {
        key: TokenKeyId([key; 32]),
        nonce: [nonce; 32],
        not_after: at(until),
    }
}

#[test]
fn a_token_is_spent_once() {
    let token = bought(&issuer_key(), &challenge(), 1);
    let mut spent = SpentTokens::new(10);
    let mut spend = |now| spent.spend(verifier().verify(&token, at(now)).unwrap(), at(now));
    assert_eq!(spend(150), Ok(()));
    assert_eq!(spend(150), Err(SpendRefusal::AlreadySpent));
    assert_eq!(spend(199), Err(SpendRefusal::AlreadySpent));
}

#[test]
fn each_key_has_its_room_and_what_is_full_refuses() {
    let mut spent = SpentTokens::new(2);
    let now = at(1);
    assert_eq!(spent.spend(verified(1, 1, 100), now), Ok(()));
    assert_eq!(spent.spend(verified(1, 2, 100), now), Ok(()));
    assert_eq!(
        spent.spend(verified(1, 3, 100), now),
        Err(SpendRefusal::Full)
    );
    // What was spent is known as spent, and another issuer's tokens are not touched.
    assert_eq!(
        spent.spend(verified(1, 1, 100), now),
        Err(SpendRefusal::AlreadySpent)
    );
    assert_eq!(spent.spend(verified(2, 1, 100), now), Ok(()));
    assert_eq!(spent.len(), 3);
    assert_eq!(format!("{spent:?}"), "SpentTokens(3)");
}

#[test]
fn there_is_room_for_so_many_keys() {
    let mut spent = SpentTokens::new(1);
    let key = |number: u16| {
        let mut key = verified(0, 0, 100);
        key.key.0[..2].copy_from_slice(&number.to_be_bytes());
        key
    };
    for number in 0..1024 {
        assert_eq!(spent.spend(key(number), at(1)), Ok(()));
    }
    assert_eq!(spent.spend(key(1024), at(1)), Err(SpendRefusal::Full));
}

#[test]
fn a_key_whose_end_has_come_stays_ended() {
    let mut spent = SpentTokens::new(10);
    assert_eq!(spent.spend(verified(1, 1, 100), at(1)), Ok(()));
    // A directory that gives it more time, while it is valid: remembered for as long.
    assert_eq!(spent.spend(verified(1, 2, 200), at(50)), Ok(()));
    assert_eq!(
        spent.spend(verified(1, 1, 200), at(150)),
        Err(SpendRefusal::AlreadySpent)
    );
    assert_eq!(spent.len(), 2);
    assert_eq!(
        spent.spend(verified(1, 3, 200), at(200)),
        Err(SpendRefusal::KeyRetired)
    );
    assert!(spent.is_empty());
    // Its nonces are forgotten: neither more time nor a clock that goes back may spend one again.
    assert_eq!(
        spent.spend(verified(1, 1, 300), at(250)),
        Err(SpendRefusal::KeyRetired)
    );
    assert_eq!(
        spent.spend(verified(1, 1, 200), at(60)),
        Err(SpendRefusal::KeyRetired)
    );
    assert_eq!(
        spent.spend(verified(2, 1, 300), at(300)),
        Err(SpendRefusal::KeyRetired)
    );
}

#[test]
fn what_was_spent_is_spent_after_another_start() {
    let mut spent = SpentTokens::new(3);
    for (key, nonce, until) in [(1, 1, 100), (2, 1, 200), (2, 2, 200)] {
        assert_eq!(spent.spend(verified(key, nonce, until), at(1)), Ok(()));
    }
    // The first key's end comes.
    assert_eq!(spent.spend(verified(3, 9, 300), at(150)), Ok(()));
    let bytes = spent.to_bytes();
    let read = || SpentTokens::from_bytes(&bytes, 3).unwrap();
    assert_eq!((read().len(), read().to_bytes()), (3, bytes.clone()));
    for (key, nonce, refusal) in [
        (2, 1, SpendRefusal::AlreadySpent),
        (2, 2, SpendRefusal::AlreadySpent),
        (3, 9, SpendRefusal::AlreadySpent),
        (1, 7, SpendRefusal::KeyRetired),
    ] {
        assert_eq!(
            read().spend(verified(key, nonce, 300), at(150)),
            Err(refusal)
        );
    }
    assert_eq!(read().spend(verified(2, 3, 200), at(150)), Ok(()));
    // With less room than there was nothing is forgotten.
    let mut small = SpentTokens::from_bytes(&bytes, 1).unwrap();
    assert_eq!(
        small.spend(verified(2, 1, 200), at(150)),
        Err(SpendRefusal::AlreadySpent)
    );
    assert_eq!(
        small.spend(verified(2, 3, 200), at(150)),
        Err(SpendRefusal::Full)
    );
}

#[test]
fn the_bytes_hold_no_nonce_and_not_the_order_in_which_tokens_came() {
    let of = |nonces: [u8; 3]| {
        let mut spent = SpentTokens::new(3);
        for nonce in nonces {
            assert_eq!(spent.spend(verified(1, nonce, 100), at(1)), Ok(()));
        }
        spent.to_bytes()
    };
    let bytes = of([5, 6, 7]);
    assert_eq!(bytes, of([7, 5, 6]));
    for nonce in [5, 6, 7] {
        assert!(!bytes.windows(4).any(|window| window == [nonce; 4]));
    }
}

#[test]
fn bytes_that_are_cut_or_of_another_form_are_refused() {
    let mut spent = SpentTokens::new(3);
    for (key, nonce, until) in [(1, 1, 100), (2, 1, 200), (2, 2, 200)] {
        assert_eq!(spent.spend(verified(key, nonce, until), at(1)), Ok(()));
    }
    assert_eq!(spent.spend(verified(2, 3, 200), at(150)), Ok(()));
    let bytes = spent.to_bytes();
    // Between two keys an end looks like one.
    let ends = [5 + 32, bytes.len()];
    for length in 0..=bytes.len() {
        let read = SpentTokens::from_bytes(&bytes[..length], 3);
        assert_eq!(read.is_ok(), ends.contains(&length), "{length}");
    }
    let other = [&[2], &bytes[1..]].concat();
    assert!(SpentTokens::from_bytes(&other, 3).is_err());
    let many = [&[1][..], &u32::MAX.to_be_bytes()].concat();
    assert!(SpentTokens::from_bytes(&many, 3).is_err());
    let mut keys = [&[1][..], &1025_u32.to_be_bytes()].concat();
    for number in 0..1025_u32 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        keys.extend_from_slice(&key);
    }
    assert!(SpentTokens::from_bytes(&keys, 3).is_err());
}
