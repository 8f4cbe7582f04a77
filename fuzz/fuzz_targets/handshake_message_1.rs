//! Message 1 as a homeserver might send it: junk, and a changed true message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use securecall_crypto::{IdentityKeyPair, IdentitySeed, Initiator, Responder};

fuzz_target!(|data: &[u8]| {
    let caller = IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([1; 32]));
    let callee = IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([2; 32]));
    assert!(Responder::read_message_1(&callee, b"prologue", data).is_err());

    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let (_, mut message) =
        Initiator::new(&caller, callee.public(), b"prologue").write_message_1(&mut rng, b"offer");
    let original = message.clone();
    for (place, change) in data.iter().enumerate().take(message.len()) {
        message[place] ^= change;
    }
    let read = Responder::read_message_1(&callee, b"prologue", &message);
    assert_eq!(read.is_ok(), message == original);
});
