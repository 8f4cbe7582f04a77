//! Message 2 as a homeserver might send it: junk, and a changed true message.

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
        Initiator::new(&caller, callee.public(), b"").write_message_1(&mut rng, b"offer");
    let Ok(received) = Responder::read_message_1(&callee, b"", &message_1) else {
        unreachable!("our own message 1");
    };
    let (_, mut message) = received.write_message_2(&mut rng, b"ringing");
    assert!(awaiting.read_message_2(data).is_err());

    let original = message.clone();
    for (place, change) in data.iter().enumerate().take(message.len()) {
        message[place] ^= change;
    }
    assert_eq!(
        awaiting.read_message_2(&message).is_ok(),
        message == original
    );
    assert!(awaiting.read_message_2(&original).is_ok());
});
