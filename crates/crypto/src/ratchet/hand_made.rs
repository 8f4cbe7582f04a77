//! States and messages that honest sides do not come to, or not within a test.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::recovery::{ratchets, steal};
use super::*;

#[test]
fn the_first_chain_of_a_peer_follows_none() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (mut caller, mut callee) = ratchets(&mut rng);
    let mut earlier = SendingChain::new([9; 32], ChainKey::new(&[7; 32]), 0);
    earlier.advance();
    caller.sending = Some(earlier);
    let message = caller.encrypt(&mut rng, b"one of a chain before");
    assert_eq!(
        callee.decrypt(&message.bytes).err(),
        Some(RatchetError::Malformed)
    );
}

#[test]
fn no_step_is_made_when_the_epochs_are_used_up() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let (mut caller, _) = ratchets(&mut rng);
    caller.encrypt(&mut rng, b"begins a chain");
    let last = u32::from(Epoch::LAST.number());
    for (step, can) in [(last - 1, true), (last, false)] {
        (caller.own_step, caller.remote_step) = (step, step);
        assert_eq!(caller.can_step(), can, "{step}");
    }
    caller.step_requested = true;
    assert!(caller.encrypt(&mut rng, b"").media_seed.is_none());
}

#[test]
fn a_step_of_the_peer_is_refused_when_it_is_our_turn() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let (mut caller, mut callee) = ratchets(&mut rng);
    let first = caller.encrypt(&mut rng, b"");
    callee.decrypt(&first.bytes).unwrap();
    caller.remote_step = 1;
    caller.request_step();
    let early = caller.encrypt(&mut rng, b"a second step before the callee's");
    assert_eq!(
        callee.decrypt(&early.bytes).err(),
        Some(RatchetError::UnexpectedStep { id: early.id })
    );
}

#[test]
fn a_chain_whose_length_was_told_has_no_further_keys() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let (mut caller, mut callee) = ratchets(&mut rng);
    let first = caller.encrypt(&mut rng, b"");
    callee.decrypt(&first.bytes).unwrap();
    let answer = callee.encrypt(&mut rng, b"");
    caller.decrypt(&answer.bytes).unwrap();
    let mut twin = steal(&caller);
    caller.request_step();
    let step = caller.encrypt(&mut rng, b"the chain before had one message");
    callee.decrypt(&step.bytes).unwrap();
    let beyond = twin.encrypt(&mut rng, b"a second one");
    assert_eq!(
        callee.decrypt(&beyond.bytes).err(),
        Some(RatchetError::OpenFailed)
    );
}
