//! What a thief of a listener's memory gets with its generator: this one is the real one, so what is drawn differs from run to
//! run, and what is looked at does not.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, Rng as _, SeedableRng as _, TryCryptoRng, TryRng};
use securecall_testkit::{Pair, Universe, pair_in};
use x25519_dalek::{PublicKey, StaticSecret};

use super::SystemRandomness;

/// How far a thief looks ahead in a stream, in words of 4 bytes: further than one call takes.
const AHEAD: u128 = 4096;

/// A generator with its state in the program's memory, where a thief finds it.
#[derive(Clone)]
struct InMemory(Rc<RefCell<ChaCha20Rng>>);

impl TryRng for InMemory {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.borrow_mut().try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.borrow_mut().try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.borrow_mut().try_fill_bytes(bytes)
    }
}

impl TryCryptoRng for InMemory {}

/// Two calls of a listener that has been on for long, and the public keys that were seen on the way in each.
struct Overheard {
    before_the_theft: BTreeSet<[u8; 32]>,
    after_the_theft: BTreeSet<[u8; 32]>,
}

/// A call, a theft by `steal` while the listener waits, and another call.
fn overhear<T>(rng: impl CryptoRng + 'static, steal: impl FnOnce() -> T) -> (Overheard, T) {
    let mut pair = pair_in(Universe::with_rng(rng));
    let before_the_theft = keys_of_a_call(&mut pair);
    let stolen = steal();
    let after_the_theft = keys_of_a_call(&mut pair);
    let overheard = Overheard {
        before_the_theft,
        after_the_theft,
    };
    (overheard, stolen)
}

/// Makes a call of several steps of the ratchet, and gives every ephemeral key and ratchet key that was sent.
fn keys_of_a_call(pair: &mut Pair) -> BTreeSet<[u8; 32]> {
    pair.universe.homeserver.sent.clear();
    pair.universe.control_sent.clear();
    pair.connect();
    pair.universe.run_for(Duration::from_secs(35));
    let (caller, call) = (pair.caller, pair.call());
    pair.universe.hang_up(caller, call);
    pair.universe.run_for(Duration::from_secs(60));
    assert!(pair.all_empty(), "the call is over and forgotten");

    let handshake = |message: &[u8]| *message.first_chunk::<32>().unwrap();
    let ratchet = |message: &[u8]| *message[14..].first_chunk::<32>().unwrap();
    let sent = pair.universe.homeserver.sent.iter();
    let over_matrix = sent.map(|envelope| match envelope.kind() {
        1 | 2 => handshake(&envelope.sealed()),
        _ => ratchet(&envelope.sealed()),
    });
    let control = pair.universe.control_sent.iter();
    let on_the_channel = control.map(|(_, _, message)| ratchet(message));
    over_matrix.chain(on_the_channel).collect()
}

fn public_key_of(secret: [u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(secret)).to_bytes()
}

#[test]
fn a_stolen_listener_gives_no_key_of_a_call_before_or_after() {
    let (overheard, mut stolen) = overhear(SystemRandomness, || SystemRandomness);
    let Overheard {
        before_the_theft,
        after_the_theft,
    } = overheard;
    // Two ephemeral keys and at least three steps of either side.
    assert!(before_the_theft.len() >= 8 && after_the_theft.len() >= 8);
    assert!(before_the_theft.is_disjoint(&after_the_theft));
    for _ in 0..AHEAD {
        let mut secret = [0; 32];
        stolen.fill_bytes(&mut secret);
        let key = public_key_of(secret);
        assert!(!before_the_theft.contains(&key) && !after_the_theft.contains(&key));
    }
}

/// What it would be like otherwise; and so the test above looks at what counts.
#[test]
fn a_generator_in_memory_would_give_every_key_of_both() {
    let generator = InMemory(Rc::new(RefCell::new(ChaCha20Rng::seed_from_u64(1))));
    let in_memory = generator.clone();
    let (overheard, stolen) = overhear(generator, || in_memory.0.borrow().clone());
    let mut drawn = BTreeSet::new();
    for word in 0..stolen.get_word_pos() + AHEAD {
        let (mut at, mut secret) = (stolen.clone(), [0; 32]);
        at.set_word_pos(word);
        at.fill_bytes(&mut secret);
        drawn.insert(public_key_of(secret));
    }
    assert!(overheard.before_the_theft.is_subset(&drawn));
    assert!(overheard.after_the_theft.is_subset(&drawn));
}
