//! What a thief of the whole state can do, and for how long.

use std::collections::VecDeque;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::identity::{IdentityKeyPair, IdentitySeed};
use crate::{Initiator, Responder};

pub(super) fn ratchets(rng: &mut ChaCha20Rng) -> (Ratchet, Ratchet) {
    let caller = IdentityKeyPair::from_seed(&IdentitySeed::generate(rng));
    let callee = IdentityKeyPair::from_seed(&IdentitySeed::generate(rng));
    let (awaiting, message_1) =
        Initiator::new(&caller, callee.public(), b"").write_message_1(rng, b"");
    let received = Responder::read_message_1(&callee, b"", &message_1).unwrap();
    let (callee, message_2) = received.write_message_2(rng, b"");
    let (caller, _) = awaiting.read_message_2(&message_2).unwrap();
    (caller.ratchet, callee.ratchet)
}

/// A copy of everything, as a thief would take it. Spelled out so that a new field cannot be forgotten.
pub(super) fn steal(from: &Ratchet) -> Ratchet {
    let Ratchet {
        outbound,
        transcript,
        root,
        own_secret,
        sending,
        own_step,
        step_requested,
        remote_key,
        remote_step,
        receiving,
    } = from;
    Ratchet {
        outbound: *outbound,
        transcript: *transcript,
        root: root.duplicate(),
        own_secret: own_secret.clone(),
        sending: sending.as_ref().map(SendingChain::duplicate),
        own_step: *own_step,
        step_requested: *step_requested,
        remote_key: *remote_key,
        remote_step: *remote_step,
        receiving: receiving
            .iter()
            .map(ReceivingChain::duplicate)
            .collect::<VecDeque<_>>(),
    }
}

/// The callee's state is stolen, and its generator with it. Both go on; the callee makes a step, then the caller: does the thief
/// open what the caller says after that?
fn a_thief_reads_on_after_a_step(
    steal_generator: impl FnOnce(&ChaCha20Rng) -> ChaCha20Rng,
) -> bool {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (mut caller, mut callee) = ratchets(&mut rng);
    let first = caller.encrypt(&mut rng, b"hello");
    callee.decrypt(&first.bytes).unwrap();

    let mut thief = steal(&callee);
    let mut stolen_rng = steal_generator(&rng);
    let overheard = caller.encrypt(&mut rng, b"overheard");
    assert_eq!(
        thief
            .decrypt(&overheard.bytes)
            .unwrap()
            .plaintext
            .as_slice(),
        b"overheard"
    );
    callee.decrypt(&overheard.bytes).unwrap();

    // The callee's next message makes its step; the caller's step after that is out of the thief's reach.
    let answer = callee.encrypt(&mut rng, b"fresh key");
    let (_, owners) = answer.media_seed.unwrap();
    caller.decrypt(&answer.bytes).unwrap();
    assert!(caller.request_step());
    let closed = caller.encrypt(&mut rng, b"closed");
    let (_, seed) = closed.media_seed.unwrap();

    // The thief makes the same moves, with what it has of the owner's generator.
    let guess = thief.encrypt(&mut stolen_rng, b"fresh key");
    let (_, guessed) = guess.media_seed.unwrap();
    let opened = thief.decrypt(&closed.bytes);
    let knows_the_voice = bytes(&owners) == bytes(&guessed);
    assert_eq!(opened.is_ok(), knows_the_voice);

    let (_, received) = callee.decrypt(&closed.bytes).unwrap().media_seed.unwrap();
    assert_eq!(bytes(&received), bytes(&seed));
    if let Ok(opened) = opened {
        let (_, overheard) = opened.media_seed.unwrap();
        assert_eq!(bytes(&overheard), bytes(&seed));
    }
    knows_the_voice
}

/// What the thief has of the operating system's generator is the right to ask it, too.
#[test]
fn a_stolen_state_opens_nothing_more_after_one_step_of_the_owner() {
    let ask_anew = |_: &ChaCha20Rng| ChaCha20Rng::seed_from_u64(99);
    assert!(!a_thief_reads_on_after_a_step(ask_anew));
}

/// Why whoever runs the engine asks the operating system for each draw (`securecall-driver`'s `randomness`).
#[test]
fn with_a_generator_that_can_be_stolen_a_thief_would_read_on() {
    assert!(a_thief_reads_on_after_a_step(ChaCha20Rng::clone));
}

#[test]
fn a_stolen_state_opens_nothing_that_came_before() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let (mut caller, mut callee) = ratchets(&mut rng);
    let first = caller.encrypt(&mut rng, b"earlier");
    callee.decrypt(&first.bytes).unwrap();
    let mut thief = steal(&callee);
    assert_eq!(
        thief.decrypt(&first.bytes).err(),
        Some(RatchetError::Duplicate { id: first.id })
    );
    let again = thief.receiving.back_mut().unwrap();
    again.rewind_for_test();
    assert_eq!(
        thief.decrypt(&first.bytes).err(),
        Some(RatchetError::OpenFailed)
    );
}

#[test]
fn secrets_that_are_no_longer_needed_are_gone() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let (mut caller, mut callee) = ratchets(&mut rng);
    let call = caller.encrypt(&mut rng, b"1");
    assert!(caller.own_secret.is_some());
    callee.decrypt(&call.bytes).unwrap();
    assert!(
        callee.own_secret.is_none(),
        "the callee's old key has been answered"
    );
    let answer = callee.encrypt(&mut rng, b"2");
    assert!(callee.own_secret.is_some());
    caller.decrypt(&answer.bytes).unwrap();
    assert!(
        caller.own_secret.is_none(),
        "the caller's old key has been answered"
    );
}

fn bytes(seed: &MediaSeed) -> [u8; 32] {
    *seed.as_bytes()
}
