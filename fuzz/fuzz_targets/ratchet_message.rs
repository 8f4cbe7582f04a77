//! Ratchet messages: junk, and a changed true message; neither may keep the true one from opening.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use securecall_crypto::{IdentityKeyPair, IdentitySeed, Initiator, Responder};

fuzz_target!(|data: &[u8]| {
    let caller = IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([1; 32]));
    let callee = IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([2; 32]));
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let (awaiting, message_1) =
        Initiator::new(&caller, callee.public(), b"").write_message_1(&mut rng, b"");
    let Ok(received) = Responder::read_message_1(&callee, b"", &message_1) else {
        unreachable!("our own message 1");
    };
    let (mut callee, message_2) = received.write_message_2(&mut rng, b"");
    let Ok((mut caller, _)) = awaiting.read_message_2(&message_2) else {
        unreachable!("our own message 2");
    };

    let original = caller.ratchet.encrypt(&mut rng, b"control").bytes;
    let mut message = original.clone();
    for (place, change) in data.iter().enumerate().take(message.len()) {
        message[place] ^= change;
    }
    assert!(callee.ratchet.decrypt(data).is_err());
    assert!(caller.ratchet.decrypt(data).is_err());
    if message != original {
        assert!(callee.ratchet.decrypt(&message).is_err());
    }
    assert!(callee.ratchet.decrypt(&original).is_ok());
});
