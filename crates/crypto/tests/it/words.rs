use securecall_crypto::{WordsCommitment, WordsNonce, safety_words};

use crate::pair::{pair, rng};

#[test]
fn both_sides_see_the_same_four_words() {
    let pair = pair(1);
    let nonce = WordsNonce::generate(&mut rng(5));
    let revealed = WordsNonce::from_bytes(*nonce.as_bytes());
    let words = safety_words(&nonce, &pair.caller.transcript);
    assert_eq!(words, safety_words(&revealed, &pair.callee.transcript));
    assert_eq!(words.to_string().split(' ').count(), 4);
}

#[test]
fn another_nonce_than_the_one_committed_to_is_refused() {
    let nonce = WordsNonce::generate(&mut rng(6));
    let commitment = WordsCommitment::from_bytes(*nonce.commitment().as_bytes());
    assert!(commitment.verify(&nonce));
    for place in 0..256 {
        let mut other = *nonce.as_bytes();
        other[place / 8] ^= 1 << (place % 8);
        assert!(!commitment.verify(&WordsNonce::from_bytes(other)));
    }
}

#[test]
fn a_man_in_the_middle_gives_the_two_sides_different_words() {
    let nonce = WordsNonce::generate(&mut rng(7));
    let (one, other) = (pair(8), pair(9));
    assert_ne!(
        safety_words(&nonce, &one.caller.transcript),
        safety_words(&nonce, &other.callee.transcript)
    );
}
